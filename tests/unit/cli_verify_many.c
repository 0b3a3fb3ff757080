/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison verify` of several at once: their chain and their heartbeats. */
#include "agent/attest/sha256.h"
#include "agent/base/hex.h"
#include "cli_verify.h"

/* One link of the boot's chain; *digest: of the one before, then its own. */
static char *linked_statement(const struct node *node, int sequence,
			      uint8_t digest[32])
{
	static const uint8_t tables[32];
	json_auto_t *members = predicate(node, "PASS", 1);
	CLO_AUTO_MEM char *payload = NULL;
	enum clo_verdict_word verdict;
	char *envelope = NULL;
	char previous[65];

	clo_hex_encode(digest, 32, previous);
	assert_int_equal(
		json_object_set_new(members, "chain",
				    json_pack("{s:i, s:s?}", "sequence",
					      sequence, "previous",
					      sequence ? previous : NULL)),
		0);
	assert_int_equal(clo_statement_seal(members, "scope/acme/production",
					    tables, &payload, &verdict),
			 0);
	assert_int_equal(clo_sha256(payload, strlen(payload), digest), 0);
	assert_int_equal(
		clo_dsse_sign(node->key, payload, strlen(payload), &envelope),
		0);
	return envelope;
}

/* Three that follow each other, a line each, but for those left out. */
static char *save_chain(const struct node *node, const char *left_out)
{
	char *path = cli_path(node->cli, "all.jsonl");
	FILE *file = fopen(path, "we");
	uint8_t digest[32] = {0};

	assert_non_null(file);
	for (int i = 0; i < 3; i++) {
		CLO_AUTO_MEM char *one = linked_statement(node, i, digest);

		if (!strchr(left_out, '0' + i))
			assert_true(fprintf(file, "%s\n\n", one) > 0);
	}
	assert_int_equal(fclose(file), 0);
	return path;
}

static void run_many(const struct node *node, const char *path,
		     const char *option, const char *value)
{
	cli_run(node->cli, "verify", path, "--key", node->key_path, option,
		value, NULL);
}

static void many(void **state)
{
	struct node *node = *state;
	CLO_AUTO_MEM char *path = save_chain(node, "");
	CLO_AUTO_MEM char *bad = cli_path(node->cli, "bad.json");

	run_many(node, path, NULL, NULL);
	assert_int_equal(node->cli->exit, 0);
	assert_non_null(strstr(node->cli->out, "all.jsonl:5: "));

	/* a directory: the worst counts */
	write_file(bad, "{}");
	*strrchr(bad, '/') = '\0';
	run_many(node, bad, "--format", "junit");
	assert_int_equal(node->cli->exit, 1);
	assert_non_null(strstr(node->cli->out, "tests=\"4\" failures=\"1\""));
	assert_non_null(strstr(node->cli->out, "<failure type=\"NOT-AUTH"));
	run_many(node, bad, "--format", "xml");
	assert_int_equal(node->cli->exit, 2);
}

/* That the statement of this payload still held, `age` seconds ago. */
static char *signed_heartbeat(const struct node *node, const uint8_t named[32],
			      time_t age)
{
	static const uint8_t tables[32];
	json_auto_t *members = predicate(node, "PASS", age);
	CLO_AUTO_MEM char *payload = NULL;
	char *envelope = NULL;
	char digest[65];

	clo_hex_encode(named, 32, digest);
	(void)json_object_del(members, "controls");
	(void)json_object_set_new(members, "verdict", json_string("PASSED"));
	(void)json_object_set_new(
		members, "statement",
		json_pack("{s:i, s:s}", "sequence", 0, "digest", digest));
	assert_int_equal(clo_statement_wrap(members, CLO_KIND_HEARTBEAT,
					    "scope/acme/production", tables,
					    &payload),
			 0);
	assert_int_equal(
		clo_dsse_sign(node->key, payload, strlen(payload), &envelope),
		0);
	return envelope;
}

/* An old statement passes with a heartbeat that is young, in any order. */
static void heartbeats(void **state)
{
	static const struct {
		time_t age;
		const char *max_age;
		bool statement;
		int exit;
	} cases[] = {
		{10, "100", true, 0},
		{10, "5", true, 4},
		{95, NULL, true, 4}, /* three periods are 90 s */
		{10, "100", false, 4},
	};
	struct node *node = *state;
	CLO_AUTO_MEM char *path = cli_path(node->cli, "all.jsonl");
	CLO_AUTO_MEM char *statement = signed_statement(node, "PASS", 500);
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t digest[32];
	size_t len;

	assert_int_equal(
		clo_dsse_peek(statement, strlen(statement), &payload, &len), 0);
	assert_int_equal(clo_sha256(payload, len, digest), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *beat =
			signed_heartbeat(node, digest, cases[i].age);
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		(void)fprintf(file, "%s\n%s\n", beat,
			      cases[i].statement ? statement : "");
		assert_int_equal(fclose(file), 0);
		run_many(node, path, cases[i].max_age ? "--max-age" : NULL,
			 cases[i].max_age);
		assert_int_equal(node->cli->exit, cases[i].exit);
	}
	/* one envelope alone */
	write_file(node->envelope_path, statement);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 4);
}

static void chains(void **state)
{
	static const struct {
		const char *left_out;
		int exit;
	} cases[] = {{"", 0}, {"0", 4}, {"1", 4}, {"2", 0}, {"012", 2}};
	struct node *node = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *path = save_chain(node, cases[i].left_out);

		run_many(node, path, "--chain-complete", NULL);
		assert_int_equal(node->cli->exit, cases[i].exit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(many),
		TEST(heartbeats),
		TEST(chains),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
