/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "policy/prove.h"

/*
 * The proof as plainly as it can be told: every pair, every class, every
 * invariant, one after the other. What the fast one is compared with.
 */

/* Whether tables contradict themselves, looked at entry by entry. */
bool plain_is_sound(const struct clo_tables *tables);

/* Of sound tables; false without memory. */
bool plain_prove(const struct clo_tables *tables, const bool *excepted,
		 struct clo_proof *ret_proof);
