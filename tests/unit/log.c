/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/log.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/checkpoint.h"
#include "check.h"
#include "fixture_log.h"

#define ENTRIES 12 /* that begin() leaves: two boots of two audits */
#define CUT_TO_9                                                               \
	"DELETE FROM leaves WHERE id >= 9;"                                    \
	"DELETE FROM records WHERE id >= 10;"                                  \
	"DELETE FROM nodes WHERE (position + 1) << level > 9;"                 \
	"DELETE FROM checkpoints WHERE size > 9"

/* SQL behind the store's back; triggers and constraints do not stop it. */
static void meddle(const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA ignore_check_constraints = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int begin(void **state)
{
	if (set_up(state) < 0)
		return -1;
	log_reboot("boot-a");
	log_append(2);
	log_reboot("boot-b");
	log_append(2);
	return 0;
}

static struct clo_log_result verify_with(struct clo_key *key,
					 const char *checkpoint)
{
	CLO_AUTO(clo_store) struct clo_store *log = NULL;
	struct clo_log_options options = {
		.keys = &key,
		.n_keys = key ? 1 : 0,
		.checkpoint = checkpoint,
		.checkpoint_len = checkpoint ? strlen(checkpoint) : 0,
	};
	struct clo_log_result result;

	assert_int_equal(clo_store_open_read(path, &log), 0);
	clo_log_verify(log, &options, &result);
	return result;
}

static void assert_whole(const char *checkpoint, uint64_t entries)
{
	struct clo_log_result result = verify_with(store_key, checkpoint);

	if (result.exit != CLO_VERIFY_PASSED)
		fail_msg("%s", result.reason);
	assert_int_equal(result.entries, entries);
}

/* Found, and the line says so much of it. */
static void assert_found(const char *checkpoint, const char *what)
{
	struct clo_log_result result = verify_with(store_key, checkpoint);

	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	if (!strstr(result.reason, what))
		fail_msg("\"%s\" is not in \"%s\"", what, result.reason);
}

static char *latest_checkpoint(void)
{
	char *note = NULL;

	assert_int_equal(clo_store_checkpoint(store, 0, true, &note), 0);
	return note;
}

static void test_a_whole_log(void **state)
{
	struct clo_log_result result = verify_with(store_key, NULL);
	CLO_AUTO_MEM char *note = latest_checkpoint();
	struct clo_checkpoint checkpoint;

	(void)state;
	assert_int_equal(result.exit, CLO_VERIFY_PASSED);
	assert_int_equal(result.entries, ENTRIES);
	assert_int_equal(result.boots, 2);
	assert_int_equal(result.checkpoints, 4);
	assert_string_equal(result.reason,
			    "12 entries of 2 boots under 4 checkpoints");
	assert_int_equal(
		clo_checkpoint_open(store_key, note, strlen(note), &checkpoint),
		0);
	assert_memory_equal(result.root, checkpoint.root, 32);
}

static void test_by_its_own_keys(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *second = fixture_key(FIXTURE_KEY_2);
	const struct clo_store_signer other = {"log.example/1", second};
	struct clo_log_result result = verify_with(NULL, NULL);

	(void)state;
	assert_int_equal(result.exit, CLO_VERIFY_PASSED);
	assert_int_equal(verify_with(second, NULL).exit,
			 CLO_VERIFY_NOT_AUTHENTIC);

	/* The node got another key: both count, each for what it signed. */
	clo_store_free(store);
	assert_int_equal(clo_store_open(path, &other, &store), 0);
	log_append_as(second, "");
	assert_int_equal(verify_with(NULL, NULL).exit, CLO_VERIFY_PASSED);
	assert_found(NULL, "entry 12 (boot-b.6): its record is not the one "
			   "that was logged, or of a key that nobody "
			   "vouches for");
}

static void test_an_empty_log(void **state)
{
	(void)state;
	clo_store_free(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	assert_int_equal(verify_with(store_key, NULL).exit,
			 CLO_VERIFY_INCONCLUSIVE);
}

/* What is done to the log, and what is said of it. */
static const struct {
	const char *sql, *what;
} tampering[] = {
	/* altered */
	{"UPDATE records SET envelope = (SELECT envelope FROM records"
	 " WHERE id = 4) WHERE id = 5",
	 "entry 4 (boot-a.4): its record is not the one"},
	{"UPDATE records SET envelope = replace(envelope, 'payloadType',"
	 " 'payloadtype') WHERE id = 5",
	 "entry 4 (boot-a.4): its record is not the one"},
	{"UPDATE records SET envelope = 'x' WHERE id = 5",
	 "entry 4 (boot-a.4): its record is not the one"},
	{"UPDATE records SET verdict = 'FAILED' WHERE id = 5",
	 "entry 4 (boot-a.4): its record says other than its statement"},
	{"UPDATE records SET time = time + 1 WHERE id = 5",
	 "entry 4 (boot-a.4): its record says other than its statement"},
	{"UPDATE records SET scope = 'acme/production' WHERE id = 5",
	 "entry 4 (boot-a.4): its record says other than its statement"},
	{"UPDATE records SET boot = 'boot-c' WHERE id = 5",
	 "entry 4 (boot-c.4): its record says other than its statement"},
	{"UPDATE records SET digest = zeroblob(32) WHERE id = 5",
	 "entry 4 (boot-a.4): its record says other than its statement"},
	{"UPDATE leaves SET body = replace(body, 'dsse', 'dssf') WHERE id = 4",
	 "entry 4 (boot-a.4): its hash is another's"},
	{"UPDATE leaves SET hash = zeroblob(32) WHERE id = 4",
	 "entry 4 (boot-a.4): its hash is another's"},
	{"UPDATE leaves SET hash = x'00' WHERE id = 4",
	 "the file is damaged after entry 4"},
	{"UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND position=2",
	 "entry 5 (boot-a.5): the tree above it is another's"},
	{"UPDATE checkpoints SET note = (SELECT note FROM checkpoints"
	 " WHERE size = 9) WHERE size = 6",
	 "the checkpoint after 3 entries is no checkpoint"},
	{"UPDATE checkpoints SET note = replace(note, '— log', '— lag')"
	 " WHERE size = 6",
	 "the checkpoint of 6 entries is not signed for this log"},
	{"UPDATE checkpoints SET note = 'x' WHERE size = 6",
	 "the checkpoint after 3 entries is no checkpoint"},
	{"UPDATE log SET origin = 'log.example/2'",
	 "the checkpoint of 3 entries is not signed for this log"},
	/* removed */
	{"DELETE FROM records WHERE id = 5", "entry 4: its record is gone"},
	{"DELETE FROM leaves WHERE id = 4", "entry 4 is missing"},
	{"DELETE FROM nodes WHERE level = 2 AND position = 1",
	 "the tree above it is another's"},
	{"DELETE FROM leaves WHERE id = 11; DELETE FROM records WHERE id = 12",
	 "the log was cut: a checkpoint is of 12 entries, 11 are there"},
	{"DELETE FROM checkpoints WHERE size = 12",
	 "12 entries are there, the last checkpoint is of 9"},
	{"DELETE FROM checkpoints",
	 "12 entries are there, the last checkpoint is of 0"},
	{"DELETE FROM records", "entry 0: its record is gone"},
	{"DELETE FROM leaves", "the log was cut"},
	/* reordered */
	{"UPDATE leaves SET id = -1 WHERE id = 4;"
	 "UPDATE leaves SET id = 4 WHERE id = 5;"
	 "UPDATE leaves SET id = 5 WHERE id = -1",
	 "entry 4 (boot-a.5): another is due in its boot"},
	{"UPDATE leaves SET record = 99 WHERE id = 4;"
	 "UPDATE leaves SET record = 5 WHERE id = 5;"
	 "UPDATE leaves SET record = 6 WHERE id = 4",
	 "entry 4 (boot-a.5): its record is not the one"},
	{"UPDATE records SET sequence = 99 WHERE id = 5;"
	 "UPDATE records SET sequence = 4 WHERE id = 6;"
	 "UPDATE records SET sequence = 5 WHERE id = 5",
	 "entry 4 (boot-a.5): its record says other than its statement"},
	/* duplicated */
	{"INSERT INTO records SELECT 99, 'boot-d', sequence, kind, scope, time,"
	 " verdict, digest, envelope FROM records WHERE id = 5",
	 "1 records are no entries"},
	{"INSERT INTO records SELECT 99, 'boot-d', sequence, kind, scope, time,"
	 " verdict, digest, envelope FROM records WHERE id = 12;"
	 "INSERT INTO leaves SELECT 12, 99, hash, body FROM leaves"
	 " WHERE id = 11",
	 "entry 12 (boot-d.5): its record says other than its statement"},
};

static void copy(const char *from, const char *to)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0); /* our own names. NOLINT */
}

