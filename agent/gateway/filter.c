/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/statement.h"
#include "agent/base/auto.h"

static const char *const environments[] = {"production", "test", "development"};
static const char *const verdicts[] = {"PASSED", "FAILED", "INCONCLUSIVE"};
static const char *const results[] = {"PASS", "FAIL", "INCONCLUSIVE",
				      "NOT-ASSESSED"};

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool is_token(const char *text, size_t max, const char *others)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') &&
		    !(text[i] >= '0' && text[i] <= '9') &&
		    !strchr(others, text[i]))
			return false;
	return len > 0 && len < max;
}

static bool take_tenant(struct clo_filter *filter, const char *text)
{
	return clo_role_tenant(text, strlen(text), filter->tenant) == 0;
}

static bool take_environment(struct clo_filter *filter, const char *text)
{
	if (!is_one_of(text, environments, CLO_ARRAY_LEN(environments)))
		return false;
	(void)snprintf(filter->environment, sizeof(filter->environment), "%s",
		       text);
	return true;
}

static bool take_kind(struct clo_filter *filter, const char *text)
{
	if (!is_token(text, sizeof(filter->kind), "-/."))
		return false;
	(void)snprintf(filter->kind, sizeof(filter->kind), "%s", text);
	return true;
}

static bool take_verdict(struct clo_filter *filter, const char *text)
{
	if (!is_one_of(text, verdicts, CLO_ARRAY_LEN(verdicts)))
		return false;
	(void)snprintf(filter->verdict, sizeof(filter->verdict), "%s", text);
	return true;
}

/* ID, or ID:RESULT */
static bool take_control(struct clo_filter *filter, const char *text)
{
	const char *colon = strchr(text, ':');
	int len = (int)(colon ? (size_t)(colon - text) : strlen(text));

	if (colon && !is_one_of(colon + 1, results, CLO_ARRAY_LEN(results)))
		return false;
	if ((size_t)len >= sizeof(filter->control))
		return false;
	(void)snprintf(filter->control, sizeof(filter->control), "%.*s", len,
		       text);
	(void)snprintf(filter->result, sizeof(filter->result), "%s",
		       colon ? colon + 1 : "");
	return is_token(filter->control, sizeof(filter->control), "-.");
}

static bool take_time(const char *text, int64_t *ret_time)
{
	time_t t;

	if (clo_time_parse(text, &t) < 0)
		return false;
	*ret_time = t;
	return true;
}

static bool take_since(struct clo_filter *filter, const char *text)
{
	return take_time(text, &filter->since);
}

static bool take_until(struct clo_filter *filter, const char *text)
{
	return take_time(text, &filter->until);
}

static bool take_limit(struct clo_filter *filter, const char *text)
{
	int64_t limit;

	if (!clo_query_number(text, 1, CLO_FILTER_LIMIT_MAX, &limit))
		return false;
	filter->limit = (unsigned int)limit;
	return true;
}

static bool take_cursor(struct clo_filter *filter, const char *text)
{
	filter->goes_on = true;
	return clo_cursor_parse(text, &filter->cursor) == 0;
}

static const struct {
	const char *name;
	bool (*take)(struct clo_filter *filter, const char *text);
} known[] = {
	{"tenant", take_tenant},   {"environment", take_environment},
	{"kind", take_kind},       {"verdict", take_verdict},
	{"control", take_control}, {"since", take_since},
	{"until", take_until},     {"limit", take_limit},
	{"cursor", take_cursor},
};

static int hold_to_role(const struct clo_who *who, struct clo_filter *filter)
{
	if (who->role != CLO_ROLE_TENANT)
		return 0;
	if (filter->tenant[0] && strcmp(filter->tenant, who->tenant) != 0)
		return -EACCES;
	(void)snprintf(filter->tenant, sizeof(filter->tenant), "%s",
		       who->tenant);
	return 0;
}

int clo_filter_make(const struct clo_query *query, const struct clo_who *who,
		    struct clo_filter *ret_filter,
		    const char **reterr_parameter)
{
	struct clo_filter filter = {
		.until = INT64_MAX,
		.limit = CLO_FILTER_LIMIT,
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++) {
		const char *text = clo_query_get(query, known[i].name);

		if (text && !known[i].take(&filter, text)) {
			*reterr_parameter = known[i].name;
			return -EINVAL;
		}
	}
	if (hold_to_role(who, &filter) < 0)
		return -EACCES;
	if (filter.goes_on &&
	    filter.cursor.filter != clo_filter_digest(&filter)) {
		*reterr_parameter = "cursor";
		return -EINVAL;
	}

	*ret_filter = filter;
	return 0;
}

/* FNV-1a, with the 0 so that members do not run into each other. */
static uint32_t mix(uint32_t digest, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		digest = (digest ^ bytes[i]) * 16777619U;
	return digest;
}

static uint32_t mix_text(uint32_t digest, const char *text)
{
	return mix(digest, text, strlen(text) + 1);
}

uint32_t clo_filter_digest(const struct clo_filter *filter)
{
	uint32_t digest = mix_text(2166136261U, filter->tenant);

	digest = mix_text(digest, filter->environment);
	digest = mix_text(digest, filter->kind);
	digest = mix_text(digest, filter->verdict);
	digest = mix_text(digest, filter->control);
	digest = mix_text(digest, filter->result);
	digest = mix(digest, &filter->since, sizeof(filter->since));
	return mix(digest, &filter->until, sizeof(filter->until));
}

/* Is the scope one of this tenant's ("" any) and environment ("" any)? */
static bool covers(const char *tenant, const char *environment,
		   const char *scope)
{
	const char *slash = strchr(scope, '/');
	size_t len = slash ? (size_t)(slash - scope) : 0;

	if (tenant[0] && (!slash || strlen(tenant) != len ||
			  strncmp(scope, tenant, len) != 0))
		return false;
	return !environment[0] ||
	       (slash && strcmp(slash + 1, environment) == 0);
}

bool clo_filter_takes(const struct clo_filter *filter, const char *scope,
		      const char *kind, const char *verdict, int64_t time)
{
	return covers(filter->tenant, filter->environment, scope) &&
	       (!filter->kind[0] || strcmp(filter->kind, kind) == 0) &&
	       (!filter->verdict[0] || strcmp(filter->verdict, verdict) == 0) &&
	       time >= filter->since && time < filter->until;
}

bool clo_filter_takes_controls(const struct clo_filter *filter,
			       const json_t *controls)
{
	const json_t *control;
	size_t i;

	if (!filter->control[0])
		return true;
	json_array_foreach (controls, i, control) {
		const char *id =
			json_string_value(json_object_get(control, "id"));
		const char *result =
			json_string_value(json_object_get(control, "result"));

		if (!id || !result || strcmp(id, filter->control) != 0)
			continue;
		return filter->result[0] ? strcmp(result, filter->result) == 0
					 : strcmp(result, "NOT-ASSESSED") != 0;
	}
	return false;
}

bool clo_who_sees(const struct clo_who *who, const char *scope)
{
	if (who->role == CLO_ROLE_TENANT)
		return who->tenant[0] && covers(who->tenant, "", scope);
	return who->role == CLO_ROLE_CONTROL_PLANE ||
	       who->role == CLO_ROLE_AUDITOR;
}
