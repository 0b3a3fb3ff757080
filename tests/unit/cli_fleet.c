/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "cli_signed.h"
#include "policy/compile.h"
#include "policy/parse.h"

/* `cloison prove --fleet`, with the policies of tests/data/fleet. */

#define DATA CLO_SOURCE_DIR "/tests/data/fleet/"

static void run(const struct node *node, const char *dir, const char *trust)
{
	cli_run(node->cli, "prove", "--fleet", dir, trust ? "--trust" : NULL,
		trust, NULL);
}

static bool says(const struct node *node, const char *text)
{
	return strstr(node->cli->out, text) || strstr(node->cli->err, text);
}

static void apart(void **state)
{
	const struct node *node = *state;

	run(node, DATA "apart", NULL);
	assert_int_equal(node->cli->exit, 0);
	assert_true(says(node, "2 disagreements, 2 flows between them"));
	assert_true(says(node, "PROVED (of the policies, in force or not)"));
}

/* Each node holds the invariants, both together do not. */
static void open_together(void **state)
{
	const struct node *node = *state;
	json_auto_t *result = NULL;
	const json_t *breach;

	run(node, DATA "open", NULL);
	assert_int_equal(node->cli->exit, 3);
	assert_true(says(node, "hv1           PROVED"));
	assert_true(says(node, "hv2           PROVED"));
	assert_true(says(node, "acme/test/shop-test/0 on hv1 > "
			       "acme/production/orders/0 on hv2"));
	assert_true(says(node, "10.2.0.5 > 10.1.0.7 tcp/5432"));

	cli_run(node->cli, "--json", "prove", "--fleet", DATA "open", NULL);
	assert_int_equal(node->cli->exit, 3);
	result = json_loads(node->cli->out, 0, NULL);
	assert_string_equal(
		json_string_value(json_object_get(result, "verdict")),
		"VIOLATED");
	breach = json_array_get(
		json_object_get(json_object_get(result, "union"), "breaches"),
		0);
	assert_string_equal(
		json_string_value(json_object_get(breach, "control")),
		"env.prod-nonprod-deny");
}

/* hv1's policy, in a fleet of its own. */
static void copy_policy(const struct node *node)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;

	assert_int_equal(clo_file_read(DATA "apart/hv1/policy/policy.json",
				       1U << 20, &text, &len),
			 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"f", "f/hv1",
						    "f/hv1/policy"};
		CLO_AUTO_MEM char *dir = cli_path(node->cli, names[i]);

		assert_int_equal(mkdir(dir, 0755), 0);
	}
	cli_write(node->cli, "f/hv1/policy/p.json", text);
}

static void write_trust(const struct node *node)
{
	json_auto_t *trust = json_pack(
		"{s:s, s:s, s:[{s:s, s:[s], s:s, s:s}]}", "apiVersion",
		"cloison/v1", "kind", "TrustStore", "keys", "name", "hv1's",
		"roles", "attest", "node", "hv1", "pem", node->pem);
	CLO_AUTO_MEM char *text = json_dumps(trust, 0);

	assert_non_null(text);
	cli_write(node->cli, "trust", text);
}

/* That hv1 has its policy in force, or other tables. */
static void attest(const struct node *node, bool its_tables, time_t age)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	json_t *members = predicate(node, "PASS", age);
	struct clo_document document = {"p.json"};
	uint8_t tables[32];
	char digest[65];

	assert_int_equal(clo_file_read(DATA "apart/hv1/policy/policy.json",
				       1U << 20, &text, &document.len),
			 0);
	document.text = text;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(clo_policy_parse(&document, 1, 0, &policy, flaws), 0);
	assert_int_equal(clo_compile(policy, time(NULL), &compiled, flaws), 0);
	clo_hex_encode(policy->digest, 32, digest);
	(void)json_object_set_new(json_object_get(members, "policy"), "digest",
				  json_string(digest));
	clo_tables_digest_all(compiled->tables, tables);
	tables[0] ^= !its_tables;
	envelope = sign_members(node, members, tables);
	cli_write(node->cli, "f/hv1/attestation.json", envelope);
}

static void attested(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *dir = cli_path(node->cli, "f");
	CLO_AUTO_MEM char *trust = cli_path(node->cli, "trust");
	CLO_AUTO_MEM char *path = cli_path(node->cli, "f/hv1/attestation.json");

	copy_policy(node);
	write_trust(node);
	run(node, dir, trust);
	assert_int_equal(node->cli->exit, 4);
	assert_true(says(node, "NOT-COVERED: there is no attestation.json"));

	attest(node, true, 1);
	run(node, dir, trust);
	assert_int_equal(node->cli->exit, 0);
	assert_true(says(node, "PROVED (attested "));

	attest(node, true, 10000);
	run(node, dir, trust);
	assert_int_equal(node->cli->exit, 4);
	assert_true(says(node, "says nothing of now"));

	attest(node, false, 1);
	run(node, dir, trust);
	assert_int_equal(node->cli->exit, 3);
	assert_true(says(node, "VIOLATED: what is in force is of other "
			       "tables"));

	cli_write(node->cli, "f/hv1/attestation.json", "{}");
	run(node, dir, trust);
	assert_int_equal(node->cli->exit, 4);
	assert_true(says(node, "is not authentic"));
	assert_int_equal(unlink(path), 0);
}

static void not_a_fleet(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *dir = cli_path(node->cli, "f");
	CLO_AUTO_MEM char *own = cli_path(node->cli, "f/hv1");
	CLO_AUTO_MEM char *other = cli_path(node->cli, "f/hv9");

	run(node, dir, NULL);
	assert_int_equal(node->cli->exit, 2);
	assert_int_equal(mkdir(dir, 0755), 0);
	run(node, dir, NULL);
	assert_int_equal(node->cli->exit, 2);
	assert_true(says(node, "has no directory of a node"));
	assert_int_equal(rmdir(dir), 0);

	copy_policy(node);
	assert_int_equal(rename(own, other), 0);
	run(node, dir, NULL);
	assert_int_equal(node->cli->exit, 2);
	assert_true(says(node, "is the policy of node hv1"));
	assert_int_equal(rename(other, own), 0);
	cli_write(node->cli, "f/hv1/policy/p.json", "[{}]");
	run(node, dir, NULL);
	assert_int_equal(node->cli->exit, 3);
}

static int end(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *command = NULL;

	if (asprintf(&command, "rm -rf %s/f", node->cli->dir) < 0 ||
	    system(command) != 0) /* NOLINT(cert-env33-c): a path of ours */
		return -1;
	return teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, end)
		TEST(apart),
		TEST(open_together),
		TEST(attested),
		TEST(not_a_fleet),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
