/* SPDX-License-Identifier: Apache-2.0 */

/* What clo_record_audit() states, and where a heartbeat is enough. */
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "fixture_record.h"

/* The last record of the log; its payload's digest. */
static json_t *last_record(char ret_digest[65])
{
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	json_t *statement;
	size_t len;

	assert_int_equal(clo_store_last(store, &envelope), 0);
	assert_int_equal(clo_dsse_open(f.node.key, envelope, strlen(envelope),
				       &payload, &len),
			 0);
	assert_int_equal(clo_sha256_hex(payload, len, ret_digest), 0);
	statement = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(statement);
	return statement;
}

/* The same result is stated once; after that it is said that it holds. */
static void test_a_statement_stands(void **state)
{
	json_auto_t *beat = NULL;
	json_t *predicate;
	const char *named;
	char digest[65];
	char own[65];
	json_int_t sequence = -1;

	(void)state;
	f.options.statement_period = 900;
	audit_again("start", 3);
	json_decref(last_record(digest));
	audit_again("period", 3);
	beat = last_record(own);
	assert_string_equal(
		json_string_value(json_object_get(beat, "predicateType")),
		clo_kinds[CLO_KIND_HEARTBEAT].type);
	predicate = json_object_get(beat, "predicate");
	assert_int_equal(json_unpack(predicate, "{s:{s:I, s:s}}", "statement",
				     "sequence", &sequence, "digest", &named),
			 0);
	assert_int_equal(sequence, 2);
	assert_string_equal(named, digest);
	assert_string_equal(
		json_string_value(json_object_get(predicate, "verdict")),
		"PASSED");
	assert_true(json_is_null(json_object_get(predicate, "scope")));
	/* events that change nothing are not worth a word */
	audit_again("event", 0);
	audit_again("repair", 0);
	/* and whoever asks gets a statement */
	audit_again("request", 3);
	audit_again("apply", 3);
	assert_string_equal(f.node.verdict, "PASSED");
}

/* As that the decision code was asked all it can be, of these tables. */
static void test_decided_is_news(void **state)
{
	struct clo_enumeration decided = f.audit.decided;

	(void)state;
	f.options.statement_period = 900;
	f.audit.decided = (struct clo_enumeration){0};
	audit_again("apply", 3);
	f.audit.decided = decided;
	audit_again("event", 1); /* the node's affair alone */
	f.audit.decided.ms++;
	f.audit.decided.at++;
	audit_again("event", 0);
}

/* However little is new: it is stated when it is found. */
static void test_news_is_stated_at_once(void **state)
{
	int64_t gap = 0;

	(void)state;
	f.options.statement_period = 900;
	audit_again("start", 3);
	f.results[TAP_UNDECLARED].guarded = false; /* the node's affair alone */
	audit_again("event", 1);
	f.results[TAP_UNDECLARED].guarded = true;
	audit_again("period", 3); /* a statement and two heartbeats */
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(f.node.last, "coverage"), "observed")),
		3);
	f.domains[0].xml_digest[0] ^= 1; /* acme's and the node's */
	audit_again("event", 2);
	f.audit.tags_refused++; /* no result */
	f.audit.ms_read = 17;
	f.node.fence.dropped = 99;
	audit_again("event", 0);

	/* a gap while it is open, and once more when it is over */
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &gap), 0);
	audit_again("event", 6); /* and a record of its own */
	audit_again("event", 0);
	assert_int_equal(clo_store_gap_close(store, gap, NOW + 1), 0);
	audit_again("event", 6);
	audit_again("event", 0);
}

/* One that takes the place of another in the same control is new, too. */
static void test_each_violation_is_news(void **state)
{
	struct clo_problem *found;

	(void)state;
	f.options.statement_period = 900;
	assert_non_null(clo_problem_add(&f.audit.problems, "net.default-deny",
					"the first"));
	found = clo_problem_add(&f.audit.problems, "net.default-deny", "one");
	assert_non_null(found);
	audit_again("period", 4); /* and the node's violation */
	audit_again("period", 3); /* heartbeats */
	assert_string_equal(f.node.verdict, "FAILED");
	free(found->text);
	found->text = strdup("another");
	audit_again("event", 2);
	audit_again("event", 0);
}

static void test_a_statement_grows_old(void **state)
{
	(void)state;
	f.options.statement_period = 900;
	audit_again("start", 3);
	for (size_t i = 0; i < f.node.standings.n; i++)
		f.node.standings.list[i].due -= 869e3;
	audit_again("event", 0);
	for (size_t i = 0; i < f.node.standings.n; i++)
		f.node.standings.list[i].due -= 1e3;
	audit_again("event", 3);
}

/* What did not reach the log is no statement to name. */
static void test_a_lost_statement_does_not_stand(void **state)
{
	(void)state;
	f.options.statement_period = 900;
	audit_again("start", 3);
	f.node.standings.list[0].judged[0] ^= 1; /* as if acme's were news */
	meddle("CREATE UNIQUE INDEX no ON checkpoints (size > 0)");
	assert_true(clo_record_audit(&f.node, &f.audit, "period", NULL) < 0);
	assert_string_equal(f.node.verdict, "INCONCLUSIVE");
	meddle("DROP INDEX no");
	audit_again("period", 6); /* and that it was lost */
	assert_string_equal(f.node.verdict, "PASSED");
	audit_again("event", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_statement_stands),
		TEST(test_news_is_stated_at_once),
		TEST(test_decided_is_news),
		TEST(test_each_violation_is_news),
		TEST(test_a_statement_grows_old),
		TEST(test_a_lost_statement_does_not_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
