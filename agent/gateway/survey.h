/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/store_reader.h"
#include "agent/gateway/role.h"
#include "agent/gateway/state.h"

/* The state, now, of each scope that a role may see ("": the node). */
#define CLO_SURVEY_MAX 4096 /* scopes */

struct clo_surveyed {
	const char *scope;
	enum clo_state state;
	const struct clo_row *row; /* the last statement; NULL: NEVER */
	int64_t as_of; /* its time, or of the last heartbeat that names it */
	int64_t age, max_age; /* seconds since then */
};

/* max_age < 0: three of its own periods, each. -E2BIG: more scopes. */
int clo_survey(struct clo_reader *reader, const struct clo_who *who,
	       int64_t now, int64_t max_age,
	       int (*fn)(const struct clo_surveyed *one, void *userdata),
	       void *userdata);
