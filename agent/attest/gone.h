/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/attest/merkle.h"
#include "agent/attest/removal.h"

/*
 * Of a log that is walked through: which of its entries are gone, and which of
 * them signed gaps account for. Zero is of a log that was not looked at yet.
 */
struct clo_range {
	uint64_t from, to; /* to is outside */
};

struct clo_ranges {
	struct clo_range *list;
	size_t n, room;
};

struct clo_gone {
	struct clo_ranges missing, told;
	uint64_t count; /* of the missing */
};

void clo_gone_done(struct clo_gone *gone);
/* This entry is gone; they come in their order. */
int clo_gone_add(struct clo_gone *gone, uint64_t entry);
/*
 * Some were removed, by the statement with that member "gap", which is entry
 * `at`. -EBADMSG: it is no such statement's, or they are not what it says.
 */
int clo_gone_tell(struct clo_gone *gone, const json_t *gap, uint64_t at,
		  const struct clo_merkle_source *source);
/*
 * 0: what is gone is what was told; -EBADMSG: *ret_entry is gone and nobody
 * says why, or, if *ret_there, is said to be gone and is there.
 */
int clo_gone_check(struct clo_gone *gone, uint64_t *ret_entry, bool *ret_there);
