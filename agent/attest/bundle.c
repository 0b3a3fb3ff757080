/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/base64.h"
#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/base/hex.h"

#define ENVELOPE_DEPTH 3 /* object, signatures, signature */
/* object, material, entries, entry, proof, checkpoint */
#define BUNDLE_DEPTH 6

/* Protobuf's JSON writes 64-bit numbers as strings. NULL without memory. */
static json_t *number(uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return json_string(text);
}

static json_t *base64(const void *data, size_t len)
{
	CLO_AUTO_MEM char *text = NULL;

	return clo_base64_encode(data, len, &text) < 0 ? NULL
						       : json_string(text);
}

static json_t *hashes_of(const struct clo_merkle_proof *path)
{
	CLO_AUTO(clo_json) json_t *hashes = json_array();

	for (size_t i = 0; i < path->n; i++)
		if (json_array_append_new(hashes, base64(path->hashes[i],
							 CLO_SHA256_SIZE)) < 0)
			return NULL;
	return json_incref(hashes);
}

static json_t *proof_of(const struct clo_bundle *bundle)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:s}}", "logIndex",
			 number(bundle->index), "rootHash",
			 base64(bundle->head->root, CLO_SHA256_SIZE),
			 "treeSize", number(bundle->head->size), "hashes",
			 hashes_of(bundle->path), "checkpoint", "envelope",
			 bundle->note);
}

static json_t *entry_of(const struct clo_bundle *bundle)
{
	return json_pack("{s:o, s:{s:o}, s:{s:s, s:s}, s:o, s:o, s:o}",
			 "logIndex", number(bundle->index), "logId", "keyId",
			 base64(bundle->log_id, CLO_SHA256_SIZE), "kindVersion",
			 "kind", "dsse", "version", "0.0.1", "integratedTime",
			 number((uint64_t)bundle->time), "canonicalizedBody",
			 base64(bundle->body, strlen(bundle->body)),
			 "inclusionProof", proof_of(bundle));
}

int clo_bundle_format(const struct clo_bundle *bundle, char **ret_text)
{
	CLO_AUTO(clo_json) json_t *envelope = NULL;
	CLO_AUTO(clo_json) json_t *root = NULL;
	size_t len = strlen(bundle->envelope);
	char key_id[65];
	char *text;
	int r;

	if (bundle->time < 0)
		return -EINVAL;
	r = clo_dsse_key_id(CLO_DSSE_TYPE, bundle->envelope, len, key_id);
	if (r == 0)
		r = clo_json_parse(bundle->envelope, len, ENVELOPE_DEPTH,
				   &envelope);
	if (r < 0)
		return r;
	root = json_pack("{s:s, s:O, s:{s:{s:s}, s:[o]}}", "mediaType",
			 CLO_BUNDLE_TYPE, "dsseEnvelope", envelope,
			 "verificationMaterial", "publicKey", "hint", key_id,
			 "tlogEntries", entry_of(bundle));
	text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text)
		return -ENOMEM;

	*ret_text = text;
	return 0;
}

bool clo_bundle_is_claimed(const char *text, size_t len)
{
	static const char member[] = "\"mediaType\"";

	return memmem(text, len, member, sizeof(member) - 1) != NULL;
}

void clo_bundled_free(struct clo_bundled *bundled)
{
	if (!bundled)
		return;

	free(bundled->envelope);
	free(bundled->body);
	free(bundled->note);
	free(bundled);
}

/* The texts of a bundle, borrowed from it. */
struct texts {
	const json_t *envelope, *hashes;
	const char *hint, *log_index, *log_id, *time, *body;
	const char *index, *root, *size, *note;
};

