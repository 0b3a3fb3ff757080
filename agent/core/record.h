/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"
#include "agent/core/predicate.h"

/*
 * Audits into the node's log: one signed statement for the node and one for
 * each scope that has an endpoint on it, chained, committed before return.
 */

/*
 * Open the log and begin a run in it. A new log is called by the node's name
 * of that day. Logs why it fails.
 */
int clo_record_open(struct clo_node *node, const char *path);

/* A nonce to be signed with the statement of one scope, NULL the node. */
struct clo_challenge {
	const char *nonce; /* hex */
	const char *scope;
};

/* Has the node, as of its last look, an endpoint of this scope? */
bool clo_record_has(const struct clo_node *node, const char *scope);
/*
 * Append the statements of one audit; where it is a routine one (its trigger is
 * period, event or repair) that found what the scope's last statement says, and
 * that is not older than --statement-period, on a period a heartbeat instead
 * and else nothing. Remembers the node's own predicate in
 * node->last. One group of the log: one sync, one checkpoint. A failure is
 * returned after as much as possible was recorded; enforcement does not depend
 * on it, and the time until the next that is recorded is a gap. -ENOSPC: there
 * is no room; where that is the log's own limit (retain.h), for what passed.
 * A challenge (NULL: none) is told to its own scope and to nobody else: where
 * it was of one scope and nothing is wrong, its statement is the only one.
 */
int clo_record_audit(struct clo_node *node, const struct clo_audit *audit,
		     const char *trigger,
		     const struct clo_challenge *challenge);

/* What became of a policy bundle; committed when this returns. */
int clo_record_ack(struct clo_node *node, const struct clo_ack *ack);
/* What no audit finds, for it is no state; observed: in force, or NULL. */
int clo_record_violation(struct clo_node *node,
			 const struct clo_tables *observed, const char *control,
			 const char *detail);
