/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"

/*
 * Audits into the node's log: one signed statement for the node and one for
 * each scope that has an endpoint on it, chained, committed before return.
 */

/*
 * Append the statements of one audit. Remembers the node's own predicate in
 * node->last. A failure is returned after as much as possible was recorded;
 * enforcement does not depend on it.
 */
int clo_record_audit(struct clo_node *node, const struct clo_audit *audit,
		     const char *trigger, const char *nonce);
