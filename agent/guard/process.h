/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/confinement.h"
#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

#define CLO_QEMU_BINARY "/usr/bin/qemu-system-x86_64"
#define CLO_LIBVIRT_STATE "/run/libvirt/qemu"

/*
 * The process of a domain that runs, as libvirtd noted it for itself in `state`,
 * a directory like CLO_LIBVIRT_STATE. Not by <domain>.pid there: QEMU has that
 * open for writing, and one that its guest has taken over could name another.
 * -ENOENT: none; -EBADMSG: not understood; or another -errno.
 */
int clo_process_find(int state, const char *domain, pid_t *ret_pid);

/*
 * Is the process of a workload confined as its profile says? By what the kernel
 * says of it in `proc`, a directory like /proc: confinement.h. Landlock does not
 * show there; that the wrapper's filters are on the process shows that it ran,
 * and it goes on only behind Landlock.
 *
 * 0, or -ENOMEM. A process that is gone has no findings, and nothing is said of
 * it: *ret_process is then NULL.
 */
int clo_process_check(int proc, pid_t pid, const struct clo_profile *profile,
		      struct clo_findings *findings,
		      struct clo_confinement **ret_process);
