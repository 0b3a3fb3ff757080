/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/attest/removal.h"
#include "agent/attest/verify_impl.h"
#include "agent/base/hex.h"

/* Each names its control; there is no violation that passed. */
static int read_violations(struct clo_claims *claims,
			   struct clo_verify_result *result)
{
	const json_t *list = json_object_get(claims->predicate, "violations");
	const char *stated = text_of(claims->predicate, "verdict");

	if (json_array_size(list) == 0)
		return clo_verify_reject(result, "violations");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		if (!text_of(one, "control") || !text_of(one, "detail"))
			return clo_verify_reject(result, "violations");
	}
	if (!stated || strcmp(stated, clo_verdict_text(CLO_FAILED)) != 0)
		return clo_verify_reject(result, "verdict");
	claims->verdict = CLO_FAILED;
	return 0;
}

/* It is worth no more than the statement that it names. */
static int read_heartbeat(struct clo_claims *claims,
			  struct clo_verify_result *result)
{
	const json_t *named = json_object_get(claims->predicate, "statement");
	const char *digest = text_of(named, "digest");
	const char *stated = text_of(claims->predicate, "verdict");

	if (!digest || clo_hex_decode(digest, 32, result->named) < 0 ||
	    !json_is_integer(json_object_get(named, "sequence")))
		return clo_verify_reject(result, "statement");
	for (int v = CLO_PASSED; v <= CLO_INCONCLUSIVE; v++)
		if (stated &&
		    strcmp(stated,
			   clo_verdict_text((enum clo_verdict_word)v)) == 0) {
			claims->verdict = (enum clo_verdict_word)v;
			return 0;
		}
	return clo_verify_reject(result, "verdict");
}

static bool is_time(const json_t *json)
{
	time_t time;

	return json_is_string(json) &&
	       clo_time_parse(json_string_value(json), &time) == 0;
}

static bool is_unwatched(const json_t *gap)
{
	const char *kind = text_of(gap, "kind");
	const json_t *to = json_object_get(gap, "to");

	return kind && strcmp(kind, "unwatched") == 0 &&
	       is_time(json_object_get(gap, "from")) &&
	       (json_is_null(to) || is_time(to)) && text_of(gap, "reason");
}

/* It is neither good news nor bad. */
static int read_gap(struct clo_claims *claims, struct clo_verify_result *result)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	const json_t *gap = json_object_get(claims->predicate, "gap");
	const char *stated = text_of(claims->predicate, "verdict");
	int r;

	r = clo_removal_read(gap, &removal);
	if (r == -ENOMEM)
		return r;
	/* the node alone removes */
	if (r == -ENOMSG ? !is_unwatched(gap)
			 : r < 0 || !json_is_null(json_object_get(
					    claims->predicate, "scope")))
		return clo_verify_reject(result, "gap");
	if (!stated || strcmp(stated, clo_verdict_text(CLO_INCONCLUSIVE)) != 0)
		return clo_verify_reject(result, "verdict");
	claims->verdict = CLO_INCONCLUSIVE;
	return 0;
}

static void conclude_gap(const struct clo_claims *claims, int64_t age,
			 struct clo_verify_result *result)
{
	const json_t *gap = json_object_get(claims->predicate, "gap");
	const json_t *count = json_object_get(gap, "count");
	const char *to = text_of(gap, "to");

	(void)age;
	if (count)
		clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
				    "%lld records of %s to %s were removed: %s",
				    json_integer_value(count),
				    text_of(gap, "from"), to,
				    text_of(gap, "reason"));
	else
		clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
				    "nobody watched from %s to %s: %s",
				    text_of(gap, "from"), to ? to : "now",
				    text_of(gap, "reason"));
}

static void conclude_violation(const struct clo_claims *claims, int64_t age,
			       struct clo_verify_result *result)
{
	const json_t *list = json_object_get(claims->predicate, "violations");
	const json_t *first = json_array_get(list, 0);

	(void)age;
	clo_verify_conclude(result, CLO_VERIFY_FAILED,
			    "%zu violations, the first of %s: %s",
			    json_array_size(list), text_of(first, "control"),
			    text_of(first, "detail"));
}

static void conclude_heartbeat(const struct clo_claims *claims, int64_t age,
			       struct clo_verify_result *result)
{
	const json_t *named = json_object_get(claims->predicate, "statement");

	clo_verify_conclude(
		result,
		claims->verdict == CLO_FAILED ? CLO_VERIFY_FAILED
					      : CLO_VERIFY_INCONCLUSIVE,
		"statement %lld, which is not here, said %s and "
		"held %lld s ago",
		json_integer_value(json_object_get(named, "sequence")),
		clo_verdict_text(claims->verdict), (long long)age);
	result->lacks_statement = claims->verdict == CLO_PASSED;
}

/* It passed if the bundle was applied, and then some policy is in force. */
static int read_ack(struct clo_claims *claims, struct clo_verify_result *result)
{
	const json_t *bundle = json_object_get(claims->predicate, "bundle");
	const json_t *policy = json_object_get(claims->predicate, "policy");
	const json_t *digest = json_object_get(policy, "digest");
	const char *stated = text_of(claims->predicate, "verdict");
	enum clo_outcome outcome =
		clo_outcome_of(text_of(claims->predicate, "outcome"));

	if (json_integer_value(json_object_get(bundle, "revision")) < 1 ||
	    !is_digest(text_of(bundle, "digest")))
		return clo_verify_reject(result, "bundle");
	if (outcome == CLO_OUTCOMES || !text_of(claims->predicate, "reason"))
		return clo_verify_reject(result, "outcome");
	claims->verdict =
		outcome == CLO_OUTCOME_APPLIED ? CLO_PASSED : CLO_FAILED;
	if (!is_digest(json_string_value(digest)) &&
	    (claims->verdict == CLO_PASSED || !json_is_null(digest)))
		return clo_verify_reject(result, "policy");
	if (!stated || strcmp(stated, clo_verdict_text(claims->verdict)) != 0)
		return clo_verify_reject(result, "verdict");
	return 0;
}

static void conclude_ack(const struct clo_claims *claims, int64_t age,
			 struct clo_verify_result *result)
{
	const json_t *bundle = json_object_get(claims->predicate, "bundle");
	const char *reason = text_of(claims->predicate, "reason");

	(void)age;
	clo_verify_conclude(
		result,
		claims->verdict == CLO_PASSED ? CLO_VERIFY_PASSED
					      : CLO_VERIFY_FAILED,
		"policy bundle %lld %s%s%s",
		json_integer_value(json_object_get(bundle, "revision")),
		text_of(claims->predicate, "outcome"), *reason ? ": " : "",
		reason);
}

const struct clo_kind_reader clo_kind_readers[CLO_KINDS] = {
	[CLO_KIND_VIOLATION] = {read_violations, conclude_violation},
	[CLO_KIND_HEARTBEAT] = {read_heartbeat, conclude_heartbeat},
	[CLO_KIND_POLICY_ACK] = {read_ack, conclude_ack, .ageless = true},
	[CLO_KIND_GAP] = {read_gap, conclude_gap, .ageless = true},
};
