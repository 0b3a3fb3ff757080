/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"

/* One record on its way into the log. */
struct clo_draft {
	enum clo_kind kind;
	const char *scope; /* NULL: the node */
	json_t *predicate;
	time_t now;
	enum clo_verdict_word verdict; /* of a statement: what comes of it */
	uint64_t sequence;
	uint8_t digest[32]; /* of its payload */
};

/*
 * Seal, sign and append; observed: the tables as read back, or NULL. -ENOSPC
 * of what passed where the log is full (retain.h).
 */
int clo_draft_append(struct clo_node *node, const struct clo_tables *observed,
		     struct clo_draft *draft);
