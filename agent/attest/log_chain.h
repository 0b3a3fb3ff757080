/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/note.h"
#include "agent/attest/store.h"

/*
 * Of a log that is walked through: where the chains of its boots stand. Zero is
 * before the first record.
 */
struct clo_log_chain {
	char boot[CLO_NOTE_NAME_MAX];
	uint64_t sequence; /* the next in it */
	uint8_t previous[32];
	uint64_t skipped; /* entries that are gone, since the last record */
	uint64_t boots; /* that were met */
};

/*
 * The next record: one after the other, from 0 in each boot, each with the one
 * before; where that was removed, the tree alone says that it was this one's
 * place. NULL, or what is wrong with it.
 */
const char *clo_log_chain_flaw(struct clo_log_chain *at,
			       const struct clo_record *record,
			       const json_t *predicate);
