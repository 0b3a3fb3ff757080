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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_heartbeats),
		TEST(test_violations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
