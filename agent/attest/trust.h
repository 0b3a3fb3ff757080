/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "agent/attest/key.h"

/*
 * Whose signatures a relying party accepts, for what and when. A JSON file:
 *
 * {"apiVersion": "cloison/v1", "kind": "TrustStore", "keys": [
 *    {"name": "node-1 of 2026", "roles": ["attest", "log"],
 *     "node": "node-1",                     the only node it speaks for
 *     "pem": SubjectPublicKeyInfo, Ed25519,
 *     or "ak": "000b" and SHA-256 in hex,   Name of a TPM's attestation key
 *     "notBefore": RFC 3339, "notAfter": RFC 3339,         both optional
 *     "revoked": RFC 3339}]}    nothing of this time or later is accepted
 *
 * "node" belongs to the roles attest and log, and they need it; a key for
 * policies that has it signs them for that node alone. A key stands in the file
 * once. An attestation key has the role attest alone: it vouches for the keys
 * that sign statements, by their node-key records.
 */
struct clo_trust;

enum clo_trust_role {
	CLO_TRUST_ATTEST = 1 << 0, /* statements of a node */
	CLO_TRUST_LOG = 1 << 1, /* checkpoints of its log */
	CLO_TRUST_POLICY = 1 << 2, /* policy bundles */
};

struct clo_trusted {
	const char *name;
	const char *node; /* NULL: any, role policy only */
	unsigned int roles;
	time_t not_before, not_after, revoked; /* 0: not said */
	const struct clo_key *key; /* NULL: an attestation key */
	char id[65]; /* of the latter its Name without the algorithm */
};

#define CLO_TRUST_MAX (1U << 20) /* bytes of the file */
#define CLO_TRUST_KEYS_MAX 4096U

/*
 * -EBADMSG with one line of what and where in ret_reason; -ENOMEM.
 */
int clo_trust_parse(const char *text, size_t len, struct clo_trust **ret_trust,
		    char ret_reason[200]);
void clo_trust_free(struct clo_trust *trust);
CLO_DEFINE_FREEP(clo_trust)

/* By id; NULL: it is not there, or not for that, or an attestation key. */
const struct clo_trusted *clo_trust_find(const struct clo_trust *trust,
					 const char *id,
					 enum clo_trust_role role);

/* One after the other, from *at == 0: those for that; NULL: no more. */
const struct clo_trusted *clo_trust_next(const struct clo_trust *trust,
					 enum clo_trust_role role, size_t *at);

/* The attestation key of that id. */
const struct clo_trusted *clo_trust_find_ak(const struct clo_trust *trust,
					    const char *id);

/* NULL: it holds for what was signed then; else why not. */
const char *clo_trusted_flaw(const struct clo_trusted *trusted, time_t then);
