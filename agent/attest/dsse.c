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
#define TYPE_MAX 64

/* Pre-authentication encoding; caller frees. */
static int pae(const char *type, const char *payload, size_t len,
	       char **ret_pae, size_t *ret_len)
{
	char head[64 + TYPE_MAX];
	char *text;
	int n;

	n = snprintf(head, sizeof(head), "DSSEv1 %zu %s %zu ", strlen(type),
		     type, len);
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
static int envelope_text(const char *type, const char *payload,
			 const char *key_id, const char *signature,
			 char **ret_envelope)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	char *text;

	root = json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "payload", payload,
			 "payloadType", type, "signatures", "keyid", key_id,
			 "sig", signature);
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

int clo_dsse_sign_as(const struct clo_key *key, const char *type,
		     const char *payload, size_t len, char **ret_envelope)
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

	r = pae(type, payload, len, &to_sign, &n);
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
	return envelope_text(type, payload64, key_id, signature64,
			     ret_envelope);
}

int clo_dsse_sign(const struct clo_key *key, const char *payload, size_t len,
		  char **ret_envelope)
{
	return clo_dsse_sign_as(key, CLO_DSSE_TYPE, payload, len, ret_envelope);
}

static int check_signature(const struct clo_key *key, const char *type,
			   const char *payload, size_t len,
			   const char *signature64)
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
	r = pae(type, payload, len, &signed_text, &n);
	if (r < 0)
		return r;
	return clo_key_verify(key, signed_text, n, (const uint8_t *)signature,
			      signature_len);
}

/* The strings of a well-formed envelope. */
struct parts {
	json_t *root; /* owns them */
	const char *payload, *signature, *key_id; /* key_id may be NULL */
};

static void parts_done(const struct parts *parts)
{
	json_decref(parts->root);
}

#define AUTO_PARTS __attribute__((cleanup(parts_done))) struct parts

/* Also on error: parts_done(). */
static int take_apart(const char *type, const char *envelope, size_t len,
		      struct parts *ret)
{
	const char *named;
	int r;

	if (len > CLO_DSSE_MAX)
		return -EBADMSG;
	r = clo_json_parse(envelope, len, ENVELOPE_DEPTH, &ret->root);
	if (r < 0)
		return r;
	if (json_unpack(ret->root, "{s:s,s:s,s:[{s:s,s?s!}!]!}", "payload",
			&ret->payload, "payloadType", &named, "signatures",
			"sig", &ret->signature, "keyid", &ret->key_id) < 0 ||
	    strcmp(named, type) != 0)
		return -EBADMSG;
	return 0;
}

static int decode_payload(const struct parts *parts, char **ret_payload,
			  size_t *ret_len)
{
	return clo_base64_decode(parts->payload, strlen(parts->payload),
				 ret_payload, ret_len);
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

int clo_dsse_open_as(const struct clo_key *key, const char *type,
		     const char *envelope, size_t len, char **ret_payload,
		     size_t *ret_len)
{
	CLO_AUTO_MEM char *payload = NULL;
	AUTO_PARTS parts = {0};
	size_t payload_len;
	int r;

	r = take_apart(type, envelope, len, &parts);
	if (r == 0 && parts.key_id)
		r = check_key_id(key, parts.key_id);
	if (r == 0)
		r = decode_payload(&parts, &payload, &payload_len);
	if (r == 0)
		r = check_signature(key, type, payload, payload_len,
				    parts.signature);
	if (r < 0)
		return r;

	*ret_payload = CLO_TAKE(payload);
	*ret_len = payload_len;
	return 0;
}

int clo_dsse_open(const struct clo_key *key, const char *envelope, size_t len,
		  char **ret_payload, size_t *ret_len)
{
	return clo_dsse_open_as(key, CLO_DSSE_TYPE, envelope, len, ret_payload,
				ret_len);
}

int clo_dsse_digest(const char *envelope, size_t len,
		    uint8_t ret_payload_digest[32], char **ret_signature)
{
	CLO_AUTO_MEM char *signature = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t raw[SIGNATURE_SIZE];
	AUTO_PARTS parts = {0};
	size_t payload_len = 0;
	int r;

	r = take_apart(CLO_DSSE_TYPE, envelope, len, &parts);
	if (r == 0)
		r = clo_base64_decode_exact(parts.signature,
					    strlen(parts.signature),
					    sizeof(raw), raw);
	if (r == 0)
		r = decode_payload(&parts, &payload, &payload_len);
	if (r < 0)
		return r;
	signature = strdup(parts.signature);
	if (!signature)
		return -ENOMEM;
	r = clo_sha256(payload, payload_len, ret_payload_digest);
	if (r < 0)
		return r;

	*ret_signature = CLO_TAKE(signature);
	return 0;
}

int clo_dsse_key_id(const char *type, const char *envelope, size_t len,
		    char ret_id[65])
{
	AUTO_PARTS parts = {0};
	int r;

	r = take_apart(type, envelope, len, &parts);
	if (r < 0)
		return r;
	if (!parts.key_id || strlen(parts.key_id) != 64)
		return -EBADMSG;
	memcpy(ret_id, parts.key_id, 65);
	return 0;
}

int clo_dsse_peek(const char *envelope, size_t len, char **ret_payload,
		  size_t *ret_len)
{
	AUTO_PARTS parts = {0};
	int r;

	r = take_apart(CLO_DSSE_TYPE, envelope, len, &parts);
	return r < 0 ? r : decode_payload(&parts, ret_payload, ret_len);
}
