/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What code that runs inside the gateway's confinement can still do. Each
 * check runs in a child with the gateway's user, a log that it may read and a
 * connection that was accepted; true = as it must be.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/attest/store_reader.h"
#include "agent/gateway/confine.h"
#include "check.h"
#include "fixture_store.h"

#define NOBODY 65534

static char
	key[64]; /* a key file that nobody may read, and one that they may */
static char open_key[64];
static int accepted = -1; /* a connection of TCP */

static bool refuses(long result)
{
	return result < 0 && (errno == EPERM || errno == EACCES);
}

static bool reads_the_log(void)
{
	struct clo_reader *reader = NULL;
	int64_t last = 0;

	return clo_reader_open(path, &reader) == 0 &&
	       clo_reader_last(reader, &last) == 0 && last == 1;
}

static bool reads_no_key(void)
{
	return refuses(open(key, O_RDONLY | O_CLOEXEC)) &&
	       refuses(open(open_key, O_RDONLY | O_CLOEXEC)) &&
	       refuses(open("/etc/passwd", O_RDONLY | O_CLOEXEC)) &&
	       refuses(open("/etc/shadow", O_RDONLY | O_CLOEXEC)) &&
	       refuses(open("/proc/self/environ", O_RDONLY | O_CLOEXEC)) &&
	       refuses(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static bool writes_no_log(void)
{
	char other[80];

	(void)snprintf(other, sizeof(other), "%s.new", path);
	return refuses(open(path, O_RDWR | O_CLOEXEC)) &&
	       refuses(open(path, O_WRONLY | O_CLOEXEC)) &&
	       refuses(open(path, O_RDONLY | O_TRUNC | O_CLOEXEC)) &&
	       refuses(open(other, O_RDONLY | O_CREAT | O_CLOEXEC, 0600)) &&
	       refuses(truncate(path, 0)) && refuses(unlink(path)) &&
	       refuses(rename(path, other)) && refuses(chmod(path, 0666)) &&
	       refuses(link(path, other)) && refuses(symlink(path, other)) &&
	       refuses(mkdir(other, 0700));
}

static bool runs_no_program(void)
{
	char name[] = "/bin/false"; /* unconfined it ends with 1 */
	char *argv[] = {name, NULL};
	void *code;

	if (!refuses(execv(name, argv)) ||
	    !refuses(syscall(SYS_execveat, -1, name, argv, NULL, 0)) ||
	    !refuses(syscall(SYS_fork)) || !refuses(syscall(SYS_vfork)) ||
	    !refuses(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ||
	    !refuses(syscall(SYS_memfd_create, "x", 0)))
		return false;
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code != MAP_FAILED)
		return false;
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return code != MAP_FAILED && refuses(mprotect(code, 4096, PROT_EXEC));
}

static bool opens_no_socket(void)
{
	static const int families[] = {AF_UNIX,   AF_INET,    AF_INET6,
				       AF_PACKET, AF_NETLINK, AF_VSOCK};
	int pair[2];

	for (size_t i = 0; i < CLO_ARRAY_LEN(families); i++)
		if (!refuses(socket(families[i], SOCK_STREAM, 0)) ||
		    !refuses(socket(families[i], SOCK_DGRAM, 0)))
			return false;
	return refuses(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

/* A connection that it has leads nowhere else. */
static bool reconnects_nowhere(void)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	const struct sockaddr_in elsewhere = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return refuses(connect(accepted, &nowhere, sizeof(nowhere))) &&
	       refuses(connect(accepted, (const struct sockaddr *)&elsewhere,
			       sizeof(elsewhere))) &&
	       refuses(bind(accepted, (const struct sockaddr *)&elsewhere,
			    sizeof(elsewhere))) &&
	       refuses(sendto(accepted, "x", 1, MSG_FASTOPEN,
			      (const struct sockaddr *)&elsewhere,
			      sizeof(elsewhere))) &&
	       refuses(sendto(accepted, "x", 1, 0,
			      (const struct sockaddr *)&elsewhere,
			      sizeof(elsewhere))) &&
	       send(accepted, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool touches_no_other(void)
{
	pid_t parent = getppid();

	return refuses(kill(parent, 0)) &&
	       refuses(syscall(SYS_tgkill, parent, parent, 0)) &&
	       refuses(ptrace(PTRACE_SEIZE, parent, NULL, NULL)) &&
	       refuses(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0,
			       0)) &&
	       refuses(syscall(SYS_pidfd_open, parent, 0)) &&
	       refuses(mount("none", "/", "tmpfs", 0, NULL)) &&
	       refuses(setuid(0)) && refuses(prctl(PR_SET_DUMPABLE, 1)) &&
	       refuses(syscall(SYS_io_uring_setup, 1, NULL)) &&
	       refuses(syscall(SYS_bpf, 0, NULL, 0)) &&
	       refuses(syscall(SYS_userfaultfd, 0)) &&
	       refuses(syscall(SYS_unshare, 0x10000000)) &&
	       refuses(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

static void *nothing(void *argument)
{
	return argument;
}

static bool has_threads(void)
{
	pthread_t thread;
	void *result = NULL;
	char word;

	return pthread_create(&thread, NULL, nothing, &word) == 0 &&
	       pthread_join(thread, &result) == 0 && result == &word;
}

static bool connector_has_unix_sockets_only(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd >= 0 && refuses(socket(AF_INET, SOCK_STREAM, 0)) &&
	       refuses(socket(AF_INET6, SOCK_STREAM, 0)) &&
	       refuses(socket(AF_NETLINK, SOCK_RAW, 0)) &&
	       refuses(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)) &&
	       refuses(syscall(SYS_fork)) &&
	       refuses(execl("/bin/true", "", NULL));
}

static bool become_nobody(void)
{
	return setgroups(0, NULL) == 0 &&
	       setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* 0 it held, 1 it did not, 2 there was no confinement. */
static int attempt(bool (*holds)(void), bool connector)
{
	int r;

	if (!become_nobody())
		return 2;
	r = connector ? clo_gateway_confine_connector()
		      : clo_gateway_confine(path);
	if (r < 0)
		return 2;
	return holds() ? 0 : 1;
}

static int in_child(bool (*holds)(void), bool confined, bool connector)
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (confined)
			_exit(attempt(holds, connector));
		_exit(become_nobody() && holds() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_key(const char *name, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static int connection(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(
		getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static int begin(void **state)
{
	const uint8_t digest[32] = {1};
	const struct clo_record record = {
		.boot_id = "b",
		.kind = "isolation/v1",
		.scope = "",
		.time = NOW,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = ENVELOPE("eyJuIjoxfQ=="),
	};

	if (set_up(state) < 0 || clo_store_append(store, &record) < 0 ||
	    chmod(dir, 0711) < 0 || clo_store_share(path, NOBODY) < 0)
		return -1;
	/* it is the confinement that refuses, not the file's mode */
	if (chown(dir, NOBODY, NOBODY) < 0 || chown(path, NOBODY, NOBODY) < 0)
		return -1;
	(void)snprintf(key, sizeof(key), "%s/node.key", dir);
	(void)snprintf(open_key, sizeof(open_key), "%s/open.key", dir);
	write_key(key, 0600);
	write_key(open_key, 0644);
	accepted = connection();
	return accepted < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)close(accepted);
	(void)unlink(key);
	(void)unlink(open_key);
	return tear_down(state);
}

static void test_it_can_do_what_it_is_for(void **state)
{
	(void)state;
	assert_int_equal(in_child(reads_the_log, true, false), 0);
	assert_int_equal(in_child(has_threads, true, false), 0);
}

static void test_it_can_do_nothing_else(void **state)
{
	static const struct {
		const char *name;
		bool (*holds)(void);
	} checks[] = {
		{"reads no key", reads_no_key},
		{"writes no log", writes_no_log},
		{"runs no program", runs_no_program},
		{"opens no socket", opens_no_socket},
		{"reconnects nowhere", reconnects_nowhere},
		{"touches no other", touches_no_other},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(checks); i++) {
		int found = in_child(checks[i].holds, true, false);

		if (found != 0)
			fail_msg("%s: %d", checks[i].name, found);
		/* without the confinement the same attempts succeed */
		if (in_child(checks[i].holds, false, false) == 0)
			fail_msg("%s: a check that cannot fail",
				 checks[i].name);
	}
}

static void test_its_connector(void **state)
{
	(void)state;
	assert_int_equal(in_child(connector_has_unix_sockets_only, true, true),
			 0);
}

static void test_without_a_log_it_does_not_begin(void **state)
{
	char shm[80];

	(void)state;
	clo_store_free(store);
	store = NULL;
	(void)snprintf(shm, sizeof(shm), "%s-shm", path);
	assert_int_equal(unlink(shm), 0);
	assert_int_equal(in_child(has_threads, true, false), 2);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_can_do_what_it_is_for),
		TEST(test_it_can_do_nothing_else),
		TEST(test_its_connector),
		TEST(test_without_a_log_it_does_not_begin),
	};

	if (geteuid() != 0)
		return skip_all("root");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
