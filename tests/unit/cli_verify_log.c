/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison verify` of bundles, of what a log has, and of a policy. */

#include <sys/stat.h>

#include "agent/base/hex.h"
#include "cli_logged.h"
#include "policy/compile.h"
#include "policy/parse.h"

static int verify_by(const struct node *node, const char *text,
		     const char *roles, const char *of, const char *revoked)
{
	CLO_AUTO_MEM char *path = cli_path(node->cli, "trust");
	json_auto_t *trust = json_pack(
		"{s:s, s:s, s:[{s:s, s:o, s:s, s:s, s:s*}]}", "apiVersion",
		"cloison/v1", "kind", "TrustStore", "keys", "name", "k",
		"roles", json_loads(roles, 0, NULL), "node", of, "pem",
		node->pem, "revoked", revoked);
	CLO_AUTO_MEM char *store_text = json_dumps(trust, 0);

	write_file(path, store_text);
	write_file(item, text);
	cli_run(node->cli, "verify", item, "--require-log", "--trust", path,
		NULL);
	return node->cli->exit;
}

static void bundles(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	static const char both[] = "[\"attest\", \"log\"]";

	logged(node, &envelope, &bundle, &proof);
	assert_int_equal(verify_text(node, bundle, NULL, NULL), 0);
	assert_non_null(strstr(node->cli->out, "verdict       PASSED\n"));
	assert_int_equal(verify_text(node, bundle, "--require-log", NULL), 0);
	assert_int_equal(verify_text(node, bundle, "--max-age", "1"), 4);
	assert_int_equal(verify_text(node, bundle, "--chain-complete", NULL),
			 0);

	/* whose log a key may sign, and until when */
	assert_int_equal(verify_by(node, bundle, both, "hv1", NULL), 0);
	assert_int_equal(verify_by(node, bundle, "[\"attest\"]", "hv1", NULL),
			 1);
	assert_non_null(strstr(node->cli->err, "trusted with the log"));
	assert_int_equal(verify_by(node, bundle, both, "hv2", NULL), 1);
	assert_int_equal(
		verify_by(node, bundle, both, "hv1", "2020-01-01T00:00:00Z"),
		1);
}

/* Two of one log, with the envelope of the one and the proof of the other. */
static void crossed_bundles(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	CLO_AUTO_MEM char *other = NULL, *crossed = NULL;
	json_auto_t *root = NULL;

	logged(node, &envelope, &bundle, &proof);
	other = signed_statement(node, "PASS", 1);
	root = json_loads(bundle, 0, NULL);
	assert_int_equal(json_object_set_new(root, "dsseEnvelope",
					     json_loads(other, 0, NULL)),
			 0);
	crossed = json_dumps(root, JSON_COMPACT);
	assert_int_equal(verify_text(node, crossed, NULL, NULL), 1);
	assert_non_null(strstr(node->cli->err, "of another statement"));
}

static void required_logs(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	CLO_AUTO_MEM char *stray = signed_statement(node, "PASS", 9);
	CLO_AUTO_MEM char *proof_path = cli_path(node->cli, "proof");
	CLO_AUTO_MEM char *spaced = NULL;
	json_auto_t *root = NULL;

	logged(node, &envelope, &bundle, &proof);
	write_file(proof_path, proof);
	root = json_loads(envelope, 0, NULL);
	spaced = json_dumps(root, JSON_INDENT(4));

	assert_int_equal(verify_text(node, envelope, "--require-log", NULL), 1);
	assert_string_equal(node->cli->out, "");
	assert_int_equal(verify_text(node, envelope, "--log", log_path), 0);
	assert_int_equal(verify_text(node, envelope, "--proof", proof_path), 0);
	assert_int_equal(verify_text(node, spaced, "--proof", proof_path), 0);
	assert_int_equal(verify_text(node, stray, NULL, NULL), 0);
	assert_int_equal(verify_text(node, stray, "--log", log_path), 1);
	assert_non_null(strstr(node->cli->err, "the log does not have it"));
	assert_int_equal(verify_text(node, stray, "--proof", proof_path), 1);

	assert_int_equal(verify_text(node, envelope, "--log", proof_path), 2);
	assert_int_equal(verify_text(node, envelope, "--proof", item), 2);
	cli_run(node->cli, "verify", item, "--key", node->key_path, "--log",
		log_path, "--proof", proof_path, NULL);
	assert_int_equal(node->cli->exit, 2);
}

static void bounded(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	CLO_AUTO_MEM char *deep = NULL;
	char nested[4001];

	logged(node, &envelope, &bundle, &proof);
	memset(nested, '[', 2000);
	memset(nested + 2000, ']', 2000);
	nested[4000] = '\0';
	assert_true(asprintf(&deep, "{\"mediaType\":%s,%s", nested,
			     bundle + 1) > 0);
	assert_int_equal(verify_text(node, deep, NULL, NULL), 1);
	write_file(item, bundle);
	assert_int_equal(truncate(item, (off_t)CLO_DSSE_MAX + 1), 0);
	cli_run(node->cli, "verify", item, "--key", node->key_path, NULL);
	assert_int_equal(node->cli->exit, 2);
}

static void urls(void **state)
{
	static const char *const urls[] = {
		"https://127.0.0.1:1/v1", "https://", "https://a b/",
		"https://user@127.0.0.1:1/", "http://127.0.0.1:1/"};
	const struct node *node = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(urls); i++) {
		cli_run(node->cli, "verify", urls[i], "--key", node->key_path,
			NULL);
		assert_int_equal(node->cli->exit, 2);
		assert_string_equal(node->cli->out, "");
	}
	cli_run(node->cli, "verify", urls[0], "--key", node->key_path, "--cert",
		item, NULL);
	assert_int_equal(node->cli->exit, 2);
}

#define POLICY(bridge)                                                         \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\",\"name\":\"hv1\","   \
	"\"bridges\":[\"" bridge "\"]}"

/* Of this policy in force, or with its digest over other tables. */
static char *policy_statement(const struct node *node, const char *text,
			      bool its_tables)
{
	const struct clo_document document = {"node.json", text, strlen(text)};
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	json_t *members = predicate(node, "PASS", 1);
	uint8_t tables[32];
	char digest[65];

	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(clo_policy_parse(&document, 1, 0, &policy, flaws), 0);
	assert_int_equal(clo_compile(policy, time(NULL), &compiled, flaws), 0);
	clo_hex_encode(policy->digest, 32, digest);
	(void)json_object_set_new(json_object_get(members, "policy"), "digest",
				  json_string(digest));
	clo_tables_digest_all(compiled->tables, tables);
	tables[0] ^= !its_tables;
	return sign_members(node, members, tables);
}

static void policies(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *good = policy_statement(node, POLICY("br0"), true);
	CLO_AUTO_MEM char *bad = policy_statement(node, POLICY("br0"), false);
	CLO_AUTO_MEM char *other = policy_statement(node, POLICY("br1"), true);
	CLO_AUTO_MEM char *dir = cli_path(node->cli, "policy");
	CLO_AUTO_MEM char *path = cli_path(node->cli, "policy/node.json");

	assert_int_equal(mkdir(dir, 0700), 0);
	write_file(path, POLICY("br0"));
	assert_int_equal(verify_text(node, good, "--policy", dir), 0);
	assert_int_equal(verify_text(node, bad, "--policy", dir), 3);
	assert_non_null(strstr(node->cli->out, "of other tables than"));
	assert_int_equal(verify_text(node, other, "--policy", dir), 3);
	assert_non_null(strstr(node->cli->out, "of another policy: "));
	assert_int_equal(verify_text(node, "{}", "--policy", dir), 1);

	write_file(path, "{}");
	assert_int_equal(verify_text(node, good, "--policy", dir), 3);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(verify_text(node, good, "--policy", dir), 2);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(bundles),       TEST(crossed_bundles),
		TEST(required_logs), TEST(bounded),
		TEST(urls),          TEST(policies),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
