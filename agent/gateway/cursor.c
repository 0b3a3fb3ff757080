/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/cursor.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define FORMAT 1
#define DIGITS ((size_t)CLO_CURSOR_TEXT - 1)

/* 24 bytes are 32 digits of base64url without padding: one spelling each. */
struct packed {
	uint8_t format;
	uint8_t zero[3];
	uint32_t filter;
	uint64_t time, id;
};

_Static_assert(sizeof(struct packed) * 4 == DIGITS * 3, "whole digits");

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void clo_cursor_format(const struct clo_cursor *cursor,
		       char ret_text[CLO_CURSOR_TEXT])
{
	const struct packed packed = {
		.format = FORMAT,
		.filter = htobe32(cursor->filter),
		.time = htobe64((uint64_t)cursor->time),
		.id = htobe64((uint64_t)cursor->id),
	};
	uint8_t bytes[sizeof(packed)];

	memcpy(bytes, &packed, sizeof(bytes));
	for (size_t i = 0, o = 0; i < sizeof(bytes); i += 3) {
		unsigned int three = (unsigned int)bytes[i] << 16 |
				     (unsigned int)bytes[i + 1] << 8 |
				     bytes[i + 2];

		for (unsigned int shift = 24; shift > 0;) {
			shift -= 6;
			ret_text[o++] = digits[three >> shift & 63];
		}
	}
	ret_text[DIGITS] = '\0';
}

int clo_cursor_parse(const char *text, struct clo_cursor *ret_cursor)
{
	static const uint8_t zero[3];
	struct packed packed;
	uint8_t bytes[sizeof(packed)];
	uint64_t time, id;
	unsigned int four = 0;

	if (strlen(text) != DIGITS)
		return -EINVAL;
	for (size_t i = 0, o = 0; i < DIGITS; i++) {
		const char *at = strchr(digits, text[i]);

		if (!at)
			return -EINVAL;
		four = four << 6 | (unsigned int)(at - digits);
		if (i % 4 < 3)
			continue;
		bytes[o++] = (uint8_t)(four >> 16);
		bytes[o++] = (uint8_t)(four >> 8);
		bytes[o++] = (uint8_t)four;
		four = 0;
	}
	memcpy(&packed, bytes, sizeof(packed));
	time = be64toh(packed.time);
	id = be64toh(packed.id);
	if (packed.format != FORMAT ||
	    memcmp(packed.zero, zero, sizeof(zero)) != 0 || time == 0 ||
	    time > INT64_MAX || id == 0 || id > INT64_MAX)
		return -EINVAL;

	ret_cursor->filter = be32toh(packed.filter);
	ret_cursor->time = (int64_t)time;
	ret_cursor->id = (int64_t)id;
	return 0;
}
