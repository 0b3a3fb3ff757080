/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tagged tasks against a kernel that takes BPF LSM programs. A child stands for
 * a QEMU that its guest has taken over: as its tenant's user, and as root in
 * its tenant's cgroup. Each attempt must first succeed without the programs.
 */

#include "agent/sys/tags.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/canary.h"
#include "agent/guard/partition.h"
#include "sandbox.h"

#define FIRST 64900U
#define OURS (FIRST + 1) /* the attacker's */
#define THEIRS (FIRST + 2)
#define PARTITION "/machine/cloison-tagtest-production"
#define GROUP CLO_CGROUP_ROOT "/machine/cloison-tagtest-production.partition"

static struct world {
	struct sandbox *box;
	struct clo_tags *tags;
	char dir[32]; /* 0777 and root's */
	pid_t victim; /* THEIRS */
	int listener; /* its */
	int pair[2]; /* from the host to the child */
	uint64_t cgroup;
	uint64_t top;
} world;

static const char *at(const char *name)
{
	static char paths[4][64];
	static unsigned int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", world.dir, name);
	return path;
}

/* -- what the child tries; 0 or more: it worked */

static long open_close(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? fd : close(fd);
}

static long read_theirs(void)
{
	return open_close(at("theirs"), O_RDONLY);
}

static long write_theirs(void)
{
	return open_close(at("theirs"), O_WRONLY);
}

static long link_theirs(void)
{
	long r = link(at("theirs"), at("link"));

	return r < 0 ? r : unlink(at("link"));
}

static long rename_theirs(void)
{
	long r = rename(at("theirs"), at("moved"));

	return r < 0 ? r : rename(at("moved"), at("theirs"));
}

static long truncate_theirs(void)
{
	return truncate(at("theirs"), 0);
}

static long chmod_theirs(void)
{
	return chmod(at("theirs"), 0666);
}

static long unlink_theirs(void)
{
	return unlink(at("spare"));
}

static long replace_theirs(void)
{
	return rename(at("own"), at("spare"));
}

static long make_in_theirs(void)
{
	long r = mkdir(at("their-dir/x"), 0700);

	return r < 0 ? r : rmdir(at("their-dir/x"));
}

static long read_private(void)
{
	return open_close(at("private"), O_RDONLY);
}

static long write_hosts(void)
{
	return open_close(at("hosts"), O_WRONLY);
}

static long unlink_hosts(void)
{
	return unlink(at("host-spare"));
}

static long make_in_hosts(void)
{
	long r = mkdir("/run/clo-tags-x", 0700);

	return r < 0 ? r : rmdir("/run/clo-tags-x");
}

static long open_memory(void)
{
	return open_close("/dev/mem", O_RDONLY);
}

static long ptrace_theirs(void)
{
	long r = ptrace(PTRACE_SEIZE, world.victim, NULL, NULL);

	return r < 0 ? r : 0;
}

static long kill_theirs(void)
{
	return kill(world.victim, 0);
}

static long open_their_mem(void)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", world.victim);
	return open_close(path, O_RDONLY);
}

static long read_their_memory(void)
{
	char byte;
	struct iovec local = {&byte, 1};
	struct iovec remote = {&world.top, 1};

	return process_vm_readv(world.victim, &local, 1, &remote, 1, 0);
}

static long take_their_fd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, world.victim, 0);

	return fd < 0 ? 0 /* not refused for this */
		      : syscall(SYS_pidfd_getfd, fd, world.listener, 0);
}

static struct sockaddr_un their_address(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       at("their-socket"));
	return address;
}

static long connect_theirs(void)
{
	struct sockaddr_un address = their_address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static long open_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long open_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long open_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long mount_something(void)
{
	long r = mount("none", world.box->mount, "tmpfs", 0, NULL);

	return r < 0 ? r : umount(world.box->mount);
}

static long new_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long make_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 4, 1, NULL);

	if (fd < 0)
		errno = -fd;
	return fd < 0 ? -1 : close(fd);
}

static long open_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.exclude_kernel = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long leave_cgroup(void)
{
	return open_close(CLO_CGROUP_ROOT "/cgroup.procs", O_WRONLY);
}

static long become_them(void)
{
	return setresuid(THEIRS, THEIRS, THEIRS);
}

static long give_away(void)
{
	return chown(at("own"), THEIRS, (gid_t)-1);
}

static long run_own(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		(void)execl(at("own-program"), "x", NULL);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

/* What the host has sent; the kernel leaves out what it refuses. */
static long receive(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};

	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(world.pair[1], &message, 0) < 0)
		return -1;
	errno = EPERM;
	return CMSG_FIRSTHDR(&message) ? 0 : -1;
}

