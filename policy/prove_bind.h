/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/prove.h"

/*
 * Invariant 4, as far as tables can show it: an address is bound to an endpoint
 * that stands in the tables under its number, in that endpoint's own space,
 * environment and segment, and every endpoint has an address. That no address
 * is bound twice in a space, clo_tables_check() has seen.
 */
int clo_bindings_prove(const struct clo_tables *tables,
		       struct clo_bound *ret_bound);
