/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/verify_impl.h"

#define NO_RECORD                                                              \
	"no node-key record of a trusted attestation key vouches for its key"

static void reject(struct clo_verify_result *result, const char *why)
{
	clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC, "%s", why);
}

/* Does this key speak for that node, at that time? */
static void check_trusted(const struct clo_trusted *trusted,
			  struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");
	const char *node = text_of(json_object_get(predicate, "node"), "name");
	const char *flaw;
	time_t then = 0;

	(void)clo_time_parse(text_of(predicate, "time"), &then);
	flaw = clo_trusted_flaw(trusted, then);
	if (strcmp(node, trusted->node) != 0)
		flaw = "of a node that the key does not speak for";
	if (flaw)
		clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC,
				    "%s: key %s", flaw, trusted->name);
}

/* The key is one boot's; where the TPM quoted, it quoted that. */
static const char *binding_flaw(const struct clo_node_key *node_key,
				const json_t *predicate,
				const struct clo_verify_options *options)
{
	const json_t *node = json_object_get(predicate, "node");
	const json_t *quote = json_object_get(predicate, "quote");
	const json_t *epoch =
		json_object_get(json_object_get(predicate, "policy"), "epoch");
	const char *nonce = text_of(predicate, "nonce");
	json_int_t number = json_integer_value(epoch);

	if (strcmp(text_of(node, "bootId"), node_key->boot_id) != 0)
		return "its key is one of another boot";
	if (quote)
		return number < 0 ? "signed, but policy.epoch is none"
				  : clo_node_key_quote_flaw(node_key, quote,
							    (uint64_t)number,
							    nonce ? nonce : "");
	return options->protection && options->nonce
		       ? "the TPM did not quote the nonce asked for"
		       : NULL;
}

/* NULL: nothing that the store trusts vouches for it. */
static const struct clo_node_key *
find_bound(const struct clo_trust *trust, const char *id,
	   const struct clo_verify_options *options,
	   const struct clo_trusted **ret_trusted)
{
	const struct clo_node_key *node_key =
		options->node_keys ? clo_node_keys_find(options->node_keys, id)
				   : NULL;

	*ret_trusted =
		node_key ? clo_trust_find_ak(trust, node_key->ak_id) : NULL;
	return *ret_trusted ? node_key : NULL;
}

/* A node-key record among the statements. Takes it. */
static void verify_record(const struct clo_trust *trust,
			  struct clo_node_key *node_key,
			  struct clo_verify_result *result)
{
	const struct clo_trusted *trusted =
		clo_trust_find_ak(trust, node_key->ak_id);
	const char *flaw;

	result->statement = json_incref(node_key->statement);
	result->kind = CLO_KIND_NODE_KEY;
	memcpy(result->digest, node_key->digest, sizeof(result->digest));
	clo_verify_conclude(result, CLO_VERIFY_PASSED,
			    "the key of boot %s is bound to the TPM",
			    node_key->boot_id);
	/* which node it is of says the store, not the record */
	flaw = trusted ? clo_trusted_flaw(trusted, node_key->time)
		       : "quoted by an attestation key that is not trusted";
	if (flaw)
		reject(result, flaw);
	clo_node_key_free(node_key);
}

static void verify_statement(const struct clo_trust *trust,
			     const char *envelope, size_t len,
			     const struct clo_verify_options *options,
			     struct clo_verify_result *result)
{
	const struct clo_node_key *node_key = NULL;
	const struct clo_trusted *trusted;
	const char *flaw = NULL;
	char id[65];

	if (clo_dsse_key_id(CLO_DSSE_TYPE, envelope, len, id) < 0) {
		reject(result, "not an envelope that names its key");
		return;
	}
	trusted = clo_trust_find(trust, id, CLO_TRUST_ATTEST);
	if (!trusted)
		node_key = find_bound(trust, id, options, &trusted);
	if (!trusted) {
		reject(result,
		       "signed by a key that is not trusted with statements");
		return;
	}
	clo_verify_signed(node_key ? node_key->key : trusted->key, envelope,
			  len, options, result);
	if (!result->statement || result->exit == CLO_VERIFY_NOT_AUTHENTIC)
		return;
	check_trusted(trusted, result);
	if (node_key)
		flaw = binding_flaw(
			node_key,
			json_object_get(result->statement, "predicate"),
			options);
	else if (options->protection)
		flaw = NO_RECORD;
	if (flaw && result->exit != CLO_VERIFY_NOT_AUTHENTIC)
		reject(result, flaw);
}

void clo_verify_trusted(const struct clo_trust *trust, const char *envelope,
			size_t len, const struct clo_verify_options *options,
			struct clo_verify_result *ret_result)
{
	struct clo_node_key *node_key = NULL;
	const char *reason;
	int r;

	*ret_result = (struct clo_verify_result){0};
	clo_verify_conclude(ret_result, CLO_VERIFY_INCONCLUSIVE,
			    "the check itself failed");
	r = clo_node_key_open(envelope, len, &node_key, &reason);
	if (r == 0)
		verify_record(trust, node_key, ret_result);
	else if (r == -EBADMSG)
		reject(ret_result, reason);
	else if (r == -ENOMSG)
		verify_statement(trust, envelope, len, options, ret_result);
}
