/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>
#include <string.h>

/* Decimal digits alone, 18 at most, and at most `most`; -1 else. */
static inline long long clo_number_parse(const char *text, long long most)
{
	long long number;

	if (text[0] == '\0' || strlen(text) > 18 ||
	    strspn(text, "0123456789") != strlen(text))
		return -1;

	number = strtoll(text, NULL, 10);
	return number > most ? -1 : number;
}
