/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison verify`, `attest` and `key` with statements that are really signed. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/dsse.h"
#include "agent/attest/key.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "check.h"
#include "cli_run.h"

/* A node with its key; the public one is in the file "key.pem". */
struct node {
	struct cli *cli;
	struct clo_key *key;
	char *pem, *envelope_path, *key_path;
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct node *node = calloc(1, sizeof(*node));
	CLO_AUTO_MEM char *private = NULL;
	void *cli = NULL;

	if (!node || cli_setup(&cli) < 0)
		return -1;

	node->cli = cli;
	node->cli->nobody = true;
	private = cli_path(cli, "node.key");
	node->key_path = cli_path(cli, "key.pem");
	node->envelope_path = cli_path(cli, "a.json");
	*state = node;
	if (clo_key_generate(private) < 0 ||
	    clo_key_load(private, &node->key) < 0 ||
	    clo_key_public_pem(node->key, &node->pem) < 0)
		return -1;

	write_file(node->key_path, node->pem);
	return 0;
}

static int teardown(void **state)
{
	struct node *node = *state;
	void *cli = node->cli;

	clo_key_free(node->key);
	free(node->pem);
	free(node->key_path);
	free(node->envelope_path);
	free(node);
	return cli_teardown(&cli);
}

/* A sound predicate of one scope, `age` seconds old. */
static json_t *predicate(const struct node *node, const char *control,
			 time_t age)
{
	char id[65], when[21];

	assert_int_equal(clo_key_id(node->key, id), 0);
	clo_time_format(time(NULL) - age, when);
	return json_pack(
		"{s:{s:s, s:s, s:s, s:s}, s:s, s:{s:i, s:n}, s:s, s:i, s:s,"
		" s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s}, s:[], s:{}, s:{},"
		" s:{s:i, s:i, s:b, s:[s,s], s:[]},"
		" s:[{s:s, s:s, s:b, s:b, s:s, s:s, s:n}], s:[], s:[]}",
		"node", "name", "hv1", "bootId", "b", "kernel", "6.1", "agent",
		"0.1.0", "scope", "acme/production", "chain", "sequence", 0,
		"previous", "time", when, "period", 30, "nonce", "ab12",
		"trigger", "request", "key", "id", id, "protection", "file",
		"policy", "digest", "abc", "epoch", 3, "attached", "tcx",
		"programs", "tables", "proof", "coverage", "expected", 8,
		"observed", 8, "complete", 1, "sources", "libvirt", "rtnetlink",
		"missing", "controls", "id", "net.default-deny", "result",
		control, "mandatory", 1, "excepted", 0, "method",
		"read \033[31mback", "detail", "all of it", "evidence", "gaps",
		"platform");
}

/* The envelope of such a statement; caller frees. */
static char *signed_statement(const struct node *node, const char *control,
			      time_t age)
{
	static const uint8_t digest[32];
	json_auto_t *members = predicate(node, control, age);
	CLO_AUTO_MEM char *payload = NULL;
	enum clo_verdict_word verdict;
	char *envelope = NULL;

	assert_non_null(members);
	assert_int_equal(clo_statement_seal(members, "scope/acme/production",
					    digest, &payload, &verdict),
			 0);
	assert_int_equal(
		clo_dsse_sign(node->key, payload, strlen(payload), &envelope),
		0);
	return envelope;
}

static void save_statement(const struct node *node, const char *control,
			   time_t age)
{
	CLO_AUTO_MEM char *envelope = signed_statement(node, control, age);

	write_file(node->envelope_path, envelope);
}

/* Unprivileged, without a daemon. */
static void verify(const struct node *node, const char *option,
		   const char *value)
{
	cli_run(node->cli, "verify", node->envelope_path, "--key",
		node->key_path, option, value, NULL);
}

static void passed(void **state)
{
	struct node *node = *state;

	save_statement(node, "PASS", 1);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 0);
	assert_non_null(strstr(node->cli->out, "verdict       PASSED\n"));
	assert_non_null(strstr(node->cli->out, "node          hv1\n"));
	assert_non_null(strstr(node->cli->out, "acme/production\n"));
	assert_non_null(strstr(node->cli->out, "8 of 8 endpoints observed"));
	assert_non_null(strstr(node->cli->out,
			       "net.default-deny: read \\x1b[31mback; all of "
			       "it\n"));
	assert_null(strchr(node->cli->out, '\033'));
}

static void verdicts(void **state)
{
	struct node *node = *state;

	save_statement(node, "FAIL", 1);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 3);
	assert_non_null(strstr(node->cli->out, "FAILED"));
	save_statement(node, "INCONCLUSIVE", 1);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 4);
}

static void freshness(void **state)
{
	struct node *node = *state;

	save_statement(node, "PASS", 100); /* period 30 */
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 4);
	verify(node, "--max-age", "3600");
	assert_int_equal(node->cli->exit, 0);
	verify(node, "--max-age", "50");
	assert_int_equal(node->cli->exit, 4);
	verify(node, "--max-age", "1h");
	assert_int_equal(node->cli->exit, 2);
	verify(node, "--max-age", "-1");
	assert_int_equal(node->cli->exit, 2);
}

static void nonces(void **state)
{
	struct node *node = *state;

	save_statement(node, "PASS", 1);
	verify(node, "--nonce", "ab12");
	assert_int_equal(node->cli->exit, 0);
	verify(node, "--nonce", "ab13");
	assert_int_equal(node->cli->exit, 1);
	verify(node, "--nonce", "zz");
	assert_int_equal(node->cli->exit, 2);
}

/* Not a byte of what was not signed. */
static void forged(void **state)
{
	struct node *node = *state;
	CLO_AUTO_MEM char *envelope = signed_statement(node, "PASS", 1);
	json_auto_t *document = NULL;
	char *payload = strstr(envelope, "\"payload\"");

	/* One bit of the payload: its base64 begins a few bytes on. */
	assert_non_null(payload);
	payload[40] = payload[40] == 'A' ? 'B' : 'A';
	write_file(node->envelope_path, envelope);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 1);
	assert_string_equal(node->cli->out, "");
	assert_non_null(strstr(node->cli->err, "not authentic"));
	assert_null(strstr(node->cli->err, "hv1"));

	verify(node, "--json", NULL);
	assert_int_equal(node->cli->exit, 1);
	document = json_loads(node->cli->out, 0, NULL);
	assert_true(json_is_string(json_object_get(document, "error")));
	assert_int_equal(json_object_size(document), 1);

	write_file(node->envelope_path, "");
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 1);
}

static void keys(void **state)
{
	struct node *node = *state;
	CLO_AUTO_MEM char *other_path = cli_path(node->cli, "other.key");
	CLO_AUTO(clo_key) struct clo_key *other = NULL;
	CLO_AUTO_MEM char *pem = NULL;

	save_statement(node, "PASS", 1);
	assert_int_equal(clo_key_generate(other_path), 0);
	assert_int_equal(clo_key_load(other_path, &other), 0);
	assert_int_equal(clo_key_public_pem(other, &pem), 0);
	write_file(node->key_path, pem);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 1);

	write_file(node->key_path, "no key");
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 2);
	(void)unlink(node->key_path);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 2);
}

static void as_json(void **state)
{
	struct node *node = *state;
	json_auto_t *document = NULL;

	save_statement(node, "PASS", 1);
	verify(node, "--json", NULL);
	assert_int_equal(node->cli->exit, 0);
	document = json_loads(node->cli->out, 0, NULL);
	assert_true(json_is_true(json_object_get(document, "verified")));
	assert_string_equal(
		json_string_value(json_object_get(document, "verdict")),
		"PASSED");
	assert_true(json_is_object(json_object_get(document, "statement")));
}

/* attest hands out what verify accepts, byte order and all. */
static void attest_then_verify(void **state)
{
	struct node *node = *state;
	CLO_AUTO_MEM char *envelope = signed_statement(node, "PASS", 1);
	CLO_AUTO_MEM char *reply = NULL, *pem_reply = NULL;
	json_auto_t *pem = json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "result",
				     "pem", node->pem, "id", "x");

	assert_true(asprintf(&reply, CLI_OK("{\"envelope\":%s}"), envelope) >
		    0);
	pem_reply = json_dumps(pem, 0);
	node->cli->nobody = false;

	cli_serve(node->cli, reply, NULL);
	cli_run(node->cli, "attest", "--scope", "acme/production", "--nonce",
		"AB12", NULL);
	assert_int_equal(node->cli->exit, 0);
	assert_string_equal(
		json_string_value(json_object_get(node->cli->request, "nonce")),
		"ab12");
	assert_string_equal(
		json_string_value(json_object_get(node->cli->request, "scope")),
		"acme/production");
	write_file(node->envelope_path, node->cli->out);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 0);
	(void)unlink(node->envelope_path);

	cli_serve(node->cli, reply, NULL);
	cli_run(node->cli, "attest", "--output", node->envelope_path, NULL);
	assert_string_equal(node->cli->out, "");
	cli_serve(node->cli, pem_reply, NULL);
	cli_run(node->cli, "key", "--output", node->key_path, NULL);
	assert_int_equal(node->cli->exit, 0);
	verify(node, NULL, NULL);
	assert_int_equal(node->cli->exit, 0);

	cli_serve(node->cli, reply, pem_reply, NULL);
	cli_run(node->cli, "attest", "--summary", NULL);
	assert_int_equal(node->cli->exit, 0);
	assert_non_null(strstr(node->cli->out, "verdict       PASSED\n"));
	cli_serve(node->cli, pem_reply, NULL);
	cli_run(node->cli, "key", NULL);
	assert_string_equal(node->cli->out, node->pem);
}

static void output_that_cannot_be_written(void **state)
{
	struct node *node = *state;

	cli_serve(node->cli, CLI_OK("{\"envelope\":{}}"), NULL);
	node->cli->nobody = false;
	cli_run(node->cli, "attest", "--output", "/nonexistent/x", NULL);
	assert_int_equal(node->cli->exit, 1);
	cli_serve(node->cli, CLI_OK("{\"envelope\":{}}"), NULL);
	cli_run(node->cli, "attest", "--output", "/dev/full", NULL);
	assert_int_equal(node->cli->exit, 1);
}

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

static void write_trust(const char *path, const struct node *node,
			const char *of, const char *revoked)
{
	json_auto_t *store =
		json_pack("{s:s, s:s, s:[{s:s, s:[s], s:s, s:s, s:s*}]}",
			  "apiVersion", "cloison/v1", "kind", "TrustStore",
			  "keys", "name", "k", "roles", "attest", "node", of,
			  "pem", node->pem, "revoked", revoked);
	CLO_AUTO_MEM char *text = json_dumps(store, 0);

	write_file(path, text);
}

/* The node that the key speaks for, and until when. */
static void trust(void **state)
{
	static const struct {
		const char *node, *revoked;
		int exit;
	} cases[] = {
		{"hv1", NULL, 0},
		{"hv2", NULL, 1},
		{"hv1", "2020-01-01T00:00:00Z", 1},
		{"hv1", "2100-01-01T00:00:00Z", 0},
		{"hv1", "soon", 2},
	};
	struct node *node = *state;
	CLO_AUTO_MEM char *path = cli_path(node->cli, "trust");

	save_statement(node, "PASS", 1);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		write_trust(path, node, cases[i].node, cases[i].revoked);
		cli_run(node->cli, "verify", node->envelope_path, "--trust",
			path, NULL);
		assert_int_equal(node->cli->exit, cases[i].exit);
	}
	cli_run(node->cli, "verify", node->envelope_path, NULL);
	assert_int_equal(node->cli->exit, 2);
}

static void key_protection(void **state)
{
	struct node *node = *state;

	save_statement(node, "PASS", 1);
	verify(node, "--require-key", "tpm-bound");
	assert_int_equal(node->cli->exit, 1);
	verify(node, "--require-key", "hsm");
	assert_int_equal(node->cli->exit, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(passed),
		TEST(verdicts),
		TEST(freshness),
		TEST(nonces),
		TEST(forged),
		TEST(keys),
		TEST(as_json),
		TEST(many),
		TEST(heartbeats),
		TEST(chains),
		TEST(trust),
		TEST(key_protection),
		TEST(attest_then_verify),
		TEST(output_that_cannot_be_written),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
