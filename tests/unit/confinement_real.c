/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/confinement.h"
#include "check.h"

/*
 * Real processes, of a user that has no name, confined like a QEMU but for one
 * thing each; the kernel says what they are.
 */
#define UID 64001U
#define OTHER 64003U

static char top[] = "/run/clo-confinement-XXXXXX";
static char binary[256];

/* What a child does before it says that it is ready; false: it could not. */
typedef bool child(void);

static bool filter(void)
{
	static struct sock_filter allow[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	static struct sock_fprog program = {1, allow};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool confine(void)
{
	const struct rlimit none = {0, 0};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       setrlimit(RLIMIT_CORE, &none) == 0 && filter() && filter();
}

static bool become(void)
{
	return setgroups(0, NULL) == 0 && setresgid(UID, UID, UID) == 0 &&
	       setresuid(UID, UID, UID) == 0;
}

static bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static bool all(void)
{
	return own_mounts() && become() && confine();
}

static bool stays_root(void)
{
	return own_mounts() && confine();
}

static bool saves_root(void)
{
	return own_mounts() && setgroups(0, NULL) == 0 &&
	       setresgid(UID, UID, UID) == 0 && setresuid(UID, UID, 0) == 0 &&
	       confine();
}

static bool keeps_group(void)
{
	static const gid_t group = 6;

	return own_mounts() && setgroups(1, &group) == 0 &&
	       setresgid(UID, UID, UID) == 0 && setresuid(UID, UID, UID) == 0 &&
	       confine();
}

static bool keeps_capabilities(void)
{
	return own_mounts() && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
	       become() && confine();
}

static bool without_filter(void)
{
	const struct rlimit none = {0, 0};

	return own_mounts() && become() &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       setrlimit(RLIMIT_CORE, &none) == 0;
}

static bool in_hosts_mounts(void)
{
	return become() && confine();
}

static bool holds(const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	return open(path, flags) >= 0; /* NOLINT(android-cloexec-open) */
}

static bool holds_foreign(void)
{
	return holds("other/disk", O_RDONLY) && all();
}

/* Where nobody's directory says whose it is, its owner does. */
static bool holds_moved(void)
{
	return holds("moved", O_RDWR) && all();
}

static bool holds_own(void)
{
	return holds("own/disk", O_RDWR) && holds("base", O_RDONLY) && all();
}

static bool holds_base(void)
{
	return holds("base", O_RDWR) && all();
}

static bool holds_block(void)
{
	return holds("block", O_PATH) && all();
}

static bool listens(int family, int type)
{
	return socket(family, type | SOCK_CLOEXEC, 0) >= 0 && all();
}

static bool has_unix(void)
{
	return listens(AF_UNIX, SOCK_STREAM);
}

static bool has_tcp(void)
{
	return listens(AF_INET, SOCK_STREAM);
}

static bool has_packet(void)
{
	return listens(AF_PACKET, SOCK_RAW);
}

static bool has_netlink(void)
{
	return listens(AF_NETLINK, SOCK_RAW);
}

static void *filter_more(void *ready)
{
	if (filter())
		(void)sem_post(ready);
	(void)pause();
	return NULL;
}

/* One thread has a filter that the others have not. */
static bool has_odd_thread(void)
{
	static sem_t ready;
	pthread_t thread;

	return sem_init(&ready, 0, 0) == 0 && all() &&
	       pthread_create(&thread, NULL, filter_more, &ready) == 0 &&
	       sem_wait(&ready) == 0;
}

static struct one {
	const char *name;
	child *step;
	const char *control, *text; /* NULL: nothing wrong */
} ones[] = {
	{"all", all, NULL, NULL},
	{"own files", holds_own, NULL, NULL},
	{"unix socket", has_unix, NULL, NULL},
	{"root", stays_root, "sbx.guest-confinement", "real user is 0"},
	{"saved root", saves_root, "sbx.guest-confinement", "saved user is 0"},
	{"group", keeps_group, "sbx.guest-confinement", "also in group 6"},
	{"capabilities", keeps_capabilities, "sbx.guest-confinement",
	 "permitted set"},
	{"no filter", without_filter, "sbx.guest-confinement",
	 "has 0 seccomp filters"},
	{"host's mounts", in_hosts_mounts, "sbx.guest-confinement",
	 "host's own /dev"},
	{"foreign file", holds_foreign, "env.no-shared-data",
	 "other/disk of acme/production/x open (descriptor"},
	{"moved file", holds_moved, "env.no-shared-data",
	 "moved of acme/production/x open and can write"},
	{"base", holds_base, "sbx.guest-confinement", "base open and can"},
	{"block device", holds_block, "sbx.device-surface", "block device"},
	{"TCP", has_tcp, "sbx.guest-confinement", "protocol TCP"},
	{"packets", has_packet, "sbx.guest-confinement", "protocol PACKET"},
	{"netlink", has_netlink, "sbx.guest-confinement", "protocol NETLINK"},
	{"odd thread", has_odd_thread, "sbx.guest-confinement",
	 "1 of its 2 threads"},
};

/* A child that is ready, or has failed the test; ended by the parent. */
static pid_t start(child *step)
{
	char byte = 0;
	int pipes[2];
	int null;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(null >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(pipes[0]);
		/* what this test was given to write to is no guest's */
		for (int fd = 0; fd <= 2; fd++)
			(void)dup2(null, fd);
		if (step() && write(pipes[1], "r", 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(null);
	(void)close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		byte = 0;
	(void)close(pipes[0]);
	if (byte != 'r') {
		(void)waitpid(pid, NULL, 0);
		fail_msg("the child could not be made");
	}
	return pid;
}

static void stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* Its cgroup is the test's own, which this puts aside. */
static void look(pid_t pid, struct clo_findings *findings)
{
	CLO_AUTO(clo_confinement) struct clo_confinement *confinement = NULL;
	static char own[64];
	static char other[64];
	const struct clo_profile profile = {.workload = "acme/test/w",
					    .uid = UID,
					    .gid = UID,
					    .emulator = binary,
					    .partition = "/machine/x",
					    .directory = own};
	const struct clo_profile foreign = {.workload = "acme/production/x",
					    .uid = OTHER,
					    .gid = OTHER,
					    .directory = other};
	const struct clo_profile *const others[] = {&foreign};
	const struct clo_confinement_rule rule = {.profile = &profile,
						  .others = others,
						  .n_others = 1,
						  .binary = binary,
						  .private_mounts = true,
						  .filters = 2};
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	(void)snprintf(own, sizeof(own), "%s/own", top);
	(void)snprintf(other, sizeof(other), "%s/other", top);
	r = clo_confinement_read(proc, pid, binary, &confinement);
	(void)close(proc);
	assert_int_equal(r, 0);
	free(confinement->cgroup);
	confinement->cgroup = strdup("0::/machine/x.partition/q\n");
	assert_non_null(confinement->cgroup);
	assert_int_equal(clo_confinement_check(confinement, &rule, findings),
			 0);
}

static bool names(const struct clo_findings *findings, const struct one *one)
{
	bool named = false;

	for (size_t i = 0; i < findings->n; i++)
		named = named ||
			(strcmp(findings->list[i].control, one->control) == 0 &&
			 strstr(findings->list[i].text, one->text));
	return named;
}

static void is_seen(void **state)
{
	const struct one *one = *state;
	struct clo_findings findings = {0};
	pid_t pid = start(one->step);
	bool seen;

	look(pid, &findings);
	stop(pid);
	seen = one->text ? names(&findings, one) : findings.n == 0;
	for (size_t i = 0; i < findings.n && !seen; i++)
		print_error("%s: %s\n", findings.list[i].control,
			    findings.list[i].text);
	clo_findings_done(&findings);
	assert_true(seen);
}

/* The pid of one that has ended, and of one whose parent has not looked. */
static void ended_ones_are_gone(void **state)
{
	struct clo_confinement *confinement = NULL;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid = start(all);

	(void)state;
	(void)kill(pid, SIGKILL);
	assert_int_equal(
		waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT),
		0);
	assert_int_equal(clo_confinement_read(proc, pid, binary, &confinement),
			 -ESRCH);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(clo_confinement_read(proc, pid, binary, &confinement),
			 -ESRCH);
	(void)close(proc);
}

static void put(const char *name, uid_t uid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
	(void)close(fd);
}

static int make_files(void **state)
{
	ssize_t len = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
	char path[64];

	(void)state;
	assert_true(len > 0);
	assert_non_null(mkdtemp(top));
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", top,
			       i ? "other" : "own");
		assert_int_equal(mkdir(path, 0711), 0);
	}
	put("own/disk", UID);
	put("other/disk", OTHER);
	put("moved", OTHER);
	put("base", 0);
	(void)snprintf(path, sizeof(path), "%s/block", top);
	return mknod(path, S_IFBLK | 0600, makedev(259, 4095));
}

static int remove_files(void **state)
{
	static const char *const made[] = {
		"own/disk", "other/disk", "own",   "other",
		"moved",    "base",       "block", ""};
	char path[64];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(made); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", top, made[i]);
		(void)remove(path);
	}
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[CLO_ARRAY_LEN(ones) + 1] = {
		cmocka_unit_test(ended_ones_are_gone)};

	if (geteuid() != 0)
		return skip_all("root");
	/* who runs tests may leave its log open */
	(void)close_range(3, ~0U, 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(ones); i++)
		tests[i + 1] = (struct CMUnitTest){ones[i].name, is_seen, NULL,
						   NULL, &ones[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