static void test_tampering_is_found(void **state)
{
	char saved[80];

	(void)state;
	clo_store_free(store); /* so that all is in one file */
	store = NULL;
	(void)snprintf(saved, sizeof(saved), "%s.saved", path);
	copy(path, saved);
	for (size_t i = 0; i < CLO_ARRAY_LEN(tampering); i++) {
		assert_whole(NULL, ENTRIES);
		meddle(tampering[i].sql);
		assert_found(NULL, tampering[i].what);
		copy(saved, path);
	}
	assert_int_equal(unlink(saved), 0);
}

/* With a checkpoint that was kept, also what leaves a sound log behind. */
static void test_a_truncated_tail(void **state)
{
	CLO_AUTO_MEM char *kept = latest_checkpoint();

	(void)state;
	meddle(CUT_TO_9);
	assert_whole(NULL, 9); /* nothing in it tells */
	assert_found(kept, "the log was cut: the given checkpoint is of 12 "
			   "entries, 9 are there");
	/* And no tree is signed that the node would have signed before. */
	log_sequence = 3;
	reopen();
}

static void test_two_trees_of_one_size(void **state)
{
	CLO_AUTO_MEM char *kept = latest_checkpoint();

	(void)state;
	clo_store_free(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	log_reboot("boot-x");
	log_append(4);
	assert_whole(NULL, 12);
	assert_found(kept, "two trees of 12 entries are signed");
	log_append(1);
	assert_found(kept, "two trees of 12 entries are signed");
}

static void test_kept_checkpoints(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *second = fixture_key(FIXTURE_KEY_2);
	struct clo_checkpoint other = {.origin = "log.example/2", .size = 1};
	CLO_AUTO_MEM char *kept = latest_checkpoint();
	CLO_AUTO_MEM char *first = NULL;
	CLO_AUTO_MEM char *foreign = NULL;
	CLO_AUTO_MEM char *strange = NULL;

	(void)state;
	assert_whole(kept, 12);
	assert_int_equal(clo_store_checkpoint(store, 0, false, &first), 0);
	assert_whole(first, 12);
	log_append(1);
	assert_whole(kept, 15);
	assert_int_equal(clo_checkpoint_sign(store_key, &other, &foreign), 0);
	assert_found(foreign, "of another log, log.example/2");
	assert_int_equal(clo_checkpoint_sign(second, &other, &strange), 0);
	assert_found(strange, "signed by no key of this log");
	assert_found("x\n", "no checkpoint");
}

/* A record that the node signed, in a place that it did not sign it for. */
static void test_the_chain_counts(void **state)
{
	(void)state;
	log_sequence += 1;
	log_append_as(store_key, "");
	assert_found(NULL, "entry 12 (boot-b.7): another is due in its boot");
}

static void test_each_follows_the_one_before(void **state)
{
	(void)state;
	log_previous[0] = log_previous[0] == '0' ? '1' : '0';
	log_append_as(store_key, "");
	assert_found(NULL, "entry 12 (boot-b.6): it does not follow");
}

/* Its writer is gone, and has left its -wal. */
static void put_back(const char *saved)
{
	char wal[sizeof(path) + 8];

	(void)snprintf(wal, sizeof(wal), "%s-wal", path);
	(void)unlink(wal);
	copy(saved, path);
}

/* What a log ended with is known to the boot after, however it was cut. */
static void test_a_boot_follows_the_boot_before(void **state)
{
	struct clo_chain_place before;
	struct clo_chain_place altered;
	struct clo_chain_place none = {0};

	const struct {
		const struct clo_chain_place *says;
		const char *cut;
	} cases[] = {
		{&before, CUT_TO_9}, /* the tail of boot-b is gone */
		{&altered, ""}, /* or another */
		{&none, ""}, /* boot-b is not to have been at all */
	};

	char saved[sizeof(path) + 8];

	(void)state;
	assert_int_equal(clo_store_chain(store, "boot-c", &before), 0);
	assert_string_equal(before.boot_id, "boot-b");
	assert_int_equal(before.boot_sequence, 5);
	altered = before;
	altered.boot_digest[31] ^= 1;
	clo_store_free(store);
	store = NULL;
	(void)snprintf(saved, sizeof(saved), "%s.saved", path);
	copy(path, saved);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		put_back(saved);
		meddle(cases[i].cut);
		assert_int_equal(clo_store_open(path, &signer, &store), 0);
		log_reboot("boot-c");
		log_says = cases[i].says;
		log_append_as(store_key, "");
		log_says = NULL;
		assert_found(
			NULL,
			"(boot-c.0): it does not follow the last of the boot before");
		clo_store_free(store);
		store = NULL;
	}
	put_back(saved);
	assert_int_equal(unlink(saved), 0);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	log_reboot("boot-c");
	log_append_as(store_key, "");
	assert_whole(NULL, ENTRIES + 1);
}

