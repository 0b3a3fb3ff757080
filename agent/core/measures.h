/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/predicate.h"

/*
 * The controls of the catalogue that this node measures: how, and with what
 * evidence. Every control of the catalogue appears in a predicate; those
 * without a line here read NOT-ASSESSED.
 */

/* The "controls" member; NULL without memory. */
json_t *clo_measures_report(const struct clo_node *node,
			    const struct clo_audit *audit,
			    const struct clo_occasion *occasion,
			    const char *scope);
