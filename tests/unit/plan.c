/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <jansson.h>

#include "policy/explain.h"
#include "unit/meaning.h"

/* A plan in words: groups, moves, exceptions, rules to no effect. */

static json_t *plan_of(struct made *before, struct made *after, time_t now)
{
	struct clo_compiled *a = before ? compile_at(before, now) : NULL;
	struct clo_compiled *b = compile_at(after, now);
	json_t *plan = clo_explain_plan(a, b, now);

	assert_non_null(plan);
	clo_compiled_free(a);
	clo_compiled_free(b);
	if (before)
		made_free(before);
	made_free(after);
	return plan;
}

static json_t *plan_of_rules(const struct meaning_spec *before,
			     const struct meaning_spec *after)
{
	return plan_of(meaning_policy(before, SIZE_MAX),
		       meaning_policy(after, SIZE_MAX), 0);
}

static void put_sets(char *text, const json_t *sets)
{
	const json_t *set;
	size_t i;

	json_array_foreach (sets, i, set) {
		size_t n = strlen(text);

		(void)snprintf(text + n, 4096 - n, "%s%s %s", i ? "+" : "",
			       json_string_value(json_object_get(set, "kind")),
			       json_string_value(json_object_get(set, "name")));
	}
}

/* "kind name+kind name > kind name tcp/1,tcp/2 by rule (flows)\n" each. */
static char *lines_text(const json_t *plan, const char *list)
{
	const json_t *lines =
		json_object_get(json_object_get(plan, "folded"), list);
	char *text = calloc(1, 4096);
	const json_t *line;
	size_t i;

	assert_non_null(text);
	json_array_foreach (lines, i, line) {
		const json_t *services = json_object_get(line, "services");
		const json_t *service;
		size_t k;
		size_t n;

		put_sets(text, json_object_get(line, "from"));
		(void)strcat(text, " > ");
		put_sets(text, json_object_get(line, "to"));
		json_array_foreach (services, k, service) {
			(void)strcat(text, k ? "," : " ");
			(void)strcat(text, json_string_value(service));
		}
		n = strlen(text);
		(void)snprintf(text + n, 4096 - n, " by %s (%d)\n",
			       json_string_value(json_object_get(line, "rule")),
			       (int)json_integer_value(
				       json_object_get(line, "flows")));
	}
	return text;
}

static void check_lines(const json_t *plan, const char *gained,
			const char *lost)
{
	CLO_AUTO_MEM char *is_gained = lines_text(plan, "gained");
	CLO_AUTO_MEM char *is_lost = lines_text(plan, "lost");

	assert_string_equal(is_gained, gained);
	assert_string_equal(is_lost, lost);
}

static const struct meaning_spec none;

#define PROD "acme/production/"

static void groups_are_folded(void **state)
{
	static const struct meaning_spec after = {
		.rules = {{0, "web", "db", "tcp/80,tcp/443"},
			  {0, "app", "@dns", "udp/53"},
			  {0, "8.0.0.0/8-8.1.0.0/16", "front", "tcp/80"},
			  {1, "web", "acme/test/db", "any"}},
		.n = 4,
	};
	json_auto_t *plan = plan_of_rules(&none, &after);
	json_auto_t *back = plan_of_rules(&after, &none);
	const char *lines =
		"group " PROD "web > group " PROD "db tcp/80,tcp/443 by " PROD
		"r1 (4)\n"
		"group " PROD "app > service dns udp/53 by " PROD "r2 (1)\n"
		"cidr 8.0.0.0/8 > segment " PROD "front tcp/80 by " PROD
		"r3 (2)\n"
		"group acme/test/web > group acme/test/db any by "
		"acme/test/r1 (1)\n";

	(void)state;
	check_lines(plan, lines, "");
	check_lines(back, "", lines);
}

/* One of the group had it already: then the group is not what gains it. */
static void a_part_is_named_exactly(void **state)
{
	static const struct meaning_spec before = {
		.rules = {{0, "app", "db", "tcp/80"}}, .n = 1};
	static const struct meaning_spec after = {
		.rules = {{0, "app", "db", "tcp/80"},
			  {0, "web", "db", "tcp/80"}},
		.n = 2,
	};
	json_auto_t *plan = plan_of_rules(&before, &after);

	(void)state;
	check_lines(plan,
		    "identity " PROD "front{web} > group " PROD
		    "db tcp/80 by " PROD "r2 (1)\n",
		    "");
}

static struct made *with_member(unsigned int groups, const char *address,
				bool excepted, time_t not_after)
{
	static const struct meaning_spec rules = {
		.rules = {{0, "web", "db", "tcp/80"}}, .n = 1};
	struct made *made = meaning_policy(&rules, SIZE_MAX);

	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, groups, address);
	if (excepted)
		made_exception(made, "net.cross-tenant-deny", PROD "r1", 0,
			       not_after);
	return made;
}

static void check_change(const json_t *endpoints, const char *member,
			 const char *was, const char *is)
{
	const json_t *change = json_array_get(endpoints, 0);
	CLO_AUTO_MEM char *before = json_dumps(
		json_object_get(json_object_get(change, "was"), member),
		JSON_ENCODE_ANY | JSON_COMPACT);
	CLO_AUTO_MEM char *after = json_dumps(
		json_object_get(json_object_get(change, "is"), member),
		JSON_ENCODE_ANY | JSON_COMPACT);

	assert_int_equal(json_array_size(endpoints), 1);
	assert_string_equal(before, was);
	assert_string_equal(after, is);
}

