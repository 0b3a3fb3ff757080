/* SPDX-License-Identifier: Apache-2.0 */

/* The log's tree: leaves, nodes and checkpoints go with the records. */

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/leaf.h"
#include "agent/attest/store.h"
#include "check.h"
#include "fixture_store.h"

#define V1                                                                     \
	"DROP TABLE log; DROP TABLE leaves; DROP TABLE nodes;"                 \
	"DROP TABLE checkpoints; DROP INDEX records_digest;"                   \
	"DROP TABLE removed;"                                                  \
	"PRAGMA user_version = 1;"

static int append(uint64_t sequence)
{
	static const uint8_t digest[32];
	const struct clo_record record = {
		.boot_id = "b",
		.sequence = sequence,
		.kind = "isolation/v1",
		.scope = "",
		.time = NOW,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = sequence % 2 ? ENVELOPE("AAAB") : ENVELOPE("AAAC"),
	};

	return clo_store_append(store, &record);
}

static void append_all(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(append(i), 0);
}

/* SQL behind the store's back. */
static void meddle(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int64_t value;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return value;
}

/* The tree of n such records, made here. */
static void expected_edge(uint64_t n, struct clo_merkle_edge *edge)
{
	memset(edge, 0, sizeof(*edge));
	for (uint64_t i = 0; i < n; i++) {
		const char *envelope =
			i % 2 ? ENVELOPE("AAAB") : ENVELOPE("AAAC");
		struct clo_merkle_added added;
		CLO_AUTO_MEM char *body = NULL;
		uint8_t hash[32];

		assert_int_equal(clo_leaf_body(store_key, envelope,
					       strlen(envelope), &body),
				 0);
		assert_int_equal(clo_merkle_leaf(body, strlen(body), hash), 0);
		assert_int_equal(clo_merkle_append(edge, hash, &added), 0);
	}
}

static void assert_tree(uint64_t n)
{
	struct clo_merkle_source source = clo_store_source(store);
	static struct clo_merkle_edge edge;
	struct clo_checkpoint checkpoint;
	CLO_AUTO_MEM char *note = NULL;
	uint8_t expected[32];
	uint8_t root[32];
	uint64_t size;

	expected_edge(n, &edge);
	assert_int_equal(clo_merkle_edge_root(&edge, expected), 0);
	assert_int_equal(clo_store_size(store, &size), 0);
	assert_int_equal(size, n);
	assert_int_equal(clo_merkle_root(&source, n, root), 0);
	assert_memory_equal(root, expected, 32);

	assert_int_equal(clo_store_checkpoint(store, 0, true, &note), 0);
	assert_int_equal(
		clo_checkpoint_open(store_key, note, strlen(note), &checkpoint),
		0);
	assert_string_equal(checkpoint.origin, "log.example/1");
	assert_int_equal(checkpoint.size, n);
	assert_memory_equal(checkpoint.root, expected, 32);
}

static void test_each_record_is_a_leaf(void **state)
{
	char *note = NULL;

	(void)state;
	assert_int_equal(clo_store_checkpoint(store, 0, true, &note), -ENOENT);
	for (uint64_t n = 0; n < 40; n++) {
		assert_int_equal(append(n), 0);
		assert_tree(n + 1);
		if (n % 7 == 0)
			reopen();
	}
	assert_int_equal(ask("SELECT count(*) FROM checkpoints"), 40);
	assert_int_equal(ask("SELECT count(*) FROM nodes"),
			 20 + 10 + 5 + 2 + 1);
}

static void test_every_proof_holds(void **state)
{
	struct clo_merkle_source source = clo_store_source(store);
	static struct clo_merkle_proof proof;
	uint8_t leaf[32];
	uint8_t root[32];

	(void)state;
	append_all(0, 13);
	assert_int_equal(clo_merkle_root(&source, 13, root), 0);
	for (uint64_t i = 0; i < 13; i++) {
		assert_int_equal(source.node(source.userdata, 0, i, leaf), 0);
		assert_int_equal(clo_merkle_inclusion(&source, i, 13, &proof),
				 0);
		assert_int_equal(
			clo_merkle_check_inclusion(leaf, i, 13, &proof, root),
			0);
	}
}

