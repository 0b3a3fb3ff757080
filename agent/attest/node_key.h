/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/key.h"
#include "agent/attest/quote.h"
#include "agent/attest/statement.h"

/*
 * What vouches for a signing key that is in memory alone: an in-toto Statement
 * signed by that key itself, with a quote of it by the TPM's attestation key.
 *
 * {"_type":, "subject": [{"name": "node-key/<node>", "digest": {"sha256":
 *  the key's id}}], "predicateType": "https://cloison.example/node-key/v1",
 *  "predicate": {
 *    "node": {"name":, "bootId":}, "time":, "chain": as in isolation/v1,
 *    "key": {"id":, "pem":, "protection": "tpm"},
 *    "logKey": the PEM of the key that signs the checkpoints of the log, or null,
 *    "ak": TPMT_PUBLIC, "ek": TPMT_PUBLIC, "ekCertificate": DER or null,
 *    "quote": {"attest":, "signature":, "pcrs":}}}           all of that in hex
 *
 * Who trusts the attestation key's Name trusts the key for that boot.
 */
/* In the log: records of that scope are no statements, they vouch for signers. */
#define CLO_NODE_KEY_SCOPE "node-key"

struct clo_node_key_parts {
	const char *node, *boot_id;
	time_t time;
	const struct clo_chain_place *chain;
	const struct clo_key *key;
	const struct clo_key *log_key; /* or NULL */
	const uint8_t *ak, *ek, *certificate;
	size_t ak_len, ek_len, certificate_len; /* the last may be 0 */
	const struct clo_quote_parts *quote;
};

/* Canonical text, to be signed by that key; caller frees. */
int clo_node_key_make(const struct clo_node_key_parts *parts, char **ret_text);

/* One whose signature, members and quote hold. */
struct clo_node_key {
	json_t *statement;
	uint8_t digest[32]; /* of the payload */
	const char *boot_id; /* the statement's */
	time_t time;
	struct clo_key *key;
	char id[65]; /* of the key */
	struct clo_key *log_key; /* NULL: it does not say */
	struct clo_quote_key ak;
	char ak_id[65]; /* its Name without the algorithm, hex */
};

/* -ENOMSG: something else; -EBADMSG, with why in ret_reason. */
int clo_node_key_open(const char *envelope, size_t len,
		      struct clo_node_key **ret_node_key,
		      const char **ret_reason);
void clo_node_key_free(struct clo_node_key *node_key);
CLO_DEFINE_FREEP(clo_node_key)
/* The quote in a statement of that boot; NULL: it holds. */
const char *clo_node_key_quote_flaw(const struct clo_node_key *node_key,
				    const json_t *quote, uint64_t epoch,
				    const char *nonce);

/* Several, by the id of their key. */
struct clo_node_keys;

int clo_node_keys_new(struct clo_node_keys **ret_keys);
void clo_node_keys_free(struct clo_node_keys *keys);
CLO_DEFINE_FREEP(clo_node_keys)
/* Takes it, also on error. */
int clo_node_keys_add(struct clo_node_keys *keys,
		      struct clo_node_key *node_key);
size_t clo_node_keys_count(const struct clo_node_keys *keys);
const struct clo_node_key *clo_node_keys_find(const struct clo_node_keys *keys,
					      const char *id);
