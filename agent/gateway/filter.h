/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/gateway/cursor.h"
#include "agent/gateway/query.h"
#include "agent/gateway/role.h"

/* Which attestations a list or a stream gives: the query within the role. */
#define CLO_FILTER_LIMIT 50
#define CLO_FILTER_LIMIT_MAX 500

struct clo_filter {
	char tenant[CLO_NAME_MAX]; /* "": all, and the node's own */
	char environment[16]; /* "": all; without a tenant: of every tenant */
	char kind[32];
	char verdict[16];
	char control[80]; /* ID: where it was assessed */
	char result[16]; /* of that control; "": any but NOT-ASSESSED */
	int64_t since, until; /* since <= time < until */
	unsigned int limit;
	bool goes_on;
	struct clo_cursor cursor;
};

/*
 * 0; -EINVAL with the parameter that is wrong; -EACCES: a tenant asked for
 * another's. The parameters themselves are known to be the route's.
 */
int clo_filter_make(const struct clo_query *query, const struct clo_who *who,
		    struct clo_filter *ret_filter,
		    const char **reterr_parameter);
/* The same filter has the same digest, whatever its cursor and limit. */
uint32_t clo_filter_digest(const struct clo_filter *filter);
/* scope "" is the node. */
bool clo_filter_takes(const struct clo_filter *filter, const char *scope,
		      const char *kind, const char *verdict, int64_t time);
/* Does a predicate's control read as the filter wants it? */
bool clo_filter_takes_controls(const struct clo_filter *filter,
			       const json_t *controls);
/* May this role read what belongs to a scope ("" the node)? */
bool clo_who_sees(const struct clo_who *who, const char *scope);
