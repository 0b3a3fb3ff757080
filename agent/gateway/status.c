/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "agent/attest/statement.h"
#include "agent/gateway/item.h"
#include "agent/gateway/route.h"
#include "agent/gateway/survey.h"

#define MAX_AGE_MAX (INT64_C(366) * 86400) /* seconds */

struct status {
	json_t *scopes;
	enum clo_state worst;
};

static int add(const struct clo_surveyed *one, void *userdata)
{
	struct status *status = userdata;
	json_t *item =
		one->row ? clo_item(one->row) : json_pack("{s:n}", "scope");

	if (one->state < status->worst)
		status->worst = one->state;
	(void)json_object_set_new(item, "state",
				  json_string(clo_state_text(one->state)));
	if (one->row) {
		char as_of[21];

		clo_time_format((time_t)one->as_of, as_of);
		(void)json_object_set_new(item, "asOf", json_string(as_of));
		(void)json_object_set_new(item, "ageSeconds",
					  json_integer(one->age));
		(void)json_object_set_new(item, "maxAgeSeconds",
					  json_integer(one->max_age));
	}
	return json_array_append_new(status->scopes, item) < 0 ? -ENOMEM : 0;
}

void clo_answer_status(const struct clo_call *call, struct clo_answer *answer)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	const char *text = clo_query_get(&call->query, "maxAge");
	json_auto_t *scopes = json_array();
	struct status status = {.scopes = scopes, .worst = CLO_STATES};
	int64_t max_age = -1;
	char now[21];
	int r;

	if (text && !clo_query_number(text, 0, MAX_AGE_MAX, &max_age)) {
		clo_answer_problem(answer, 400,
				   "maxAge is a number of seconds, at most "
				   "%" PRId64,
				   MAX_AGE_MAX);
		return;
	}
	r = clo_reader_open(call->gateway->options->log, &reader);
	if (r == 0)
		r = clo_survey(reader, &call->who, call->now, max_age, add,
			       &status);
	if (r < 0) {
		clo_answer_failure(answer, r, "the log cannot be read");
		return;
	}
	if (status.worst == CLO_STATES) /* a tenant that has nothing here */
		status.worst = CLO_STATE_NEVER;
	clo_time_format(call->now, now);
	clo_answer_json(answer, json_pack("{s:s, s:s, s:O}", "time", now,
					  "state", clo_state_text(status.worst),
					  "scopes", scopes));
}
