/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/gateway/cursor.h"
#include "agent/gateway/problem.h"
#include "agent/gateway/query.h"
#include "agent/gateway/rate.h"
#include "agent/gateway/role.h"
#include "agent/gateway/state.h"
#include "check.h"

#define LONG                                                                   \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_roles(void **state)
{
	static const struct {
		const char *uri;
		int r;
		enum clo_role role;
		const char *tenant;
	} cases[] = {
		{"urn:cloison:role:auditor", 0, CLO_ROLE_AUDITOR, ""},
		{"urn:cloison:role:control-plane", 0, CLO_ROLE_CONTROL_PLANE,
		 ""},
		{"urn:cloison:tenant:acme", 0, CLO_ROLE_TENANT, "acme"},
		{"urn:cloison:tenant:a-2", 0, CLO_ROLE_TENANT, "a-2"},
		{"spiffe://else/where", 0, CLO_ROLE_NOBODY, ""},
		{"URN:cloison:role:auditor", 0, CLO_ROLE_NOBODY, ""},
		{"", 0, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:role:", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:role:auditors", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:role:Auditor", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:tenant:", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:tenant:-a", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:tenant:a/production", -EINVAL, CLO_ROLE_NOBODY,
		 ""},
		{"urn:cloison:tenant:%", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:tenant:Acme", -EINVAL, CLO_ROLE_NOBODY, ""},
		{"urn:cloison:tenant:" LONG, -EINVAL, CLO_ROLE_NOBODY, ""},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_who who = {.role = CLO_ROLE_NOBODY};

		assert_int_equal(
			clo_role_add(cases[i].uri, strlen(cases[i].uri), &who),
			cases[i].r);
		assert_int_equal(who.role, cases[i].role);
		assert_string_equal(who.tenant, cases[i].tenant);
	}
}

/* A 0 inside is part of the name, not its end. */
static void test_a_name_is_read_whole(void **state)
{
	static const char tenant[] = "urn:cloison:tenant:acme\0x";
	static const char role[] = "urn:cloison:role:auditor\0x";
	struct clo_who who = {.role = CLO_ROLE_NOBODY};

	(void)state;
	assert_int_equal(clo_role_add(tenant, sizeof(tenant) - 1, &who),
			 -EINVAL);
	assert_int_equal(clo_role_add(role, sizeof(role) - 1, &who), -EINVAL);
	assert_int_equal(who.role, CLO_ROLE_NOBODY);
}

static void test_two_roles_are_none(void **state)
{
	struct clo_who who = {.role = CLO_ROLE_NOBODY};

	(void)state;
	assert_int_equal(clo_role_add("urn:cloison:tenant:a", 20, &who), 0);
	assert_int_equal(clo_role_add("urn:cloison:tenant:b", 20, &who),
			 -EINVAL);
	assert_int_equal(clo_role_add("urn:cloison:role:auditor", 24, &who),
			 -EINVAL);
	assert_int_equal(clo_role_add("https://example.org", 19, &who), 0);
	assert_string_equal(who.tenant, "a");
}

static void test_queries(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{"", 0},
		{"a=1", 0},
		{"a=", 0},
		{"a=1&b=2", 0},
		{"a=%41%2d%7E", 0},
		{"a=b=c", 0},
		{"&", -EINVAL},
		{"a", -EINVAL},
		{"=1", -EINVAL},
		{"a=1&", -EINVAL},
		{"a=1&&b=2", -EINVAL},
		{"a=%", -EINVAL},
		{"a=%4", -EINVAL},
		{"a=%4g", -EINVAL},
		{"a=%00", -EINVAL},
		{"a=%0a", -EINVAL},
		{"a=%c3%a9", -EINVAL},
		{"a=\xc3\xa9", -EINVAL},
		{"a=\x7f", -EINVAL},
		{"a= b", -EINVAL},
		{"a=1&a=2", -EEXIST},
		{"a=1&%61=2", -EEXIST},
		{LONG "=1", -E2BIG},
		{"a=" LONG LONG LONG, -E2BIG},
		{"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=", 0},
		{"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=", -E2BIG},
	};
	struct clo_query query;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		if (clo_query_parse(cases[i].text, strlen(cases[i].text),
				    &query) != cases[i].r)
			fail_msg("%s", cases[i].text);
	assert_int_equal(clo_query_parse("a=%41%2d&b=1", 12, &query), 0);
	assert_string_equal(clo_query_get(&query, "a"), "A-");
	assert_string_equal(clo_query_get(&query, "b"), "1");
	assert_null(clo_query_get(&query, "c"));
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "0x1",
					  "1.0",
					  "101",
					  "9",
					  "1e1",
					  "99999999999999999999999"};
	int64_t number = 7;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_false(clo_query_number(bad[i], 10, 100, &number));
	assert_int_equal(number, 7);
	assert_true(clo_query_number("100", 10, 100, &number));
	assert_int_equal(number, 100);
	assert_true(clo_query_number("010", 10, 100, &number));
}

