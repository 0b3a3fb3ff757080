/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "agent/attest/trust.h"

/*
 * A policy on its way to one node: a DSSE envelope of this type, its payload
 *
 * {"apiVersion": "cloison/v1", "kind": "PolicyBundle",
 *  "node": "hv-1",          as the policy calls it
 *  "revision": n,           from 1, greater with each bundle for that node
 *  "notAfter": RFC 3339,    optional: not put in force later than that
 *  "documents": [{"name": file, "text": its content}, ...]}
 *
 * No byte of the payload is parsed before its signature holds.
 */
#define CLO_POLICY_BUNDLE_TYPE "application/vnd.cloison.policy+json"
#define CLO_POLICY_BUNDLE_MAX (8U << 20) /* bytes of the envelope */
#define CLO_POLICY_REVISION_MAX INT64_C(9007199254740991) /* 2^53 - 1 */

struct clo_policy_bundle {
	const char *node;
	int64_t revision;
	time_t not_after; /* 0: not said */
	json_t *documents;
	char digest[65]; /* SHA-256 of the payload, hex */
	char key_id[65]; /* of who signed it */
	bool bound; /* that key is of this node alone */
	json_t *root; /* owns the first and the documents */
};

/* As above; documents are borrowed, the digest, key and root are not read. */
int clo_policy_bundle_seal(const struct clo_key *key,
			   const struct clo_policy_bundle *bundle,
			   char **ret_envelope);
/*
 * By a key that the store has for policies, that is valid now, and that speaks
 * for the bundle's node if the store names one for it. -EBADMSG with one line
 * in ret_reason, in which nothing is from the envelope; -ENOMEM.
 */
int clo_policy_bundle_open(const struct clo_trust *trust, const char *envelope,
			   size_t len, time_t now,
			   struct clo_policy_bundle **ret_bundle,
			   char ret_reason[200]);
void clo_policy_bundle_free(struct clo_policy_bundle *bundle);
CLO_DEFINE_FREEP(clo_policy_bundle)
