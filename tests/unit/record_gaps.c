/* SPDX-License-Identifier: Apache-2.0 */

/* Gaps as records of their own, and a log without room. */
#include <errno.h>
#include <string.h>

#include "agent/attest/verify.h"
#include "agent/core/retain.h"
#include "fixture_record.h"

/* The gap that the record of that sequence tells of. */
static json_t *told_gap(const char *scope, json_int_t sequence)
{
	char sql[128];
	const json_t *predicate;
	struct clo_verify_result result = {0};
	const struct clo_verify_options options = {.now = time(NULL),
						   .max_age = -1};
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	const char *envelope;
	json_t *gap;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)snprintf(sql, sizeof(sql),
		       "SELECT envelope FROM records WHERE kind = 'gap/v1'"
		       " AND scope = '%s' AND sequence = %lld",
		       scope, (long long)sequence);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	envelope = (const char *)sqlite3_column_text(stmt, 0);
	clo_verify(f.node.key, envelope, strlen(envelope), &options, &result);
	assert_int_equal(result.exit, CLO_VERIFY_INCONCLUSIVE);
	assert_int_equal(result.kind, CLO_KIND_GAP);
	predicate = json_object_get(result.statement, "predicate");
	gap = json_incref(json_object_get(predicate, "gap"));
	assert_non_null(gap);
	clo_verify_result_done(&result);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return gap;
}

static void assert_told(const char *scope, json_int_t sequence, const char *to)
{
	json_auto_t *gap = told_gap(scope, sequence);
	json_auto_t *expected =
		json_pack("{s:s, s:s, s:s?, s:s}", "kind", "unwatched", "from",
			  "2026-01-02T03:04:05Z", "to", to, "reason", "mute");

	assert_true(json_equal(gap, expected));
}

/* At its begin and at its end, to the node and to each scope. */
static void test_a_gap_is_a_record_of_its_own(void **state)
{
	int64_t id = 0;

	(void)state;
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &id), 0);
	audit_again("period", 6);
	assert_told(ACME, 0, NULL);
	assert_told(GLOBEX, 2, NULL);
	assert_told("", 4, NULL);
	audit_again("period", 3);
	assert_int_equal(clo_store_gap_close(store, id, NOW + 7), 0);
	audit_again("period", 6);
	assert_told(ACME, 9, "2026-01-02T03:04:12Z");
	assert_told("", 13, "2026-01-02T03:04:12Z");
	audit_again("period", 3);
	/* what began and ended in between is told once */
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &id), 0);
	assert_int_equal(clo_store_gap_close(store, id, NOW + 7), 0);
	audit_again("period", 6);
	audit_again("period", 3);
}

static void assert_status(bool full, bool unrecorded)
{
	json_auto_t *status = clo_retain_status(&f.node);

	assert_int_equal(json_is_true(json_object_get(status, "full")), full);
	assert_int_equal(
		json_is_string(json_object_get(status, "unrecordedSince")),
		unrecorded);
}

/* A log without room: bad news has a place in it, and then the gap. */
static void test_a_full_log(void **state)
{
	json_auto_t *gap = NULL;

	(void)state;
	f.node.force->policy->node.log.bytes = 4096; /* and nothing to thin */
	audit_again("period", 3);
	assert_true(f.node.log_full);
	assert_status(true, false);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 -ENOSPC);
	assert_int_equal(count(), 3);
	assert_string_equal(f.node.verdict, "INCONCLUSIVE");
	assert_status(true, true);
	assert_non_null(
		clo_problem_add(&f.audit.problems, "net.default-deny", "one"));
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 -ENOSPC);
	assert_int_equal(count(), 5); /* the node's violation, and its FAILED */
	clo_problems_done(&f.audit.problems);
	f.audit.problems = (struct clo_problems){0};

	f.node.force->policy->node.log.bytes = CLO_LOG_BYTES;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 -ENOSPC);
	assert_int_equal(count(), 5);
	assert_status(false, true);
	audit_again("period", 6); /* and that this was not recorded */
	assert_string_equal(f.node.verdict, "PASSED");
	assert_status(false, false);
	gap = told_gap("", 9);
	assert_string_equal(json_string_value(json_object_get(gap, "reason")),
			    "the log had no room");
	audit_again("period", 3);
}

/* A run that ends so leaves it to the next to tell. */
static void test_a_full_log_at_the_end(void **state)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	size_t n = 0;

	(void)state;
	f.node.force->policy->node.log.bytes = 4096;
	audit_again("period", 3);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 -ENOSPC);
	clo_retain_end(&f.node);
	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(gaps[0].reason, "the log had no room");
	assert_true(gaps[0].to != 0);
}

/* What is too old goes with the audit, and its gap comes. */
static void test_retention(void **state)
{
	json_auto_t *gap = NULL;

	(void)state;
	for (int i = 0; i < 25; i++)
		audit_again("period", 3);
	/* as if the clock had leapt: no, not before it has run on for a week */
	meddle("UPDATE records SET time = time - 373 * 86400");
	audit_again("period", 3);
	meddle("UPDATE records SET time = time - 8 * 86400"
	       " WHERE sequence >= 75");
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_int_equal(count(), 3 + 3 + 1);
	gap = told_gap("", 81);
	assert_int_equal(json_integer_value(json_object_get(gap, "count")), 75);
	audit_again("period", 3);
	assert_status(false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_gap_is_a_record_of_its_own),
		TEST(test_a_full_log),
		TEST(test_a_full_log_at_the_end),
		TEST(test_retention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
