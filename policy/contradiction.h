/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "policy/prove.h"

/* A verdict of the decision code in the kernel that is not the tables'. */
struct clo_contradiction {
	struct clo_pair pair;
	uint32_t class; /* CLO_CLASS_NONE: it has none */
	uint32_t slot; /* CLO_SLOTS: found in the pair's row */
	bool allowed; /* by the kernel */
	bool expected; /* by the tables */
};

/*
 * The packet of it, with the addresses and services of `tables`; -ENOENT: no
 * packet has these two ends, or this slot.
 */
int clo_contradiction_witness(const struct clo_tables *tables,
			      const struct clo_contradiction *contradiction,
			      struct clo_witness *ret_witness);
