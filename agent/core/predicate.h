/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/statement.h"
#include "agent/core/audit.h"
#include "firmware/facts.h"

/*
 * An audit as the predicate of a statement (agent/attest/statement.h has its
 * members), for the node or for one scope of it. A scope's predicate speaks of
 * its own endpoints and of what concerns every scope, and of nobody else's.
 */
struct clo_occasion {
	const char *trigger; /* "apply", "period", ... */
	const char *nonce; /* hex or NULL */
	time_t now;
	const struct clo_gap *gaps;
	size_t n_gaps;
	const struct clo_facts *facts;
	json_t *quote; /* by the TPM, or NULL */
};

/* scope NULL: the node. Lacks "chain" and "verdict". NULL without memory. */
json_t *clo_predicate_make(const struct clo_node *node,
			   const struct clo_audit *audit,
			   const struct clo_occasion *occasion,
			   const char *scope);
/* Its "proof.flows": what became of the flows of before. */
json_t *clo_predicate_flows(const struct clo_revoke *revoke);
/*
 * What the audit found that the one before did not, for the node or for one
 * scope, as far as it may read it; a predicate of CLO_KIND_VIOLATION without
 * "chain". *ret_predicate NULL: nothing.
 */
int clo_predicate_violations(const struct clo_node *node,
			     const struct clo_audit *audit,
			     const struct clo_occasion *occasion,
			     const char *scope, json_t **ret_predicate);
/*
 * That nobody watched, or does so now; of CLO_KIND_GAP, lacks "chain". NULL
 * without memory.
 */
json_t *clo_predicate_gap(const struct clo_node *node,
			  const struct clo_occasion *occasion,
			  const char *scope, const struct clo_gap *gap);
/* That records were removed; the same. */
json_t *clo_predicate_removal(const struct clo_node *node,
			      const struct clo_occasion *occasion,
			      const struct clo_removal *removal);
/* That what was stated still holds; lacks "chain". NULL without memory. */
json_t *clo_predicate_heartbeat(const struct clo_node *node,
				const struct clo_occasion *occasion,
				const char *scope,
				const struct clo_standing *standing);
/* One that no audit found, of the node; the same. NULL without memory. */
json_t *clo_predicate_violation(const struct clo_node *node,
				const struct clo_occasion *occasion,
				const char *control, const char *detail);

/* What became of a bundle. */
struct clo_ack {
	int64_t revision;
	const char *digest; /* hex, of its payload */
	enum clo_outcome outcome;
	const char *reason; /* one line, UTF-8 */
	const struct clo_tables *observed; /* in force after it; NULL: none */
};

static inline enum clo_verdict_word clo_ack_verdict(const struct clo_ack *ack)
{
	return ack->outcome == CLO_OUTCOME_APPLIED ? CLO_PASSED : CLO_FAILED;
}

/* Lacks "chain". NULL without memory. */
json_t *clo_predicate_ack(const struct clo_node *node,
			  const struct clo_ack *ack,
			  const struct clo_occasion *occasion);
/* Is this tap one of the scope's (NULL: the node's, which has them all)? */
bool clo_predicate_covers(const char *scope, const struct clo_tap *tap);
