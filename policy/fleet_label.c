/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/fleet_impl.h"

/* A workload that is known by its UUID, wherever it runs. */
struct labelled {
	size_t member;
	const struct clo_workload_doc *workload;
};

static int order_labelled(const void *left, const void *right)
{
	const struct labelled *a = left;
	const struct labelled *b = right;
	int order = strcmp(a->workload->uuid, b->workload->uuid);

	return order ? order
		     : (a->member > b->member) - (a->member < b->member);
}

static size_t list_labelled(const struct clo_fleet *fleet,
			    struct labelled *list)
{
	size_t n = 0;

	for (size_t m = 0; m < fleet->n; m++) {
		const struct clo_policy *policy =
			fleet->members[m].compiled->policy;

		for (size_t w = 0; w < policy->n_workloads; w++) {
			const struct clo_workload_doc *workload =
				&policy->workloads[w];

			if (!workload->uuid)
				continue;
			if (list)
				list[n] = (struct labelled){m, workload};
			n++;
		}
	}
	return n;
}

int clo_fleet_labels(struct clo_fleet *fleet)
{
	size_t n = list_labelled(fleet, NULL);
	CLO_AUTO_MEM struct labelled *list = calloc(n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	n = list_labelled(fleet, list);
	qsort(list, n, sizeof(*list), order_labelled);
	for (size_t i = 1; i < n; i++) {
		const struct clo_workload_doc *a = list[i - 1].workload;
		const struct clo_workload_doc *b = list[i].workload;

		if (strcmp(a->uuid, b->uuid) != 0 ||
		    (a->environment == b->environment &&
		     strcmp(a->tenant->name, b->tenant->name) == 0))
			continue;
		clo_fleet_conflict(
			fleet,
			&(struct clo_fleet_conflict){
				.kind = CLO_FLEET_LABEL,
				.members = {list[i - 1].member, list[i].member},
				.what = a->name,
				.owners = {a->tenant->name, b->tenant->name},
				.environments = {a->environment,
						 b->environment},
			});
	}
	return 0;
}