static void test_a_group_has_one_checkpoint(void **state)
{
	char *note = NULL;

	(void)state;
	assert_int_equal(clo_store_begin(store), 0);
	append_all(0, 5);
	/* Nobody else sees it yet. */
	assert_int_equal(ask("SELECT count(*) FROM leaves"), 0);
	assert_int_equal(clo_store_commit(store), 0);
	assert_tree(5);
	assert_int_equal(ask("SELECT count(*) FROM checkpoints"), 1);

	assert_int_equal(clo_store_begin(store), 0);
	assert_int_equal(clo_store_commit(store), 0); /* nothing to sign */
	assert_int_equal(ask("SELECT count(*) FROM checkpoints"), 1);
	assert_int_equal(clo_store_checkpoint(store, 6, false, &note), -ENOENT);
}

static void test_a_refused_record_leaves_no_trace(void **state)
{
	(void)state;
	append_all(0, 3);
	assert_int_equal(append(1), -EEXIST);
	assert_tree(3);
	assert_int_equal(clo_store_begin(store), 0);
	append_all(3, 4);
	assert_int_equal(append(2), -EEXIST);
	append_all(4, 7);
	assert_int_equal(append(0), -EEXIST);
	assert_int_equal(clo_store_commit(store), 0);
	assert_tree(7);
	assert_int_equal(ask("SELECT count(*) FROM records"), 7);
}

/* The leaf may be refused when the record was not. */
static void test_a_refused_leaf_takes_its_record_back(void **state)
{
	(void)state;
	append_all(0, 3);
	meddle("INSERT INTO nodes VALUES (2, 0, zeroblob(32))");
	assert_int_equal(clo_store_begin(store), 0);
	assert_int_equal(append(3), -EEXIST);
	assert_int_equal(clo_store_commit(store), 0);
	assert_int_equal(ask("SELECT count(*) FROM records"), 3);
	meddle("DELETE FROM nodes WHERE level = 2");
	append_all(3, 4);
	assert_tree(4);
}

static void test_a_kill_in_a_group_loses_it_whole(void **state)
{
	(void)state;
	append_all(0, 3);
	assert_int_equal(clo_store_begin(store), 0);
	append_all(3, 6);
	reopen(); /* closed without a commit */
	assert_tree(3);
	append_all(3, 4);
	assert_tree(4);
}

static void test_only_envelopes_are_taken(void **state)
{
	static const uint8_t digest[32];
	const struct clo_record record = {
		.boot_id = "b",
		.kind = "isolation/v1",
		.scope = "",
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = "{}",
	};
	uint64_t count = 9;

	(void)state;
	assert_int_equal(clo_store_append(store, &record), -EBADMSG);
	assert_int_equal(clo_store_count(store, &count), 0);
	assert_int_equal(count, 0);
}

