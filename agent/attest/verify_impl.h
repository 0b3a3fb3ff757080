/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/verify.h"

/* What a statement says of itself; strings are borrowed from it. */
struct clo_claims {
	const json_t *predicate;
	const char *subject;
	const char *nonce; /* or NULL */
	time_t time;
	int64_t period;
	enum clo_kind kind;
	enum clo_verdict_word verdict;
};

static inline const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* Signed, but not a sound statement: -EBADMSG. */
int clo_verify_reject(struct clo_verify_result *result, const char *what);
/* By a key that is trusted for whatever reason; see clo_verify(). */
void clo_verify_signed(const struct clo_key *key, const char *envelope,
		       size_t len, const struct clo_verify_options *options,
		       struct clo_verify_result *ret_result);

/*
 * The records that are no attestation of the whole: their own members, to
 * claims->verdict, and what they come to.
 */
int clo_verify_read_violations(struct clo_claims *claims,
			       struct clo_verify_result *result);
int clo_verify_read_heartbeat(struct clo_claims *claims,
			      struct clo_verify_result *result);
int clo_verify_read_ack(struct clo_claims *claims,
			struct clo_verify_result *result);
int clo_verify_read_gap(struct clo_claims *claims,
			struct clo_verify_result *result);
void clo_verify_conclude_gap(const struct clo_claims *claims,
			     struct clo_verify_result *result);
void clo_verify_conclude_violation(const struct clo_claims *claims,
				   struct clo_verify_result *result);
void clo_verify_conclude_heartbeat(const struct clo_claims *claims, int64_t age,
				   struct clo_verify_result *result);
void clo_verify_conclude_ack(const struct clo_claims *claims,
			     struct clo_verify_result *result);
