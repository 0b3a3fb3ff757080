/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/key.h"

/*
 * DSSE v1 envelopes (github.com/secure-systems-lab/dsse): signature over
 * PAE(payloadType, payload). Exactly one signature.
 */
#define CLO_DSSE_TYPE "application/vnd.in-toto+json"
#define CLO_DSSE_MAX (16U << 20) /* bytes of an envelope */

/* Envelope as JSON text; caller frees. */
int clo_dsse_sign(const struct clo_key *key, const char *payload, size_t len,
		  char **ret_envelope);
/* Of another payload type, at most 63 bytes. */
int clo_dsse_sign_as(const struct clo_key *key, const char *type,
		     const char *payload, size_t len, char **ret_envelope);
/*
 * The key that an envelope of this type says it is signed by, to choose one:
 * nothing is checked yet. -EBADMSG: it is no such envelope, or does not say.
 */
int clo_dsse_key_id(const char *type, const char *envelope, size_t len,
		    char ret_id[65]);
/*
 * A payload that nobody has checked, to see what it claims to be and which
 * key it brings: believe none of it. Otherwise as clo_dsse_open().
 */
int clo_dsse_peek(const char *envelope, size_t len, char **ret_payload,
		  size_t *ret_len);
/*
 * 0 and the payload (caller frees, 0-terminated); -EBADMSG if it is not an
 * envelope of CLO_DSSE_TYPE with one good signature of `key`. No byte of the
 * payload is handed out otherwise, but by clo_dsse_peek().
 */
int clo_dsse_open(const struct clo_key *key, const char *envelope, size_t len,
		  char **ret_payload, size_t *ret_len);
int clo_dsse_open_as(const struct clo_key *key, const char *type,
		     const char *envelope, size_t len, char **ret_payload,
		     size_t *ret_len);
/*
 * What an envelope's entry in the log names, of a well-formed envelope that
 * nobody verified: SHA-256 of the payload, the signature's base64 (caller
 * frees). -EBADMSG else.
 */
int clo_dsse_digest(const char *envelope, size_t len,
		    uint8_t ret_payload_digest[32], char **ret_signature);