static void test_boots_that_say_nothing_of_the_one_before(void **state)
{
	(void)state;
	log_silent = true;
	log_reboot("boot-c");
	log_append_as(store_key, "");
	log_silent = false;
	assert_whole(NULL, ENTRIES + 1);
}

static void test_a_signature_that_is_false(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *second = fixture_key(FIXTURE_KEY_2);

	(void)state;
	log_append_as(second, ""); /* the leaf names the store's key */
	assert_found(NULL, "entry 12 (boot-b.6): its signature is false");
}

/* A copy that cannot be written, by nobody, while the node writes the log. */
static void test_read_only(void **state)
{
	struct clo_store *log = NULL;
	char file[80];
	struct stat st;

	(void)state;
	assert_whole(NULL, ENTRIES); /* beside its writer */
	log_append(1);
	assert_whole(NULL, ENTRIES + 3);
	hand_over();
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_whole(NULL, ENTRIES + 3);
	(void)snprintf(file, sizeof(file), "%s-wal", path);
	assert_int_equal(stat(file, &st), -1); /* nothing is left beside it */
	assert_int_equal(chmod(dir, 0700), 0);

	assert_int_equal(clo_store_open_read(dir, &log), -EINVAL);
	assert_int_equal(clo_store_open_read("/nowhere/log", &log), -ENOENT);
	meddle("PRAGMA user_version = 1");
	assert_int_equal(clo_store_open_read(path, &log), -EPROTO);
	assert_null(log);
}

