/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/survey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/gateway/filter.h"
#include "agent/gateway/item.h"

#define PERIOD_MAX 3600 /* as `cloisond --period` */

struct survey {
	int64_t now, max_age;
	bool in_gap;
	int (*fn)(const struct clo_surveyed *one, void *userdata);
	void *userdata;
};

/* As the statement itself says; a statement that does not is stale at once. */
static int64_t max_age_of(struct clo_reader *reader, const struct clo_row *row)
{
	json_auto_t *predicate = NULL;
	json_int_t period;

	if (clo_item_predicate(reader, row->id, &predicate) < 0)
		return 0;
	period = json_integer_value(json_object_get(predicate, "period"));
	return period > 0 && period <= PERIOD_MAX ? 3 * period : 0;
}

static int survey_row(struct clo_reader *reader, const struct clo_row *row,
		      void *userdata)
{
	const struct survey *survey = userdata;
	struct clo_surveyed one = {
		.scope = row->scope,
		.row = row,
		.age = survey->now - row->time,
		.max_age = survey->max_age,
	};

	if (one.max_age < 0)
		one.max_age = max_age_of(reader, row);
	one.state = clo_state_at(row->verdict, row->time, survey->now,
				 one.max_age, survey->in_gap);
	return survey->fn(&one, survey->userdata);
}

static int survey_node(struct clo_reader *reader, struct survey *survey)
{
	const struct clo_surveyed never = {
		.scope = "",
		.state = CLO_STATE_NEVER,
	};
	int r = clo_reader_latest(reader, "", survey_row, survey);

	return r == -ENOENT ? survey->fn(&never, survey->userdata) : r;
}

int clo_survey(struct clo_reader *reader, const struct clo_who *who,
	       int64_t now, int64_t max_age,
	       int (*fn)(const struct clo_surveyed *one, void *userdata),
	       void *userdata)
{
	struct survey survey = {now, max_age, false, fn, userdata};
	char scope[CLO_READER_SCOPE_MAX] = "";
	int r;

	r = clo_reader_in_gap(reader, &survey.in_gap);
	if (r == 0 && clo_who_sees(who, ""))
		r = survey_node(reader, &survey);
	if (who->role == CLO_ROLE_TENANT) /* its scopes stand together */
		(void)snprintf(scope, sizeof(scope), "%s/", who->tenant);

	for (size_t n = 0; r == 0 && n <= CLO_SURVEY_MAX; n++) {
		r = clo_reader_next_scope(reader, scope, scope);
		if (r == -ENOENT || (r == 0 && !clo_who_sees(who, scope)))
			return 0;
		if (r == 0)
			r = clo_reader_latest(reader, scope, survey_row,
					      &survey);
	}
	return r < 0 ? r : -E2BIG;
}
