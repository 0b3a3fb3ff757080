/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/problem.h"

#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

#define ACME "acme/production"
#define ACME_TEST "acme/test"
#define GLOBEX "globex/production"

static struct clo_problems problems;

static int tear_down(void **state)
{
	(void)state;
	clo_problems_done(&problems);
	problems = (struct clo_problems){0};
	return 0;
}

static void test_each_is_kept_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_non_null(
			clo_problem_add(&problems, "net.x", "number %d", i));
	assert_int_equal(problems.n, 100);
	assert_string_equal(problems.list[0].text, "number 0");
	assert_string_equal(problems.list[99].text, "number 99");
	assert_string_equal(problems.list[99].control, "net.x");
}

static void test_who_reads_what(void **state)
{
	static const struct {
		const char *a, *b;
		bool everyone;
		bool acme, acme_test, globex;
	} cases[] = {
		{NULL, NULL, false, false, false, false},
		{NULL, NULL, true, true, true, true},
		{ACME, NULL, false, true, false, false},
		{NULL, GLOBEX, false, false, false, true},
		{ACME, GLOBEX, false, true, false, true},
		/* a name is the whole name */
		{"acme/prod", "me/production", false, false, false, false},
		{"acme/production2", "", false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_problem *found =
			clo_problem_add(&problems, "net.x", "text");

		assert_int_equal(cases[i].everyone
					 ? clo_problem_everyone(found)
					 : clo_problem_scoped(found, cases[i].a,
							      cases[i].b,
							      "told"),
				 0);
		assert_true(clo_problem_concerns(found, NULL));
		assert_int_equal(clo_problem_concerns(found, ACME),
				 cases[i].acme);
		assert_int_equal(clo_problem_concerns(found, ACME_TEST),
				 cases[i].acme_test);
		assert_int_equal(clo_problem_concerns(found, GLOBEX),
				 cases[i].globex);
		if (!cases[i].everyone)
			assert_string_equal(found->scope_text, "told");
	}
}

/* Told to nobody but the node until somebody says otherwise. */
static void test_a_new_one_is_the_nodes_alone(void **state)
{
	struct clo_problem *found = clo_problem_add(&problems, "net.x", "text");

	(void)state;
	assert_true(clo_problem_concerns(found, NULL));
	assert_false(clo_problem_concerns(found, ACME));
}

static void test_what_could_not_be_noted_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(clo_problem_everyone(NULL), -ENOMEM);
	assert_int_equal(clo_problem_scoped(NULL, ACME, NULL, "told"), -ENOMEM);
}

static void test_scope_names(void **state)
{
	const struct clo_tenant_doc tenant = {.name = "acme"};

	static const struct {
		enum clo_environment environment;
		const char *scope;
	} cases[] = {
		{CLO_ENV_PRODUCTION, "acme/production"},
		{CLO_ENV_TEST, "acme/test"},
		{CLO_ENV_DEVELOPMENT, "acme/development"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const struct clo_workload_doc workload = {
			.tenant = &tenant,
			.environment = cases[i].environment,
		};
		char scope[CLO_SCOPE_MAX];

		clo_scope_name(workload.tenant, workload.environment, scope);
		assert_string_equal(scope, cases[i].scope);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_is_kept_in_order),
		TEST(test_who_reads_what),
		TEST(test_a_new_one_is_the_nodes_alone),
		TEST(test_what_could_not_be_noted_is_an_error),
		TEST(test_scope_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
