/* SPDX-License-Identifier: Apache-2.0 */

/* Proofs and tiles of a log, as its readers get them. */

#include "agent/attest/inclusion.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/store_reader.h"
#include "agent/attest/tile.h"
#include "agent/attest/tlog_proof.h"
#include "check.h"
#include "fixture_store.h"

#define RECORDS 5

static void append(uint64_t sequence)
{
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t digest[32] = {(uint8_t)sequence};
	char payload[32];
	struct clo_record record = {
		.boot_id = "b",
		.sequence = sequence,
		.kind = "isolation/v1",
		.scope = "",
		.time = NOW + (time_t)sequence,
		.verdict = "PASSED",
		.payload_digest = digest,
	};

	(void)snprintf(payload, sizeof(payload), "{\"n\":%d}", (int)sequence);
	assert_int_equal(
		clo_dsse_sign(store_key, payload, strlen(payload), &envelope),
		0);
	record.envelope = envelope;
	assert_int_equal(clo_store_append(store, &record), 0);
}

static int begin(void **state)
{
	int r = set_up(state);

	for (uint64_t i = 0; i < RECORDS && r == 0; i++)
		append(i);
	return r;
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

static void meddle(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* By the record's id, through a reader; -errno of the first that fails. */
static int prove(int64_t id, struct clo_inclusion **ret_inclusion)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct clo_store *tree = NULL;
	uint64_t index = 0;
	int r;

	r = clo_reader_open(path, &reader);
	if (r == 0)
		r = clo_reader_tree(reader, &tree);
	if (r == 0)
		r = clo_reader_leaf(reader, id, &index);
	return r < 0 ? r : clo_inclusion_new(tree, index, ret_inclusion);
}

static void test_every_record_is_proved(void **state)
{
	(void)state;
	for (int64_t id = 1; id <= RECORDS; id++) {
		CLO_AUTO(clo_inclusion) struct clo_inclusion *proved = NULL;
		CLO_AUTO_MEM char *proof_text = NULL;
		CLO_AUTO_MEM char *bundle = NULL;
		CLO_AUTO_MEM char *entry = NULL;
		struct clo_checkpoint head;
		struct clo_tlog_proof proof;

		assert_int_equal(prove(id, &proved), 0);
		assert_int_equal(proved->index, id - 1);
		assert_int_equal(proved->time, NOW + id - 1);
		assert_int_equal(proved->head.size, RECORDS);
		assert_int_equal(clo_inclusion_proof(proved, &proof_text), 0);
		assert_int_equal(clo_tlog_proof_parse(proof_text,
						      strlen(proof_text),
						      &proof, &entry),
				 0);
		assert_int_equal(
			clo_tlog_proof_check(store_key, &proof, NULL, &head),
			0);
		assert_int_equal(clo_inclusion_bundle(proved, &bundle), 0);
		assert_non_null(strstr(bundle, proved->envelope));
		assert_non_null(strstr(bundle, "\"treeSize\":\"5\""));
	}
}

static void test_what_does_not_hold_is_not_told(void **state)
{
	static const char *const damages[] = {
		"UPDATE leaves SET body = body || ' ' WHERE id = 1",
		"UPDATE leaves SET body = '{}' WHERE id = 4",
		"UPDATE nodes SET hash = zeroblob(32) WHERE level = 1",
		"UPDATE checkpoints SET note = replace(note, 'example/1', 'e')",
		"DELETE FROM checkpoints",
		"DELETE FROM records WHERE id = 2",
		"DELETE FROM leaves WHERE id = 1",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(damages); i++) {
		struct clo_inclusion *proved = NULL;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(begin(state), 0);
		meddle(damages[i]);
		assert_int_equal(prove(2, &proved), -EUCLEAN);
		assert_null(proved);
	}
	assert_int_equal(prove(99, NULL), -EUCLEAN);
}

static void test_tiles(void **state)
{
	const struct clo_tile hashes = {0, 0, 3};
	const struct clo_tile entries = {CLO_TILE_ENTRIES, 0, RECORDS};
	const struct clo_tile more = {0, 0, RECORDS + 1};
	CLO_AUTO_MEM char *data = NULL;
	CLO_AUTO_MEM char *bundle = NULL;
	char *none = NULL;
	uint8_t hash[32];
	size_t len, body;

	(void)state;
	assert_int_equal(clo_store_tile(store, &hashes, &data, &len), 0);
	assert_int_equal(len, 3 * sizeof(hash));
	assert_int_equal(clo_store_tile(store, &entries, &bundle, &len), 0);
	body = (size_t)(uint8_t)bundle[0] << 8 | (uint8_t)bundle[1];
	assert_true(body + 2 < len);
	assert_int_equal(clo_merkle_leaf(bundle + 2, body, hash), 0);
	assert_memory_equal(hash, data, sizeof(hash));
	assert_int_equal(clo_store_tile(store, &more, &none, &len), -ENOENT);
	meddle("DELETE FROM leaves WHERE id = 1");
	assert_int_equal(clo_store_tile(store, &hashes, &none, &len), -EUCLEAN);
	assert_int_equal(clo_store_tile(store, &entries, &none, &len),
			 -EUCLEAN);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(test_every_record_is_proved),
		LOG_TEST(test_what_does_not_hold_is_not_told),
		LOG_TEST(test_tiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
