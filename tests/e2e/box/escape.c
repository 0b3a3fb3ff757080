/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A QEMU that its guest has taken over: tries to get at what is another's. One
 * line for each attempt: its name, then "done" or "refused" and why. Runs as
 * whoever starts it, alone or under the wrapper's confinement.
 * usage: escape ... DIRECTORY NAME PID
 *   DIRECTORY  of another workload
 *   NAME       of its domain
 *   PID        its QEMU
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_alg.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *directory, *domain;
static pid_t victim;

/* 0: it worked. */
static int report(const char *name, long r)
{
	int error = errno;

	if (r >= 0)
		return printf("%s done\n", name);
	return printf("%s refused %s\n", name, strerrorname_np(error));
}

static long open_at(const char *name, int flags)
{
	char path[512];

	if (strcmp(name, "console") == 0)
		(void)snprintf(path, sizeof(path), "%s/%s.console", directory,
			       domain);
	else
		(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, flags | O_CLOEXEC);
}

static long connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	r = fd < 0 ? fd
		   : connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (r == 0)
		(void)close(fd);
	return r;
}

static long connect_to_monitor(void)
{
	char path[100];

	(void)snprintf(path, sizeof(path), "%s/%s.sock", directory, domain);
	return connect_to(path);
}

/* Sends to any address without connect(). */
static long make_datagram_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds);
}

/* Any family at all for which the answer is not "not permitted". */
static long make_any_socket(void)
{
	for (int family = 0; family < 64; family++) {
		if (family == AF_UNIX)
			continue;
		if (socket(family, SOCK_STREAM, 0) >= 0 || errno != EPERM)
			return 0;
	}
	return -1;
}

static long link_to(const char *name)
{
	char path[512];
	long r;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	r = link(path, "/run/lab/stolen");
	if (r == 0)
		(void)unlink("/run/lab/stolen");
	return r;
}

static long trace(void)
{
	long r = ptrace(PTRACE_SEIZE, victim, NULL, NULL);

	if (r == 0)
		(void)ptrace(PTRACE_DETACH, victim, NULL, NULL);
	return r;
}

static long memory(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", victim);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Nothing is at that address: whoever may ask is told so. */
static long read_memory(void)
{
	char byte;
	struct iovec to = {&byte, 1};
	struct iovec from = {(void *)4096, 1};
	long r = process_vm_readv(victim, &to, 1, &from, 1, 0);

	return r < 0 && errno == EFAULT ? 0 : r;
}

static long read_limits(void)
{
	struct rlimit limit;

	return prlimit(victim, RLIMIT_NOFILE, NULL, &limit);
}

static long steal_fd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, victim, 0);

	return fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, 0, 0);
}

static long use_bpf(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
			       .key_size = 4,
			       .value_size = 4,
			       .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long use_perf(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static long use_uring(void)
{
	char params[256] = {0};

	return syscall(SYS_io_uring_setup, 1, params);
}

static long use_handle(void)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} at = {.handle.handle_bytes = MAX_HANDLE_SZ};

	int mount;

	if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &at, &mount, 0) < 0 &&
	    errno != EOPNOTSUPP)
		return -1;
	/* any but "not permitted" is as good as allowed */
	if (syscall(SYS_open_by_handle_at, AT_FDCWD, &at, O_RDONLY) < 0 &&
	    errno == EPERM)
		return -1;
	return 0;
}

/* In a child: it changes what this process is. */
static long in_child(long (*attempt)(void))
{
	int status = 0;
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(attempt() < 0 ? errno : 0);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static long namespaces(void)
{
	return unshare(CLONE_NEWUSER);
}

static long join_namespace(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fd : setns(fd, CLONE_NEWUTS);
}

static long become_shell(void)
{
	return execl("/bin/sh", "sh", "-c", "exit 0", NULL);
}

static long mount_something(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}

int main(int argc, char **argv)
{
	/* of this machine's families, those that reach somewhere */
	static const struct {
		const char *name;
		int family, type;
	} sockets[] = {
		{"socket-inet", AF_INET, SOCK_STREAM},
		{"socket-inet6", AF_INET6, SOCK_STREAM},
		{"socket-netlink", AF_NETLINK, SOCK_RAW},
		{"socket-packet", AF_PACKET, SOCK_RAW},
	};

	static const char *const files[] = {"disk.qcow2", "initrd", "console",
					    "vars.fd", "master-key.aes"};
	char name[64];

	if (argc < 4)
		return 2;
	directory = argv[argc - 3];
	domain = argv[argc - 2];
	victim = atoi(argv[argc - 1]);
	setvbuf(stdout, NULL, _IONBF, 0);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(name, sizeof(name), "read-%s", files[i]);
		report(name, open_at(files[i], O_RDONLY));
		(void)snprintf(name, sizeof(name), "write-%s", files[i]);
		report(name, open_at(files[i], O_WRONLY));
	}
	report("link", link_to("disk.qcow2"));
	report("write-base", open("/run/lab/bases/base", O_WRONLY));
	report("connect", connect_to_monitor());
	/* which everybody may ask about every guest */
	report("connect-libvirt", connect_to("/run/libvirt/libvirt-sock-ro"));
	report("socket-datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
	report("socketpair-datagram", make_datagram_pair());
	report("socket-any", make_any_socket());
	report("ptrace", trace());
	report("kill", kill(victim, SIGCONT));
	report("tgkill", syscall(SYS_tgkill, victim, victim, SIGCONT));
	if (geteuid() != 0) /* who may need a capability for it */
		report("limits", read_limits());
	report("mem", memory());
	report("process-vm-readv", read_memory());
	report("pidfd-getfd", steal_fd());
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		report(sockets[i].name,
		       socket(sockets[i].family, sockets[i].type, 0));
	report("bpf", use_bpf());
	report("io-uring", use_uring());
	report("userfaultfd",
	       syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
	report("perf", use_perf());
	report("keyctl", syscall(SYS_keyctl, 0 /* get keyring */, -3, 1));
	report("open-by-handle", use_handle());
	report("unshare", in_child(namespaces));
	report("setns", in_child(join_namespace));
	report("exec-shell", in_child(become_shell));
	report("mount", in_child(mount_something));
	/* also where there are no children; the last, since it may work */
	execl("/bin/sh", "sh", "-c", "echo become-shell done", NULL);
	report("become-shell", -1);
	return 0;
}
