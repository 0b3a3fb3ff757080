/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/guard/sandbox_file.h"

/*
 * The emulator's wrapper: what its files share. It is given QEMU's arguments by
 * libvirt, confines itself and becomes QEMU.
 */

/* Which run of QEMU this is, by its arguments. */
struct clo_qemu_args {
	bool probe; /* libvirt asks what QEMU can do: no guest, no device */
	const char *uuid; /* of the domain; NULL with probe */
	/* libvirt's own directory of this run, which has the key of its
	 * secrets; "": none. */
	char private[256];
};

/* 0, or -EINVAL and why. */
int clo_qemu_args_read(int argc, char *const *argv,
		       struct clo_qemu_args *ret_args, const char **ret_why);

/*
 * Landlock, as much as this kernel has: the system read-only, the sandbox's
 * paths, the private directory, and nothing else; no TCP, no abstract socket
 * and no signal outside. `sandbox` NULL: of a probe. -ENOSYS, -EOPNOTSUPP: the
 * kernel has none. *ret_where: the path that failed, or "".
 */
int clo_qemu_landlock(const struct clo_sandbox_file *sandbox,
		      const char *private, const char **ret_where);

/*
 * seccomp: what QEMU is known to call, or all but what is known to harm, as
 * the sandbox says. NULL: of a probe, the latter.
 */
int clo_qemu_filter(const struct clo_sandbox_file *sandbox);

/*
 * QEMU may not connect to anything: the sockets of its arguments (those of an
 * external TPM) are connected before, if they are the sandbox's and its user's,
 * and the arguments changed to name the descriptors. -EACCES: it is another's;
 * *ret_where: which.
 */
int clo_qemu_sockets(int argc, char **argv,
		     const struct clo_sandbox_file *sandbox,
		     const char **ret_where);
