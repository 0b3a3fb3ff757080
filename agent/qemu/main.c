/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-qemu: libvirt's <emulator> for a workload in a sandbox. It already
 * runs as the scope's user; it takes what the sandbox of the domain allows,
 * gives up everything else for good, and becomes QEMU. Where it cannot do that
 * it ends with status 126 and one line, which libvirt keeps in the domain's
 * log.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/qemu/qemu.h"

#define REFUSED 126

__attribute__((format(printf, 1, 2))) static int refuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fputs("cloison-qemu: refused: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	(void)fputc('\n', stderr);
	va_end(args);
	return REFUSED;
}

static int read_sandbox(const char *uuid, struct clo_sandbox_file *sandbox)
{
	CLO_AUTO_FD int fd = -1;
	unsigned int line = 0;
	int r;

	fd = open(CLO_SANDBOX_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : clo_sandbox_file_read(fd, uuid, sandbox, &line);
	if (r == -EPERM)
		return refuse("%s/%s can be written by others than root",
			      CLO_SANDBOX_DIR, uuid);
	if (r == -EINVAL && line)
		return refuse("%s/%s: line %u is not understood",
			      CLO_SANDBOX_DIR, uuid, line);
	if (r < 0)
		return refuse("no sandbox for domain %s in %s: %s", uuid,
			      CLO_SANDBOX_DIR, strerrordesc_np(-r));
	return 0;
}

/* 0, or -EPERM if it has any. */
static int check_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, caps) < 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (caps[i].permitted | caps[i].effective)
			return -EPERM;
	return 0;
}

/* The user is the sandbox's, in every respect, and can become no other. */
static int check_user(const struct clo_sandbox_file *sandbox)
{
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 ||
	    getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return refuse("cannot tell whose process this is");
	for (int i = 0; i < 3; i++)
		if (uid[i] != sandbox->uid || gid[i] != sandbox->gid)
			return refuse("runs as %u:%u, and the sandbox is of "
				      "%u:%u: does the domain have its DAC "
				      "label?",
				      uid[i], gid[i], sandbox->uid,
				      sandbox->gid);
	return check_capabilities() < 0 ? refuse("has capabilities: libvirt's "
						 "clear_emulator_capabilities "
						 "must be 1")
					: 0;
}

static int connect_sockets(int argc, char **argv,
			   const struct clo_sandbox_file *sandbox)
{
	const char *where = "";
	int r = clo_qemu_sockets(argc, argv, sandbox, &where);

	return r < 0 ? refuse("socket %s: %s", where, strerrordesc_np(-r)) : 0;
}

static int confine(const struct clo_sandbox_file *sandbox, const char *private)
{
	const struct rlimit none = {0, 0};
	const char *where = "";
	int r;

	/* not PR_SET_DUMPABLE: it does not outlive the exec. Landlock keeps
	 * the other processes of its user from tracing it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return refuse("cannot give up privileges: %m");
	r = clo_qemu_landlock(sandbox, private, &where);
	if (r < 0)
		return refuse("Landlock: %s%s%s", where, *where ? ": " : "",
			      strerrordesc_np(-r));
	r = clo_qemu_filter(sandbox);
	if (r < 0)
		return refuse("seccomp: %s", strerrordesc_np(-r));
	return 0;
}

int main(int argc, char **argv)
{
	static struct clo_sandbox_file sandbox;
	struct clo_qemu_args args;
	const char *why = "";
	int status;

	if (clo_qemu_args_read(argc, argv, &args, &why) < 0)
		return refuse("%s", why);
	status = args.probe ? 0 : read_sandbox(args.uuid, &sandbox);
	if (status == 0 && !args.probe)
		status = check_user(&sandbox);
	if (status == 0 && !args.probe)
		status = connect_sockets(argc, argv, &sandbox);
	if (status == 0)
		status = confine(args.probe ? NULL : &sandbox, args.private);
	if (status != 0)
		return status;

	(void)execv(CLO_QEMU_REAL, argv);
	return refuse("%s: %m", CLO_QEMU_REAL);
}
