/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/auto.h"
#include "policy/model.h"

/*
 * What the sandbox of one workload must be: a plain value, made from the
 * policy, that the checks of its domain's XML, of its files and of its process
 * read. All strings and arrays are borrowed.
 *
 * Files: what the workload writes lies below `directory`, which is root's,
 * and its files are the scope's uid's, 0600. What it only reads lies there, or
 * below one of `bases` (root's, written by nobody else).
 */

struct clo_profile_nic {
	uint8_t mac[6];
};

struct clo_profile {
	const char *workload; /* "tenant/environment/workload" */
	const char *name; /* of the domain; NULL: not said */
	const char *uuid; /* lower case; NULL: not said */
	uid_t uid;
	gid_t gid; /* its own number, as the uid */
	const char *emulator; /* the wrapper: the only one allowed */
	const char *partition; /* cgroup: "/machine/cloison-acme-production" */
	bool weighs; /* the host can weigh who uses its disks: it must */
	const char *directory;
	const char *const *bases;
	size_t n_bases;
	const char *const *bridges; /* governed: where its NICs may be */
	size_t n_bridges;
	const struct clo_profile_nic *nics; /* exactly these */
	size_t n_nics;
	unsigned int devices; /* of enum clo_device */
	bool deny_list; /* of system calls, not an allow-list */
};

/*
 * The profile of a workload: it borrows from the policy and from `emulator`.
 * -ENOENT: the policy has no sandbox for it.
 */
int clo_profile_new(const struct clo_policy *policy,
		    const struct clo_workload_doc *workload,
		    const char *emulator, struct clo_profile **ret_profile);
/* Its scope's cgroup, as <partition> names it; the caller frees. */
char *clo_profile_partition(const struct clo_tenant_doc *tenant,
			    enum clo_environment environment);
void clo_profile_free(struct clo_profile *profile);
CLO_DEFINE_FREEP(clo_profile)
