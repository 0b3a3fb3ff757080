/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "agent/base/auto.h"

static const int refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
#ifndef CLO_SANITIZED /* the leak checker traces its own threads */
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
};

static int drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	/* chown, fowner: tenants' files and directories; dac_read_search and sys_ptrace: to
	 * look at their files and processes, which ptrace() itself is not for */
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF,
			  CAP_CHOWN, CAP_DAC_READ_SEARCH, CAP_FOWNER,
			  CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN,
			  CAP_SYS_PTRACE, -1) < 0)
		return -EPERM;
	return capng_apply(CAPNG_SELECT_BOTH) < 0 ? -EPERM : 0;
}

static int refuse_sockets(scmp_filter_ctx filter)
{
	static const int kept[] = {AF_UNIX, AF_NETLINK};
	int r = 0;

	/* one rule per family: seccomp compares only one value per argument */
	for (int family = 0; r == 0 && family < AF_MAX; family++) {
		if (family == kept[0] || family == kept[1])
			continue;
		r = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
			1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	}
	if (r == 0)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
			1, SCMP_A0(SCMP_CMP_GE, (scmp_datum_t)AF_MAX));
	return r;
}

static int install_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < CLO_ARRAY_LEN(refused); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i],
				     0);
	if (r == 0)
		r = refuse_sockets(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int clo_confine(void)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = drop_capabilities();
	if (r < 0)
		return r;
	return install_filter();
}
