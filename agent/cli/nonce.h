/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <string.h>

#define CLO_NONCE_DIGITS 128

/* What the protocol takes as a challenge. */
static inline bool clo_nonce_valid(const char *nonce)
{
	size_t len = strlen(nonce);

	return len > 0 && len <= CLO_NONCE_DIGITS && len % 2 == 0 &&
	       strspn(nonce, "0123456789abcdefABCDEF") == len;
}
