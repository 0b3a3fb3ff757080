/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "policy/parse.h"

/* Documents that 0 bytes separate, at most `max`; the last has the rest. */
static inline size_t split(const char *text, size_t size, size_t max,
			   struct clo_document *ret)
{
	size_t n = 0;

	while (n < max) {
		const char *end = memchr(text, '\0', size);
		size_t len = end && n + 1 < max ? (size_t)(end - text) : size;

		ret[n++] = (struct clo_document){"fuzz.json", text, len};
		if (len == size)
			break;
		text += len + 1;
		size -= len + 1;
	}
	return n;
}
