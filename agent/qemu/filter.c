/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "agent/qemu/qemu.h"

/*
 * A refused call fails with EPERM and does not kill: what QEMU tries and can do
 * without must not end a guest.
 */
#define REFUSE SCMP_ACT_ERRNO(EPERM)
#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

/*
 * What QEMU 7.2 calls: strace of boot, block and network I/O, hot-plug, reset
 * and shutdown under the devices of the profile, and glibc's own.
 */
static const int allowed[] = {
#include "agent/qemu/allowed.inc"
};

/* What no QEMU has reason to call and an intruder has. */
static const int harmful[] = {
#include "agent/qemu/harmful.inc"
};

/* No process in other namespaces. clone3() hides its flags: without it glibc
 * takes clone(). */
static int refuse_clone(scmp_filter_ctx filter)
{
	int r;

	r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
			     0);
	for (unsigned int bit = 1; bit && r == 0; bit <<= 1)
		if (bit & NAMESPACES)
			r = seccomp_rule_add(
				filter, REFUSE, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
	return r;
}

/* Unix sockets, and no other family. */
static int refuse_sockets(scmp_filter_ctx filter)
{
	int r;

	r = seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 1,
			     SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	return r < 0 ? r
		     : seccomp_rule_add(filter, REFUSE, SCMP_SYS(socketpair), 1,
					SCMP_A0(SCMP_CMP_NE, AF_UNIX));
}

/* No byte into the terminal that started it; the kernel looks at 32 bits. */
static int refuse_ioctls(scmp_filter_ctx filter)
{
	static const unsigned int requests[] = {TIOCSTI, TIOCLINUX};
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(requests) && r == 0; i++)
		r = seccomp_rule_add(
			filter, REFUSE, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	return r;
}

static int add_harmful(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(harmful) && r == 0; i++)
		r = seccomp_rule_add(filter, REFUSE, harmful[i], 0);
	if (r == 0)
		r = refuse_clone(filter);
	if (r == 0)
		r = refuse_sockets(filter);
	return r == 0 ? refuse_ioctls(filter) : r;
}

static int add_allowed(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(allowed) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* threads, and no process */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD,
					     CLONE_THREAD));
	/* so that glibc goes on to clone() */
	return r < 0 ? r
		     : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
					SCMP_SYS(clone3), 0);
}

static int load(uint32_t otherwise, int (*add)(scmp_filter_ctx filter))
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int r;

	if (!filter)
		return -ENOMEM;
	r = add(filter);
	/* a binary tree: it is asked at every call of the guest's I/O */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int clo_qemu_filter(bool allow_list)
{
	int r = load(SCMP_ACT_ALLOW, add_harmful);

	/* two, since the strictest answer counts and each rule compares one
	 * value */
	return r == 0 && allow_list ? load(REFUSE, add_allowed) : r;
}
