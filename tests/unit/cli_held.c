/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison apply` and `plan`: which texts of a large policy they send. */

#include <string.h>

#include "agent/attest/sha256.h"
#include "check.h"
#include "cli_run.h"

#define LARGE (80 << 10)
#define REFUSED "{\"ok\":false,\"error\":\"told\",\"exit\":3}"
#define UNHELD "{\"ok\":false,\"error\":\"gone\",\"exit\":3,\"unheld\":true}"

/* Two files, of which the first is long. */
static void write_policy(struct cli *cli, char digest[CLO_SHA256_HEX])
{
	static char text[LARGE + 1];

	memset(text, ' ', LARGE);
	memcpy(text, "{}", 2);
	cli_write(cli, "a.json", text);
	cli_write(cli, "b.json", "{\"b\":1}");
	assert_int_equal(clo_sha256_hex(text, LARGE, digest), 0);
}

/* What the last request said of its i-th document. */
static const char *sent(const struct cli *cli, size_t i, const char *member)
{
	return json_string_value(json_object_get(
		json_array_get(json_object_get(cli->request, "documents"), i),
		member));
}

static void check_whole(const struct cli *cli)
{
	assert_int_equal(
		json_array_size(json_object_get(cli->request, "documents")), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(sent(cli, i, "text"));
		assert_null(sent(cli, i, "sha256"));
	}
	assert_int_equal(strlen(sent(cli, 0, "text")), LARGE);
}

/* And as it was asked: nothing else of the request is lost. */
static void held_texts_are_named(void **state)
{
	static const char *const commands[] = {"apply", "plan"};
	struct cli *cli = *state;
	char digest[CLO_SHA256_HEX], held[160];

	write_policy(cli, digest);
	(void)snprintf(held, sizeof(held), CLI_OK("{\"held\":[\"%s\",7]}"),
		       digest);
	for (size_t i = 0; i < CLO_ARRAY_LEN(commands); i++) {
		cli_serve(cli, held, REFUSED, NULL);
		cli_run(cli, commands[i], cli->dir, NULL);
		assert_int_equal(cli->exit, 3);
		assert_non_null(strstr(cli->err, "told"));
		assert_string_equal(
			json_string_value(json_object_get(cli->request, "op")),
			commands[i]);
		assert_string_equal(sent(cli, 0, "sha256"), digest);
		assert_null(sent(cli, 0, "text"));
		assert_non_null(strstr(sent(cli, 0, "name"), "/a.json"));
		assert_string_equal(sent(cli, 1, "text"), "{\"b\":1}");
		assert_null(sent(cli, 1, "sha256"));
	}
	cli_serve(cli, held, REFUSED, NULL);
	cli_run(cli, "apply", "--override", cli->dir, NULL);
	assert_true(json_is_true(json_object_get(cli->request, "override")));
}

/* The policy changed in between: once more, and whole. */
static void what_is_gone_is_sent(void **state)
{
	struct cli *cli = *state;
	char digest[CLO_SHA256_HEX], held[160];

	write_policy(cli, digest);
	(void)snprintf(held, sizeof(held), CLI_OK("{\"held\":[\"%s\"]}"),
		       digest);
	cli_serve(cli, held, UNHELD, REFUSED, NULL);
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_null(strstr(cli->err, "gone"));
	assert_non_null(strstr(cli->err, "told"));
	check_whole(cli);
}

/* An older daemon, a caller who may not ask, other policies: all is sent. */
static void not_told_what_is_held(void **state)
{
	static const char *const answers[] = {
		"{\"ok\":false,\"error\":\"no such operation\",\"exit\":2}",
		"{\"ok\":false,\"error\":\"only root\",\"exit\":6}",
		CLI_OK("{\"held\":[]}"),
		CLI_OK("{\"held\":7}"),
		CLI_OK("{}"),
		"{}",
	};
	struct cli *cli = *state;
	char digest[CLO_SHA256_HEX];

	write_policy(cli, digest);
	for (size_t i = 0; i < CLO_ARRAY_LEN(answers); i++) {
		cli_serve(cli, answers[i], REFUSED, NULL);
		cli_run(cli, "plan", cli->dir, NULL);
		assert_int_equal(cli->exit, 3);
		assert_non_null(strstr(cli->err, "told"));
		assert_null(strstr(cli->err, "no such operation"));
		check_whole(cli);
	}
}

/* One failure is told once. */
static void no_daemon(void **state)
{
	struct cli *cli = *state;
	char digest[CLO_SHA256_HEX];
	const char *said;

	write_policy(cli, digest);
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 5);
	said = strstr(cli->err, "cannot reach");
	assert_non_null(said);
	assert_null(strstr(said + 1, "cannot reach"));
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(held_texts_are_named),
		TEST(what_is_gone_is_sent),
		TEST(not_told_what_is_held),
		TEST(no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
