/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "agent/base/auto.h"
#include "agent/gateway/landlock.h"

/* What both need: memory, time, the descriptors they have, an end. */
static const int common[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(close),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(munmap),
	SCMP_SYS(read),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/* To serve connections, to read the log, to have threads. */
static const int serving[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(access),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(eventfd2),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(getcwd),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpeername),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(lseek),
	SCMP_SYS(lstat),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(readlink),
	SCMP_SYS(readv),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(shutdown),
	SCMP_SYS(stat),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
};

/* One call, if the masked bits of one argument are exactly these. */
struct bits {
	int call;
	unsigned int argument;
	uint64_t mask, value;
};

static const struct bits sending[] = {
	/* to where the socket goes, not to an address in the call */
	{SCMP_SYS(sendto), 4, UINT64_MAX, 0},
	{SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, 0},
	{SCMP_SYS(mmap), 2, PROT_EXEC, 0},
	{SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
};

static const struct bits reading[] = {
	{SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, 0},
	/* threads, no processes; clone3 hides its flags and is "not there" */
	{SCMP_SYS(clone), 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM},
	{SCMP_SYS(prctl), 0, UINT64_MAX, PR_SET_NAME},
};

static const struct bits connecting[] = {
	{SCMP_SYS(socket), 0, UINT64_MAX, AF_UNIX},
	{SCMP_SYS(connect), 0, 0, 0},
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int allow_bits(scmp_filter_ctx filter, const struct bits *bits, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, bits[i].call, 1,
				     SCMP_CMP64(bits[i].argument,
						SCMP_CMP_MASKED_EQ,
						bits[i].mask, bits[i].value));
	return r;
}

/* Those of the gateway, or those of its connector. */
static int fill(scmp_filter_ctx filter, bool connector)
{
	int r = allow(filter, common, CLO_ARRAY_LEN(common));

	if (r == 0)
		r = allow_bits(filter, sending, CLO_ARRAY_LEN(sending));
	if (r == 0 && connector)
		r = allow_bits(filter, connecting, CLO_ARRAY_LEN(connecting));
	if (r < 0 || connector)
		return r;
	r = allow(filter, serving, CLO_ARRAY_LEN(serving));
	if (r == 0)
		r = allow_bits(filter, reading, CLO_ARRAY_LEN(reading));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				     SCMP_SYS(clone3), 0);
	return r;
}

static int install_filter(bool connector)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return -ENOMEM;
	r = fill(filter, connector);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int give_up_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_CAPS);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int clo_gateway_confine(const char *log)
{
	CLO_AUTO_MEM char *wal = NULL;
	CLO_AUTO_MEM char *shm = NULL;
	const char *paths[3] = {log};
	int r;

	if (asprintf(&wal, "%s-wal", log) < 0 ||
	    asprintf(&shm, "%s-shm", log) < 0)
		return -ENOMEM;
	paths[1] = wal;
	paths[2] = shm;
	r = give_up_privileges();
	if (r == 0)
		r = clo_gateway_landlock(paths, CLO_ARRAY_LEN(paths));
	return r < 0 ? r : install_filter(false);
}

int clo_gateway_confine_connector(void)
{
	int r = give_up_privileges();

	if (r == 0)
		r = clo_gateway_landlock(NULL, 0);
	return r < 0 ? r : install_filter(true);
}
