/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison plan --offline`: the real parser, compiler and prover. */

#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/hex.h"
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
	assert_non_null(strstr(
		cli->out, "+ acme/production: web -> web  tcp/80  (rule r)\n"));
	assert_non_null(strstr(cli->out, "1 flows gained, 0 lost"));
}

/* "sha256:" and the digest of the file. */
static void hash_file(const char *path, char ret_text[72])
{
	static char bytes[CLI_OUTPUT_MAX];
	FILE *file = fopen(path, "re");
	uint8_t digest[32];
	size_t n;

	assert_non_null(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	assert_in_range(n, 100, sizeof(bytes) - 1);
	assert_int_equal(EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL),
			 1);
	(void)strcpy(ret_text, "sha256:");
	clo_hex_encode(digest, sizeof(digest), ret_text + 7);
}

/* The file is what the digest is of; a daemon that says other is not believed. */
static void matrix_is_written(void **state)
{
	CLO_AUTO_MEM char *path = NULL, *none = NULL;
	json_auto_t *document = NULL;
	struct cli *cli = *state;
	char digest[72];

	path = cli_path(cli, "matrix");
	none = cli_path(cli, "none");
	write_policy(cli, TENANT(""));
	cli_run(cli, "plan", "--offline", "--json", "--matrix", path, cli->dir,
		NULL);
	assert_int_equal(cli->exit, 0);
	hash_file(path, digest);
	document = json_loads(cli->out, 0, NULL);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(document, "matrix"), "digest")),
		digest);

	cli_serve(cli,
		  CLI_OK("{\"plan\":{},\"breaches\":[],\"matrix\":{"
			 "\"digest\":\"sha256:00\"}}"),
		  NULL);
	cli_run(cli, "plan", "--matrix", none, cli->dir, NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->err, "sha256:00"));
	assert_non_null(strstr(cli->err, digest));
	assert_int_not_equal(access(none, F_OK), 0);
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

static void paranoid(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;
	const json_t *oracle;

	write_policy(cli, TENANT("{\"name\":\"r\",\"from\":{\"group\":\"web\"},"
				 "\"to\":{\"cidr\":\"10.0.0.0/8\"},"
				 "\"ports\":[\"tcp/80\"]}"));
	cli_run(cli, "plan", "--offline", "--paranoid", cli->dir, NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "the tables say what they mean"));

	cli_run(cli, "plan", "--offline", "--paranoid", "--json", cli->dir,
		NULL);
	assert_int_equal(cli->exit, 0);
	document = json_loads(cli->out, 0, NULL);
	oracle = json_object_get(document, "oracle");
	/* Two endpoints and the block: 3 x 3 pairs of 2 classes. */
	assert_int_equal(json_integer_value(json_object_get(oracle, "pairs")),
			 9);
	assert_int_equal(
		json_integer_value(json_object_get(oracle, "verdicts")), 18);
	assert_int_equal(
		json_integer_value(json_object_get(oracle, "differences")), 0);

	/* Flaws are told as without it. */
	cli_write(cli, "node.json", "[]");
	cli_run(cli, "plan", "--offline", "--paranoid", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->err, "no document of kind \"Node\""));
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
		TEST(sound),  TEST(matrix_is_written), TEST(breached),
		TEST(flawed), TEST(paranoid),          TEST(the_labs_policy),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
