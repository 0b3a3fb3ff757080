/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tagged tasks against a kernel that takes BPF LSM programs. A child stands for
 * a QEMU that its guest has taken over: as its tenant's user, and as root in
 * its tenant's cgroup. Each attempt must first succeed without the programs.
 */

#include "agent/sys/tags.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/canary.h"
#include "agent/guard/partition.h"
#include "sandbox.h"
#include "tagged.h"

#define PARTITION "/machine/cloison-tagtest-production"
#define GROUP CLO_CGROUP_ROOT "/machine/cloison-tagtest-production.partition"

static struct world {
	struct sandbox *box;
	struct clo_tags *tags;
	uint64_t cgroup;
	uint64_t top;
} world;

/* -- the stage */

static void make(const char *name, uid_t uid, mode_t mode)
{
	int fd = open(tagged_at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

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
	(void)mkdir(tagged_at(name), 0777);
	assert_int_equal(chmod(tagged_at(name), 0777), 0);
	assert_int_equal(chown(tagged_at(name), uid, uid), 0);
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
	struct sockaddr_un address = tagged_address();
	char byte;
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	tagged.victim = fork();
	assert_true(tagged.victim >= 0);
	if (tagged.victim == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setresgid(THEIRS, THEIRS, THEIRS) < 0 ||
		    setresuid(THEIRS, THEIRS, THEIRS) < 0)
			_exit(1);
		tagged.listener = socket(AF_UNIX, SOCK_STREAM, 0);
		if (bind(tagged.listener, (const struct sockaddr *)&address,
			 sizeof(address)) < 0 ||
		    listen(tagged.listener, 64) < 0 ||
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
	int fd = open(tagged_at(attempt->sent), attempt->flags | O_CLOEXEC);

	assert_true(fd >= 0);
	*header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(fd)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(tagged.pair[0], &message, 0), 1);
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
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, tagged.pair),
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
	assert_int_equal(close(tagged.pair[0]), 0);
	assert_int_equal(close(tagged.pair[1]), 0);
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
	tagged.mount = world.box->mount;
	(void)sandbox_open(world.box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_partition_make(CLO_CGROUP_ROOT, PARTITION), 0);
	assert_int_equal(clo_partition_find(CLO_CGROUP_ROOT, PARTITION,
					    &world.cgroup, &world.top),
			 0);
	strcpy(tagged.dir, "/run/clo-tags-XXXXXX");
	assert_non_null(mkdtemp(tagged.dir));
	assert_int_equal(chmod(tagged.dir, 0777), 0);
	replenish();
	make_dir("own-dir", OURS);
	make_dir("their-dir", THEIRS);
	sandbox_run("cp /bin/true /run/clo-tags-true");
	assert_int_equal(rename("/run/clo-tags-true", tagged_at("own-program")),
			 0);
	assert_int_equal(chown(tagged_at("own-program"), OURS, OURS), 0);
	start_victim();
	return r;
}

static int tear_down(void **state)
{
	char command[64];

	clo_tags_free(world.tags);
	world.tags = NULL;
	(void)kill(tagged.victim, SIGKILL);
	(void)waitpid(tagged.victim, NULL, 0);
	(void)clo_tags_remove(world.box->bpf);
	(void)rmdir(GROUP);
	(void)snprintf(command, sizeof(command), "rm -r %s", tagged.dir);
	sandbox_run(command);
	return sandbox_teardown(state);
}

/* -- tests */

#define STRANGER 2000U /* tagged by nobody */

static void test_without_tags_all_of_it_works(void **state)
{
	(void)state;
	assert_int_equal(
		run_list(tagged_attacks, tagged_n_attacks, STRANGER, false), 0);
}

static void test_attacks_are_refused(void **state)
{
	struct clo_tags_state seen;

	(void)state;
	load();
	assert_int_equal(run_list(tagged_attacks, tagged_n_attacks, OURS, true),
			 0);
	assert_int_equal(clo_tags_read(world.tags, &seen), 0);
	assert_true(seen.refused >= tagged_n_attacks);
}

static void test_its_own_works(void **state)
{
	(void)state;
	load();
	assert_int_equal(run_list(tagged_lawful, tagged_n_lawful, OURS, false),
			 0);
}

/* The host is held to one thing only. */
static void test_host_may_not_hand_over(void **state)
{
	(void)state;
	load();
	assert_int_equal(chown(tagged_at("theirs"), OURS, OURS), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(chown(tagged_at("theirs"), THEIRS, 0), 0);
	assert_int_equal(chown(tagged_at("theirs"), 0, 0), 0);
	assert_int_equal(chown(tagged_at("theirs"), THEIRS, THEIRS), 0);
}

static void test_they_outlive_their_agent(void **state)
{
	(void)state;
	load();
	clo_tags_free(world.tags);
	world.tags = NULL;
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), EPERM);
	assert_int_equal(clo_tags_open(world.box->bpf, &world.tags), 0);
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), EPERM);
	tag(0);
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), EPERM);
	clo_tags_free(world.tags);
	world.tags = NULL;
	assert_int_equal(clo_tags_remove(world.box->bpf), 0);
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), 0);
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
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), 0);
	assert_int_equal(clo_tags_read(world.tags, &seen), 0);
	assert_false(seen.as_set);
	assert_int_equal(clo_tags_restore(world.tags), 0);
	assert_int_equal(attempt_as(&tagged_attacks[0], AS_ROOT, 0), EPERM);
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
	const struct attempt *save = &tagged_attacks[tagged_n_attacks - 1];

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
		return skip_all("root, and namespaces");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
