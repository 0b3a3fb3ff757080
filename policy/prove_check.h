/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/partition.h"
#include "policy/tables.h"

/* Tables that passed the check, and what it counted. */
struct clo_checked {
	const struct clo_tables *tables;
	uint32_t *allowed; /* classes, by row; the owner of the struct frees */
};

/*
 * What of the tables is not as in those that were checked before. Before is
 * NULL: everything.
 */
struct clo_change {
	const struct clo_checked *before;
	bool same[CLO_TABLE_COUNT]; /* bit for bit */
	/* Entries that are the same at a table's begin, then at its end. */
	size_t head[CLO_TABLE_COUNT], tail[CLO_TABLE_COUNT];
	bool same_classes; /* the bits of a set mean the same */
};

struct clo_change clo_tables_change(const struct clo_checked *before,
				    const struct clo_tables *tables);

/*
 * Whether tables are what they say of themselves: sizes, indices, each rule
 * with its bit. -EBADMSG with the first contradiction, -ENOMEM, or 0 and the
 * number of allowed classes of each row, which the caller frees.
 */
int clo_tables_check(const struct clo_tables *tables,
		     const struct clo_change *change, uint32_t **ret_allowed,
		     char reterr_text[160]);

/* Source identity -> entries of table pairs, of tables that passed the check. */
int clo_pairs_index(const struct clo_tables *tables,
		    struct clo_index *ret_index);
