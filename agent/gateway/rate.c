/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/rate.h"

#define TOKEN UINT64_C(1000)
#define LONG_AGO INT64_C(3600000) /* ms; by then any bucket is full again */

bool clo_rate_take(struct clo_rate *rate, const struct clo_rate_limit *limit,
		   uint64_t client, int64_t now_ms)
{
	struct clo_bucket *bucket = &rate->buckets[client % CLO_RATE_PLACES];
	int64_t passed = now_ms - bucket->as_of;
	uint64_t back;

	if (passed < 0)
		passed = 0;
	if (passed > LONG_AGO)
		passed = LONG_AGO;
	back = (uint64_t)passed * limit->per_minute * TOKEN / 60000;
	if (back >= bucket->spent) {
		bucket->spent = 0;
		bucket->as_of = now_ms;
	} else { /* what makes no whole 1/1000 yet stays due */
		bucket->spent -= back;
		bucket->as_of +=
			(int64_t)(back * 60000 / (limit->per_minute * TOKEN));
	}
	if (bucket->spent + TOKEN > limit->burst * TOKEN)
		return false;

	bucket->spent += TOKEN;
	return true;
}
