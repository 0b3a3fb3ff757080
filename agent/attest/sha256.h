/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLO_SHA256_SIZE 32
#define CLO_SHA256_HEX 65 /* with its 0 */

/* 0, or -EIO if libcrypto refuses. */
int clo_sha256(const void *data, size_t len,
	       uint8_t ret_digest[CLO_SHA256_SIZE]);
int clo_sha256_hex(const void *data, size_t len, char ret_text[CLO_SHA256_HEX]);
