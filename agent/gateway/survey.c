/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/survey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/statement.h"
#include "agent/base/hex.h"
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

/* What a heartbeat confirms, and when. */
struct beat {
	const uint8_t *digest; /* of the statement */
	int64_t as_of;
};

static int take_beat(struct clo_reader *reader, const struct clo_row *row,
		     void *userdata)
{
	struct beat *beat = userdata;
	json_auto_t *predicate = NULL;
	uint8_t digest[32];
	const char *named;
	int r;

	r = clo_item_predicate(reader, row->id, &predicate);
	if (r == -EBADMSG)
		return 0; /* it says nothing */
	if (r < 0)
		return r;
	named = json_string_value(json_object_get(
		json_object_get(predicate, "statement"), "digest"));
	if (named && clo_hex_decode(named, sizeof(digest), digest) == 0 &&
	    memcmp(digest, beat->digest, sizeof(digest)) == 0)
		beat->as_of = row->time;
	return 0;
}

static int survey_row(struct clo_reader *reader, const struct clo_row *row,
		      void *userdata)
{
	const struct survey *survey = userdata;
	struct beat beat = {row->digest, row->time};
	struct clo_surveyed one = {
		.scope = row->scope,
		.row = row,
		.max_age = survey->max_age,
	};
	int r;

	if (clo_kind_of_name(row->kind) != CLO_KIND_ISOLATION)
		return 0; /* a key's, which is no scope */
	r = clo_reader_beat(reader, row->scope, row->id, take_beat, &beat);
	if (r < 0 && r != -ENOENT)
		return r;
	one.as_of = beat.as_of;
	one.age = survey->now - beat.as_of;
	if (one.max_age < 0)
		one.max_age = max_age_of(reader, row);
	one.state = clo_state_at(row->verdict, beat.as_of, survey->now,
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
		if (r == -ENOENT) /* only events are left of it */
			r = 0;
	}
	return r < 0 ? r : -E2BIG;
}