/* -- and what it must be able to do */

static long write_own(void)
{
	return open_close(at("own"), O_RDWR);
}

static long make_own(void)
{
	long r = open_close(at("own-dir/x"), O_WRONLY | O_CREAT);

	return r < 0 ? r : unlink(at("own-dir/x"));
}

static long read_hosts(void)
{
	return open_close(at("hosts"), O_RDONLY);
}

static long use_null(void)
{
	return open_close("/dev/null", O_RDWR);
}

static long run_hosts(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		(void)execl("/bin/true", "true", NULL);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static long kill_own(void)
{
	return kill(getpid(), 0);
}

static long connect_own(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       at("own-dir/socket"));
	(void)unlink(address.sun_path);
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) <
		    0 ||
	    listen(listener, 1) < 0)
		return -1;
	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

enum {
	AS_ROOT = 1, /* root in the tenant's cgroup */
	AS_USER = 2, /* the tenant's user, in no cgroup of its */
	AS_BOTH = AS_ROOT | AS_USER,
};

static const struct attempt {
	const char *name;
	long (*run)(void);
	unsigned int as;
	const char *sent; /* a file that the host sends it */
	int flags;
} attacks[] = {
	{"read a foreign file", read_theirs, AS_BOTH},
	{"write a foreign file", write_theirs, AS_BOTH},
	{"link a foreign file", link_theirs, AS_BOTH},
	{"rename a foreign file", rename_theirs, AS_BOTH},
	{"truncate a foreign file", truncate_theirs, AS_BOTH},
	{"chmod of a foreign file", chmod_theirs, AS_ROOT},
	{"unlink a foreign file", unlink_theirs, AS_BOTH},
	{"replace a foreign file", replace_theirs, AS_BOTH},
	{"make in a foreign directory", make_in_theirs, AS_BOTH},
	{"read a private file of the host", read_private, AS_ROOT},
	{"write a file of the host", write_hosts, AS_BOTH},
	{"unlink a file of the host", unlink_hosts, AS_BOTH},
	{"make in the host's directory", make_in_hosts, AS_ROOT},
	{"/dev/mem", open_memory, AS_ROOT},
	{"ptrace", ptrace_theirs, AS_ROOT},
	{"kill", kill_theirs, AS_ROOT},
	{"/proc/PID/mem", open_their_mem, AS_ROOT},
	{"process_vm_readv", read_their_memory, AS_ROOT},
	{"pidfd_getfd", take_their_fd, AS_ROOT},
	{"a foreign unix socket", connect_theirs, AS_BOTH},
	{"AF_INET", open_inet, AS_BOTH},
	{"AF_NETLINK", open_netlink, AS_BOTH},
	{"AF_PACKET", open_packet, AS_ROOT},
	{"mount", mount_something, AS_ROOT},
	{"user namespace", new_user_namespace, AS_ROOT},
	{"bpf", make_map, AS_ROOT},
	{"perf", open_perf, AS_ROOT},
	{"leave the cgroup", leave_cgroup, AS_ROOT},
	{"become the other tenant", become_them, AS_ROOT},
	{"give a file away", give_away, AS_ROOT},
	{"run what the tenant wrote", run_own, AS_BOTH},
	{"receive a foreign file", receive, AS_BOTH, "theirs", O_RDONLY},
	{"receive a file to write to", receive, AS_BOTH, "hosts", O_WRONLY},
};

static const struct attempt lawful[] = {
	{"its own file", write_own, AS_BOTH},
	{"make in its own directory", make_own, AS_USER},
	{"read a file of the host", read_hosts, AS_BOTH},
	{"/dev/null", use_null, AS_BOTH},
	{"run a program of the host", run_hosts, AS_BOTH},
	{"signal itself", kill_own, AS_USER},
	{"its own unix socket", connect_own, AS_USER},
	{"receive its own file", receive, AS_BOTH, "own", O_RDWR},
	{"receive a file to read", receive, AS_BOTH, "hosts", O_RDONLY},
};

/* -- the stage */

static void make(const char *name, uid_t uid, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(fchmod(fd, mode), 0);
	/* of both: nothing is changed where it is so already */
	if (fchown(fd, uid, uid) < 0)
		assert_int_equal(errno, EPERM);
	assert_int_equal(close(fd), 0);
}

static void make_dir(const char *name, uid_t uid)
{
	(void)mkdir(at(name), 0777);
	assert_int_equal(chmod(at(name), 0777), 0);
	assert_int_equal(chown(at(name), uid, uid), 0);
}

