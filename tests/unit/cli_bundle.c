/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison bundle`: what it makes is what a node opens. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/policy_bundle.h"
#include "agent/base/file.h"
#include "check.h"
#include "cli_run.h"

#define NOW 1767323045 /* 2026-01-02T03:04:05Z */

static struct clo_trust *trust;
static char *key_path, *made_path;

static int setup(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	CLO_AUTO_MEM char *pem = NULL;
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *root = NULL;
	char reason[200];

	if (cli_setup(state) < 0)
		return -1;
	key_path = cli_path(*state, "plane.key");
	made_path = cli_path(*state, "made.bundle");
	cli_write(*state, "b.json", "{\"b\":1}\n");
	cli_write(*state, "a.json", "{\"a\":\"é\"}\n");
	if (clo_key_generate(key_path) < 0 ||
	    clo_key_load(key_path, &key) < 0 ||
	    clo_key_public_pem(key, &pem) < 0)
		return -1;
	root = json_pack("{s:s, s:s, s:[{s:s, s:s, s:[s]}]}", "apiVersion",
			 "cloison/v1", "kind", "TrustStore", "keys", "name",
			 "plane", "pem", pem, "roles", "policy");
	text = json_dumps(root, 0);
	return clo_trust_parse(text, strlen(text), &trust, reason);
}

static int teardown(void **state)
{
	clo_trust_free(trust);
	trust = NULL;
	free(key_path);
	free(made_path);
	return cli_teardown(state);
}

static struct clo_policy_bundle *open_made(const char *envelope)
{
	struct clo_policy_bundle *bundle = NULL;
	char reason[200] = "";

	if (clo_policy_bundle_open(trust, envelope, strlen(envelope), NOW,
				   &bundle, reason) < 0)
		fail_msg("%s", reason);
	return bundle;
}

static void makes_a_bundle(void **state)
{
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *bundle = NULL;
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *dated = NULL;
	CLO_AUTO_MEM char *text = NULL;
	struct cli *cli = *state;
	const char *name, *content;
	size_t len;

	cli_run(cli, "bundle", cli->dir, "--node", "hv-1", "--revision", "12",
		"--signing-key", key_path, NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	bundle = open_made(cli->out);
	assert_string_equal(bundle->node, "hv-1");
	assert_int_equal(bundle->revision, 12);
	assert_int_equal(json_unpack(bundle->documents, "[{s:s, s:s}, {s:s}]",
				     "name", &name, "text", &content, "name",
				     &name),
			 0);
	assert_string_equal(name, "b.json"); /* without the directory */
	assert_string_equal(content, "{\"a\":\"é\"}\n");

	cli_run(cli, "bundle", cli->dir, "--node", "hv-1", "--revision",
		"9007199254740991", "--signing-key", key_path, "--not-after",
		"2026-01-02T03:04:05Z", "--output", made_path, NULL);
	assert_int_equal(cli->exit, 0);
	assert_string_equal(cli->out, "");
	assert_int_equal(
		clo_file_read(made_path, CLO_POLICY_BUNDLE_MAX, &text, &len),
		0);
	dated = open_made(text);
	assert_int_equal(dated->revision, CLO_POLICY_REVISION_MAX);
	assert_int_equal(dated->not_after, NOW);
}

static void usage(void **state)
{
	static const struct {
		const char *node, *revision, *not_after;
	} cases[] = {
		{"", "1", "2026-01-02T03:04:05Z"},
		{"n", "0", "2026-01-02T03:04:05Z"},
		{"n", "-1", "2026-01-02T03:04:05Z"},
		{"n", "1x", "2026-01-02T03:04:05Z"},
		{"n", "9007199254740992", "2026-01-02T03:04:05Z"},
		{"n", "1", "tomorrow"},
		{"n", "1", "1970-01-01T00:00:00Z"},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_run(cli, "bundle", cli->dir, "--node", cases[i].node,
			"--revision", cases[i].revision, "--not-after",
			cases[i].not_after, "--signing-key", key_path, NULL);
		assert_int_equal(cli->exit, 2);
		assert_string_equal(cli->out, "");
	}
	cli_run(cli, "bundle", cli->dir, "--node", "n", "--revision", "1",
		NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "--signing-key"));
}

static void keys(void **state)
{
	struct cli *cli = *state;

	assert_int_equal(chmod(key_path, 0644), 0);
	cli_run(cli, "bundle", cli->dir, "--node", "n", "--revision", "1",
		"--signing-key", key_path, NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->err, "others must not read it"));
	assert_int_equal(chmod(key_path, 0600), 0);
	cli_write(cli, "plane.key", "-----BEGIN PRIVATE KEY-----\n");
	cli_run(cli, "bundle", cli->dir, "--node", "n", "--revision", "1",
		"--signing-key", key_path, NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->err, "expected Ed25519"));
}

/* What no node would take is not made. */
static void too_large(void **state)
{
	CLO_AUTO_MEM char *text = malloc((7U << 20) + 1);
	struct cli *cli = *state;

	assert_non_null(text);
	memset(text, ' ', 7U << 20);
	text[7U << 20] = '\0';
	cli_write(cli, "c.json", text);
	cli_run(cli, "bundle", cli->dir, "--node", "n", "--revision", "1",
		"--signing-key", key_path, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->err, "more than 8 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(makes_a_bundle),
		TEST(usage),
		TEST(keys),
		TEST(too_large),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
