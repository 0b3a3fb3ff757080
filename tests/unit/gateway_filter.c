/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/gateway/filter.h"
#include "check.h"

static const struct clo_who plane = {.role = CLO_ROLE_CONTROL_PLANE};
static const struct clo_who auditor = {.role = CLO_ROLE_AUDITOR};
static const struct clo_who acme = {.role = CLO_ROLE_TENANT, .tenant = "acme"};
static const struct clo_who nobody = {.role = CLO_ROLE_NOBODY};

static struct clo_filter filter;
static const char *wrong;

static int make(const char *text, const struct clo_who *who)
{
	struct clo_query query;

	wrong = NULL;
	assert_int_equal(clo_query_parse(text, strlen(text), &query), 0);
	return clo_filter_make(&query, who, &filter, &wrong);
}

static void test_values_that_are_none(void **state)
{
	static const struct {
		const char *query;
		const char *wrong;
	} cases[] = {
		{"tenant=", "tenant"},
		{"tenant=Acme", "tenant"},
		{"tenant=a/b", "tenant"},
		{"environment=", "environment"},
		{"environment=prod", "environment"},
		{"kind=", "kind"},
		{"kind=%27", "kind"},
		{"kind=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "kind"},
		{"verdict=passed", "verdict"},
		{"verdict=STALE", "verdict"},
		{"control=", "control"},
		{"control=:FAIL", "control"},
		{"control=a:b", "control"},
		{"control=a:FAIL:", "control"},
		{"since=yesterday", "since"},
		{"since=2026-01-02", "since"},
		{"since=2026-13-02T03:04:05Z", "since"},
		{"until=1767323045", "until"},
		{"limit=0", "limit"},
		{"limit=501", "limit"},
		{"limit=-1", "limit"},
		{"cursor=", "cursor"},
		{"cursor=AQAAAAAAAAAAAAAAAAAAAQAAAAAAAAAB", "cursor"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		if (make(cases[i].query, &plane) != -EINVAL)
			fail_msg("%s", cases[i].query);
		assert_string_equal(wrong, cases[i].wrong);
	}
}

static bool takes(const char *scope)
{
	return clo_filter_takes(&filter, scope, "isolation/v1", "PASSED", 100);
}

static void test_what_a_filter_takes(void **state)
{
	(void)state;
	assert_int_equal(make("", &auditor), 0);
	assert_int_equal(filter.limit, CLO_FILTER_LIMIT);
	assert_true(takes("") && takes("acme/test") && takes("globex/test"));
	assert_int_equal(make("tenant=acme&environment=test", &plane), 0);
	assert_true(takes("acme/test"));
	assert_false(takes("acme/production") || takes("") ||
		     takes("acme-2/test") || takes("acm/test"));
	assert_int_equal(make("environment=test", &plane), 0);
	assert_true(takes("globex/test"));
	assert_false(takes(""));
	assert_int_equal(make("kind=isolation/v2", &plane), 0);
	assert_false(takes(""));
	assert_int_equal(make("verdict=FAILED", &plane), 0);
	assert_false(takes(""));
	assert_int_equal(make("since=1970-01-01T00:01:40Z", &plane), 0);
	assert_true(takes(""));
	assert_int_equal(make("since=1970-01-01T00:01:41Z", &plane), 0);
	assert_false(takes(""));
	assert_int_equal(make("until=1970-01-01T00:01:40Z", &plane), 0);
	assert_false(takes(""));
}

/* Whatever it asks for, a tenant's filter takes its own and nothing else. */
static void test_a_tenant_stays_in_its_own(void **state)
{
	(void)state;
	assert_int_equal(make("", &acme), 0);
	assert_true(takes("acme/test") && takes("acme/production"));
	assert_false(takes("") || takes("globex/test") ||
		     takes("acme-2/test") || takes("acm/test") ||
		     takes("acme"));
	assert_int_equal(make("environment=test", &acme), 0);
	assert_false(takes("globex/test") || takes("acme/production"));
	assert_int_equal(make("tenant=acme", &acme), 0);
	assert_int_equal(make("tenant=globex", &acme), -EACCES);
	assert_int_equal(make("tenant=acme-2", &acme), -EACCES);
}

static void test_who_sees_what(void **state)
{
	const struct clo_who empty = {.role = CLO_ROLE_TENANT};

	(void)state;
	assert_true(clo_who_sees(&plane, "") && clo_who_sees(&auditor, "a/b"));
	assert_true(clo_who_sees(&acme, "acme/test"));
	assert_false(clo_who_sees(&acme, "") ||
		     clo_who_sees(&acme, "globex/test") ||
		     clo_who_sees(&acme, "acme-2/test"));
	assert_false(clo_who_sees(&nobody, "") ||
		     clo_who_sees(&nobody, "acme/test"));
	assert_false(clo_who_sees(&empty, "") ||
		     clo_who_sees(&empty, "acme/test"));
}

/* A cursor goes on with the list that it was given with, and no other. */
static void test_a_cursor_keeps_to_its_filter(void **state)
{
	static const char *const others[] = {
		"tenant=acme&",    "environment=test&",
		"verdict=FAILED&", "since=2026-01-01T00:00:00Z&",
		"kind=a&",         "until=2026-01-01T00:00:00Z&",
		"control=a&",      "control=a:FAIL&",
	};
	struct clo_cursor cursor = {.time = 5, .id = 6};
	char text[CLO_CURSOR_TEXT];
	char query[120];

	(void)state;
	assert_int_equal(make("limit=3", &plane), 0);
	cursor.filter = clo_filter_digest(&filter);
	clo_cursor_format(&cursor, text);
	(void)snprintf(query, sizeof(query), "limit=9&cursor=%s", text);
	assert_int_equal(make(query, &plane), 0);
	assert_true(filter.goes_on);
	assert_int_equal(filter.cursor.id, 6);
	for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
		(void)snprintf(query, sizeof(query), "%scursor=%s", others[i],
			       text);
		assert_int_equal(make(query, &plane), -EINVAL);
	}
	(void)snprintf(query, sizeof(query), "cursor=%s", text);
	assert_int_equal(make(query, &acme), -EINVAL);
}

static void test_controls(void **state)
{
	json_auto_t *controls = json_pack(
		"[{s:s, s:s}, {s:s, s:s}, {s:i}, i]", "id", "net.a", "result",
		"FAIL", "id", "net.b", "result", "NOT-ASSESSED", "id", 1, 2);

	(void)state;
	assert_int_equal(make("control=net.a", &plane), 0);
	assert_true(clo_filter_takes_controls(&filter, controls));
	assert_false(clo_filter_takes_controls(&filter, NULL));
	assert_int_equal(make("control=net.a:FAIL", &plane), 0);
	assert_true(clo_filter_takes_controls(&filter, controls));
	assert_int_equal(make("control=net.a:PASS", &plane), 0);
	assert_false(clo_filter_takes_controls(&filter, controls));
	assert_int_equal(make("control=net.b", &plane), 0);
	assert_false(clo_filter_takes_controls(&filter, controls));
	assert_int_equal(make("control=net.b:NOT-ASSESSED", &plane), 0);
	assert_true(clo_filter_takes_controls(&filter, controls));
	assert_int_equal(make("control=net.c", &plane), 0);
	assert_false(clo_filter_takes_controls(&filter, controls));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_that_are_none),
		cmocka_unit_test(test_what_a_filter_takes),
		cmocka_unit_test(test_a_tenant_stays_in_its_own),
		cmocka_unit_test(test_who_sees_what),
		cmocka_unit_test(test_a_cursor_keeps_to_its_filter),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
