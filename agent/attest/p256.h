/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/evp.h>
#include <stdint.h>

/* P-256 by coordinates, as TPMs write them, by OpenSSL EVP. */

/* -EBADMSG: the point is not on the curve. EVP_PKEY_free() it. */
int clo_p256_public(const uint8_t x[32], const uint8_t y[32],
		    EVP_PKEY **ret_key);
/* 0, or -EBADMSG if (r, s) is not this key's ECDSA signature of the digest. */
int clo_p256_verify(const uint8_t x[32], const uint8_t y[32],
		    const uint8_t digest[32], const uint8_t r[32],
		    const uint8_t s[32]);
/* An ephemeral key's point, and the x of the point shared with a key. */
int clo_p256_agree(EVP_PKEY *with, uint8_t ret_x[32], uint8_t ret_y[32],
		   uint8_t ret_shared[32]);
