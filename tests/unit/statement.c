/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/statement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define COMPLETE                                                               \
	"{\"expected\":2,\"observed\":2,\"complete\":true,\"missing\":[],"     \
	"\"sources\":[\"libvirt\",\"rtnetlink\"]}"
#define PARTIAL                                                                \
	"{\"expected\":2,\"observed\":1,\"complete\":false,"                   \
	"\"missing\":[\"web\"],\"sources\":[]}"
#define PASS "{\"id\":\"a\",\"result\":\"PASS\",\"mandatory\":true}"
#define FAIL "{\"id\":\"f\",\"result\":\"FAIL\",\"mandatory\":true}"
#define CLOSED                                                                 \
	"{\"from\":\"2026-01-02T03:04:05Z\",\"to\":\"2026-01-02T03:05:05Z\","  \
	"\"reason\":\"restart\"}"
#define OPEN "{\"from\":\"2026-01-02T03:04:05Z\",\"to\":null,\"reason\":\"x\"}"

static json_t *predicate_of(const char *controls, const char *coverage,
			    const char *gaps)
{
	json_t *predicate;
	char *text = NULL;

	assert_true(asprintf(&text,
			     "{\"controls\":%s,\"coverage\":%s,\"gaps\":%s}",
			     controls, coverage, gaps) > 0);
	predicate = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(predicate);
	free(text);
	return predicate;
}

static void assert_verdict(enum clo_verdict_word expected, const char *controls,
			   const char *coverage, const char *gaps)
{
	json_t *predicate = predicate_of(controls, coverage, gaps);
	enum clo_verdict_word verdict;

	assert_int_equal(clo_statement_verdict(predicate, &verdict), 0);
	assert_string_equal(clo_verdict_text(verdict),
			    clo_verdict_text(expected));
	json_decref(predicate);
}

static void assert_refused(const char *controls, const char *coverage,
			   const char *gaps)
{
	json_t *predicate = predicate_of(controls, coverage, gaps);
	enum clo_verdict_word verdict = (enum clo_verdict_word)7;

	if (clo_statement_verdict(predicate, &verdict) != -EBADMSG)
		fail_msg("accepted: %s %s %s", controls, coverage, gaps);
	assert_int_equal(verdict, 7);
	json_decref(predicate);
}

static void test_passed_needs_all(void **state)
{
	(void)state;
	assert_verdict(CLO_PASSED, "[" PASS "]", COMPLETE, "[]");
	assert_verdict(CLO_PASSED, "[" PASS "]", COMPLETE, "[" CLOSED "]");
	assert_verdict(CLO_INCONCLUSIVE, "[" PASS "]", PARTIAL, "[]");
	assert_verdict(CLO_INCONCLUSIVE, "[" PASS "]", COMPLETE,
		       "[" CLOSED "," OPEN "]");
	assert_verdict(CLO_INCONCLUSIVE, "[]", COMPLETE, "[]");
	assert_verdict(CLO_INCONCLUSIVE,
		       "[{\"id\":\"a\",\"result\":\"PASS\","
		       "\"mandatory\":false}]",
		       COMPLETE, "[]");
}

static void test_mandatory_controls_decide(void **state)
{
	static const char *const results[] = {"INCONCLUSIVE", "NOT-ASSESSED"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char controls[256];

		(void)snprintf(controls, sizeof(controls),
			       "[" PASS ",{\"id\":\"b\",\"result\":\"%s\","
			       "\"mandatory\":true}]",
			       results[i]);
		assert_verdict(CLO_INCONCLUSIVE, controls, COMPLETE, "[]");
		(void)snprintf(controls, sizeof(controls),
			       "[" PASS ",{\"id\":\"b\",\"result\":\"%s\","
			       "\"mandatory\":false}]",
			       results[i]);
		assert_verdict(CLO_PASSED, controls, COMPLETE, "[]");
	}
	assert_verdict(CLO_PASSED,
		       "[" PASS ",{\"id\":\"b\",\"result\":\"FAIL\","
		       "\"mandatory\":false}]",
		       COMPLETE, "[]");
}

