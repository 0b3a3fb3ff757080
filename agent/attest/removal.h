/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "agent/attest/statement.h"
#include "agent/base/auto.h"

/*
 * Records that are gone from a log by policy, as a gap/v1 (statement.h) tells
 * of them.
 */
#define CLO_REMOVAL_MAX 512 /* records in one */
#define CLO_REMOVAL_SPANS 256

/* Records that followed each other in one boot. */
struct clo_removed {
	char boot_id[CLO_BOOT_ID_MAX];
	uint64_t sequence, entry; /* of the first; entry: its leaf's index */
	uint64_t count;
};

struct clo_removal {
	const char *reason; /* "retention" or "space" */
	time_t from, to; /* times of the first and the last */
	uint64_t count;
	uint8_t digest[32]; /* of their leaves' hashes in a row */
	struct clo_removed spans[CLO_REMOVAL_SPANS];
	size_t n;
	/* Where the choice went on to; see store_remove.c. */
	unsigned int pass;
	int64_t next;
};

static inline void clo_removal_free(struct clo_removal *removal)
{
	free(removal);
}
CLO_DEFINE_FREEP(clo_removal)

/* The member "gap"; NULL without memory. */
json_t *clo_removal_make(const struct clo_removal *removal);
/* -EBADMSG if it is none; -ENOMSG: a gap of another kind. */
int clo_removal_read(const json_t *gap, struct clo_removal **ret_removal);
