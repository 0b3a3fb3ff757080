/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/logged.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/leaf.h"

#define ENVELOPE_DEPTH 3 /* object, signatures, signature */
#define BROKEN "the check itself failed"

/* The text that was logged, whatever space stands between its members. */
static char *canonical(const char *envelope, size_t len)
{
	CLO_AUTO(clo_json) json_t *root = NULL;

	if (clo_json_parse(envelope, len, ENVELOPE_DEPTH, &root) < 0)
		return NULL;
	return json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
}

/* The entry is what this envelope and the key that it names make. */
static const char *entry_flaw(const char *envelope, size_t len,
			      const struct clo_tlog_proof *proof)
{
	CLO_AUTO_MEM char *logged = canonical(envelope, len);
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	CLO_AUTO_MEM char *body = NULL;
	char of_entry[65], of_envelope[65];

	if (!logged)
		return BROKEN;
	if (!proof->entry ||
	    clo_leaf_key(proof->entry, proof->entry_len, &key) < 0)
		return "its proof brings no entry";
	if (clo_key_id(key, of_entry) < 0 ||
	    clo_leaf_body(key, logged, strlen(logged), &body) < 0)
		return BROKEN;
	if (clo_dsse_key_id(CLO_DSSE_TYPE, logged, strlen(logged),
			    of_envelope) < 0 ||
	    strcmp(of_entry, of_envelope) != 0 ||
	    strlen(body) != proof->entry_len ||
	    memcmp(body, proof->entry, proof->entry_len) != 0)
		return "its proof is of another statement";
	return NULL;
}

static bool is_signer(const struct clo_key *key,
		      const struct clo_tlog_proof *proof)
{
	struct clo_checkpoint head;

	return clo_checkpoint_open(key, proof->checkpoint,
				   proof->checkpoint_len, &head) == 0;
}

/* Who signed the checkpoint, and may. NULL, with why. */
static const struct clo_key *find_key(const struct clo_log_trust *by,
				      const struct clo_tlog_proof *proof,
				      const char **ret_flaw)
{
	const struct clo_trusted *trusted;
	size_t at = 0;

	*ret_flaw = "the checkpoint of its proof is signed by no key that is "
		    "trusted with the log of its node";
	if (by->key)
		return is_signer(by->key, proof) ? by->key : NULL;
	while ((trusted = clo_trust_next(by->trust, CLO_TRUST_LOG, &at))) {
		if (!by->node || strcmp(trusted->node, by->node) != 0 ||
		    !is_signer(trusted->key, proof))
			continue;
		*ret_flaw = clo_trusted_flaw(trusted, by->then);
		return *ret_flaw ? NULL : trusted->key;
	}
	return NULL;
}

/* As clo_logged_flaw(), with the key and the checkpoint that hold. */
static const char *proof_flaw(const struct clo_log_trust *by,
			      const char *envelope, size_t len,
			      const struct clo_tlog_proof *proof,
			      const struct clo_key **ret_key,
			      struct clo_checkpoint *ret_head)
{
	const char *flaw = entry_flaw(envelope, len, proof);

	if (flaw)
		return flaw;
	*ret_key = find_key(by, proof, &flaw);
	if (!*ret_key)
		return flaw;
	return clo_tlog_proof_check(*ret_key, proof, NULL, ret_head) < 0
		       ? "the log that was signed does not have it"
		       : NULL;
}

const char *clo_logged_flaw(const struct clo_log_trust *by,
			    const char *envelope, size_t len,
			    const struct clo_tlog_proof *proof)
{
	const struct clo_key *key;
	struct clo_checkpoint head;

	return proof_flaw(by, envelope, len, proof, &key, &head);
}

const char *clo_logged_bundle_flaw(const struct clo_log_trust *by,
				   const struct clo_bundled *bundled)
{
	const struct clo_key *key;
	struct clo_checkpoint head = {0};
	const char *flaw;
	char id[65];

	flaw = proof_flaw(by, bundled->envelope, strlen(bundled->envelope),
			  &bundled->proof, &key, &head);
	if (flaw)
		return flaw;
	if (clo_key_id(key, id) < 0)
		return BROKEN;
	if (bundled->time != (uint64_t)by->then ||
	    strcmp(id, bundled->log_id) != 0 || head.size != bundled->size ||
	    memcmp(head.root, bundled->root, sizeof(head.root)) != 0)
		return "the bundle says other than what was signed";
	return NULL;
}
