/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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

/*
 * Unix sockets that listen, and no other family. Landlock does not look at the
 * path of a socket: connect() is among the harmful calls, and sockets that can
 * send without it, with an address in each message, are not made at all.
 */
static int refuse_sockets(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(socket), SCMP_SYS(socketpair)};
	const unsigned int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(calls) && r == 0; i++) {
		r = seccomp_rule_add(filter, REFUSE, calls[i], 1,
				     SCMP_A0(SCMP_CMP_NE, AF_UNIX));
		/* all types are below 16; each but SOCK_STREAM */
		for (unsigned int type = 0; type < 16 && r == 0; type++)
			if (type != SOCK_STREAM)
				r = seccomp_rule_add(
					filter, REFUSE, calls[i], 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ,
						UINT32_MAX & ~flags, type));
	}
	return r;
}

/*
 * Signals and limits are for itself: where the kernel's Landlock does not look
 * at signals, they would reach the other processes of its user. The number of
 * the process stays the same when it becomes QEMU.
 */
static int refuse_others(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(kill), SCMP_SYS(tgkill),
				    SCMP_SYS(rt_sigqueueinfo),
				    SCMP_SYS(rt_tgsigqueueinfo)};
	const scmp_datum_t self = (scmp_datum_t)getpid();
	int r;

	r = seccomp_rule_add(filter, REFUSE, SCMP_SYS(tkill), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(calls) && r == 0; i++)
		r = seccomp_rule_add(filter, REFUSE, calls[i], 1,
				     SCMP_A0(SCMP_CMP_NE, self));
	/* 0 is itself, too */
	return r < 0 ? r
		     : seccomp_rule_add(filter, REFUSE, SCMP_SYS(prlimit64), 1,
					SCMP_A0(SCMP_CMP_NE, 0));
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
	if (r == 0)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
				     SCMP_SYS(prlimit64), 1,
				     SCMP_A0(SCMP_CMP_EQ, 0));
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

int clo_qemu_filter(const struct clo_sandbox_file *sandbox)
{
	/* several, since the strictest answer counts and each rule compares
	 * one value */
	int r = load(SCMP_ACT_ALLOW, add_harmful);

	if (!sandbox) /* a probe goes on as a child of itself */
		return r;
	if (r == 0)
		r = load(SCMP_ACT_ALLOW, refuse_others);
	return r == 0 && sandbox->allow_list ? load(REFUSE, add_allowed) : r;
}
