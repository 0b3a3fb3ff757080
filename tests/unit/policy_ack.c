/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "agent/attest/dsse.h"
#include "agent/attest/statement.h"
#include "agent/attest/verify.h"
#include "check.h"
#include "fixture_key.h"

/* What a relying party makes of the records of policy bundles. */
#define NOW 1767323045 /* 2026-01-02T03:04:05Z */
#define DIGEST                                                                 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BUNDLE ",\"bundle\":{\"revision\":7,\"digest\":\"" DIGEST "\"}"
#define POLICY ",\"policy\":{\"digest\":\"" DIGEST "\",\"epoch\":3}"
#define NO_POLICY ",\"policy\":{\"digest\":null,\"epoch\":0}"
#define APPLIED "{\"outcome\":\"applied\",\"reason\":\"\""
#define REFUSED "{\"outcome\":\"refused\",\"reason\":\"why\""
#define PASSED ",\"verdict\":\"PASSED\"}"
#define FAILED ",\"verdict\":\"FAILED\"}"

static struct clo_key *key;

static int begin(void **state)
{
	(void)state;
	key = fixture_key(FIXTURE_KEY_1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	clo_key_free(key);
	return 0;
}

/* Signed, with these members beside those of every record. */
static char *record(const char *members)
{
	static const uint8_t digest[32];
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *predicate = NULL;
	char *envelope = NULL;
	char id[65];

	assert_int_equal(clo_key_id(key, id), 0);
	predicate = json_pack(
		"{s:{s:s, s:s}, s:n, s:{s:i, s:s}, s:s, s:i, s:n, s:{s:s}}",
		"node", "name", "hv-1", "bootId", "b1", "scope", "chain",
		"sequence", 1, "previous", DIGEST, "time",
		"2026-01-02T03:04:05Z", "period", 60, "nonce", "key", "id", id);
	assert_int_equal(
		json_object_update_new(predicate, json_loads(members, 0, NULL)),
		0);
	assert_int_equal(clo_statement_wrap(predicate, CLO_KIND_POLICY_ACK,
					    "node/hv-1", digest, &text),
			 0);
	assert_int_equal(clo_dsse_sign(key, text, strlen(text), &envelope), 0);
	return envelope;
}

static void assert_verified(const char *envelope, time_t now, int64_t max_age,
			    enum clo_verify_exit exit, const char *words)
{
	const struct clo_verify_options options = {.now = now,
						   .max_age = max_age};
	struct clo_verify_result result;

	clo_verify(key, envelope, strlen(envelope), &options, &result);
	if (result.exit != exit || !strstr(result.reason, words))
		fail_msg("%d \"%s\", not %d \"%s\"", result.exit, result.reason,
			 exit, words);
	assert_int_equal(result.stale,
			 max_age >= 0 && now - NOW > max_age &&
				 exit != CLO_VERIFY_NOT_AUTHENTIC);
	clo_verify_result_done(&result);
}

/* No outcome but "applied" reads as good. */
static void test_outcomes(void **state)
{
	static const struct {
		const char *members;
		enum clo_verify_exit exit;
		const char *words;
	} cases[] = {
		{APPLIED BUNDLE POLICY PASSED, CLO_VERIFY_PASSED,
		 "policy bundle 7 applied"},
		{REFUSED BUNDLE POLICY FAILED, CLO_VERIFY_FAILED,
		 "policy bundle 7 refused: why"},
		{REFUSED BUNDLE NO_POLICY FAILED, CLO_VERIFY_FAILED,
		 "policy bundle 7 refused: why"},
		{REFUSED BUNDLE POLICY PASSED, CLO_VERIFY_NOT_AUTHENTIC,
		 "verdict"},
		{APPLIED BUNDLE POLICY FAILED, CLO_VERIFY_NOT_AUTHENTIC,
		 "verdict"},
		{APPLIED BUNDLE POLICY "}", CLO_VERIFY_NOT_AUTHENTIC,
		 "verdict"},
		{"{\"outcome\":\"fine\",\"reason\":\"\"" BUNDLE POLICY PASSED,
		 CLO_VERIFY_NOT_AUTHENTIC, "outcome"},
		{"{\"outcome\":\"applied\"" BUNDLE POLICY PASSED,
		 CLO_VERIFY_NOT_AUTHENTIC, "outcome"},
		{APPLIED BUNDLE PASSED, CLO_VERIFY_NOT_AUTHENTIC, "policy"},
		{APPLIED BUNDLE NO_POLICY PASSED, CLO_VERIFY_NOT_AUTHENTIC,
		 "policy"},
		{REFUSED BUNDLE FAILED, CLO_VERIFY_NOT_AUTHENTIC, "policy"},
		{APPLIED POLICY PASSED, CLO_VERIFY_NOT_AUTHENTIC, "bundle"},
		{APPLIED POLICY
		 ",\"bundle\":{\"revision\":0,\"digest\":\"" DIGEST
		 "\"}" PASSED,
		 CLO_VERIFY_NOT_AUTHENTIC, "bundle"},
		{APPLIED POLICY
		 ",\"bundle\":{\"revision\":7,\"digest\":\"7\"}" PASSED,
		 CLO_VERIFY_NOT_AUTHENTIC, "bundle"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *envelope = record(cases[i].members);

		assert_verified(envelope, NOW, -1, cases[i].exit,
				cases[i].words);
	}
}

/* It tells what happened, and gets stale only where that is asked for. */
static void test_age(void **state)
{
	CLO_AUTO_MEM char *applied = record(APPLIED BUNDLE POLICY PASSED);
	CLO_AUTO_MEM char *refused = record(REFUSED BUNDLE POLICY FAILED);
	const time_t later = NOW + 1000000;

	(void)state;
	assert_verified(applied, later, -1, CLO_VERIFY_PASSED, "applied");
	assert_verified(applied, later, 60, CLO_VERIFY_INCONCLUSIVE, "stale");
	assert_verified(applied, NOW - 301, -1, CLO_VERIFY_INCONCLUSIVE,
			"in the future");
	assert_verified(refused, later, 60, CLO_VERIFY_FAILED, "refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_outcomes),
		TEST(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
