/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/verify.h"
#include "agent/base/hex.h"

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

/* SHA-256 in hex? */
static inline bool is_digest(const char *text)
{
	uint8_t digest[32];

	return text && clo_hex_decode(text, sizeof(digest), digest) == 0;
}

/* Signed, but not a sound statement: -EBADMSG. */
int clo_verify_reject(struct clo_verify_result *result, const char *what);
/* By a key that is trusted for whatever reason; see clo_verify(). */
void clo_verify_signed(const struct clo_key *key, const char *envelope,
		       size_t len, const struct clo_verify_options *options,
		       struct clo_verify_result *ret_result);

/* A kind of record: its own members, to claims->verdict, and what they come to. */
struct clo_kind_reader {
	int (*read)(struct clo_claims *claims,
		    struct clo_verify_result *result);
	void (*conclude)(const struct clo_claims *claims, int64_t age,
			 struct clo_verify_result *result);
	/* It tells what happened, and ages only if that is asked for. */
	bool ageless;
};

/* Of all but isolation/v1, the attestation of the whole; without `read`: none. */
extern const struct clo_kind_reader clo_kind_readers[CLO_KINDS];