static void endpoints_that_move_are_shown(void **state)
{
	json_auto_t *moved = plan_of(with_member(WEB, "10.0.0.77", false, 0),
				     with_member(DB, "10.0.0.77", false, 0), 0);
	json_auto_t *renumbered =
		plan_of(with_member(WEB, "10.0.0.77", false, 0),
			with_member(WEB, "10.0.0.78", false, 0), 0);
	json_auto_t *same = plan_of(with_member(WEB, "10.0.0.77", false, 0),
				    with_member(WEB, "10.0.0.77", false, 0), 0);

	(void)state;
	check_lines(moved, "", "");
	check_change(json_object_get(moved, "endpoints"), "groups", "[\"web\"]",
		     "[\"db\"]");
	check_change(json_object_get(renumbered, "endpoints"), "addresses",
		     "[\"10.0.0.77\"]", "[\"10.0.0.78\"]");
	assert_int_equal(json_array_size(json_object_get(same, "endpoints")),
			 0);
}

/* A workload that changes its scope is one endpoint, moved. */
static void a_change_of_scope_is_shown(void **state)
{
	struct made *made = with_member(WEB, "10.0.0.77", false, 0);
	json_auto_t *plan = NULL;
	struct clo_workload_doc *last;

	(void)state;
	last = &made->policy.workloads[made->policy.n_workloads - 1];
	last->environment = CLO_ENV_TEST;
	last->interfaces[0].segment =
		&last->tenant->scopes[CLO_ENV_TEST].segments[0];
	plan = plan_of(with_member(WEB, "10.0.0.77", false, 0), made, 0);
	check_change(json_object_get(plan, "endpoints"), "environment",
		     "\"production\"", "\"test\"");
}

static void check_exception(struct made *before, struct made *after, time_t now,
			    const char *change)
{
	json_auto_t *plan = plan_of(before, after, now);
	const json_t *list = json_object_get(plan, "exceptions");
	const json_t *first = json_array_get(list, 0);

	assert_int_equal(json_array_size(list), change ? 1 : 0);
	if (change)
		assert_string_equal(
			json_string_value(json_object_get(first, "change")),
			change);
}

static void exceptions_are_shown(void **state)
{
	const time_t far = 365 * 86400;

	(void)state;
	check_exception(with_member(WEB, "", false, 0),
			with_member(WEB, "", true, far), 1, "begins");
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", false, 0), 1, "ends");
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", true, far + 1), 1, "changes");
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", true, far), 1, NULL);
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", true, far), far - CLO_PLAN_SOON,
			"expires");
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", true, far),
			far - CLO_PLAN_SOON - 1, NULL);
	check_exception(with_member(WEB, "", true, far),
			with_member(WEB, "", true, far), far, NULL);
}

static void rules_to_no_effect_are_shown(void **state)
{
	static const struct meaning_spec before = {
		.rules = {{0, "web", "db", "tcp/80-81"}}, .n = 1};
	static const struct meaning_spec after = {
		.rules = {{0, "web", "db", "tcp/80-81"},
			  {0, "web", "db", "tcp/80"},
			  {0, "ops", "db", "any"},
			  {0, "db", "web", "icmp"}},
		.n = 4,
	};
	json_auto_t *plan = plan_of_rules(&before, &after);
	json_auto_t *back = plan_of_rules(&after, &before);
	const json_t *idle = json_object_get(plan, "idleRules");

	(void)state;
	assert_int_equal(json_array_size(idle), 2);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(idle, 0), "rule")),
			    PROD "r2");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(idle, 1), "rule")),
			    PROD "r3");
	idle = json_object_get(back, "idleRules");
	assert_int_equal(json_array_size(idle), 2);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(idle, 0), "change")),
			    "removed");
}

static json_int_t count(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

/* 15 classes, all to all on 50 ports: more flows than are listed, one line. */
static void what_is_not_listed_is_counted(void **state)
{
	const json_int_t flows = 15 * 15 * 50;
	struct made *made = made_new();
	json_auto_t *plan = NULL;
	char ports[400] = "tcp/1";
	const json_t *line;

	(void)state;
	made_tenant(made, "acme", 7);
	for (unsigned int groups = 1; groups < 16; groups++) {
		char address[20];

		(void)snprintf(address, sizeof(address), "10.0.0.%u", groups);
		made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, groups,
			      address);
	}
	for (int port = 3; port < 100; port += 2) {
		size_t n = strlen(ports);

		(void)snprintf(ports + n, sizeof(ports) - n, ",tcp/%d", port);
	}
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "front", "front", ports);
	plan = plan_of(NULL, made, 0);
	assert_int_equal(count(json_object_get(plan, "counts"), "gained"),
			 flows);
	assert_int_equal(json_array_size(json_object_get(plan, "gained")),
			 CLO_PLAN_MAX);
	assert_int_equal(count(plan, "omitted"), flows - CLO_PLAN_MAX);
	assert_int_equal(json_array_size(json_object_get(
				 json_object_get(plan, "folded"), "gained")),
			 1);
	line = json_array_get(
		json_object_get(json_object_get(plan, "folded"), "gained"), 0);
	assert_int_equal(count(line, "flows"), flows);
	assert_null(
		json_object_get(json_object_get(plan, "folded"), "omitted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_folded),
		cmocka_unit_test(a_part_is_named_exactly),
		cmocka_unit_test(endpoints_that_move_are_shown),
		cmocka_unit_test(a_change_of_scope_is_shown),
		cmocka_unit_test(exceptions_are_shown),
		cmocka_unit_test(rules_to_no_effect_are_shown),
		cmocka_unit_test(what_is_not_listed_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
