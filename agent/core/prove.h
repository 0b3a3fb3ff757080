/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/audit.h"
#include "agent/core/node.h"
#include "policy/prove.h"

/*
 * The first place where the enumeration of audit->decided found the decision
 * code to err, its packet run through the programs that this audit found on the
 * taps: clo_explain_contradiction(). NULL only without memory.
 */
json_t *clo_prove_contradiction(const struct clo_node *node,
				const struct clo_audit *audit);

/*
 * What is in the kernel now, proven level by level: {"verdict": the worst,
 * "tables": "kernel", "levels": [policy/explain_prove.h]}. NULL only without
 * memory. The audit has tables that were read back.
 */
json_t *clo_prove_tell(const struct clo_node *node,
		       const struct clo_audit *audit);
/* The level "hooks" alone; text is empty where nothing is to be said. */
enum clo_proven clo_prove_hooks(const struct clo_node *node,
				const struct clo_audit *audit, char text[160]);
