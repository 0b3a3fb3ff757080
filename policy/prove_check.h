/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/partition.h"
#include "policy/tables.h"

/*
 * Whether tables are what they say of themselves: sizes, indices, each rule
 * with its bit. -EBADMSG with the first contradiction, -ENOMEM, or 0 and the
 * number of allowed classes of each row, which the caller frees.
 */
int clo_tables_check(const struct clo_tables *tables, uint32_t **ret_allowed,
		     char reterr_text[160]);

/* Source identity -> entries of table pairs, of tables that passed the check. */
int clo_pairs_index(const struct clo_tables *tables,
		    struct clo_index *ret_index);
