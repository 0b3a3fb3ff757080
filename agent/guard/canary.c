/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/auto.h"

/* The child allocates nothing: other threads may hold what that needs. */
struct trial {
	char theirs[32], hosts[32]; /* paths */
	pid_t parent;
};

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int open_theirs(const struct trial *trial)
{
	return try_open(trial->theirs, O_RDONLY);
}

static int write_hosts(const struct trial *trial)
{
	return try_open(trial->hosts, O_WRONLY);
}

static int read_hosts(const struct trial *trial)
{
	return try_open(trial->hosts, O_RDONLY);
}

static int try_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int open_netlink(const struct trial *trial)
{
	(void)trial;
	return try_socket(AF_NETLINK, SOCK_RAW);
}

static int open_unix(const struct trial *trial)
{
	(void)trial;
	return try_socket(AF_UNIX, SOCK_STREAM);
}

static int signal_parent(const struct trial *trial)
{
	return kill(trial->parent, 0) < 0 ? -errno : 0;
}

static int write_null(const struct trial *trial)
{
	(void)trial;
	return try_open("/dev/null", O_WRONLY);
}

static const struct attempt {
	const char *what;
	int (*run)(const struct trial *trial);
	bool lawful;
} attempts[] = {
	{"a file of another scope", open_theirs, false},
	{"a file of the host, to write to it", write_hosts, false},
	{"a netlink socket", open_netlink, false},
	{"a signal to the agent", signal_parent, false},
	{"a file of the host, to read it", read_hosts, true},
	{"a unix socket", open_unix, true},
	{"/dev/null", write_null, true},
};

#define UNTAGGED 64 /* exit status from here: it failed without a tag */

static int run_all(const struct trial *trial, bool tagged)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(attempts); i++) {
		int expected = tagged && !attempts[i].lawful ? -EPERM : 0;

		if (attempts[i].run(trial) != expected)
			return (int)i + 1;
	}
	return 0;
}

__attribute__((noreturn)) static void child(const struct trial *trial,
					    int parent)
{
	int failed = run_all(trial, false);
	char byte = 0;

	if (failed)
		_exit(UNTAGGED + failed);
	if (write(parent, &byte, 1) != 1 || read(parent, &byte, 1) != 1)
		_exit(UNTAGGED);
	_exit(run_all(trial, true));
}

/* Of memory; the mode lets everybody. */
static int make_file(uid_t uid, char ret_path[32])
{
	int fd = memfd_create("cloison-canary", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0666) < 0 || fchown(fd, uid, (gid_t)-1) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	(void)snprintf(ret_path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static int wait_for(pid_t pid, const char **ret_what)
{
	int status;
	int which;

	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return -errno;
	if (!WIFEXITED(status))
		return -ECHILD;
	which = WEXITSTATUS(status) % UNTAGGED;
	if (WEXITSTATUS(status) == 0)
		return 0;
	if (WEXITSTATUS(status) >= UNTAGGED || which == 0 ||
	    which > (int)CLO_ARRAY_LEN(attempts))
		return -ECHILD;
	*ret_what = attempts[which - 1].what;
	return -EPERM;
}

/* The child says when it has tried, and waits until it is tagged. */
static int watch(pid_t pid, int fd, int (*tag)(pid_t pid, void *userdata),
		 void *userdata, const char **ret_what)
{
	char byte;
	int r = 0;
	int waited;

	if (read(fd, &byte, 1) == 1) {
		r = tag(pid, userdata);
		if (r == 0 && write(fd, &byte, 1) != 1)
			r = -EPIPE;
	}
	if (r < 0)
		(void)kill(pid, SIGKILL);
	waited = wait_for(pid, ret_what);
	(void)tag(0, userdata);
	return r < 0 ? r : waited;
}

int clo_canary_run(uid_t uid, int (*tag)(pid_t pid, void *userdata),
		   void *userdata, const char **ret_what)
{
	struct trial trial = {.parent = getpid()};
	CLO_AUTO_FD int theirs = make_file(uid, trial.theirs);
	CLO_AUTO_FD int hosts = make_file(0, trial.hosts);
	CLO_AUTO_FD int ours = -1;
	CLO_AUTO_FD int its = -1;
	int pair[2];
	pid_t pid;

	if (theirs < 0 || hosts < 0)
		return theirs < 0 ? theirs : hosts;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	its = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(ours);
		child(&trial, its);
	}
	(void)close(clo_take_fd(&its)); /* so that its end is seen */
	return watch(pid, ours, tag, userdata, ret_what);
}
