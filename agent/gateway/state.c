/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/state.h"

#include <string.h>

const char *clo_state_text(enum clo_state state)
{
	static const char *const texts[CLO_STATES] = {
		[CLO_STATE_FAILED] = "FAILED",
		[CLO_STATE_NEVER] = "NEVER",
		[CLO_STATE_STALE] = "STALE",
		[CLO_STATE_GAP] = "GAP",
		[CLO_STATE_INCONCLUSIVE] = "INCONCLUSIVE",
		[CLO_STATE_PASSED] = "PASSED",
	};

	return texts[state];
}

enum clo_state clo_state_at(const char *verdict, int64_t time, int64_t now,
			    int64_t max_age, bool in_gap)
{
	if (strcmp(verdict, "FAILED") == 0)
		return CLO_STATE_FAILED;
	if (now - time > max_age || time - now > CLO_STATE_SKEW)
		return CLO_STATE_STALE;
	if (in_gap)
		return CLO_STATE_GAP;
	return strcmp(verdict, "PASSED") == 0 ? CLO_STATE_PASSED
					      : CLO_STATE_INCONCLUSIVE;
}
