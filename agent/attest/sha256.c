/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "agent/base/hex.h"

int clo_sha256(const void *data, size_t len,
	       uint8_t ret_digest[CLO_SHA256_SIZE])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t n;

	if (EVP_Q_digest(NULL, "SHA256", NULL, data, len, digest, &n) != 1 ||
	    n != CLO_SHA256_SIZE)
		return -EIO;

	memcpy(ret_digest, digest, CLO_SHA256_SIZE);
	return 0;
}

int clo_sha256_hex(const void *data, size_t len, char ret_text[CLO_SHA256_HEX])
{
	uint8_t digest[CLO_SHA256_SIZE];
	int r;

	r = clo_sha256(data, len, digest);
	if (r < 0)
		return r;

	clo_hex_encode(digest, sizeof(digest), ret_text);
	return 0;
}
