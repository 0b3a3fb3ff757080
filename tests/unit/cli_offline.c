/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison plan --offline`: the real parser, compiler and prover. */

#include <string.h>

#include "check.h"
#include "cli_run.h"

#define DOCUMENT(kind, name, members)                                          \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"" kind                      \
	"\",\"name\":\"" name "\"," members "}"

/* Group g of each of two environments, one endpoint in each. */
#define TENANT(rule)                                                           \
	DOCUMENT("Tenant", "acme",                                             \
		 "\"qualification\":1,\"environments\":{\"production\":{"      \
		 "\"segments\":[{\"name\":\"p\",\"cidrs\":[\"10.0.1.0/24\"]}]" \
		 ",\"groups\":[\"web\",\"db\"],\"rules\":[\n" rule "]},"       \
		 "\"test\":{\"segments\":[{\"name\":\"t\",\"cidrs\":["         \
		 "\"10.0.2.0/24\"]}],\"groups\":[\"lab\"],\"rules\":[]}}")
#define WORKLOAD(name, environment, segment, group, digit)                     \
	DOCUMENT("Workload", name,                                             \
		 "\"domain\":\"" name "\",\"tenant\":\"acme\","                \
		 "\"environment\":\"" environment "\",\"interfaces\":[{"       \
		 "\"mac\":\"52:54:00:00:00:0" digit                            \
		 "\",\"segment\":\"" segment "\",\"addresses\":[\"10.0." digit \
		 ".9\"],"                                                      \
		 "\"groups\":[\"" group "\"]}]")

static void write_policy(const struct cli *cli, const char *tenant)
{
	cli_write(cli, "node.json",
		  DOCUMENT("Node", "hv1", "\"bridges\":[\"br0\"]"));
	cli_write(cli, "tenant.json", tenant);
	cli_write(cli, "workloads.json",
		  "[" WORKLOAD("w", "production", "p", "web", "1") "," WORKLOAD(
			  "l", "test", "t", "lab", "2") "]");
}

static void sound(void **state)
{
	struct cli *cli = *state;

	write_policy(cli, TENANT("{\"name\":\"r\",\"from\":{\"group\":\"web\"},"
				 "\"to\":{\"group\":\"web\"},"
				 "\"ports\":[\"tcp/80\"]}"));
	cli_run(cli, "plan", "--offline", cli->dir, NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "by acme/production/r: tcp/80\n"));
	assert_non_null(strstr(cli->out, "1 flows gained, 0 lost"));
}

static void breached(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;
	const json_t *breach;

	write_policy(cli, TENANT("{\"name\":\"leak\",\"from\":{\"group\":"
				 "\"web\"},\"to\":{\"group\":\"lab\","
				 "\"environment\":\"test\"},"
				 "\"ports\":[\"tcp/80\"]}"));
	cli_run(cli, "plan", "--offline", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out, "breach: rule "
					 "acme/production/leak ("));
	assert_non_null(strstr(cli->out, "/tenant.json:2)"));
	assert_non_null(strstr(cli->out, "10.0.1.9 > 10.0.2.9 tcp/80"));

	cli_run(cli, "plan", "--offline", "--json", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	document = json_loads(cli->out, 0, NULL);
	breach = json_array_get(json_object_get(document, "breaches"), 0);
	assert_true(json_is_false(json_object_get(breach, "excepted")));
}

static void flawed(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;

	write_policy(cli, TENANT("{\"name\":\"r\",\"from\":{\"group\":\"web\"},"
				 "\"to\":{\"group\":\"none\"},\n"
				 "\"ports\":[\"tcp/70000\"]}"));
	cli_run(cli, "plan", "--offline", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(cli->out, "");
	assert_non_null(strstr(cli->err, "/tenant.json:2: "));
	assert_non_null(strstr(cli->err, "/tenant.json:3: "));

	cli_run(cli, "plan", "--offline", "--json", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	document = json_loads(cli->out, 0, NULL);
	assert_true(json_array_size(json_object_get(document, "flaws")) >= 2);
}

static void the_labs_policy(void **state)
{
	struct cli *cli = *state;

	cli_run(cli, "plan", "--offline", CLO_SOURCE_DIR "/scripts/lab/policy",
		NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(sound),
		TEST(breached),
		TEST(flawed),
		TEST(the_labs_policy),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
