/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The query of a request's target, as strangers write it: pure and bounded. */
#define CLO_QUERY_MAX 12 /* parameters */
#define CLO_QUERY_NAME 24 /* bytes, with the 0 */
#define CLO_QUERY_VALUE 136

struct clo_query {
	size_t n;

	struct clo_parameter {
		char name[CLO_QUERY_NAME];
		char value[CLO_QUERY_VALUE];
	} parameters[CLO_QUERY_MAX];
};

/*
 * name=value, joined by '&', percent-encoded; "" has none. -EINVAL: not that,
 * or a byte that is no printable ASCII; -EEXIST: a name twice; -E2BIG: too
 * many, or too long.
 */
int clo_query_parse(const char *text, size_t len, struct clo_query *ret_query);
/* NULL if it is not there; borrowed. */
const char *clo_query_get(const struct clo_query *query, const char *name);
/* Digits only, of min to max. */
bool clo_query_number(const char *text, int64_t min, int64_t max,
		      int64_t *ret_number);
