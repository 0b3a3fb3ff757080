/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison log` as an unprivileged user, with a log that is really signed. */

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/tlog_proof.h"
#include "agent/base/file.h"
#include "agent/core/control.h"
#include "check.h"
#include "cli_run.h"
#include "fixture_log.h"

static struct cli *cli;

static void save_checkpoint(const char *name)
{
	CLO_AUTO_MEM char *note = NULL;

	assert_int_equal(clo_store_checkpoint(store, 0, true, &note), 0);
	cli_write(cli, name, note);
}

/* Two audits, a checkpoint "old", two more, "new"; the key in "key.pem". */
static int begin(void **state)
{
	CLO_AUTO_MEM char *pem = NULL;
	void *made = NULL;

	if (set_up(state) < 0 || cli_setup(&made) < 0)
		return -1;
	cli = made;
	cli->nobody = true;
	if (clo_key_public_pem(store_key, &pem) < 0)
		return -1;
	cli_write(cli, "key.pem", pem);
	log_reboot("boot-a");
	log_append(2);
	save_checkpoint("old");
	log_reboot("boot-b");
	log_append(2);
	save_checkpoint("new");

	/* As it is handed to an auditor. */
	hand_over();
	return chmod(dir, 0755) < 0 || chmod(path, 0444) < 0 ? -1 : 0;
}

static int end(void **state)
{
	void *made = cli;

	return cli_teardown(&made) < 0 ? -1 : tear_down(state);
}

/* SQL behind the store's back. */
static void meddle(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Of the last run, with --json. */
static json_t *output(void)
{
	json_t *json = json_loads(cli->out, 0, NULL);

	assert_non_null(json);
	return json;
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	assert_non_null(text);
	return text;
}

static void whole_logs_are_told(void **state)
{
	CLO_AUTO_MEM char *key = cli_path(cli, "key.pem");
	CLO_AUTO_MEM char *old = cli_path(cli, "old");
	json_auto_t *json = NULL;

	(void)state;
	cli_run(cli, "log", "verify", "--log", path, "--key", key, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_memory_equal(cli->out, "WHOLE: 12 entries of 2 boots", 28);
	assert_non_null(strstr(cli->out, "log.example/1\n"));
	assert_non_null(strstr(cli->out, "log.example/1+"));
	cli_run(cli, "log", "--json", "verify", "--log", path, "--checkpoint",
		old, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	json = output();
	assert_string_equal(text_of(json, "verdict"), "WHOLE");
	assert_string_equal(text_of(json, "keys"), "log");
	assert_int_equal(json_integer_value(json_object_get(json, "entries")),
			 12);
}

/* What an auditor takes along is what the next visit is held to. */
static void checkpoints_are_kept(void **state)
{
	CLO_AUTO_MEM char *kept = cli_path(cli, "kept");
	CLO_AUTO_MEM char *new = cli_path(cli, "new");
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *expected = NULL;
	size_t len;

	(void)state;
	cli->nobody = false;
	cli_run(cli, "log", "verify", "--log", path, "--output", kept, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_int_equal(clo_file_read(kept, 65536, &text, &len), 0);
	assert_int_equal(clo_file_read(new, 65536, &expected, &len), 0);
	assert_string_equal(text, expected);

	assert_int_equal(unlink(kept), 0);
	meddle("DELETE FROM records WHERE id = 3");
	cli_run(cli, "log", "verify", "--log", path, "--output", kept, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_int_equal(access(kept, F_OK), -1);
}

static void tampering_is_one_line(void **state)
{
	CLO_AUTO_MEM char *key = cli_path(cli, "key.pem");
	CLO_AUTO_MEM char *new = cli_path(cli, "new");
	json_auto_t *json = NULL;

	(void)state;
	meddle("DELETE FROM records WHERE id = 12;"
	       "DELETE FROM leaves WHERE id > 8; DELETE FROM records"
	       " WHERE id > 9; DELETE FROM checkpoints WHERE size > 9;"
	       "DELETE FROM nodes WHERE (position + 1) << level > 9");
	cli_run(cli, "log", "verify", "--log", path, "--key", key,
		"--checkpoint", new, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->out,
			    "NOT AUTHENTIC: the log was cut: the given "
			    "checkpoint is of 12 entries, 9 are there\n");
	cli_run(cli, "log", "consistency", new, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->err,
			    "cloison: not consistent: the log was cut, or "
			    "never had 12 entries: it has 9\n");

	meddle("UPDATE records SET verdict = 'FAILED' WHERE id = 2");
	cli_run(cli, "--json", "log", "verify", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	json = output();
	assert_string_equal(text_of(json, "verdict"), "NOT AUTHENTIC");
	assert_string_equal(text_of(json, "reason"),
			    "entry 1 (boot-a.1): its record says other than "
			    "its statement");
}

static void assert_proof(const char *text, uint64_t index)
{
	struct clo_tlog_proof proof;
	struct clo_checkpoint checkpoint;
	CLO_AUTO_MEM char *entry = NULL;

	assert_int_equal(
		clo_tlog_proof_parse(text, strlen(text), &proof, &entry), 0);
	assert_int_equal(proof.index, index);
	assert_int_equal(
		clo_tlog_proof_check(store_key, &proof, NULL, &checkpoint), 0);
	assert_int_equal(checkpoint.size, 12);
}

static void proofs_hold(void **state)
{
	CLO_AUTO_MEM char *file = cli_path(cli, "proof");
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *json = NULL;
	size_t len;

	(void)state;
	cli_run(cli, "log", "proof", "2", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_proof(cli->out, 8);
	cli_run(cli, "log", "proof", "2", "--boot", "boot-a", "--log", path,
		"--json", NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	json = output();
	assert_proof(text_of(json, "proof"), 2);
	cli->nobody = false;
	cli_run(cli, "log", "proof", log_previous, "--log", path, "--output",
		file, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_string_equal(cli->out, "");
	assert_int_equal(clo_file_read(file, 65536, &text, &len), 0);
	assert_proof(text, 11);
}

static void no_proof_of_what_is_not_there(void **state)
{
	CLO_AUTO_MEM char *key = cli_path(cli, "other.pem");
	CLO_AUTO(clo_key) struct clo_key *second = fixture_key(FIXTURE_KEY_2);
	CLO_AUTO_MEM char *pem = NULL;

	(void)state;
	assert_int_equal(clo_key_public_pem(second, &pem), 0);
	cli_write(cli, "other.pem", pem);
	cli_run(cli, "log", "proof", "6", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	cli_run(cli, "log", "proof", "acme", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
	cli_run(cli, "log", "proof", "2", "--key", key, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	meddle("UPDATE nodes SET hash = zeroblob(32) WHERE level = 1");
	cli_run(cli, "log", "proof", "2", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->out, "");
}

static void consistency_is_shown(void **state)
{
	CLO_AUTO_MEM char *key = cli_path(cli, "key.pem");
	CLO_AUTO_MEM char *old = cli_path(cli, "old");

	(void)state;
	cli_run(cli, "log", "consistency", old, "--log", path, "--key", key,
		NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_memory_equal(cli->out, "old 6\n", 6);
	assert_non_null(strstr(cli->out, "\n\nlog.example/1\n12\n"));
	cli_run(cli, "log", "consistency", "12", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_memory_equal(cli->out, "old 12\n\nlog.example/1\n12\n", 25);
	cli_run(cli, "log", "consistency", "13", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	cli_run(cli, "log", "consistency", key, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	cli_run(cli, "log", "consistency", "/nowhere", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
}

/* Another log of the same node and size: neither goes on from the other. */
static void two_trees_are_told(void **state)
{
	CLO_AUTO_MEM char *new = cli_path(cli, "new");
	CLO_AUTO_MEM char *old = cli_path(cli, "old");

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	log_reboot("boot-c");
	log_append(4);
	hand_over();
	assert_int_equal(chmod(path, 0444), 0);
	cli_run(cli, "log", "consistency", new, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->err, "cloison: not consistent: two trees of "
				      "12 entries are signed\n");
	cli_run(cli, "log", "consistency", old, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->err, "cloison: not consistent: the first 6 "
				      "entries are others now\n");
	cli_run(cli, "log", "verify", "--checkpoint", new, "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
}

static unsigned lines_of(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void entries_are_lines(void **state)
{
	json_auto_t *first = NULL;

	(void)state;
	cli_run(cli, "log", "export", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	assert_int_equal(lines_of(cli->out), 12);
	first = json_loads(cli->out, JSON_DISABLE_EOF_CHECK, NULL);
	assert_string_equal(text_of(first, "boot"), "boot-a");
	assert_non_null(strstr(text_of(first, "envelope"), "payload"));
	assert_non_null(strstr(text_of(first, "entry"), "envelopeHash"));
	/* NOW + 4 and 5, in each of the two boots */
	cli_run(cli, "log", "export", "--log", path, "--since",
		"2026-01-02T03:04:09Z", NULL);
	assert_int_equal(lines_of(cli->out), 4);
	cli_run(cli, "log", "export", "--log", path, "--until",
		"2026-01-02T03:04:05Z", NULL);
	assert_int_equal(lines_of(cli->out), 2);
}

/* Not a byte of what none of the keys signed. */
static void events_are_of_signed_statements(void **state)
{
	CLO_AUTO_MEM char *other = cli_path(cli, "other.pem");
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_2);
	CLO_AUTO_MEM char *pem = NULL;

	(void)state;
	assert_int_equal(clo_key_public_pem(key, &pem), 0);
	cli_write(cli, "other.pem", pem);
	cli_run(cli, "log", "export", "--log", path, "--key", other, "--format",
		"ocsf", NULL);
	assert_int_equal(cli->exit, CLO_EXIT_FAILED);
	assert_string_equal(cli->out, "");
	assert_non_null(strstr(cli->err, "none of the keys signed"));
}

static void wrong_exports(void **state)
{
	static const char *const wrong[][2] = {
		{"--format", "csv"},
		{"--format", "tiles"},
		{"--since", "yesterday"},
		{"--until", "5"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
		cli_run(cli, "log", "export", "--log", path, wrong[i][0],
			wrong[i][1], NULL);
		assert_int_equal(cli->exit, CLO_EXIT_USAGE);
	}
	cli_run(cli, "log", "export", "--json", "--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
}

static void tiles_are_files(void **state)
{
	static const struct {
		const char *name;
		long long size; /* < 0: any */
	} files[] = {
		{"tiles/checkpoint", -1},
		{"tiles/tile/0/000.p/12", 384},
		{"tiles/tile/entries/000.p/12", -1},
	};

	CLO_AUTO_MEM char *tiles = cli_path(cli, "tiles");

	(void)state;
	cli->nobody = false;
	cli_run(cli, "log", "export", "--format", "tiles", "--output", tiles,
		"--log", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_OK);
	for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++) {
		CLO_AUTO_MEM char *file = cli_path(cli, files[i].name);
		struct stat st;

		assert_int_equal(stat(file, &st), 0);
		if (files[i].size >= 0)
			assert_int_equal(st.st_size, files[i].size);
	}
}

static void no_logs(void **state)
{
	static const char *const commands[][3] = {
		{"verify", NULL, NULL},
		{"proof", "1", NULL},
		{"consistency", "1", NULL},
		{"export", NULL, NULL},
	};
	CLO_AUTO_MEM char *key = cli_path(cli, "key.pem");

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(commands); i++) {
		cli_run(cli, "log", commands[i][0], "--log", "/nowhere",
			commands[i][1], NULL);
		assert_int_equal(cli->exit, CLO_EXIT_USAGE);
		cli_run(cli, "log", commands[i][0], "--log", key,
			commands[i][1], NULL);
		assert_int_equal(cli->exit, CLO_EXIT_USAGE);
	}
	cli_run(cli, "log", "verify", "--log", path, "--key", path, NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
	cli_run(cli, "log", NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
	cli_run(cli, "log", "burn", NULL);
	assert_int_equal(cli->exit, CLO_EXIT_USAGE);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_logs_are_told),
		TEST(checkpoints_are_kept),
		TEST(tampering_is_one_line),
		TEST(proofs_hold),
		TEST(no_proof_of_what_is_not_there),
		TEST(consistency_is_shown),
		TEST(two_trees_are_told),
		TEST(entries_are_lines),
		TEST(events_are_of_signed_statements),
		TEST(wrong_exports),
		TEST(tiles_are_files),
		TEST(no_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
