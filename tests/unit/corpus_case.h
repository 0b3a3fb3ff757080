/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/import/import.h"

/* One step of a netsep-corpus/1 case as what the import reads. */

/* Whose the namespaces are. */
enum corpus_mapping {
	CORPUS_FLAT, /* one tenant, one environment */
	CORPUS_ENVIRONMENTS, /* each its own environment; three at most */
	CORPUS_TENANTS, /* each its own tenant */
};

/* A List of Kubernetes: everything but the tiers. New reference. */
json_t *corpus_objects(const json_t *step, enum corpus_mapping mapping);

/* The tiers, added to the cluster that was read from these objects. */
void corpus_add_tiers(struct clo_kube *kube, const json_t *step);
