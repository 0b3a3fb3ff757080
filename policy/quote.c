/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quote.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of the UTF-8 character at `str`, 0 if there is none. */
static size_t decode(const unsigned char *str, uint32_t *ret_char)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = str[0] < 0x80           ? 1
		     : (str[0] >> 5) == 0x06 ? 2
		     : (str[0] >> 4) == 0x0e ? 3
		     : (str[0] >> 3) == 0x1e ? 4
					     : 0;
	uint32_t c = len == 1 ? str[0] : str[0] & (0x7fU >> len);

	for (size_t i = 1; i < len; i++) {
		if ((str[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (str[i] & 0x3fU);
	}
	if (len == 0 || c < least[len] || c > 0x10ffff || c >> 11 == 0x1b)
		return 0;
	*ret_char = c;
	return len;
}

/* Would change what a reader sees around it. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
	       (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* Append one character to `out`, escaped if need be; returns bytes read. */
static size_t put(const unsigned char *str, bool quoting, char **out)
{
	uint32_t c = 0;
	size_t len = decode(str, &c);
	bool escape = len == 0 || is_control(c);

	if (len == 0)
		len = 1;
	if (!escape && quoting && (c == '"' || c == '\\'))
		*(*out)++ = '\\';
	for (size_t i = 0; i < len; i++) {
		if (escape)
			*out += sprintf(*out, "\\x%02x", str[i]);
		else
			*(*out)++ = (char)str[i];
	}
	return len;
}

struct clo_quoted clo_quote(const char *str)
{
	const unsigned char *in = (const unsigned char *)str;
	struct clo_quoted quoted;
	char *out = quoted.text;
	size_t at = 0, len;
	uint32_t c;

	*out++ = '"';
	while (in[at]) {
		len = decode(in + at, &c);
		if (at + (len ? len : 1) > CLO_QUOTE_MAX)
			break;
		at += put(in + at, true, &out);
	}
	(void)sprintf(out, "%s\"", in[at] ? "..." : "");
	return quoted;
}

char *clo_printable(const char *str)
{
	const unsigned char *in = (const unsigned char *)str;
	char *copy, *out;

	copy = out = malloc(4 * strlen(str) + 1);
	if (!copy)
		return NULL;

	while (*in)
		in += put(in, false, &out);
	*out = '\0';
	return copy;
}
