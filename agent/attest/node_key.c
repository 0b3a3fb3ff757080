/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/node_key.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/quote_json.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"

#define DEPTH 8
#define AK_MAX 256

struct clo_node_keys {
	struct clo_node_key **list;
	size_t n, room;
};

static json_t *predicate_of(const struct clo_node_key_parts *parts,
			    const char *id, const char *pem,
			    const char *log_pem)
{
	char when[21];

	clo_time_format(parts->time, when);
	return json_pack(
		"{s:{s:s, s:s}, s:s, s:o, s:{s:s, s:s, s:s}, s:s?, "
		"s:o, s:o, s:o, s:o}",
		"node", "name", parts->node, "bootId", parts->boot_id, "time",
		when, "chain", clo_chain_place_make(parts->chain), "key", "id",
		id, "pem", pem, "protection", "tpm", "logKey", log_pem, "ak",
		clo_hex_to_json(parts->ak, parts->ak_len), "ek",
		clo_hex_to_json(parts->ek, parts->ek_len), "ekCertificate",
		parts->certificate_len ? clo_hex_to_json(parts->certificate,
							 parts->certificate_len)
				       : json_null(),
		"quote", clo_quote_to_json(parts->quote));
}

int clo_node_key_make(const struct clo_node_key_parts *parts, char **ret_text)
{
	json_auto_t *statement = NULL;
	CLO_AUTO_MEM char *log_pem = NULL;
	CLO_AUTO_MEM char *pem = NULL;
	char id[65];
	char *text;
	int r;

	r = clo_key_public_pem(parts->key, &pem);
	if (r == 0 && parts->log_key)
		r = clo_key_public_pem(parts->log_key, &log_pem);
	if (r == 0)
		r = clo_key_id(parts->key, id);
	if (r < 0)
		return r;
	statement =
		json_pack("{s:s, s:[{s:s+, s:{s:s}}], s:s, s:o}", "_type",
			  CLO_STATEMENT_TYPE, "subject", "name", "node-key/",
			  parts->node, "digest", "sha256", id, "predicateType",
			  clo_kinds[CLO_KIND_NODE_KEY].type, "predicate",
			  predicate_of(parts, id, pem, log_pem));
	text = statement ? json_dumps(statement, JSON_COMPACT | JSON_SORT_KEYS)
			 : NULL;
	if (!text)
		return -ENOMEM;

	*ret_text = text;
	return 0;
}

void clo_node_key_free(struct clo_node_key *node_key)
{
	if (!node_key)
		return;

	json_decref(node_key->statement);
	clo_key_free(node_key->key);
	clo_key_free(node_key->log_key);
	free(node_key);
}

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* The key that an envelope brings; nothing is checked yet. */
static int peek(const char *envelope, size_t len, struct clo_key **ret_key)
{
	json_auto_t *statement = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	const char *pem;
	size_t payload_len;
	int r;

	r = clo_dsse_peek(envelope, len, &payload, &payload_len);
	if (r == 0)
		r = clo_json_parse(payload, payload_len, DEPTH, &statement);
	if (r == -ENOMEM)
		return r;
	if (clo_kind_of_type(text_of(statement, "predicateType")) !=
	    CLO_KIND_NODE_KEY)
		return -ENOMSG;
	pem = text_of(
		json_object_get(json_object_get(statement, "predicate"), "key"),
		"pem");
	r = pem ? clo_key_parse_public(pem, strlen(pem), ret_key) : -EBADMSG;
	return r == -EINVAL ? -EBADMSG : r;
}

const char *clo_node_key_quote_flaw(const struct clo_node_key *node_key,
				    const json_t *quote, uint64_t epoch,
				    const char *nonce)
{
	uint8_t der[CLO_KEY_DER_SIZE];
	uint8_t binding[32];

	if (clo_key_public_der(node_key->key, der) < 0 ||
	    clo_quote_binding(der, sizeof(der), node_key->boot_id, epoch, nonce,
			      binding) < 0)
		return "the check itself failed";
	return clo_quote_json_flaw(quote, &node_key->ak, binding);
}

