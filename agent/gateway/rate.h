/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * How often a client may ask: a bucket of tokens for each, in a table of fixed
 * size. Clients whose digests meet in a place share its bucket. Zero is a
 * table of full buckets. Not for several threads at once.
 */
#define CLO_RATE_PLACES 256

struct clo_rate {
	struct clo_bucket {
		uint64_t spent; /* 1/1000 token */
		int64_t as_of; /* ms */
	} buckets[CLO_RATE_PLACES];
};

struct clo_rate_limit {
	uint32_t burst; /* tokens that a bucket holds */
	uint32_t per_minute; /* tokens that come back */
};

/* Take a token; false, and taken nothing: there is none. */
bool clo_rate_take(struct clo_rate *rate, const struct clo_rate_limit *limit,
		   uint64_t client, int64_t now_ms);
