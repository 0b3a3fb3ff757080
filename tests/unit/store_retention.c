/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/inclusion.h"
#include "agent/attest/log.h"
#include "agent/attest/store_reader.h"
#include "agent/attest/tile.h"
#include "agent/attest/tlog_proof.h"
#include "fixture_log.h"

#define DAY ((time_t)86400)
#define EVER 1 /* nothing is older */
#define ROOMY ((uint64_t)1 << 40)

static const char *filler = "";

/* SQL behind the store's back. */
static int64_t meddle(const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t value = 0;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	while (*sql) {
		if (sqlite3_prepare_v2(db, sql, -1, &stmt, &sql) != SQLITE_OK)
			fail_msg("%s", sqlite3_errmsg(db));
		if (sqlite3_step(stmt) == SQLITE_ROW)
			value = sqlite3_column_int64(stmt, 0);
		assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return value;
}

/* The next record; takes the gap, or NULL. */
static int put(struct clo_store *to, enum clo_kind kind, const char *scope,
	       enum clo_verdict_word verdict, time_t when, json_t *gap)
{
	static const uint8_t tables[32];
	CLO_AUTO_MEM char *chain = log_chain();
	json_auto_t *predicate = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	char time[21];
	int r;

	clo_time_format(when, time);
	predicate = json_pack(
		"{s:o, s:{s:s}, s:s?, s:s, s:s, s:o*, s:s}", "chain",
		json_loads(chain, 0, NULL), "node", "bootId", log_boot, "scope",
		*scope ? scope : NULL, "time", time, "verdict",
		clo_verdict_text(verdict), "gap", gap, "filler", filler);
	assert_non_null(predicate);
	assert_int_equal(
		clo_statement_wrap(predicate, kind, "n", tables, &text), 0);
	assert_int_equal(
		clo_dsse_sign(store_key, text, strlen(text), &envelope), 0);
	assert_int_equal(clo_sha256(text, strlen(text), digest), 0);
	r = clo_store_append(to, &(const struct clo_record){
					 .boot_id = log_boot,
					 .sequence = log_sequence,
					 .kind = clo_kinds[kind].name,
					 .scope = scope,
					 .time = when,
					 .verdict = clo_verdict_text(verdict),
					 .payload_digest = digest,
					 .envelope = envelope,
				 });
	if (r == 0) {
		clo_hex_encode(digest, sizeof(digest), log_previous);
		log_sequence++;
	}
	return r;
}

/* A step as the daemon makes it; 0 or why not. */
static int step_on(struct clo_store *of, time_t before, uint64_t bytes,
		   time_t now, bool commit)
{
	const struct clo_store_limits limits = {before, bytes};
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	int r;

	assert_int_equal(clo_store_begin(of), 0);
	r = clo_store_choose(of, &limits, &removal);
	if (r < 0) {
		assert_int_equal(clo_store_commit(of), 0);
		return r;
	}
	assert_int_equal(put(of, CLO_KIND_GAP, "", CLO_INCONCLUSIVE, now,
			     clo_removal_make(removal)),
			 0);
	assert_int_equal(clo_store_remove(of, removal), 0);
	if (commit)
		assert_int_equal(clo_store_commit(of), 0);
	return 0;
}

static int step(time_t before, uint64_t bytes, time_t now)
{
	return step_on(store, before, bytes, now, true);
}

static struct clo_log_result verify(size_t n_keys)
{
	const struct clo_log_options options = {.keys = &store_key,
						.n_keys = n_keys};
	CLO_AUTO(clo_store) struct clo_store *log = NULL;
	struct clo_log_result result;

	assert_int_equal(clo_store_open_read(path, &log), 0);
	clo_log_verify(log, &options, &result);
	return result;
}

static void assert_whole(uint64_t removed)
{
	for (size_t n_keys = 0; n_keys < 2; n_keys++) {
		struct clo_log_result result = verify(n_keys);

		if (result.exit != CLO_VERIFY_PASSED)
			fail_msg("%zu keys: %s", n_keys, result.reason);
		assert_int_equal(result.removed, removed);
	}
}

static void assert_found(const char *what)
{
	struct clo_log_result result = verify(1);

	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	if (!strstr(result.reason, what))
		fail_msg("\"%s\" is not in \"%s\"", what, result.reason);
}

/* Hours of a node and one scope, of every kind, from `from` on. */
static void fill(time_t from, int hours)
{
	assert_int_equal(clo_store_begin(store), 0);
	for (time_t t = from; t < from + (time_t)hours * 3600; t += 3600) {
		bool failed = t % DAY == (time_t)12 * 3600;
		bool unsure = t % DAY / 3600 % 5 == 3;
		enum clo_verdict_word verdict = failed   ? CLO_FAILED
						: unsure ? CLO_INCONCLUSIVE
							 : CLO_PASSED;

		if (failed)
			(void)put(store, CLO_KIND_VIOLATION, "", CLO_FAILED, t,
				  NULL);
		for (size_t i = 0; i < 2; i++) {
			const char *scope = i ? "" : "acme/test";

			(void)put(store, CLO_KIND_ISOLATION, scope, verdict, t,
				  NULL);
			(void)put(store, CLO_KIND_HEARTBEAT, scope, verdict,
				  t + 900, NULL);
			(void)put(store, CLO_KIND_HEARTBEAT, scope, verdict,
				  t + 1800, NULL);
		}
	}
	assert_int_equal(clo_store_commit(store), 0);
}

#define BEGIN ((time_t)20000 * DAY) /* of a day */

static int begin(void **state)
{
	if (set_up(state) < 0)
		return -1;
	filler = "";
	log_reboot("boot-a");
	fill(BEGIN, 72);
	log_reboot("boot-b");
	fill(BEGIN + 3 * DAY, 48);
	return 0;
}

#define count(where)                                                           \
	((uint64_t)meddle("SELECT count(*) FROM records WHERE " where))

static void test_too_old(void **state)
{
	time_t edge = BEGIN + 4 * DAY + 7200; /* in the second boot */
	uint64_t all = count("1");
	uint64_t lasting = count("kind = 'violation/v1'");
	uint64_t steps = 0;
	uint64_t young;

	(void)state;
	young = (uint64_t)meddle(
		"SELECT count(*) FROM records WHERE time >= 20004 * 86400 + 7200");
	assert_int_equal(step(EVER, ROOMY, edge), -ENOENT);
	while (step(edge, ROOMY, BEGIN + 5 * DAY) == 0)
		steps++;
	assert_in_range(steps, 2, 4);
	assert_int_equal(step(edge, ROOMY, BEGIN + 5 * DAY), -ENOENT);
	/* less than is worth a word stays until there is more */
	assert_in_range(count("time < 20004 * 86400 + 7200 AND"
			      " kind <> 'violation/v1'"),
			0, 63);
	assert_int_equal(count("kind = 'violation/v1'"), lasting);
	assert_int_equal(count("time >= 20004 * 86400 + 7200 AND"
			       " kind <> 'gap/v1'"),
			 young);
	assert_int_equal(count("kind = 'gap/v1'"), steps);
	assert_whole(all + steps - count("1"));
}

/* All of these are of one day, of its scope, kind and verdict. */
#define INNER                                                                  \
	"EXISTS (SELECT 1 FROM records o WHERE o.scope = r.scope AND"          \
	" o.kind = r.kind AND o.verdict = r.verdict AND o.id < r.id AND"       \
	" o.time / 86400 = r.time / 86400) AND EXISTS (SELECT 1 FROM records"  \
	" o WHERE o.scope = r.scope AND o.kind = r.kind AND"                   \
	" o.verdict = r.verdict AND o.id > r.id AND"                           \
	" o.time / 86400 = r.time / 86400)"

static uint64_t inner(const char *kind, const char *verdict)
{
	char sql[640];

	(void)snprintf(sql, sizeof(sql),
		       "SELECT count(*) FROM records r WHERE kind = '%s' AND"
		       " verdict = '%s' AND " INNER,
		       kind, verdict);
	return (uint64_t)meddle(sql);
}

/* A step in a log that is as full as can be. */
static int thin(void)
{
	meddle("VACUUM");
	return step(EVER, 64, BEGIN + 5 * DAY);
}

/* The least worth first; what is no good news, and each day's ends, stay. */
static void test_the_order_in_which_room_is_made(void **state)
{
	uint64_t failed = count("verdict = 'FAILED'");
	uint64_t days = (uint64_t)meddle(
		"SELECT count(*) FROM (SELECT DISTINCT scope, kind, verdict,"
		" time / 86400 FROM records)");
	uint64_t beats = inner("heartbeat/v1", "PASSED");
	uint64_t statements = inner("isolation/v1", "PASSED");
	uint64_t all = count("1");
	uint64_t steps = 0;
	int r;

	(void)state;
	assert_true(beats > 64 && statements > 64);
	while (inner("heartbeat/v1", "PASSED") >= 64) {
		assert_int_equal(thin(), 0);
		assert_int_equal(inner("isolation/v1", "PASSED"), statements);
		steps++;
	}
	while (inner("isolation/v1", "PASSED") >= 64) {
		assert_int_equal(thin(), 0);
		assert_int_equal(count("verdict = 'INCONCLUSIVE' AND"
				       " kind = 'isolation/v1'"),
				 50);
		steps++;
	}
	while ((r = thin()) == 0)
		steps++;
	assert_int_equal(r, -ENOSPC);
	assert_in_range(inner("heartbeat/v1", "INCONCLUSIVE"), 0, 63);
	assert_int_equal(count("verdict = 'FAILED'"), failed);
	assert_int_equal(
		meddle("SELECT count(*) FROM (SELECT DISTINCT scope, kind,"
		       " verdict, time / 86400 FROM records WHERE"
		       " kind <> 'gap/v1')"),
		days);
	assert_whole(all + steps - count("1"));
}

/* What was proven of an entry that is gone is proven still. */
static void test_proofs_stay(void **state)
{
	CLO_AUTO(clo_inclusion) struct clo_inclusion *old = NULL;
	struct clo_tile tile = {.level = CLO_TILE_ENTRIES, .width = 256};
	struct clo_merkle_source source = clo_store_source(store);
	struct clo_merkle_proof proof;
	struct clo_checkpoint head;
	CLO_AUTO_MEM char *note = NULL;
	char *data = NULL;
	uint8_t leaf[32];
	size_t len;

	(void)state;
	assert_int_equal(clo_inclusion_new(store, 7, &old), 0);
	assert_int_equal(clo_store_tile(store, &tile, &data, &len), 0);
	free(data);
	while (step(BEGIN + 4 * DAY, ROOMY, BEGIN + 5 * DAY) == 0)
		;
	assert_int_equal(meddle("SELECT count(*) FROM removed WHERE id = 7"),
			 1);
	assert_int_equal(clo_store_checkpoint(store, 0, true, &note), 0);
	assert_int_equal(
		clo_checkpoint_open(store_key, note, strlen(note), &head), 0);
	assert_true(head.size > old->head.size);
	assert_int_equal(clo_merkle_consistency(&source, old->head.size,
						head.size, &proof),
			 0);
	assert_int_equal(clo_merkle_check_consistency(old->head.size,
						      old->head.root, head.size,
						      head.root, &proof),
			 0);
	assert_int_equal(clo_merkle_leaf(old->body, strlen(old->body), leaf),
			 0);
	assert_int_equal(clo_merkle_inclusion(&source, 7, head.size, &proof),
			 0);
	assert_int_equal(clo_merkle_check_inclusion(leaf, 7, head.size, &proof,
						    head.root),
			 0);
	/* its tile of hashes is there, the bundle of entries is not */
	assert_int_equal(clo_store_tile(store, &tile, &data, &len), -ENOENT);
	tile.level = 0;
	assert_int_equal(clo_store_tile(store, &tile, &data, &len), 0);
	assert_int_equal(len, 256 * 32);
	assert_memory_equal(data + (size_t)7 * 32, leaf, 32);
	free(data);
}

/* Whoever removes more than was told, or puts something back, is found. */
static void test_nothing_is_lost_in_silence(void **state)
{
	(void)state;
	while (step(BEGIN + DAY, ROOMY, BEGIN + 5 * DAY) == 0)
		;
	assert_whole(count("1") ? (uint64_t)meddle("SELECT count(*) FROM"
						   " removed")
				: 0);
	meddle("INSERT INTO removed SELECT id, hash FROM leaves WHERE id = 300;"
	       "DELETE FROM records WHERE id = 301;"
	       "DELETE FROM leaves WHERE id = 300");
	assert_found("entry 300: it is gone, and no gap tells of it");
}

static void test_the_gap_itself_stays(void **state)
{
	(void)state;
	while (step(BEGIN + DAY, ROOMY, BEGIN + 5 * DAY) == 0)
		;
	(void)put(store, CLO_KIND_ISOLATION, "", CLO_PASSED, BEGIN + 5 * DAY,
		  NULL);
	meddle("INSERT INTO removed SELECT id, hash FROM leaves WHERE record ="
	       " (SELECT id FROM records WHERE kind = 'gap/v1');"
	       "DELETE FROM leaves WHERE record ="
	       " (SELECT id FROM records WHERE kind = 'gap/v1');"
	       "DELETE FROM records WHERE kind = 'gap/v1'");
	assert_found("it is gone, and no gap tells of it");
}

/* Killed in the middle: nothing was removed, and nothing told. */
static void test_all_or_nothing(void **state)
{
	uint64_t all = count("1");
	int status;
	pid_t child;

	(void)state;
	clo_store_free(store);
	store = NULL;
	child = fork();
	if (child == 0) {
		struct clo_store *own = NULL;

		if (clo_store_open(path, &signer, &own) < 0)
			_exit(1);
		store = own; /* log_chain() asks it */
		_exit(step_on(own, BEGIN + 4 * DAY, ROOMY, BEGIN + 5 * DAY,
			      false) == 0
			      ? 0
			      : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	assert_int_equal(count("1"), all);
	assert_whole(0);
	/* what was chosen and not removed is chosen again */
	assert_int_equal(step_on(store, BEGIN + 4 * DAY, ROOMY, BEGIN, false),
			 0);
	assert_int_equal(clo_store_cancel(store, -EIO), -EIO);
	log_sequence--;
	assert_int_equal(
		clo_store_chain(store, log_boot, &(struct clo_chain_place){0}),
		0);
	assert_whole(0);
}

/* A log that is as full as it may be stays as large as it is. */
static void test_the_budget_holds(void **state)
{
	static char text[6001];
	const uint64_t budget = 3 << 20;
	struct clo_store_room room;
	time_t t = BEGIN + 6 * DAY;
	uint64_t most = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	filler = text;
	for (int audits = 0; audits < 300; audits++) {
		assert_int_equal(clo_store_begin(store), 0);
		for (int i = 0; i < 4; i++, t += 60)
			(void)put(store, CLO_KIND_ISOLATION, "", CLO_PASSED, t,
				  NULL);
		assert_int_equal(clo_store_commit(store), 0);
		while (step(EVER, budget, t) == 0)
			;
		assert_int_equal(
			clo_store_measure(
				store, &(struct clo_store_limits){EVER, budget},
				&room),
			0);
		most = room.size > most ? room.size : most;
	}
	assert_in_range(most, budget / 2, budget + (64 << 10));
	assert_int_equal(verify(1).exit, CLO_VERIFY_PASSED);
}

/* How far the stream is: at what is gone is where the one before it is. */
static void test_a_place_that_is_gone(void **state)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	int64_t id = 0;
	int64_t before = 0;

	(void)state;
	assert_int_equal(thin(), 0);
	assert_int_equal(clo_reader_open(path, &reader), 0);
	assert_int_equal(meddle("SELECT count(*) FROM records WHERE"
				" boot = 'boot-a' AND sequence = 8"),
			 0);
	assert_int_equal(clo_reader_at(reader, "boot-a", 8, &id), 0);
	before = meddle("SELECT max(id) FROM records WHERE boot = 'boot-a'"
			" AND sequence < 8");
	assert_int_equal(id, before);
	assert_int_equal(clo_reader_at(reader, "boot-b", 9999, &id), -ENOENT);
	assert_int_equal(clo_reader_at(reader, "boot-c", 0, &id), -ENOENT);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_old),
		TEST(test_the_order_in_which_room_is_made),
		TEST(test_proofs_stay),
		TEST(test_nothing_is_lost_in_silence),
		TEST(test_the_gap_itself_stays),
		TEST(test_all_or_nothing),
		TEST(test_the_budget_holds),
		TEST(test_a_place_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
