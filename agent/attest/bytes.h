/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Big-endian structures of strangers, piece by piece. Once something did not
 * fit, `failed` stays and everything reads 0.
 */
struct clo_bytes {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline const uint8_t *clo_bytes_take(struct clo_bytes *bytes, size_t n)
{
	const uint8_t *at = bytes->at;

	if (bytes->failed || n > bytes->left) {
		bytes->failed = true;
		return NULL;
	}
	bytes->at += n;
	bytes->left -= n;
	return at;
}

static inline uint64_t clo_bytes_number(struct clo_bytes *bytes, size_t n)
{
	const uint8_t *at = clo_bytes_take(bytes, n);
	uint64_t value = 0;

	for (size_t i = 0; at && i < n; i++)
		value = value << 8 | at[i];
	return value;
}

/* A TPM2B: two bytes of length and so many more, `max` at most. */
static inline const uint8_t *clo_bytes_sized(struct clo_bytes *bytes,
					     size_t max, size_t *ret_n)
{
	size_t n = (size_t)clo_bytes_number(bytes, 2);
	const uint8_t *at;

	bytes->failed |= n > max;
	at = clo_bytes_take(bytes, n);
	*ret_n = at ? n : 0;
	return at;
}

/* It must be that. */
static inline void clo_bytes_expect(struct clo_bytes *bytes, size_t n,
				    uint64_t value)
{
	if (clo_bytes_number(bytes, n) != value)
		bytes->failed = true;
}

/* A TPM2B of a whole number below 2^256, with or without leading zeros. */
static inline void clo_bytes_coordinate(struct clo_bytes *bytes,
					uint8_t ret_value[32])
{
	size_t n;
	const uint8_t *at = clo_bytes_sized(bytes, 32, &n);

	memset(ret_value, 0, 32);
	if (at)
		memcpy(ret_value + 32 - n, at, n);
}

/* Nothing went wrong, and nothing is left. */
static inline bool clo_bytes_done(const struct clo_bytes *bytes)
{
	return !bytes->failed && bytes->left == 0;
}
