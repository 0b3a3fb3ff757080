/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison verify`, `attest` and `key` with statements that are really signed. */

#include "cli_verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/hex.h"

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
	size_t at = strcspn(envelope, ":") + 40;

	/* One bit of the payload: its base64 begins a few bytes before. */
	assert_int_equal(strncmp(envelope, "{\"payload\"", 10), 0);
	envelope[at] = envelope[at] == 'A' ? 'B' : 'A';
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
		TEST(trust),
		TEST(key_protection),
		TEST(attest_then_verify),
		TEST(output_that_cannot_be_written),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
