/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"

/* Ed25519 (RFC 8032) keys in files or in memory alone, by OpenSSL EVP. */
struct clo_key;

/* New private key: PKCS#8 PEM, mode 0600; never over an existing file. */
int clo_key_generate(const char *path);
/* Private key; -EACCES if group or others may read the file. */
int clo_key_load(const char *path, struct clo_key **ret_key);
/*
 * Private key that is nowhere but in this process, in memory that is neither
 * swapped nor dumped, and wiped when freed. Call it while there is one thread.
 * -EPERM if that much memory cannot be locked.
 */
int clo_key_new_locked(struct clo_key **ret_key);
/* Public key, SubjectPublicKeyInfo PEM text. */
int clo_key_parse_public(const char *pem, size_t len, struct clo_key **ret_key);
void clo_key_free(struct clo_key *key);
CLO_DEFINE_FREEP(clo_key)

/* SubjectPublicKeyInfo PEM of either kind; caller frees. */
int clo_key_public_pem(const struct clo_key *key, char **ret_pem);
/* The 32 bytes of RFC 8032. */
int clo_key_raw(const struct clo_key *key, uint8_t ret_raw[32]);
/* DER SubjectPublicKeyInfo. */
#define CLO_KEY_DER_SIZE 44
int clo_key_public_der(const struct clo_key *key,
		       uint8_t ret_der[CLO_KEY_DER_SIZE]);
bool clo_key_equal(const struct clo_key *a, const struct clo_key *b);
/* Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: 64 and a 0. */
int clo_key_id(const struct clo_key *key, char ret_id[65]);
int clo_key_sign(const struct clo_key *key, const void *data, size_t len,
		 uint8_t ret_signature[64]);
/* 0, or -EBADMSG if the signature is not this key's over this data. */
int clo_key_verify(const struct clo_key *key, const void *data, size_t len,
		   const uint8_t *signature, size_t signature_len);
