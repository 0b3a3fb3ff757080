/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What a node or scope is worth at the moment of reading, from worst to best.
 * It is computed when it is read and stored nowhere.
 */
enum clo_state {
	CLO_STATE_FAILED, /* also when it is old: as `cloison verify` has it */
	CLO_STATE_NEVER, /* nothing was ever said of it */
	CLO_STATE_STALE, /* older than is allowed, or from the future */
	CLO_STATE_GAP, /* nobody watches, or a gap is open */
	CLO_STATE_INCONCLUSIVE,
	CLO_STATE_PASSED,
	CLO_STATES,
};

#define CLO_STATE_SKEW 300 /* seconds that clocks may differ */

const char *clo_state_text(enum clo_state state);
enum clo_state clo_state_at(const char *verdict, int64_t time, int64_t now,
			    int64_t max_age, bool in_gap);
