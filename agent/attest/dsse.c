/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/dsse.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "agent/attest/base64.h"
#include "agent/attest/json.h"
#include "agent/attest/sha256.h"

#define ENVELOPE_DEPTH 3 /* object, signatures, signature */
#define SIGNATURE_SIZE 64

/* Pre-authentication encoding; caller frees. */
static int pae(const char *payload, size_t len, char **ret_pae, size_t *ret_len)
{
	char head[64 + sizeof(CLO_DSSE_TYPE)];
	char *text;
	int n;

	n = snprintf(head, sizeof(head), "DSSEv1 %zu %s %zu ",
		     strlen(CLO_DSSE_TYPE), CLO_DSSE_TYPE, len);
	assert(n > 0 && (size_t)n < sizeof(head));
	text = malloc((size_t)n + len);
	if (!text)
		return -ENOMEM;

	memcpy(text, head, (size_t)n);
	memcpy(text + n, payload, len);
	*ret_pae = text;
	*ret_len = (size_t)n + len;
	return 0;
}

/* The envelope's text; caller frees. */
static int envelope_text(const char *payload, const char *key_id,
			 const char *signature, char **ret_envelope)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	char *text;

	root = json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "payload", payload,
			 "payloadType", CLO_DSSE_TYPE, "signatures", "keyid",
			 key_id, "sig", signature);
	text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text)
		return -ENOMEM;
	if (strlen(text) > CLO_DSSE_MAX) {
		free(text);
		return -EMSGSIZE;
	}

	*ret_envelope = text;
	return 0;
}

int clo_dsse_sign(const struct clo_key *key, const char *payload, size_t len,
		  char **ret_envelope)
{
	CLO_AUTO_MEM char *to_sign = NULL;
	CLO_AUTO_MEM char *payload64 = NULL;
	CLO_AUTO_MEM char *signature64 = NULL;
	uint8_t signature[SIGNATURE_SIZE];
	char key_id[65];
	size_t n;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EMSGSIZE;

	r = pae(payload, len, &to_sign, &n);
	if (r < 0)
		return r;
	r = clo_key_sign(key, to_sign, n, signature);
	if (r < 0)
		return r;
	r = clo_key_id(key, key_id);
	if (r < 0)
		return r;
	r = clo_base64_encode(payload, len, &payload64);
	if (r < 0)
		return r;
	r = clo_base64_encode(signature, sizeof(signature), &signature64);
	if (r < 0)
		return r;
	return envelope_text(payload64, key_id, signature64, ret_envelope);
}

static int check_signature(const struct clo_key *key, const char *payload,
			   size_t len, const char *signature64)
{
	CLO_AUTO_MEM char *signed_text = NULL;
	CLO_AUTO_MEM char *signature = NULL;
	size_t signature_len;
	size_t n;
	int r;

	r = clo_base64_decode(signature64, strlen(signature64), &signature,
			      &signature_len);
	if (r < 0)
		return r;
	r = pae(payload, len, &signed_text, &n);
	if (r < 0)
		return r;
	return clo_key_verify(key, signed_text, n, (const uint8_t *)signature,
			      signature_len);
}

/* The strings of a well-formed envelope, borrowed; *ret_key_id may be NULL. */
static int take_apart(json_t *root, const char **ret_payload,
		      const char **ret_signature, const char **ret_key_id)
{
	const char *payload;
	const char *type;
	const char *signature;
	const char *key_id = NULL;

	if (json_unpack(root, "{s:s,s:s,s:[{s:s,s?s!}!]!}", "payload", &payload,
			"payloadType", &type, "signatures", "sig", &signature,
			"keyid", &key_id) < 0 ||
	    strcmp(type, CLO_DSSE_TYPE) != 0)
		return -EBADMSG;

	*ret_payload = payload;
	*ret_signature = signature;
	*ret_key_id = key_id;
	return 0;
}

static int check_key_id(const struct clo_key *key, const char *key_id)
{
	char own_id[65];
	int r;

	r = clo_key_id(key, own_id);
	if (r < 0)
		return r;
	return strcmp(own_id, key_id) != 0 ? -EBADMSG : 0;
}

int clo_dsse_open(const struct clo_key *key, const char *envelope, size_t len,
		  char **ret_payload, size_t *ret_len)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	const char *payload64;
	const char *signature64;
	const char *key_id;
	size_t payload_len;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EBADMSG;

	r = clo_json_parse(envelope, len, ENVELOPE_DEPTH, &root);
	if (r < 0)
		return r;
	r = take_apart(root, &payload64, &signature64, &key_id);
	if (r < 0)
		return r;
	r = key_id ? check_key_id(key, key_id) : 0;
	if (r < 0)
		return r;
	r = clo_base64_decode(payload64, strlen(payload64), &payload,
			      &payload_len);
	if (r < 0)
		return r;
	r = check_signature(key, payload, payload_len, signature64);
	if (r < 0)
		return r;

	*ret_payload = CLO_TAKE(payload);
	*ret_len = payload_len;
	return 0;
}

int clo_dsse_digest(const char *envelope, size_t len,
		    uint8_t ret_payload_digest[32], char **ret_signature)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t raw[SIGNATURE_SIZE];
	const char *payload64;
	const char *signature64;
	const char *key_id;
	size_t payload_len;
	char *signature;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EBADMSG;

	r = clo_json_parse(envelope, len, ENVELOPE_DEPTH, &root);
	if (r < 0)
		return r;
	r = take_apart(root, &payload64, &signature64, &key_id);
	if (r < 0)
		return r;
	r = clo_base64_decode_exact(signature64, strlen(signature64),
				    sizeof(raw), raw);
	if (r < 0)
		return r;
	r = clo_base64_decode(payload64, strlen(payload64), &payload,
			      &payload_len);
	if (r < 0)
		return r;
	signature = strdup(signature64);
	if (!signature)
		return -ENOMEM;
	r = clo_sha256(payload, payload_len, ret_payload_digest);
	if (r < 0) {
		free(signature);
		return r;
	}

	*ret_signature = signature;
	return 0;
}

int clo_dsse_key_id(const char *envelope, size_t len, char ret_id[65])
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	const char *payload, *signature, *key_id = NULL;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EBADMSG;
	r = clo_json_parse(envelope, len, ENVELOPE_DEPTH, &root);
	if (r < 0)
		return r;
	r = take_apart(root, &payload, &signature, &key_id);
	if (r < 0)
		return r;
	if (!key_id || strlen(key_id) != 64)
		return -EBADMSG;
	memcpy(ret_id, key_id, 65);
	return 0;
}

int clo_dsse_peek(const char *envelope, size_t len, char **ret_payload,
		  size_t *ret_len)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	const char *payload = NULL, *signature, *key_id;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EBADMSG;
	r = clo_json_parse(envelope, len, ENVELOPE_DEPTH, &root);
	if (r == 0)
		r = take_apart(root, &payload, &signature, &key_id);
	return r < 0 ? r
		     : clo_base64_decode(payload, strlen(payload), ret_payload,
					 ret_len);
}
