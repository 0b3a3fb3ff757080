/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/tables.h"

/* What the parts of the consistency check share; only prove_check*.c. */

/* -EBADMSG, and why. */
__attribute__((format(printf, 2, 3))) int clo_check_bad(char reterr_text[160],
							const char *fmt, ...);

/* NULL for "none" and for what is no identity. */
const struct clo_identity *clo_check_identity(const struct clo_tables *tables,
					      uint32_t index);

/* Both address tables and both of cidrs. */
int clo_check_addresses(const struct clo_tables *tables, char reterr_text[160]);
