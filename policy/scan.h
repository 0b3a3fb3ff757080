/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Walking JSON text without building values. All stay within [p, end) whatever
 * the text; they give true answers only about text that jansson accepted.
 */

/* Line ends in [p, end). */
int clo_scan_lines(const char *p, const char *end);

const char *clo_scan_space(const char *p, const char *end);
const char *clo_scan_string(const char *p, const char *end); /* from the '"' */
const char *clo_scan_value(const char *p, const char *end); /* its end */

/*
 * p is at the '[' or '{': its first item or key. p is at an item or a member's
 * value: the item or key behind it. NULL: there is none.
 */
const char *clo_scan_first(const char *p, const char *end);
const char *clo_scan_next(const char *p, const char *end);
/* p is at a key: its value. */
const char *clo_scan_member_value(const char *p, const char *end);

/* p is at the '[' or '{'; NULL: none such. `last`: of duplicate keys. */
const char *clo_scan_item(const char *p, const char *end, size_t index);
const char *clo_scan_member(const char *p, const char *end, const char *key,
			    bool last);

/* What the text is made of, also when it is not JSON. */
struct clo_scan_size {
	unsigned int depth; /* deepest nesting */
	size_t deepest; /* offset where `limit` was passed first */
	size_t values; /* about as many */
};

struct clo_scan_size clo_scan_size(const char *p, const char *end,
				   unsigned int limit);
