/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison ask`: of a directory, and what it sends to the daemon. */

#include <string.h>

#include "check.h"
#include "cli_run.h"

#define BASE CLO_SOURCE_DIR "/tests/data/policy/base"

static void check_says(const struct cli *cli, const char *text)
{
	if (!strstr(cli->out, text))
		fail_msg("no \"%s\" in %s%s", text, cli->out, cli->err);
}

static void of_a_directory(void **state)
{
	struct cli *cli = *state;

	cli_run(cli, "ask", "reach", "acme/production/web", "--policy", BASE,
		"--service", "tcp/443", NULL);
	assert_int_equal(cli->exit, 0);
	check_says(cli, "who may reach acme/production/web:\n  outside "
			"196.0.0.0-196.199.255.255 and 196.201.0.0-196.255."
			"255.255, outside 196.200.0.0-196.200.6.255 and "
			"196.200.8.0-196.200.255.255 -> acme/production/web  "
			"tcp/443  (rule acme/production/public)\nwhat it may "
			"reach:\n  nothing\n");

	cli_run(cli, "ask", "isolated", "--policy", BASE, "acme", "globex",
		NULL);
	assert_int_equal(cli->exit, 0);
	check_says(cli, "isolated      PROVED\n");
	cli_run(cli, "ask", "isolated", "--policy", BASE,
		"segment:acme/production/front", "segment:acme/production/back",
		NULL);
	assert_int_equal(cli->exit, 3);
	check_says(cli, "witness 10.0.0.5 > 10.0.1.5 tcp/5432\n");
	check_says(cli, "isolated      VIOLATED\n");
	cli_run(cli, "ask", "isolated", "--policy", BASE, "acme/test", "globex",
		NULL);
	assert_int_equal(cli->exit, 4);
	check_says(cli, "not covered   acme/test has no endpoint");

	cli_run(cli, "ask", "rules", "--policy", BASE, "--json", NULL);
	assert_int_equal(cli->exit, 0);
	check_says(cli, "\"verdict\": \"ANSWERED\"");
	cli_run(cli, "ask", "rules", "--policy", BASE, NULL);
	check_says(cli, "unused        acme/test/try (");
	check_says(cli, "): nobody is on either side\n");
}

static void of_the_daemon(void **state)
{
	json_auto_t *expected =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "op", "ask",
			  "question", "isolated", "of", "a", "other", "b",
			  "service", "icmp", "within", 30 * 86400);
	struct cli *cli = *state;

	cli_serve(cli,
		  CLI_OK("{\"verdict\":\"NOT-COVERED\",\"gaps\":[\"a gap\"]}"),
		  NULL);
	cli_run(cli, "ask", "isolated", "a", "b", "--service", "icmp", NULL);
	assert_int_equal(cli->exit, 4);
	assert_true(json_equal(cli->request, expected));
	check_says(cli, "not covered   a gap\n");

	cli_serve(cli,
		  CLI_OK("{\"verdict\":\"ANSWERED\",\"neverHit\":[{\"rule\":"
			 "\"a/test/r\",\"line\":1}],\"since\":0,\"rules\":7}"),
		  NULL);
	cli_run(cli, "ask", "rules", "--within", "12h", NULL);
	assert_int_equal(cli->exit, 0);
	assert_int_equal(
		json_integer_value(json_object_get(cli->request, "within")),
		12 * 3600);
	check_says(cli, "never hit     a/test/r\n");
	check_says(cli, "counted since 1970-01-01T00:00:00Z\n");

	cli_serve(cli, CLI_OK("{\"verdict\":\"MAYBE\"}"), NULL);
	cli_run(cli, "ask", "isolated", "a", "b", NULL);
	assert_int_equal(cli->exit, 1);
}

static void wrong_usage(void **state)
{
	static const char *const within[] = {"30",    "d",         "-1d", "1w",
					     "3651d", "99999999d", ""};
	struct cli *cli = *state;

	cli_run(cli, "ask", NULL);
	assert_int_equal(cli->exit, 2);
	cli_run(cli, "ask", "weather", NULL);
	assert_int_equal(cli->exit, 2);
	cli_run(cli, "ask", "isolated", "a", NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "is missing"));
	cli_run(cli, "ask", "isolated", "a", "b", "c", NULL);
	assert_int_equal(cli->exit, 2);
	cli_run(cli, "ask", "reach", "nobody", "--policy", BASE, NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "nobody: no such tenant"));
	for (size_t i = 0; i < CLO_ARRAY_LEN(within); i++) {
		cli_run(cli, "ask", "rules", "--policy", BASE, "--within",
			within[i], NULL);
		assert_int_equal(cli->exit, 2);
	}
	cli_run(cli, "ask", "rules", "--policy", "/nonexistent", NULL);
	assert_int_not_equal(cli->exit, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(of_a_directory),
		TEST(of_the_daemon),
		TEST(wrong_usage),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
