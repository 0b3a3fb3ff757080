/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/*
 * Documents on their way into force: parsed, compiled, proven, then one atomic
 * flip, then an audit; or a reply that refuses, and nothing has changed
 * (agent/core/control.h).
 */

/*
 * name NULL: of whatever node the policy says that it is. approved: the digest
 * of the flow matrix that was approved; NULL: any. It is compared with that of
 * the tables that are then loaded.
 */
json_t *clo_apply_documents(struct clo_node *node, json_t *documents,
			    const char *name, const char *approved);
/* What it would change. */
json_t *clo_apply_plan(struct clo_node *node, const json_t *request);