/* Each member once, as REJECT_DUPLICATES has seen to, and no other. */
static int take_texts(json_t *root, struct texts *ret)
{
	const char *type, *kind, *version;

	if (json_unpack(root,
			"{s:s, s:o, s:{s:{s:s!}, s:[{s:s, s:{s:s!}, s:{s:s, "
			"s:s!}, s:s, s:s, s:{s:s, s:s, s:s, s:o, "
			"s:{s:s!}!}!}!]!}!}",
			"mediaType", &type, "dsseEnvelope", &ret->envelope,
			"verificationMaterial", "publicKey", "hint", &ret->hint,
			"tlogEntries", "logIndex", &ret->log_index, "logId",
			"keyId", &ret->log_id, "kindVersion", "kind", &kind,
			"version", &version, "integratedTime", &ret->time,
			"canonicalizedBody", &ret->body, "inclusionProof",
			"logIndex", &ret->index, "rootHash", &ret->root,
			"treeSize", &ret->size, "hashes", &ret->hashes,
			"checkpoint", "envelope", &ret->note) < 0)
		return -EBADMSG;
	return strcmp(type, CLO_BUNDLE_TYPE) == 0 &&
			       strcmp(kind, "dsse") == 0 &&
			       strcmp(version, "0.0.1") == 0 &&
			       strcmp(ret->log_index, ret->index) == 0
		       ? 0
		       : -EBADMSG;
}

static int read_hash(const char *text, uint8_t ret_hash[CLO_SHA256_SIZE])
{
	return text ? clo_base64_decode_exact(text, strlen(text),
					      CLO_SHA256_SIZE, ret_hash)
		    : -EBADMSG;
}

static int read_hashes(const json_t *list, struct clo_merkle_proof *path)
{
	int r = 0;

	if (!json_is_array(list) ||
	    json_array_size(list) > CLO_ARRAY_LEN(path->hashes))
		return -EBADMSG;
	for (; path->n < json_array_size(list) && r == 0; path->n++)
		r = read_hash(json_string_value(json_array_get(list, path->n)),
			      path->hashes[path->n]);
	return r;
}

static int read_proof(const struct texts *texts, struct clo_bundled *bundled)
{
	struct clo_tlog_proof *proof = &bundled->proof;
	uint8_t log_id[CLO_SHA256_SIZE];
	int r;

	r = clo_checkpoint_number(texts->index, strlen(texts->index),
				  &proof->index);
	if (r == 0)
		r = clo_checkpoint_number(texts->size, strlen(texts->size),
					  &bundled->size);
	if (r == 0)
		r = clo_checkpoint_number(texts->time, strlen(texts->time),
					  &bundled->time);
	if (r == 0)
		r = read_hash(texts->root, bundled->root);
	if (r == 0)
		r = read_hash(texts->log_id, log_id);
	if (r == 0)
		r = read_hashes(texts->hashes, &proof->path);
	if (r == 0)
		r = clo_base64_decode(texts->body, strlen(texts->body),
				      &bundled->body, &proof->entry_len);
	if (r < 0)
		return r;
	clo_hex_encode(log_id, sizeof(log_id), bundled->log_id);
	bundled->note = strdup(texts->note);
	if (!bundled->note)
		return -ENOMEM;
	proof->entry = bundled->body;
	proof->checkpoint = bundled->note;
	proof->checkpoint_len = strlen(bundled->note);
	return 0;
}

/* Its key is the one that the bundle names. */
static int read_envelope(const struct texts *texts, struct clo_bundled *bundled)
{
	char key_id[65];
	int r;

	if (!json_is_object(texts->envelope))
		return -EBADMSG;
	bundled->envelope =
		json_dumps(texts->envelope, JSON_COMPACT | JSON_SORT_KEYS);
	if (!bundled->envelope)
		return -ENOMEM;
	r = clo_dsse_key_id(CLO_DSSE_TYPE, bundled->envelope,
			    strlen(bundled->envelope), key_id);
	if (r < 0)
		return r;
	return strcmp(key_id, texts->hint) == 0 ? 0 : -EBADMSG;
}

int clo_bundle_parse(const char *text, size_t len,
		     struct clo_bundled **ret_bundled)
{
	CLO_AUTO(clo_bundled) struct clo_bundled *bundled = NULL;
	CLO_AUTO(clo_json) json_t *root = NULL;
	struct texts texts = {0};
	int r;

	r = clo_json_parse(text, len, BUNDLE_DEPTH, &root);
	if (r == 0)
		r = take_texts(root, &texts);
	if (r < 0)
		return r;
	bundled = calloc(1, sizeof(*bundled));
	if (!bundled)
		return -ENOMEM;
	r = read_envelope(&texts, bundled);
	if (r == 0)
		r = read_proof(&texts, bundled);
	if (r < 0)
		return r;

	*ret_bundled = CLO_TAKE(bundled);
	return 0;
}