static void test_found_by_name(void **state)
{
	uint8_t digest[32];
	uint64_t index = 99;

	(void)state;
	assert_int_equal(clo_store_find_sequence(store, NULL, 2, &index), 0);
	assert_int_equal(index, 8);
	assert_int_equal(clo_store_find_sequence(store, "boot-a", 2, &index),
			 0);
	assert_int_equal(index, 2);
	assert_int_equal(clo_store_find_sequence(store, "boot-a", 6, &index),
			 -ENOENT);
	assert_int_equal(
		clo_store_find_sequence(store, NULL, UINT64_MAX, &index),
		-ENOENT);
	assert_int_equal(clo_hex_decode(log_previous, 32, digest), 0);
	assert_int_equal(clo_store_find_digest(store, digest, &index), 0);
	assert_int_equal(index, 11);
	digest[0] ^= 1;
	assert_int_equal(clo_store_find_digest(store, digest, &index), -ENOENT);
	assert_int_equal(index, 11);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_whole_log),
		TEST(test_by_its_own_keys),
		TEST(test_an_empty_log),
		TEST(test_tampering_is_found),
		TEST(test_a_truncated_tail),
		TEST(test_two_trees_of_one_size),
		TEST(test_kept_checkpoints),
		TEST(test_the_chain_counts),
		TEST(test_each_follows_the_one_before),
		TEST(test_a_boot_follows_the_boot_before),
		TEST(test_boots_that_say_nothing_of_the_one_before),
		TEST(test_a_signature_that_is_false),
		TEST(test_read_only),
		TEST(test_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
