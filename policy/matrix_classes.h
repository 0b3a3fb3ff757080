/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"
#include "policy/explain_service.h"
#include "policy/partition.h"

/*
 * The coarsest classes of the flow matrix: identities of one scope, segment and
 * set of groups (or of one kind outside) that no flow tells apart are one
 * class, whatever rules have split them. What is outside and has no flow is in
 * no class. Two policies of one meaning have the same classes, in this order.
 */
struct clo_outside {
	uint8_t family; /* 4 or 6 */
	unsigned __int128 first, last; /* host order */
	uint32_t class;
};

struct clo_matrix {
	const struct clo_compiled *compiled;
	struct clo_lists bits; /* of rows, in words of 32 */
	uint32_t *row_bits; /* by row; 0: it allows nothing */
	size_t n_rows;
	uint32_t *merged; /* by identity: its key; 0: no class */
	uint32_t *labels; /* by identity: equal if it may be one class */
	struct clo_index out; /* source -> entries of table pairs */

	uint32_t n_classes; /* [0] is none */
	uint32_t *class_of; /* by key */
	uint32_t *example; /* by class: one identity of it */
	char **names; /* by class, as JSON */
	size_t n_keys;

	/* By endpoint: entries of the address tables, ADDR6 behind ADDR4. */
	struct clo_entry {
		uint32_t endpoint;
		uint32_t index;
	} * entries;

	size_t n_entries;

	struct clo_outside *outside; /* ascending, disjoint, not adjacent */
	size_t n_outside, cap_outside;
};

int clo_matrix_init(struct clo_matrix *matrix,
		    const struct clo_compiled *compiled);
void clo_matrix_done(struct clo_matrix *matrix);
/* Of an identity, or 0. */
uint32_t clo_matrix_class(const struct clo_matrix *matrix, uint32_t identity);
/* The entries of an endpoint, which follow one another. */
const struct clo_entry *clo_matrix_entries(const struct clo_matrix *matrix,
					   uint32_t endpoint, size_t *ret_n);