/* What an attempt may have used up. */
static void replenish(void)
{
	make("theirs", THEIRS, 0666);
	make("spare", THEIRS, 0666);
	make("own", OURS, 0666);
	make("hosts", 0, 0666);
	make("private", 0, 0600);
	make("host-spare", 0, 0666);
}

static void start_victim(void)
{
	struct sockaddr_un address = their_address();
	char byte;
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	world.victim = fork();
	assert_true(world.victim >= 0);
	if (world.victim == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresgid(THEIRS, THEIRS, THEIRS) < 0 ||
		    setresuid(THEIRS, THEIRS, THEIRS) < 0)
			_exit(1);
		world.listener = socket(AF_UNIX, SOCK_STREAM, 0);
		if (bind(world.listener, (const struct sockaddr *)&address,
			 sizeof(address)) < 0 ||
		    listen(world.listener, 64) < 0 ||
		    chmod(address.sun_path, 0777) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
}

static void send_file(const struct attempt *attempt)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};

	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = open(at(attempt->sent), attempt->flags | O_CLOEXEC);

	assert_true(fd >= 0);
	*header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(fd)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(world.pair[0], &message, 0), 1);
	assert_int_equal(close(fd), 0);
}

static void enter_group(void)
{
	int fd = open(GROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(255);
	(void)close(fd);
}

/* errno of one attempt, or 0. */
static int attempt_as(const struct attempt *attempt, unsigned int as, uid_t uid)
{
	int status;
	pid_t pid;

	replenish();
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, world.pair),
		0);
	if (attempt->sent)
		send_file(attempt);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (as == AS_ROOT)
			enter_group();
		else if (setresgid(uid, uid, uid) < 0 ||
			 setresuid(uid, uid, uid) < 0)
			_exit(255);
		_exit(attempt->run() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(close(world.pair[0]), 0);
	assert_int_equal(close(world.pair[1]), 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* All of a list, as root and as a user; how many were not as expected. */
static int run_list(const struct attempt *list, size_t n, uid_t uid,
		    bool refused)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++)
		for (unsigned int as = AS_ROOT; as <= AS_USER; as <<= 1) {
			int error;

			if (!(list[i].as & as))
				continue;
			error = attempt_as(&list[i], as, uid);
			if (refused ? error == EPERM || error == EACCES
				    : error == 0)
				continue;
			print_error("%s as %s: %s\n", list[i].name,
				    as == AS_ROOT ? "root" : "user",
				    error ? strerrorname_np(error) : "done");
			wrong++;
		}
	return wrong;
}

static void tag(uint32_t permits)
{
	struct clo_tag_range range = {.first = FIRST, .count = 10};
	const struct clo_tag_cgroup cgroup = {
		world.cgroup, {.tag = OURS, .permits = permits}};

	assert_int_equal(clo_tags_depth(world.tags, world.top, &range.level),
			 0);
	range.level += CLO_PARTITION_DEPTH;
	assert_int_equal(clo_tags_set(world.tags, &range, &cgroup, 1), 0);
}

static void load(void)
{
	assert_int_equal(clo_tags_open(world.box->bpf, &world.tags), 0);
	tag(0);
}