static void test_failed_wins(void **state)
{
	(void)state;
	assert_verdict(CLO_FAILED, "[" PASS "," FAIL "]", COMPLETE, "[]");
	assert_verdict(CLO_FAILED, "[" FAIL "," PASS "]", PARTIAL,
		       "[" OPEN "]");
}

static void test_an_excepted_control_fails(void **state)
{
	(void)state;
	assert_verdict(CLO_FAILED,
		       "[{\"id\":\"a\",\"result\":\"FAIL\",\"mandatory\":true,"
		       "\"excepted\":true}]",
		       COMPLETE, "[]");
	assert_refused("[{\"id\":\"a\",\"result\":\"PASS\",\"mandatory\":true,"
		       "\"excepted\":true}]",
		       COMPLETE, "[]");
	assert_refused("[{\"id\":\"a\",\"result\":\"FAIL\",\"mandatory\":true,"
		       "\"excepted\":null}]",
		       COMPLETE, "[]");
	assert_verdict(CLO_PASSED,
		       "[{\"id\":\"a\",\"result\":\"PASS\",\"mandatory\":true,"
		       "\"excepted\":false}]",
		       COMPLETE, "[]");
}

static void test_shape_of_controls(void **state)
{
	static const char *const bad[] = {
		"null",
		"{}",
		"[null]",
		"[[]]",
		"[{}]",
		"[{\"id\":\"a\",\"result\":\"PASS\"}]",
		"[{\"id\":\"a\",\"mandatory\":true}]",
		"[{\"result\":\"PASS\",\"mandatory\":true}]",
		"[{\"id\":\"\",\"result\":\"PASS\",\"mandatory\":true}]",
		"[{\"id\":1,\"result\":\"PASS\",\"mandatory\":true}]",
		"[{\"id\":\"a\",\"result\":\"pass\",\"mandatory\":true}]",
		"[{\"id\":\"a\",\"result\":\"\",\"mandatory\":true}]",
		"[{\"id\":\"a\",\"result\":\"PASS\",\"mandatory\":1}]",
		"[" PASS "," PASS "]",
		"[" FAIL "," PASS "," FAIL "]",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_refused(bad[i], COMPLETE, "[]");
}

static void test_more_controls_than_could_be(void **state)
{
	json_t *predicate = predicate_of("[]", COMPLETE, "[]");
	json_t *controls = json_object_get(predicate, "controls");
	enum clo_verdict_word verdict;

	(void)state;
	for (int i = 0; i < 257; i++)
		assert_int_equal(
			json_array_append_new(controls,
					      json_pack("{s:o,s:s,s:b}", "id",
							json_sprintf("c%d", i),
							"result", "PASS",
							"mandatory", 1)),
			0);
	assert_int_equal(clo_statement_verdict(predicate, &verdict), -EBADMSG);
	assert_int_equal(json_array_remove(controls, 0), 0);
	assert_int_equal(clo_statement_verdict(predicate, &verdict), 0);
	json_decref(predicate);
}

static void test_shape_of_coverage(void **state)
{
#define REST ",\"missing\":[],\"sources\":[]}"
	static const char *const bad[] = {
		"null",
		"{}",
		"{\"expected\":2,\"observed\":2" REST,
		"{\"expected\":2,\"complete\":true" REST,
		"{\"observed\":2,\"complete\":true" REST,
		"{\"expected\":2,\"observed\":1,\"complete\":true" REST,
		"{\"expected\":2,\"observed\":2,\"complete\":false" REST,
		"{\"expected\":-1,\"observed\":-1,\"complete\":true" REST,
		"{\"expected\":2.0,\"observed\":2.0,\"complete\":true" REST,
		"{\"expected\":2,\"observed\":2,\"complete\":1" REST,
		"{\"expected\":2,\"observed\":2,\"complete\":true,"
		"\"sources\":[]}",
		"{\"expected\":2,\"observed\":2,\"complete\":true,"
		"\"missing\":[]}",
		"{\"expected\":2,\"observed\":2,\"complete\":true,"
		"\"missing\":[\"web\"],\"sources\":[]}",
		"{\"expected\":2,\"observed\":2,\"complete\":true,"
		"\"missing\":[1],\"sources\":[]}",
		"{\"expected\":2,\"observed\":2,\"complete\":true,"
		"\"missing\":[],\"sources\":\"libvirt\"}",
	};
#undef REST

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_refused("[" PASS "]", bad[i], "[]");
}

static void test_shape_of_gaps(void **state)
{
#define FROM "\"from\":\"2026-01-02T03:04:05Z\","
	static const char *const bad[] = {
		"null",
		"{}",
		"[null]",
		"[{}]",
		"[{" FROM "\"reason\":\"x\"}]",
		"[{" FROM "\"to\":null}]",
		"[{\"to\":null,\"reason\":\"x\"}]",
		"[{" FROM "\"to\":\"\",\"reason\":\"x\"}]",
		"[{" FROM "\"to\":false,\"reason\":\"x\"}]",
		"[{\"from\":\"now\",\"to\":null,\"reason\":\"x\"}]",
	};
#undef FROM

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_refused("[" PASS "]", COMPLETE, bad[i]);
}

static void test_a_failure_does_not_excuse_bad_shape(void **state)
{
	(void)state;
	assert_refused("[" FAIL "]", "{}", "[]");
	assert_refused("[" FAIL "]", COMPLETE, "[{}]");
}

static void test_no_members_at_all(void **state)
{
	enum clo_verdict_word verdict;
	json_t *empty = json_object();

	(void)state;
	assert_int_equal(clo_statement_verdict(empty, &verdict), -EBADMSG);
	assert_int_equal(clo_statement_verdict(NULL, &verdict), -EBADMSG);
	json_decref(empty);
}

static void test_sealed_text(void **state)
{
	static const char expected[] =
		"{\"_type\":\"https://in-toto.io/Statement/v1\","
		"\"predicate\":{\"controls\":[{\"id\":\"a\","
		"\"mandatory\":true,\"result\":\"PASS\"}],"
		"\"coverage\":{\"complete\":true,\"expected\":2,"
		"\"missing\":[],\"observed\":2,"
		"\"sources\":[\"libvirt\",\"rtnetlink\"]},"
		"\"gaps\":[],\"verdict\":\"PASSED\"},"
		"\"predicateType\":"
		"\"https://cloison.example/isolation/v1\","
		"\"subject\":[{\"digest\":{\"sha256\":\"ab000000000000000000"
		"00000000000000000000000000000000000000000000\"},"
		"\"name\":\"node/n1\"}]}";
	const uint8_t digest[32] = {0xab};
	json_t *predicate = predicate_of("[" PASS "]", COMPLETE, "[]");
	enum clo_verdict_word verdict = CLO_FAILED;
	char *text = NULL;

	(void)state;
	assert_int_equal(clo_statement_seal(predicate, "node/n1", digest, &text,
					    &verdict),
			 0);
	assert_string_equal(text, expected);
	assert_int_equal(verdict, CLO_PASSED);
	/* Nothing was taken. */
	assert_int_equal(predicate->refcount, 1);
	free(text);
	json_decref(predicate);
}

static void test_seal_refuses_what_has_no_verdict(void **state)
{
	const uint8_t digest[32] = {0};
	json_t *predicate = predicate_of("[]", "{}", "[]");
	enum clo_verdict_word verdict;
	char *text = NULL;

	(void)state;
	assert_int_equal(clo_statement_seal(predicate, "node/n1", digest, &text,
					    &verdict),
			 -EBADMSG);
	assert_null(text);
	assert_null(json_object_get(predicate, "verdict"));
	json_decref(predicate);

	predicate = predicate_of("[]", COMPLETE, "[]");
	assert_int_equal(clo_statement_seal(predicate, "node/\xff", digest,
					    &text, &verdict),
			 -EINVAL);
	assert_null(text);
	json_decref(predicate);
}

static void test_seal_overrides_a_claimed_verdict(void **state)
{
	const uint8_t digest[32] = {0};
	json_t *predicate = predicate_of("[" FAIL "]", COMPLETE, "[]");
	enum clo_verdict_word verdict;
	char *text = NULL;

	(void)state;
	(void)json_object_set_new(predicate, "verdict", json_string("PASSED"));
	assert_int_equal(clo_statement_seal(predicate, "node/n1", digest, &text,
					    &verdict),
			 0);
	assert_int_equal(verdict, CLO_FAILED);
	assert_non_null(strstr(text, "\"verdict\":\"FAILED\""));
	free(text);
	json_decref(predicate);
}

static void test_time_round_trip(void **state)
{
	static const time_t times[] = {0, 951782399, 1767323045, 253402300799};
	char text[21];
	time_t again;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(times); i++) {
		clo_time_format(times[i], text);
		assert_int_equal(clo_time_parse(text, &again), 0);
		assert_int_equal(again, times[i]);
	}
	clo_time_format(1767323045, text);
	assert_string_equal(text, "2026-01-02T03:04:05Z");
	clo_time_format(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clo_time_format((time_t)INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void test_time_parser_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05z",
		"2026-01-02t03:04:05Z",
		"2026-01-02 03:04:05Z",
		"2026-01-02T03:04:05+00:00",
		"2026-01-02T03:04:05.5Z",
		"2026-01-02T03:04:05Z ",
		" 2026-01-02T03:04:05Z",
		"2026-1-2T3:4:5Z",
		"2026-02-30T03:04:05Z",
		"2026-13-01T03:04:05Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T23:59:60Z",
		"12026-01-02T03:04:05Z",
		"1969-12-31T23:59:59Z",
	};
	time_t t = 42;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_int_equal(clo_time_parse(bad[i], &t), -EINVAL);
	assert_int_equal(t, 42);
}

static void test_kinds_by_both_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLO_KINDS; i++) {
		assert_int_equal(clo_kind_of_name(clo_kinds[i].name), i);
		assert_int_equal(clo_kind_of_type(clo_kinds[i].type), i);
		assert_int_equal(clo_kind_of_name(clo_kinds[i].type),
				 CLO_KINDS);
	}
	assert_int_equal(clo_kind_of_name(NULL), CLO_KINDS);
	assert_int_equal(clo_kind_of_type(NULL), CLO_KINDS);
	assert_int_equal(
		clo_kind_of_type("https://cloison.example/isolation/v1"),
		CLO_KIND_ISOLATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passed_needs_all),
		cmocka_unit_test(test_mandatory_controls_decide),
		cmocka_unit_test(test_failed_wins),
		cmocka_unit_test(test_an_excepted_control_fails),
		cmocka_unit_test(test_shape_of_controls),
		cmocka_unit_test(test_more_controls_than_could_be),
		cmocka_unit_test(test_shape_of_coverage),
		cmocka_unit_test(test_shape_of_gaps),
		cmocka_unit_test(test_a_failure_does_not_excuse_bad_shape),
		cmocka_unit_test(test_no_members_at_all),
		cmocka_unit_test(test_sealed_text),
		cmocka_unit_test(test_seal_refuses_what_has_no_verdict),
		cmocka_unit_test(test_seal_overrides_a_claimed_verdict),
		cmocka_unit_test(test_time_round_trip),
		cmocka_unit_test(test_time_parser_refuses),
		cmocka_unit_test(test_kinds_by_both_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