/* NULL, or what is wrong. */
static const char *read_log_key(struct clo_node_key *node_key,
				const json_t *predicate)
{
	const json_t *member = json_object_get(predicate, "logKey");
	const char *pem = json_string_value(member);

	if (!member || json_is_null(member))
		return NULL;
	return pem && clo_key_parse_public(pem, strlen(pem),
					   &node_key->log_key) == 0
		       ? NULL
		       : "logKey is no public key";
}

/* After the signature. NULL, or what is wrong. */
static const char *read_members(struct clo_node_key *node_key)
{
	const json_t *predicate =
		json_object_get(node_key->statement, "predicate");
	const json_t *node = json_object_get(predicate, "node");
	struct clo_chain_place chain;
	const char *id = text_of(json_object_get(predicate, "key"), "id");
	const char *when = text_of(predicate, "time");
	uint8_t ak[AK_MAX];
	const char *flaw;
	size_t len;

	node_key->boot_id = text_of(node, "bootId");
	if (!node_key->boot_id || !text_of(node, "name") || !when ||
	    clo_time_parse(when, &node_key->time) < 0)
		return "node, boot or time is missing";
	if (clo_chain_place_read(json_object_get(predicate, "chain"), &chain) <
	    0)
		return "chain";
	if (!id || clo_key_id(node_key->key, node_key->id) < 0 ||
	    strcmp(id, node_key->id) != 0)
		return "key.id is not the key";
	if (clo_hex_from_json(json_object_get(predicate, "ak"), ak, sizeof(ak),
			      &len) < 0 ||
	    clo_quote_key_parse(ak, len, &node_key->ak) < 0)
		return "ak is no attestation key";
	clo_hex_encode(node_key->ak.name, 32, node_key->ak_id);
	flaw = read_log_key(node_key, predicate);
	if (flaw)
		return flaw;
	return clo_node_key_quote_flaw(
		node_key, json_object_get(predicate, "quote"), 0, "");
}

int clo_node_key_open(const char *envelope, size_t len,
		      struct clo_node_key **ret_node_key,
		      const char **ret_reason)
{
	CLO_AUTO(clo_node_key) struct clo_node_key *node_key = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	size_t payload_len;
	int r;

	*ret_reason = "not an envelope signed by the key that it brings";
	node_key = calloc(1, sizeof(*node_key));
	if (!node_key)
		return -ENOMEM;
	r = peek(envelope, len, &node_key->key);
	if (r == 0)
		r = clo_dsse_open(node_key->key, envelope, len, &payload,
				  &payload_len);
	if (r == 0)
		r = clo_sha256(payload, payload_len, node_key->digest);
	if (r == 0)
		r = clo_json_parse(payload, payload_len, DEPTH,
				   &node_key->statement);
	if (r < 0)
		return r;
	*ret_reason = read_members(node_key);
	if (*ret_reason)
		return -EBADMSG;

	*ret_node_key = CLO_TAKE(node_key);
	return 0;
}

int clo_node_keys_new(struct clo_node_keys **ret_keys)
{
	*ret_keys = calloc(1, sizeof(**ret_keys));
	return *ret_keys ? 0 : -ENOMEM;
}

void clo_node_keys_free(struct clo_node_keys *keys)
{
	if (!keys)
		return;

	for (size_t i = 0; i < keys->n; i++)
		clo_node_key_free(keys->list[i]);
	free(keys->list);
	free(keys);
}

int clo_node_keys_add(struct clo_node_keys *keys, struct clo_node_key *node_key)
{
	if (keys->n == keys->room) {
		size_t room = keys->room ? 2 * keys->room : 16;
		struct clo_node_key **grown = reallocarray(
			keys->list, room, sizeof(struct clo_node_key *));

		if (!grown) {
			clo_node_key_free(node_key);
			return -ENOMEM;
		}
		keys->list = grown;
		keys->room = room;
	}
	keys->list[keys->n++] = node_key;
	return 0;
}

size_t clo_node_keys_count(const struct clo_node_keys *keys)
{
	return keys->n;
}

const struct clo_node_key *clo_node_keys_find(const struct clo_node_keys *keys,
					      const char *id)
{
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->list[i]->id, id) == 0)
			return keys->list[i];
	return NULL;
}
