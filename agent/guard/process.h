/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

#define CLO_QEMU_BINARY "/usr/bin/qemu-system-x86_64"

/*
 * Is the process of a workload confined as its profile says? By what the kernel
 * says of it in `proc`, a directory like /proc: users, groups, capabilities,
 * seccomp filters, what it executes, which cgroup it is in. See proc(5).
 * Landlock does not show there; that the wrapper's filters are on the process
 * shows that it ran, and it goes on only behind Landlock.
 *
 * 0, or -ENOMEM. A process that is gone has no findings.
 */
int clo_process_check(int proc, pid_t pid, const struct clo_profile *profile,
		      struct clo_findings *findings);
