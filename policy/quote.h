/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Strings of strangers, made fit for a terminal, a log line and JSON. */

#define CLO_QUOTE_MAX 80 /* bytes of the string that are shown */

struct clo_quoted {
	char text[4UL * CLO_QUOTE_MAX + sizeof("\"...\"")];
};

/* `"text"`: cut, with quotes, backslashes and all below escaped. */
struct clo_quoted clo_quote(const char *str);

/*
 * A copy, for free(), in which control characters, changes of the writing
 * direction and bytes that are not UTF-8 read \xNN; NULL without memory.
 */
char *clo_printable(const char *str);