/* No tree is signed over one that is not the last that was. */
static void test_nothing_is_signed_over_a_changed_tree(void **state)
{
	static const char *const changes[] = {
		"DELETE FROM leaves WHERE id = 4",
		"DELETE FROM leaves; DELETE FROM nodes",
		"UPDATE leaves SET hash = zeroblob(32) WHERE id = 4",
		"UPDATE nodes SET hash = zeroblob(32) WHERE level = 2",
		"DELETE FROM nodes",
		"DELETE FROM checkpoints WHERE size = 5",
		"DELETE FROM checkpoints",
		"UPDATE checkpoints SET note = 'rubbish'",
		"INSERT INTO leaves VALUES (5, 99, zeroblob(32), '')",
	};

	(void)state;
	append_all(0, 5);
	for (size_t i = 0; i < CLO_ARRAY_LEN(changes); i++) {
		char undo[] = "DELETE FROM leaves WHERE id = 5;"
			      "INSERT OR REPLACE INTO leaves"
			      " SELECT * FROM saved_leaves;"
			      "INSERT OR REPLACE INTO nodes"
			      " SELECT * FROM saved_nodes;"
			      "INSERT OR REPLACE INTO checkpoints"
			      " SELECT * FROM saved_checkpoints";

		if (i == 0)
			meddle("CREATE TABLE saved_leaves AS"
			       " SELECT * FROM leaves;"
			       "CREATE TABLE saved_nodes AS SELECT * FROM nodes;"
			       "CREATE TABLE saved_checkpoints AS"
			       " SELECT * FROM checkpoints");
		meddle(changes[i]);
		assert_int_equal(append(5), -EUCLEAN);
		assert_int_equal(clo_store_begin(store), -EUCLEAN);
		meddle(undo);
	}
	append_all(5, 6);
	assert_tree(6);
}

static void test_a_log_of_version_1_gets_its_tree(void **state)
{
	(void)state;
	append_all(0, 11);
	clo_store_free(store);
	store = NULL;
	meddle(V1);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	assert_tree(11);
	assert_int_equal(ask("PRAGMA user_version"), 3);
	assert_int_equal(ask("SELECT count(*) FROM checkpoints"), 1);
	append_all(11, 12);
	assert_tree(12);
}

static void test_a_log_of_version_2_keeps_its_tree(void **state)
{
	(void)state;
	append_all(0, 11);
	clo_store_free(store);
	store = NULL;
	meddle("DROP TABLE removed; PRAGMA user_version = 2");
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	assert_tree(11);
	assert_int_equal(ask("PRAGMA user_version"), 3);
	append_all(11, 12);
	assert_tree(12);
}

static void test_an_empty_log_of_version_1(void **state)
{
	(void)state;
	clo_store_free(store);
	store = NULL;
	meddle(V1);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	append_all(0, 1);
	assert_tree(1);
}

/* Half a tree is none: then it stays a log of version 1. */
static void test_a_log_that_cannot_be_migrated_is_left_alone(void **state)
{
	struct clo_store *other = NULL;

	(void)state;
	append_all(0, 3);
	clo_store_free(store);
	store = NULL;
	meddle(V1 "UPDATE records SET envelope = 'x' WHERE sequence = 1");
	assert_int_equal(clo_store_open(path, &signer, &other), -EUCLEAN);
	assert_null(other);
	assert_int_equal(ask("PRAGMA user_version"), 1);
	assert_int_equal(ask("SELECT count(*) FROM sqlite_schema"
			     " WHERE name = 'leaves'"),
			 0);
}

/* What the log is called does not change with what the node is called. */
static void test_the_origin_stays(void **state)
{
	const struct clo_store_signer renamed = {"log.example/2", store_key};
	const struct clo_store_signer nameless = {"", store_key};
	struct clo_store *other = NULL;

	(void)state;
	append_all(0, 1);
	clo_store_free(store);
	store = NULL;
	assert_int_equal(clo_store_open(path, &renamed, &store), 0);
	append_all(1, 2);
	assert_tree(2);

	clo_store_free(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(clo_store_open(path, &nameless, &other), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_record_is_a_leaf),
		TEST(test_every_proof_holds),
		TEST(test_a_group_has_one_checkpoint),
		TEST(test_a_refused_record_leaves_no_trace),
		TEST(test_a_refused_leaf_takes_its_record_back),
		TEST(test_a_kill_in_a_group_loses_it_whole),
		TEST(test_only_envelopes_are_taken),
		TEST(test_nothing_is_signed_over_a_changed_tree),
		TEST(test_a_log_of_version_1_gets_its_tree),
		TEST(test_a_log_of_version_2_keeps_its_tree),
		TEST(test_an_empty_log_of_version_1),
		TEST(test_a_log_that_cannot_be_migrated_is_left_alone),
		TEST(test_the_origin_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
