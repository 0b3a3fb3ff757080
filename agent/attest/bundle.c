/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/base64.h"
#include "agent/attest/dsse.h"
#include "agent/attest/json.h"

#define ENVELOPE_DEPTH 3 /* object, signatures, signature */

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
	r = clo_dsse_key_id(bundle->envelope, len, key_id);
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
