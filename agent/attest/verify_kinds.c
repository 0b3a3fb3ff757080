/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/attest/verify_impl.h"
#include "agent/base/hex.h"

/* Each names its control; there is no violation that passed. */
int clo_verify_read_violations(struct clo_claims *claims,
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
int clo_verify_read_heartbeat(struct clo_claims *claims,
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

void clo_verify_conclude_violation(const struct clo_claims *claims,
				   struct clo_verify_result *result)
{
	const json_t *list = json_object_get(claims->predicate, "violations");
	const json_t *first = json_array_get(list, 0);

	clo_verify_conclude(result, CLO_VERIFY_FAILED,
			    "%zu violations, the first of %s: %s",
			    json_array_size(list), text_of(first, "control"),
			    text_of(first, "detail"));
}

void clo_verify_conclude_heartbeat(const struct clo_claims *claims, int64_t age,
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
