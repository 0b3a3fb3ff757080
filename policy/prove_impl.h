/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/prove.h"
#include "policy/prove_check.h"

/* What the parts of the consistency check share; only prove_check*.c. */

/* -EBADMSG, and why. */
__attribute__((format(printf, 2, 3))) int clo_check_bad(char reterr_text[160],
							const char *fmt, ...);

/* NULL for "none" and for what is no identity. */
const struct clo_identity *clo_check_identity(const struct clo_tables *tables,
					      uint32_t index);

/* Adds the verdicts that each invariant forbids, whatever the tables allow. */
int clo_count_forbidden(const struct clo_tables *tables,
			uint64_t forbidden[CLO_INVARIANTS]);

/* Neither addresses nor whose they are is another. */
bool clo_change_same_addresses(const struct clo_change *change);

/* Every key once, in order: look-ups would find but one of two. */
int clo_check_order(const struct clo_tables *tables, enum clo_table t,
		    const struct clo_change *change, char reterr_text[160]);
/* Fills allowed, by row. */
int clo_check_rows(const struct clo_tables *tables,
		   const struct clo_change *change, uint32_t *allowed,
		   char reterr_text[160]);
/* Both address tables and both of cidrs. */
int clo_check_addresses(const struct clo_tables *tables, char reterr_text[160]);