static int set_up(void **state)
{
	int r = sandbox_setup(state);

	world.box = *state;
	(void)sandbox_open(world.box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_partition_make(CLO_CGROUP_ROOT, PARTITION), 0);
	assert_int_equal(clo_partition_find(CLO_CGROUP_ROOT, PARTITION,
					    &world.cgroup, &world.top),
			 0);
	strcpy(world.dir, "/run/clo-tags-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	assert_int_equal(chmod(world.dir, 0777), 0);
	replenish();
	make_dir("own-dir", OURS);
	make_dir("their-dir", THEIRS);
	sandbox_run("cp /bin/true /run/clo-tags-true");
	assert_int_equal(rename("/run/clo-tags-true", at("own-program")), 0);
	assert_int_equal(chown(at("own-program"), OURS, OURS), 0);
	start_victim();
	return r;
}

static int tear_down(void **state)
{
	char command[64];

	clo_tags_free(world.tags);
	world.tags = NULL;
	(void)kill(world.victim, SIGKILL);
	(void)waitpid(world.victim, NULL, 0);
	(void)clo_tags_remove(world.box->bpf);
	(void)rmdir(GROUP);
	(void)snprintf(command, sizeof(command), "rm -r %s", world.dir);
	sandbox_run(command);
	return sandbox_teardown(state);
}

/* -- tests */

#define STRANGER 2000U /* tagged by nobody */

static void test_without_tags_all_of_it_works(void **state)
{
	(void)state;
	assert_int_equal(
		run_list(attacks, CLO_ARRAY_LEN(attacks), STRANGER, false), 0);
}

static void test_attacks_are_refused(void **state)
{
	struct clo_tags_state seen;

	(void)state;
	load();
	assert_int_equal(run_list(attacks, CLO_ARRAY_LEN(attacks), OURS, true),
			 0);
	assert_int_equal(clo_tags_read(world.tags, &seen), 0);
	assert_true(seen.refused >= CLO_ARRAY_LEN(attacks));
}

static void test_its_own_works(void **state)
{
	(void)state;
	load();
	assert_int_equal(run_list(lawful, CLO_ARRAY_LEN(lawful), OURS, false),
			 0);
}

/* The host is held to one thing only. */
static void test_host_may_not_hand_over(void **state)
{
	(void)state;
	load();
	assert_int_equal(chown(at("theirs"), OURS, OURS), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(chown(at("theirs"), THEIRS, 0), 0);
	assert_int_equal(chown(at("theirs"), 0, 0), 0);
	assert_int_equal(chown(at("theirs"), THEIRS, THEIRS), 0);
}

static void test_they_outlive_their_agent(void **state)
{
	(void)state;
	load();
	clo_tags_free(world.tags);
	world.tags = NULL;
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), EPERM);
	assert_int_equal(clo_tags_open(world.box->bpf, &world.tags), 0);
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), EPERM);
	tag(0);
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), EPERM);
	clo_tags_free(world.tags);
	world.tags = NULL;
	assert_int_equal(clo_tags_remove(world.box->bpf), 0);
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), 0);
}

static void test_what_was_undone_is_seen(void **state)
{
	static const char *const pins[] = {"tag/file_open", "tag/bpf",
					   "tag/clo_tag_scopes"};
	struct clo_tags_state seen;
	char path[96];
	int map;

	(void)state;
	load();
	for (size_t i = 0; i < CLO_ARRAY_LEN(pins); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world.box->dir,
			       pins[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(clo_tags_read(world.tags, &seen), 0);
		assert_string_equal(seen.lost, pins[i] + strlen("tag/"));
		assert_int_equal(clo_tags_restore(world.tags), 0);
		assert_int_equal(clo_tags_read(world.tags, &seen), 0);
		assert_null(seen.lost);
		assert_true(seen.as_set);
	}
	map = sandbox_pin(world.box, "tag/clo_tag_scopes");
	assert_int_equal(bpf_map_delete_elem(map, &world.cgroup), 0);
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), 0);
	assert_int_equal(clo_tags_read(world.tags, &seen), 0);
	assert_false(seen.as_set);
	assert_int_equal(clo_tags_restore(world.tags), 0);
	assert_int_equal(attempt_as(&attacks[0], AS_ROOT, 0), EPERM);
	assert_int_equal(close(map), 0);
}

static int tag_canary(pid_t pid, void *userdata)
{
	return clo_tags_canary(userdata, (uint32_t)pid);
}

static int tag_nobody(pid_t pid, void *userdata)
{
	(void)pid;
	(void)userdata;
	return 0;
}

static void test_canary(void **state)
{
	const char *what = NULL;

	(void)state;
	load();
	assert_int_equal(clo_canary_run(FIRST, tag_canary, world.tags, &what),
			 0);
	assert_int_equal(clo_canary_run(FIRST, tag_nobody, NULL, &what),
			 -EPERM);
	assert_string_equal(what, "a file of another scope");
}

static void test_state_leaves_only_by_permission(void **state)
{
	const struct attempt *save = &attacks[CLO_ARRAY_LEN(attacks) - 1];

	(void)state;
	load();
	assert_int_equal(attempt_as(save, AS_ROOT, 0), EPERM);
	tag(CLO_TAG_PERMIT_FILE);
	assert_int_equal(attempt_as(save, AS_ROOT, 0), 0);
}

int main(void)
{
#define TAGS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TAGS_TEST(test_without_tags_all_of_it_works),
		TAGS_TEST(test_attacks_are_refused),
		TAGS_TEST(test_its_own_works),
		TAGS_TEST(test_host_may_not_hand_over),
		TAGS_TEST(test_they_outlive_their_agent),
		TAGS_TEST(test_what_was_undone_is_seen),
		TAGS_TEST(test_canary),
		TAGS_TEST(test_state_leaves_only_by_permission),
	};

	if (!sandbox_enter())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
