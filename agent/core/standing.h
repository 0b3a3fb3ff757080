/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/attest/statement.h"

/*
 * What this run last stated of each scope: by it an audit that finds the same
 * is told from one that has news.
 */
struct clo_standing {
	char *scope; /* "" the node */
	uint8_t judged[32]; /* clo_standing_judge() of the statement */
	uint8_t digest[32]; /* of its payload */
	uint64_t sequence;
	enum clo_verdict_word verdict;
	double due; /* clo_milliseconds() at which it is stated again */
};

struct clo_standings {
	struct clo_standing *list;
	size_t n;
};

/*
 * Digest of what an isolation/v1 predicate says is there and holds: all of it
 * but its time, nonce, trigger, quote, timings and counters, and gaps that are
 * over; of the proof, whether the decision code was asked of these tables. The same digest: the same result. "chain" and "verdict" do not count.
 */
int clo_standing_judge(const json_t *predicate, uint8_t ret_digest[32]);

/* Of a scope (NULL: the node); NULL: nothing was stated. */
const struct clo_standing *
clo_standing_find(const struct clo_standings *standings, const char *scope);
/* Instead of what stood there. Copies it, but for its scope, which is given. */
int clo_standing_set(struct clo_standings *standings, const char *scope,
		     const struct clo_standing *standing);
void clo_standings_done(struct clo_standings *standings);
