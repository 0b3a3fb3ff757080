/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"

/*
 * Audits into the node's log: one signed statement for the node and one for
 * each scope that has an endpoint on it, chained, committed before return.
 */

/*
 * Open the log and begin a run in it. A new log is called by the node's name
 * of that day. Logs why it fails.
 */
int clo_record_open(struct clo_node *node, const char *path);
/*
 * Append the statements of one audit. Remembers the node's own predicate in
 * node->last. One group of the log: one sync, one checkpoint. A failure is
 * returned after as much as possible was recorded; enforcement does not depend
 * on it.
 */
int clo_record_audit(struct clo_node *node, const struct clo_audit *audit,
		     const char *trigger, const char *nonce);
