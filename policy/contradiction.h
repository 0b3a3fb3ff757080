/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "policy/tables.h"

/* A verdict of the decision code in the kernel that is not the tables'. */
struct clo_contradiction {
	struct clo_pair pair;
	uint32_t class; /* CLO_CLASS_NONE: it has none */
	uint32_t slot; /* CLO_SLOTS: found in the pair's row */
	bool allowed; /* by the kernel */
	bool expected; /* by the tables */
};
