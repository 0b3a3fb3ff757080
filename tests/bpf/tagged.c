/* SPDX-License-Identifier: Apache-2.0 */
#include "tagged.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/base/auto.h"
#include "agent/guard/partition.h"

struct tagged tagged;

const char *tagged_at(const char *name)
{
	static char paths[4][64];
	static unsigned int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", tagged.dir, name);
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
	return open_close(tagged_at("theirs"), O_RDONLY);
}

static long write_theirs(void)
{
	return open_close(tagged_at("theirs"), O_WRONLY);
}

static long link_theirs(void)
{
	long r = link(tagged_at("theirs"), tagged_at("link"));

	return r < 0 ? r : unlink(tagged_at("link"));
}

static long rename_theirs(void)
{
	long r = rename(tagged_at("theirs"), tagged_at("moved"));

	return r < 0 ? r : rename(tagged_at("moved"), tagged_at("theirs"));
}

static long truncate_theirs(void)
{
	return truncate(tagged_at("theirs"), 0);
}

static long chmod_theirs(void)
{
	return chmod(tagged_at("theirs"), 0666);
}

static long unlink_theirs(void)
{
	return unlink(tagged_at("spare"));
}

static long replace_theirs(void)
{
	return rename(tagged_at("own"), tagged_at("spare"));
}

static long make_in_theirs(void)
{
	long r = mkdir(tagged_at("their-dir/x"), 0700);

	return r < 0 ? r : rmdir(tagged_at("their-dir/x"));
}

static long read_private(void)
{
	return open_close(tagged_at("private"), O_RDONLY);
}

static long write_hosts(void)
{
	return open_close(tagged_at("hosts"), O_WRONLY);
}

static long unlink_hosts(void)
{
	return unlink(tagged_at("host-spare"));
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
	long r = ptrace(PTRACE_SEIZE, tagged.victim, NULL, NULL);

	return r < 0 ? r : 0;
}

static long kill_theirs(void)
{
	return kill(tagged.victim, 0);
}

static long open_their_mem(void)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", tagged.victim);
	return open_close(path, O_RDONLY);
}

static long read_their_memory(void)
{
	char byte;
	struct iovec local = {&byte, 1};
	struct iovec remote = {&tagged, 1};

	return process_vm_readv(tagged.victim, &local, 1, &remote, 1, 0);
}

static long take_their_fd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, tagged.victim, 0);

	return fd < 0 ? 0 /* not refused for this */
		      : syscall(SYS_pidfd_getfd, fd, tagged.listener, 0);
}

struct sockaddr_un tagged_address(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       tagged_at("their-socket"));
	return address;
}

static long connect_theirs(void)
{
	struct sockaddr_un address = tagged_address();
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
	long r = mount("none", tagged.mount, "tmpfs", 0, NULL);

	return r < 0 ? r : umount(tagged.mount);
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
	return chown(tagged_at("own"), THEIRS, (gid_t)-1);
}

static long run_own(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		(void)execl(tagged_at("own-program"), "x", NULL);
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

	if (recvmsg(tagged.pair[1], &message, 0) < 0)
		return -1;
	errno = EPERM;
	return CMSG_FIRSTHDR(&message) ? 0 : -1;
}

/* -- and what it must be able to do */

static long write_own(void)
{
	return open_close(tagged_at("own"), O_RDWR);
}

static long make_own(void)
{
	long r = open_close(tagged_at("own-dir/x"), O_WRONLY | O_CREAT);

	return r < 0 ? r : unlink(tagged_at("own-dir/x"));
}

static long read_hosts(void)
{
	return open_close(tagged_at("hosts"), O_RDONLY);
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
		       tagged_at("own-dir/socket"));
	(void)unlink(address.sun_path);
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) <
		    0 ||
	    listen(listener, 1) < 0)
		return -1;
	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

const struct attempt tagged_attacks[] = {
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

const struct attempt tagged_lawful[] = {
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

const size_t tagged_n_attacks = CLO_ARRAY_LEN(tagged_attacks);
const size_t tagged_n_lawful = CLO_ARRAY_LEN(tagged_lawful);
