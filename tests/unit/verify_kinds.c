/* SPDX-License-Identifier: Apache-2.0 */

/* Records that are no attestation of the whole. */
#include "fixture_verify.h"

/* A heartbeat is worth what its statement is; alone it never passes. */
static void test_heartbeats(void **state)
{
	static const struct {
		const char *verdict, *statement;
		enum clo_verify_exit exit;
	} cases[] = {
		{"PASSED", "{\"sequence\":4,\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_INCONCLUSIVE},
		{"INCONCLUSIVE", "{\"sequence\":4,\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_INCONCLUSIVE},
		{"FAILED", "{\"sequence\":4,\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_FAILED},
		{"FINE", "{\"sequence\":4,\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"PASSED", "{\"sequence\":4,\"digest\":\"4\"}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"PASSED", "{\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"PASSED", "null", CLO_VERIFY_NOT_AUTHENTIC},
	};

	static const uint8_t digest[32];

	(void)state;
	(void)json_object_del(predicate, "controls");
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *text = NULL;

		(void)json_object_set_new(predicate, "verdict",
					  json_string(cases[i].verdict));
		(void)json_object_set_new(
			predicate, "statement",
			json_loads(cases[i].statement, JSON_DECODE_ANY, NULL));
		assert_int_equal(clo_statement_wrap(predicate,
						    CLO_KIND_HEARTBEAT, subject,
						    digest, &text),
				 0);
		check_text(text);
		assert_int_equal(result.exit, cases[i].exit);
		assert_int_equal(result.lacks_statement, i == 0);
	}
}

/* A violation is signed bad news; it never reads as good or as any other. */
static void test_violations(void **state)
{
	static const struct {
		const char *verdict, *violations;
		enum clo_verify_exit exit;
	} cases[] = {
		{"FAILED", "[{\"control\":\"c\",\"detail\":\"d\"}]",
		 CLO_VERIFY_FAILED},
		{"PASSED", "[{\"control\":\"c\",\"detail\":\"d\"}]",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"FAILED", "[]", CLO_VERIFY_NOT_AUTHENTIC},
		{"FAILED", "{}", CLO_VERIFY_NOT_AUTHENTIC},
		{"FAILED", "[{\"control\":\"c\"}]", CLO_VERIFY_NOT_AUTHENTIC},
	};

	static const uint8_t digest[32];

	(void)state;
	(void)json_object_del(predicate, "controls");
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		char *text = NULL;

		(void)json_object_set_new(predicate, "verdict",
					  json_string(cases[i].verdict));
		(void)json_object_set_new(
			predicate, "violations",
			json_loads(cases[i].violations, 0, NULL));
		assert_int_equal(clo_statement_wrap(predicate,
						    CLO_KIND_VIOLATION, subject,
						    digest, &text),
				 0);
		check_text(text);
		assert_int_equal(result.exit, cases[i].exit);
		free(text);
	}
}

#define SPAN(sequence, entry, count)                                           \
	"{\"bootId\":\"b\",\"sequence\":" #sequence ",\"entry\":" #entry       \
	",\"count\":" #count "}"
#define REMOVED(reason, count, spans)                                          \
	"{\"kind\":\"removed\",\"from\":\"2026-01-02T03:04:05Z\",\"to\":"      \
	"\"2026-01-02T03:04:05Z\",\"reason\":\"" reason "\",\"count\":" #count \
	",\"digest\":\"" DIGEST "\",\"removed\":[" spans "]}"
#define UNWATCHED(from, to)                                                    \
	"{\"kind\":\"unwatched\",\"from\":" from ",\"to\":" to                 \
	",\"reason\":\"mute\"}"
#define THEN "\"2026-01-02T03:04:05Z\""

/* Neither good news nor bad, whatever it says of itself. */
static void test_gaps(void **state)
{
	static const struct {
		const char *verdict, *gap, *reason;
	} cases[] = {
		{"INCONCLUSIVE", UNWATCHED(THEN, THEN), "nobody watched from"},
		{"INCONCLUSIVE", UNWATCHED(THEN, "null"), "to now: mute"},
		{"INCONCLUSIVE",
		 REMOVED("space", 5, SPAN(3, 13, 2) "," SPAN(7, 17, 3)),
		 "5 records of"},
		{"PASSED", UNWATCHED(THEN, THEN), NULL},
		{"INCONCLUSIVE", UNWATCHED("null", THEN), NULL},
		{"INCONCLUSIVE", UNWATCHED(THEN, "1"), NULL},
		{"INCONCLUSIVE", "{}", NULL},
		{"PASSED", REMOVED("space", 2, SPAN(3, 13, 2)), NULL},
		{"INCONCLUSIVE", REMOVED("haste", 2, SPAN(3, 13, 2)), NULL},
		{"INCONCLUSIVE", REMOVED("space", 3, SPAN(3, 13, 2)), NULL},
		{"INCONCLUSIVE", REMOVED("space", 0, ""), NULL},
		{"INCONCLUSIVE", REMOVED("space", 0, SPAN(3, 13, 0)), NULL},
		{"INCONCLUSIVE", REMOVED("space", 1, SPAN(-1, 13, 1)), NULL},
		{"INCONCLUSIVE", REMOVED("space", 600, SPAN(3, 13, 600)), NULL},
		{"INCONCLUSIVE",
		 REMOVED("space", 4, SPAN(3, 13, 2) "," SPAN(4, 14, 2)), NULL},
		{"INCONCLUSIVE",
		 REMOVED("space", 1, SPAN(9223372036854775807, 1, 1)), NULL},
	};

	static const uint8_t digest[32];

	(void)state;
	(void)json_object_del(predicate, "controls");
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *text = NULL;

		(void)json_object_set_new(predicate, "verdict",
					  json_string(cases[i].verdict));
		(void)json_object_set_new(predicate, "gap",
					  json_loads(cases[i].gap, 0, NULL));
		assert_int_equal(clo_statement_wrap(predicate, CLO_KIND_GAP,
						    subject, digest, &text),
				 0);
		check_text(text);
		assert_int_equal(result.exit,
				 cases[i].reason ? CLO_VERIFY_INCONCLUSIVE
						 : CLO_VERIFY_NOT_AUTHENTIC);
		if (cases[i].reason && !strstr(result.reason, cases[i].reason))
			fail_msg("%s", result.reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_heartbeats),
		TEST(test_violations),
		TEST(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
