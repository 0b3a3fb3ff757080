/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a profile points to, in one piece behind it. */
struct owned {
	struct clo_profile profile;
	char *workload, *partition, *directory;
	struct clo_profile_nic nics[];
};

char *clo_profile_partition(const struct clo_tenant_doc *tenant,
			    enum clo_environment environment)
{
	char *partition;

	return asprintf(&partition, "/machine/cloison-%s-%s", tenant->name,
			clo_environment_name(environment)) < 0
		       ? NULL
		       : partition;
}

static int name_all(struct owned *owned, const struct clo_sandbox_doc *sandbox,
		    const struct clo_workload_doc *workload)
{
	const char *tenant = workload->tenant->name;
	const char *environment = clo_environment_name(workload->environment);

	if (asprintf(&owned->workload, "%s/%s/%s", tenant, environment,
		     workload->name) < 0) {
		owned->workload = NULL;
		return -ENOMEM;
	}
	owned->partition =
		clo_profile_partition(workload->tenant, workload->environment);
	if (!owned->partition)
		return -ENOMEM;
	if (asprintf(&owned->directory, "%s/%s", sandbox->directory,
		     owned->workload) < 0) {
		owned->directory = NULL;
		return -ENOMEM;
	}
	return 0;
}

int clo_profile_new(const struct clo_policy *policy,
		    const struct clo_workload_doc *workload,
		    const char *emulator, struct clo_profile **ret_profile)
{
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	const struct clo_node_doc *node = &policy->node;
	struct owned *owned;
	int r;

	if (!node->sandbox.present || !scope->uid)
		return -ENOENT;
	owned = calloc(1, sizeof(*owned) + workload->n_interfaces *
						   sizeof(*owned->nics));
	if (!owned)
		return -ENOMEM;
	r = name_all(owned, &node->sandbox, workload);
	if (r < 0) {
		clo_profile_free(&owned->profile);
		return r;
	}
	for (size_t i = 0; i < workload->n_interfaces; i++)
		memcpy(owned->nics[i].mac, workload->interfaces[i].mac,
		       sizeof(owned->nics[i].mac));

	owned->profile = (struct clo_profile){
		.workload = owned->workload,
		.name = workload->domain,
		.uuid = workload->uuid,
		.uid = scope->uid,
		.gid = scope->uid,
		.emulator = emulator,
		.partition = owned->partition,
		.directory = owned->directory,
		.bases = (const char *const *)node->sandbox.bases,
		.n_bases = node->sandbox.n_bases,
		.bridges = (const char *const *)node->bridges,
		.n_bridges = node->n_bridges,
		.nics = owned->nics,
		.n_nics = workload->n_interfaces,
		.devices = workload->devices,
		.deny_list = node->sandbox.deny_list,
	};
	*ret_profile = &owned->profile;
	return 0;
}

void clo_profile_free(struct clo_profile *profile)
{
	struct owned *owned = (struct owned *)(void *)profile;

	if (!profile)
		return;

	free(owned->workload);
	free(owned->partition);
	free(owned->directory);
	free(owned);
}
