/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Where a list goes on: behind the record of this time and number. What is
 * inserted meanwhile moves nothing. Opaque text; it grants nothing, whoever
 * makes one up reads what their role reads anyway.
 */
#define CLO_CURSOR_TEXT 33 /* with its 0 */

struct clo_cursor {
	uint32_t filter; /* digest of the filter that it belongs to */
	int64_t time, id; /* of the last record that was given; > 0 */
};

void clo_cursor_format(const struct clo_cursor *cursor,
		       char ret_text[CLO_CURSOR_TEXT]);
int clo_cursor_parse(const char *text, struct clo_cursor *ret_cursor);
