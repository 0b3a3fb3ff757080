/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cloison/abi.h"
#include "policy/partition.h"

/*
 * A relation as few products of two sets: sources that have the same
 * destinations are one product. Together they are the relation, and no two
 * overlap.
 */
struct clo_fold {
	struct clo_lists destinations;
	struct clo_edge *sources; /* {destinations, source} */
	size_t n_sources, cap_sources;
	uint32_t *scratch; /* as many as there are members */
};

/* Both ascending; valid during the call. 0 or -errno, which ends the fold. */
typedef int clo_fold_product(void *userdata, const uint32_t *from,
			     size_t n_from, const uint32_t *to, size_t n_to);

int clo_fold_init(struct clo_fold *fold, size_t n_members);
void clo_fold_done(struct clo_fold *fold);
/* Pairs are distinct, ascending by source, then by destination. */
int clo_fold_run(struct clo_fold *fold, const struct clo_pair *pairs, size_t n,
		 clo_fold_product *product, void *userdata);
