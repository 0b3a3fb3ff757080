/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "agent/attest/key.h"
#include "agent/attest/node_key.h"
#include "agent/attest/statement.h"
#include "agent/attest/trust.h"

/*
 * The relying party's check: offline, no privileges, no daemon. Signature
 * first; then shape, then the verdict computed again from the members (a
 * verdict that the members do not support is not authentic), then age.
 */
enum clo_verify_exit {
	CLO_VERIFY_PASSED = 0,
	CLO_VERIFY_NOT_AUTHENTIC = 1,
	CLO_VERIFY_USAGE = 2,
	CLO_VERIFY_FAILED = 3,
	CLO_VERIFY_INCONCLUSIVE = 4, /* or stale */
};

struct clo_verify_result {
	enum clo_verify_exit exit;
	char reason[200]; /* one line, always filled */
	json_t *statement; /* NULL unless the signature held; owned */
	uint8_t digest[32]; /* SHA-256 of the payload, if it did */
	bool stale;
	/* Of an authentic one, but of a node-key record only the kind. */
	enum clo_kind kind;
	enum clo_verdict_word verdict;
	time_t time;
	uint8_t place[32]; /* digest of its node, boot and scope */
	uint8_t named[32]; /* digest of the statement, of a heartbeat */
	bool lacks_statement; /* what it names passed, and it is young */
};

struct clo_verify_options {
	time_t now;
	int64_t max_age; /* seconds; < 0: the statement's own period x 3 */
	const char *nonce; /* hex the statement must carry, or NULL */
	/*
	 * Protection that the key must have, by the statement and by a
	 * node-key record of a trusted attestation key; or NULL.
	 */
	const char *protection;
	const struct clo_node_keys *node_keys; /* or NULL */
};

void clo_verify(const struct clo_key *key, const char *envelope, size_t len,
		const struct clo_verify_options *options,
		struct clo_verify_result *ret_result);
/*
 * By the key that the envelope names, if the store has it for statements of
 * that node and that time, or has the attestation key that vouches for it by a
 * node-key record. Such a record itself is verified, too: PASSED if it holds.
 */
void clo_verify_trusted(const struct clo_trust *trust, const char *envelope,
			size_t len, const struct clo_verify_options *options,
			struct clo_verify_result *ret_result);
/*
 * The reason goes to terminals and logs, and parts of it come from others: it
 * becomes printable ASCII.
 */
__attribute__((format(printf, 3, 4))) void
clo_verify_conclude(struct clo_verify_result *result, enum clo_verify_exit exit,
		    const char *fmt, ...);
void clo_verify_result_done(struct clo_verify_result *result);
