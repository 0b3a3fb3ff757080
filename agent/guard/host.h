/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/base/auto.h"
#include "agent/guard/confinement.h"
#include "agent/guard/cpus.h"

/*
 * What decides for all guests of a host whether they share what it has: pages
 * that the kernel merges, disks that it swaps to, cores with several threads.
 * A file that is not there says nothing.
 */
struct clo_host {
	bool merges; /* KSM */
	char *swap; /* the first area on a disk in the clear; NULL: none */
	/* Of each CPU the others of its core, CLO_CPUS_MAX; NULL: no SMT. */
	struct clo_cpus *beside;
};

/* `proc`, `sys`: directories like /proc and /sys. 0, or -ENOMEM. */
int clo_host_read(int proc, int sys, struct clo_host **ret_host);
void clo_host_free(struct clo_host *host);
CLO_DEFINE_FREEP(clo_host)

/*
 * Memory of that process may come to lie in host->swap: neither is it locked,
 * nor does its group, or one above, in `cgroups`, a directory like
 * /sys/fs/cgroup, have a memory.swap.max of 0. Version 1 has nothing as good:
 * neither its swappiness nor memsw hold when the whole host is short of memory.
 */
bool clo_host_swaps(const struct clo_host *host, int cgroups,
		    const struct clo_confinement *process);
/* The CPUs that run on one core together with one of these. */
void clo_host_beside(const struct clo_host *host, const struct clo_cpus *cpus,
		     struct clo_cpus *ret_beside);