static void test_cursors_come_back(void **state)
{
	static const struct clo_cursor cursors[] = {
		{0, 1, 1},
		{UINT32_MAX, INT64_MAX, INT64_MAX},
		{0x12345678, 1767323045, 77},
	};
	char text[CLO_CURSOR_TEXT];
	struct clo_cursor again;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cursors); i++) {
		clo_cursor_format(&cursors[i], text);
		assert_int_equal(strspn(text,
					"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
					"ghijklmnopqrstuvwxyz0123456789-_"),
				 CLO_CURSOR_TEXT - 1);
		assert_int_equal(clo_cursor_parse(text, &again), 0);
		assert_int_equal(again.filter, cursors[i].filter);
		assert_int_equal(again.time, cursors[i].time);
		assert_int_equal(again.id, cursors[i].id);
	}
}

static void test_cursors_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* of no format */
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* time and id 0 */
		"AQAAAAAAAAD__________wAAAAAAAAAB", /* negative time */
		"AQEAAAAAAAAAAAAAAAAAAQAAAAAAAAAB", /* not zero */
		"AQAAAAAAAAAAAAAAAAAAAQAAAAAAAAA=",
		"AQAAAAAAAAAAAAAAAAAAAQAAAAAAAAABA",
		"AQAAAAAAAAAAAAAAAAAAAQAAAAAAAAA",
	};
	struct clo_cursor cursor;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_int_equal(clo_cursor_parse(bad[i], &cursor), -EINVAL);
	assert_int_equal(
		clo_cursor_parse("AQAAAAAAAAAAAAAAAAAAAQAAAAAAAAAB", &cursor),
		0);
}

static void test_rates(void **state)
{
	const struct clo_rate_limit limit = {.burst = 3, .per_minute = 6};
	static struct clo_rate rate;
	int64_t now = 1000;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(clo_rate_take(&rate, &limit, 7, now));
	assert_false(clo_rate_take(&rate, &limit, 7, now));
	assert_true(clo_rate_take(&rate, &limit, 8, now)); /* another */
	assert_false(clo_rate_take(&rate, &limit, 7, now + 9999));
	assert_true(clo_rate_take(&rate, &limit, 7, now + 10000));
	assert_false(clo_rate_take(&rate, &limit, 7, now + 10000));
	now += 86400000; /* full again, and no fuller */
	for (int i = 0; i < 3; i++)
		assert_true(clo_rate_take(&rate, &limit, 7, now));
	assert_false(clo_rate_take(&rate, &limit, 7, now));
	assert_false(clo_rate_take(&rate, &limit, 7, 0)); /* set back */
}

/* Impatience does not make the tokens that come back fewer. */
static void test_who_asks_often_gets_its_share(void **state)
{
	const struct clo_rate_limit limit = {.burst = 1, .per_minute = 60};
	static struct clo_rate rate;
	int admitted = 0;

	(void)state;
	for (int64_t now = 0; now < 10000; now++)
		admitted += clo_rate_take(&rate, &limit, 1, now);
	assert_in_range(admitted, 10, 11);
}

static void test_states(void **state)
{
	static const struct {
		const char *verdict;
		int64_t age;
		bool in_gap;
		enum clo_state state;
	} cases[] = {
		{"PASSED", 0, false, CLO_STATE_PASSED},
		{"PASSED", 60, false, CLO_STATE_PASSED},
		{"PASSED", 61, false, CLO_STATE_STALE},
		{"PASSED", 61, true, CLO_STATE_STALE},
		{"PASSED", -300, false, CLO_STATE_PASSED},
		{"PASSED", -301, false, CLO_STATE_STALE},
		{"PASSED", 0, true, CLO_STATE_GAP},
		{"INCONCLUSIVE", 0, false, CLO_STATE_INCONCLUSIVE},
		{"INCONCLUSIVE", 0, true, CLO_STATE_GAP},
		{"FAILED", 0, true, CLO_STATE_FAILED},
		{"FAILED", 9999, false, CLO_STATE_FAILED},
		{"passed", 0, false, CLO_STATE_INCONCLUSIVE},
		{"", 0, false, CLO_STATE_INCONCLUSIVE},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		assert_int_equal(clo_state_at(cases[i].verdict, 1000,
					      1000 + cases[i].age, 60,
					      cases[i].in_gap),
				 cases[i].state);
	for (int i = 0; i < CLO_STATES; i++)
		assert_non_null(clo_state_text((enum clo_state)i));
}

static void test_problems(void **state)
{
	CLO_AUTO_MEM char *text = clo_problem_text(404, "no \"such\"");

	(void)state;
	assert_string_equal(text, "{\"type\":\"about:blank\",\"title\":\"Not "
				  "Found\",\"status\":404,\"detail\":\"no "
				  "\\\"such\\\"\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_a_name_is_read_whole),
		cmocka_unit_test(test_two_roles_are_none),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cursors_come_back),
		cmocka_unit_test(test_cursors_that_are_none),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_who_asks_often_gets_its_share),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_problems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
