/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/hex.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

void clo_hex_encode(const void *data, size_t n, char *ret_text)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < n; i++) {
		ret_text[2 * i] = digits[bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret_text[2 * n] = '\0';
}

static uint8_t value_of(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

int clo_hex_decode(const char *text, size_t n, void *ret_data)
{
	uint8_t *bytes = ret_data;

	if (strlen(text) != 2 * n || strspn(text, digits) != 2 * n)
		return -EINVAL;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value_of(text[2 * i]) << 4 |
				     value_of(text[2 * i + 1]));
	return 0;
}
