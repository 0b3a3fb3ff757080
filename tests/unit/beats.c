/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/beats.h"

#include <string.h>

#include "check.h"

#define NOW 1000

/* A statement that passed and is too old, a heartbeat that names it. */
static struct clo_verify_result statement, beat;

static int set_up(void **state)
{
	(void)state;
	statement = (struct clo_verify_result){
		.exit = CLO_VERIFY_INCONCLUSIVE,
		.stale = true,
		.kind = CLO_KIND_ISOLATION,
		.verdict = CLO_PASSED,
		.digest = {7},
		.place = {1},
	};
	beat = (struct clo_verify_result){
		.exit = CLO_VERIFY_INCONCLUSIVE,
		.kind = CLO_KIND_HEARTBEAT,
		.verdict = CLO_PASSED,
		.time = NOW - 5,
		.digest = {9},
		.place = {1},
		.named = {7},
		.lacks_statement = true,
	};
	return 0;
}

static void settle(enum clo_verify_exit of_statement,
		   enum clo_verify_exit of_beat)
{
	const struct clo_verify_options options = {.now = NOW, .max_age = -1};
	struct clo_verify_result other = {
		.exit = CLO_VERIFY_PASSED,
		.digest = {8},
		.place = {1},
	};
	struct clo_verify_result again = statement;
	struct clo_verify_result *results[] = {&beat, &other, &statement,
					       &again};

	assert_int_equal(
		clo_beats_settle(results, CLO_ARRAY_LEN(results), &options), 0);
	assert_int_equal(statement.exit, of_statement);
	assert_int_equal(again.exit, of_statement);
	assert_int_equal(beat.exit, of_beat);
	assert_int_equal(other.exit, CLO_VERIFY_PASSED);
}

static void test_a_statement_that_still_holds(void **state)
{
	(void)state;
	settle(CLO_VERIFY_PASSED, CLO_VERIFY_PASSED);
	assert_string_equal(statement.reason,
			    "passed; a heartbeat said so 5 s ago");
	assert_string_equal(beat.reason, "its statement held, 5 s ago");
}

static void test_a_heartbeat_that_is_no_help(void **state)
{
	(void)state;
	beat.lacks_statement = false; /* too old itself, or of the future */
	settle(CLO_VERIFY_INCONCLUSIVE, CLO_VERIFY_INCONCLUSIVE);
}

/* One of the same name, but of another node, boot or scope. */
static void test_of_somebody_else(void **state)
{
	(void)state;
	beat.place[31] = 1;
	settle(CLO_VERIFY_INCONCLUSIVE, CLO_VERIFY_INCONCLUSIVE);
	set_up(state);
	beat.named[31] = 1;
	settle(CLO_VERIFY_INCONCLUSIVE, CLO_VERIFY_INCONCLUSIVE);
}

static void test_what_is_not_authentic_says_nothing(void **state)
{
	(void)state;
	beat.exit = CLO_VERIFY_NOT_AUTHENTIC;
	settle(CLO_VERIFY_INCONCLUSIVE, CLO_VERIFY_NOT_AUTHENTIC);
	set_up(state);
	statement.exit = CLO_VERIFY_NOT_AUTHENTIC;
	settle(CLO_VERIFY_NOT_AUTHENTIC, CLO_VERIFY_INCONCLUSIVE);
}

static void test_a_heartbeat_that_lies(void **state)
{
	(void)state;
	statement.verdict = CLO_FAILED;
	statement.exit = CLO_VERIFY_FAILED;
	settle(CLO_VERIFY_FAILED, CLO_VERIFY_NOT_AUTHENTIC);
	assert_string_equal(beat.reason,
			    "it says PASSED of a statement that says FAILED");
}

/* What failed or was inconclusive stays what it was. */
static void test_bad_news_that_still_holds(void **state)
{
	(void)state;
	statement.verdict = CLO_FAILED;
	statement.exit = CLO_VERIFY_FAILED;
	beat.verdict = CLO_FAILED;
	beat.exit = CLO_VERIFY_FAILED;
	beat.lacks_statement = false;
	settle(CLO_VERIFY_FAILED, CLO_VERIFY_FAILED);
	set_up(state);
	statement.verdict = CLO_INCONCLUSIVE;
	beat.verdict = CLO_INCONCLUSIVE;
	beat.lacks_statement = false;
	settle(CLO_VERIFY_INCONCLUSIVE, CLO_VERIFY_INCONCLUSIVE);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_statement_that_still_holds),
		TEST(test_a_heartbeat_that_is_no_help),
		TEST(test_of_somebody_else),
		TEST(test_what_is_not_authentic_says_nothing),
		TEST(test_a_heartbeat_that_lies),
		TEST(test_bad_news_that_still_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
