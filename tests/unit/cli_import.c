/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison import`, and `plan --offline` on what it wrote. */

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cli_run.h"

#define NAMESPACE(name, tenant)                                                \
	"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{"         \
	"\"name\":\"" name "\",\"labels\":{\"owner\":\"" tenant "\"}}}"
#define POD(namespace, name, address)                                                                       \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name                            \
	"\",\"namespace\":\"" namespace "\",\"labels\":{\"app\":\"" name                                    \
					"\"},\"annotations\":{\"cloison.io/mac\":\"52:54:00:00:00:" address \
					"\",\"cloison.io/domain\":\"vm " name                               \
					"\"}},\"status\":{\"podIP\":\"10.0.0." address                      \
					"\"}}"
/* Pods of the namespace `from` may reach `app` of x at tcp/80. */
#define POLICY(app, from)                                                      \
	"{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\"," \
	"\"metadata\":{\"name\":\"p\",\"namespace\":\"x\"},\"spec\":{"         \
	"\"podSelector\":{\"matchLabels\":{\"app\":\"" app                     \
	"\"}},\"ingress\":[{\"from\":[{\"namespaceSelector\":{"                \
	"\"matchLabels\":{\"kubernetes.io/metadata.name\":\"" from             \
	"\"}}}],\n\"ports\":[{\"port\":80}]}]}}"
#define LIST(items) "{\"kind\":\"List\",\"items\":[\n" items "]}"

static void import(struct cli *cli, const char *objects, const char *with)
{
	CLO_AUTO_MEM char *input = cli_path(cli, "objects.json");
	CLO_AUTO_MEM char *output = cli_path(cli, "policy");

	cli_write(cli, "objects.json", objects);
	cli_run(cli, "import", "--environment", "production", "--node", "hv1",
		"--output", output, "--tenant-label", "owner", input, with,
		NULL);
}

static void plan(struct cli *cli)
{
	CLO_AUTO_MEM char *output = cli_path(cli, "policy");

	cli_run(cli, "plan", "--offline", output, NULL);
}

static void a_cluster_becomes_a_policy(void **state)
{
	struct cli *cli = *state;

	import(cli,
	       LIST(NAMESPACE("x", "acme") "," POD("x", "web", "11") "," POD(
		       "x", "db", "12") "," POLICY("db", "x")),
	       NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "3 documents in"));
	plan(cli);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "apply would accept it"));
	assert_non_null(strstr(cli->out, "tcp/80"));
}

/* A rule over a border is written, and refused with its packet. */
static void a_border_is_refused_by_the_proof(void **state)
{
	struct cli *cli = *state;

	import(cli,
	       LIST(NAMESPACE("x", "acme") "," NAMESPACE("y", "globex") "," POD(
		       "x", "web", "11") "," POD("y", "shop",
						 "12") "," POLICY("web", "y")),
	       NULL);
	assert_int_equal(cli->exit, 0);
	assert_string_equal(
		cli->err,
		"note: acme/production to globex/production: flows that "
		"Kubernetes allows are closed, as the two are kept apart\n");
	plan(cli);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out, "breaks tenant separation"));
	assert_non_null(strstr(cli->out, "10.0.0.12 > 10.0.0.11 tcp/80"));
}

static void closed_borders_are_accepted(void **state)
{
	struct cli *cli = *state;
	CLO_AUTO_MEM char *input = cli_path(cli, "objects.json");
	CLO_AUTO_MEM char *output = cli_path(cli, "policy");
	json_auto_t *json = NULL;

	cli_write(cli, "objects.json",
		  LIST(NAMESPACE("x", "acme") "," NAMESPACE(
			  "y", "globex") "," POD("x", "web",
						 "11") "," POD("y", "shop",
							       "12")));
	cli_run(cli, "--json", "import", "--environment", "test", "--between",
		"none", "--node", "hv1", "--output", output, "--tenant-label",
		"owner", input, NULL);
	assert_int_equal(cli->exit, 0);
	json = json_loads(cli->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "notes")), 2);
	assert_int_equal(json_array_size(json_object_get(json, "files")), 5);
	plan(cli);
	assert_int_equal(cli->exit, 0);
}

/* Each mistake has its line, and nothing is written. */
static void what_cannot_be_translated_is_refused(void **state)
{
	struct cli *cli = *state;
	CLO_AUTO_MEM char *output = cli_path(cli, "policy");

	import(cli,
	       LIST(NAMESPACE("x", "acme") ",\n" POD(
		       "x", "web", "11") ",\n"
					 "{\"kind\":\"CiliumNetworkPolicy\"}"),
	       NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->err, "nothing was written: 1 flaws"));
	assert_non_null(strstr(cli->err,
			       "objects.json:4: $.items[2]: kind "
			       "\"CiliumNetworkPolicy\" cannot be translated"));
	assert_int_equal(access(output, F_OK), -1);

	/* As a policy it would be refused: so is the import. */
	import(cli,
	       LIST(NAMESPACE("x", "acme") "," POD("x", "web", "11") "," POD(
		       "x", "db", "11")),
	       NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->err, "is used twice"));
	assert_int_equal(access(output, F_OK), -1);
}

static void a_directory_must_be_empty(void **state)
{
	struct cli *cli = *state;
	static const char objects[] =
		LIST(NAMESPACE("x", "acme") "," POD("x", "web", "11"));

	import(cli, objects, NULL);
	assert_int_equal(cli->exit, 0);
	import(cli, objects, NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->err, "it is not empty"));
}

static void usage(void **state)
{
	struct cli *cli = *state;

	cli_run(cli, "import", cli->dir, NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "needs --output"));
	cli_run(cli, "import", "--output", "o", "--between", "some", cli->dir,
		NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "--between some is none of"));
	cli_run(cli, "import", "--output", "o", "--bridge", "br1", cli->dir,
		NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "--bridge needs --node"));
	import(cli, "{}", "another");
	assert_int_equal(cli->exit, 2);
	cli_run(cli, "import", "--output", "o", "/nonexistent", NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "cannot read /nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(a_cluster_becomes_a_policy),
		TEST(a_border_is_refused_by_the_proof),
		TEST(closed_borders_are_accepted),
		TEST(what_cannot_be_translated_is_refused),
		TEST(a_directory_must_be_empty),
		TEST(usage),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
