/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/leaf.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/base64.h"
#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/sha256.h"
#include "agent/base/hex.h"

#define BODY_DEPTH 4 /* entry, spec, signatures, signature */

/* Members are ASCII and sorted: jansson's compact form is the canonical one. */
static int body_text(const char *envelope_digest, const char *payload_digest,
		     const char *signature, const char *verifier,
		     char **ret_body)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	char *text;

	root = json_pack("{s:s, s:s, s:{s:{s:s, s:s}, s:{s:s, s:s},"
			 " s:[{s:s, s:s}]}}",
			 "apiVersion", "0.0.1", "kind", "dsse", "spec",
			 "envelopeHash", "algorithm", "sha256", "value",
			 envelope_digest, "payloadHash", "algorithm", "sha256",
			 "value", payload_digest, "signatures", "signature",
			 signature, "verifier", verifier);
	text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text)
		return -ENOMEM;

	*ret_body = text;
	return 0;
}

int clo_leaf_body(const struct clo_key *key, const char *envelope, size_t len,
		  char **ret_body)
{
	CLO_AUTO_MEM char *signature = NULL;
	CLO_AUTO_MEM char *verifier = NULL;
	CLO_AUTO_MEM char *pem = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	char payload_hex[CLO_SHA256_HEX];
	char envelope_hex[CLO_SHA256_HEX];
	int r;

	r = clo_dsse_digest(envelope, len, digest, &signature);
	if (r < 0)
		return r;
	clo_hex_encode(digest, sizeof(digest), payload_hex);
	r = clo_sha256_hex(envelope, len, envelope_hex);
	if (r < 0)
		return r;
	r = clo_key_public_pem(key, &pem);
	if (r < 0)
		return r;
	r = clo_base64_encode(pem, strlen(pem), &verifier);
	if (r < 0)
		return r;
	return body_text(envelope_hex, payload_hex, signature, verifier,
			 ret_body);
}

int clo_leaf_key(const char *body, size_t len, struct clo_key **ret_key)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	CLO_AUTO_MEM char *pem = NULL;
	const char *verifier;
	size_t pem_len;
	int r;

	if (len > CLO_LEAF_MAX)
		return -EBADMSG;
	r = clo_json_parse(body, len, BODY_DEPTH, &root);
	if (r < 0)
		return r;
	if (json_unpack(root, "{s:{s:[{s:s}!]}}", "spec", "signatures",
			"verifier", &verifier) < 0)
		return -EBADMSG;
	r = clo_base64_decode(verifier, strlen(verifier), &pem, &pem_len);
	if (r < 0)
		return r;
	r = clo_key_parse_public(pem, pem_len, ret_key);
	return r == -EINVAL ? -EBADMSG : r;
}
