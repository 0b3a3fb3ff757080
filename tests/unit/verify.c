/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"

#include <stdio.h>
#include <string.h>

#include "fixture_verify.h"

/* Seal the predicate, replace one piece of its text, sign and verify. */
static enum clo_verify_exit check_with(const char *old, const char *new)
{
	const uint8_t digest[32] = {1};
	enum clo_verdict_word verdict;
	char *text = NULL;
	char *changed = NULL;
	const char *at;

	assert_int_equal(
		clo_statement_seal(predicate, subject, digest, &text, &verdict),
		0);
	at = strstr(text, old);
	assert_non_null(at);
	assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, new,
			     at + strlen(old)) > 0);
	check_text(changed);
	free(changed);
	free(text);
	return result.exit;
}

static enum clo_verify_exit check(void)
{
	return check_with("", "");
}

static json_t *control(const char *id)
{
	json_t *controls = json_object_get(predicate, "controls");
	json_t *entry;
	size_t i;

	json_array_foreach (controls, i, entry) {
		if (!strcmp(json_string_value(json_object_get(entry, "id")),
			    id))
			return entry;
	}
	return NULL;
}

static void set_result(const char *id, const char *word, const char *detail)
{
	assert_int_equal(
		json_object_set_new(control(id), "result", json_string(word)),
		0);
	assert_int_equal(
		json_object_set_new(control(id), "detail", json_string(detail)),
		0);
}

static void open_gap(void)
{
	json_t *gap = json_pack("{s:s,s:n,s:s}", "from", "2026-01-02T03:00:00Z",
				"to", "reason", "libvirt lost");

	assert_int_equal(
		json_array_append_new(json_object_get(predicate, "gaps"), gap),
		0);
}

static void test_a_sound_statement_passes(void **state)
{
	(void)state;
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	assert_string_equal(result.reason, "node/n1 passed, 0 s ago");
	assert_false(result.stale);
	assert_non_null(result.statement);
}

static void test_a_scope_statement_passes(void **state)
{
	(void)state;
	subject = "scope/acme/production";
	(void)json_object_set_new(predicate, "scope",
				  json_string("acme/production"));
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	/* It need not carry every control, but at least one mandatory. */
	assert_int_equal(
		json_array_remove(json_object_get(predicate, "controls"), 0),
		0);
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	(void)json_array_clear(json_object_get(predicate, "controls"));
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
}

static void test_nothing_is_shown_without_a_signature(void **state)
{
	struct clo_key *other = fixture_key(FIXTURE_KEY_2);
	char *envelope = NULL;

	(void)state;
	assert_int_equal(clo_dsse_sign(other, "{}", 2, &envelope), 0);
	clo_verify(key, envelope, strlen(envelope), &options, &result);
	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	assert_null(result.statement);
	assert_non_null(strstr(result.reason, "signature"));
	clo_verify(key, "", 0, &options, &result);
	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	assert_null(result.statement);
	free(envelope);
	clo_key_free(other);
}

static void test_payloads_that_are_no_statement(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"_type\":1}",
		"{]",
		"\xff",
		"{\"_type\":1,\"_type\":1}",
	};
	char opening[101] = "";
	char closing[101] = "";
	char deep[300];

	(void)state;
	memset(opening, '[', 100);
	memset(closing, ']', 100);
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
		check_text(bad[i]);
		assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	}
	(void)snprintf(deep, sizeof(deep), "{\"a\":%s%s}", opening, closing);
	check_text(deep);
	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	assert_null(result.statement);
}

/* Each of these is signed, and no statement of ours. */
static void test_members_are_checked(void **state)
{
	static const char *const changes[][2] = {
		{"in-toto.io/Statement/v1", "in-toto.io/Statement/v2"},
		{"isolation/v1", "isolation/v2"},
		{"\"name\":\"node/n1\"", "\"name\":\"node/n2\""},
		{"\"name\":\"node/n1\"", "\"name\":\"scope/n1\""},
		{"\"name\":\"n1\"", "\"name\":\"\""},
		{"\"bootId\":\"b1\"", "\"bootId\":\"\""},
		{"\"bootId\":\"b1\",", ""},
		{"\"sha256\":\"01", "\"sha256\":\"0"},
		{"\"sha256\":\"01", "\"sha256\":\"0G"},
		{"\"subject\":[", "\"subject\":[{},"},
		{"\"scope\":null", "\"scope\":\"\""},
		{"\"scope\":null", "\"scope\":7"},
		{"\"scope\":null,", ""},
		{"\"previous\":null", "\"previous\":\"" DIGEST "\""},
		{"\"sequence\":0", "\"sequence\":1"},
		{"\"sequence\":0", "\"sequence\":-1"},
		{"\"sequence\":0", "\"sequence\":0.0"},
		{"\"time\":\"2026-", "\"time\":\"26-"},
		{"\"period\":30", "\"period\":0"},
		{"\"period\":30", "\"period\":99999999999999"},
		{"\"period\":30", "\"period\":\"30\""},
		{"\"nonce\":null", "\"nonce\":\"\""},
		{"\"nonce\":null", "\"nonce\":\"xyz\""},
		{"\"nonce\":null", "\"nonce\":1"},
		{"\"nonce\":null,", ""},
		{"\"protection\"", "\"id2\""},
		{"\"expected\":2", "\"expected\":3"},
		{"\"gaps\":[]", "\"gaps\":[{}]"},
		{"\"verdict\":\"PASSED\"", "\"verdict\":\"FAILED\""},
		{"\"verdict\":\"PASSED\"", "\"verdict\":\"INCONCLUSIVE\""},
		{"\"verdict\":\"PASSED\"", "\"verdict\":true"},
		{",\"verdict\":\"PASSED\"", ""},
		{"\"verdict\":\"PASSED\"",
		 "\"verdict\":\"PASSED\",\"verdict\":\"PASSED\""},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(changes); i++) {
		enum clo_verify_exit exit =
			check_with(changes[i][0], changes[i][1]);
		/* The one change that is none of a relying party's business. */
		bool harmless = !strcmp(changes[i][0], "\"protection\"");

		if (exit !=
		    (harmless ? CLO_VERIFY_PASSED : CLO_VERIFY_NOT_AUTHENTIC))
			fail_msg("%s -> %s: %s", changes[i][0], changes[i][1],
				 result.reason);
	}
}

static void test_key_id_is_the_signing_key(void **state)
{
	(void)state;
	(void)json_object_set_new(json_object_get(predicate, "key"), "id",
				  json_string(DIGEST));
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
}

static void test_a_later_link_of_the_chain(void **state)
{
	json_t *chain = json_object_get(predicate, "chain");

	(void)state;
	(void)json_object_set_new(chain, "sequence", json_integer(7));
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
	(void)json_object_set_new(chain, "previous", json_string(DIGEST));
	assert_int_equal(check(), CLO_VERIFY_PASSED);
}

static void test_a_first_link_names_the_boot_before(void **state)
{
	static const struct {
		const char *before;
		enum clo_verify_exit exit;
	} cases[] = {
		{"null", CLO_VERIFY_PASSED},
		{"{\"bootId\":\"b0\",\"digest\":\"" DIGEST "\",\"sequence\":4}",
		 CLO_VERIFY_PASSED},
		{"{\"bootId\":\"b0\",\"digest\":\"" DIGEST "\"}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"{\"bootId\":\"b0\",\"digest\":\"12\",\"sequence\":4}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"{\"bootId\":\"\",\"digest\":\"" DIGEST "\",\"sequence\":4}",
		 CLO_VERIFY_NOT_AUTHENTIC},
		{"7", CLO_VERIFY_NOT_AUTHENTIC},
	};

	json_t *chain = json_object_get(predicate, "chain");

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		(void)json_object_set_new(
			chain, "previousBoot",
			json_loads(cases[i].before, JSON_DECODE_ANY, NULL));
		assert_int_equal(check(), cases[i].exit);
	}
	(void)json_object_set_new(chain, "sequence", json_integer(7));
	(void)json_object_set_new(chain, "previous", json_string(DIGEST));
	(void)json_object_set_new(chain, "previousBoot", json_null());
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
}

static void test_claimed_verdicts_are_recomputed(void **state)
{
	(void)state;
	set_result("net.flow-matrix", "FAIL", "pair web -> db");
	assert_int_equal(
		check_with("\"verdict\":\"FAILED\"", "\"verdict\":\"PASSED\""),
		CLO_VERIFY_NOT_AUTHENTIC);
	assert_string_equal(result.reason,
			    "it says PASSED, its members make FAILED");
}

static void test_failed_names_the_control(void **state)
{
	(void)state;
	set_result("net.flow-matrix", "FAIL", "pair \033[2Jweb\n-> db");
	open_gap();
	assert_int_equal(check(), CLO_VERIFY_FAILED);
	/* What the detail carries cannot drive the reader's terminal. */
	assert_string_equal(result.reason,
			    "net.flow-matrix reads FAIL: pair ?[2Jweb?-> db");
	assert_false(result.stale);
}

static void test_inconclusive_says_why(void **state)
{
	(void)state;
	open_gap();
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	assert_non_null(strstr(result.reason, "gap"));

	(void)json_object_set_new(
		predicate, "coverage",
		json_pack("{s:i,s:i,s:b,s:[s],s:[]}", "expected", 4, "observed",
			  3, "complete", 0, "missing", "web", "sources"));
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	assert_string_equal(result.reason, "coverage: 3 of 4 observed");

	set_result("agt.self-integrity", "INCONCLUSIVE", "no program");
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	assert_string_equal(
		result.reason,
		"agt.self-integrity reads INCONCLUSIVE: no program");
}

static void test_no_mandatory_control_may_be_left_out(void **state)
{
	json_t *controls = json_object_get(predicate, "controls");

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		json_t *taken = json_incref(json_array_get(controls, i));

		assert_int_equal(json_array_remove(controls, i), 0);
		assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
		assert_non_null(strstr(result.reason, "is missing"));
		assert_int_equal(json_array_insert_new(controls, i, taken), 0);
	}
	assert_int_equal(check(), CLO_VERIFY_PASSED);
}

static void test_no_mandatory_control_may_be_demoted(void **state)
{
	(void)state;
	set_result("net.no-bypass-path", "FAIL", "x");
	(void)json_object_set_new(control("net.no-bypass-path"), "mandatory",
				  json_false());
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);

	subject = "scope/acme/test";
	(void)json_object_set_new(predicate, "scope", json_string("acme/test"));
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
	assert_string_equal(
		result.reason,
		"mandatory control net.no-bypass-path is not marked so");
}

static void test_age(void **state)
{
	(void)state;
	options.now = NOW + 90; /* three periods */
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	options.now = NOW + 91;
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	assert_true(result.stale);
	assert_string_equal(result.reason, "stale: 91 s old, at most 90 "
					   "allowed");
	options.max_age = 91;
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	options.max_age = 0;
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	options.now = NOW;
	assert_int_equal(check(), CLO_VERIFY_PASSED);
}

static void test_failed_wins_over_stale(void **state)
{
	(void)state;
	set_result("net.flow-matrix", "FAIL", "x");
	options.now = NOW + 1000000;
	assert_int_equal(check(), CLO_VERIFY_FAILED);
	assert_true(result.stale);
	options.now = NOW - 1000000;
	assert_int_equal(check(), CLO_VERIFY_FAILED);
	assert_false(result.stale);
}

static void test_clocks_may_differ_a_little(void **state)
{
	(void)state;
	options.now = NOW - 300;
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	options.now = NOW - 301;
	assert_int_equal(check(), CLO_VERIFY_INCONCLUSIVE);
	assert_string_equal(result.reason, "dated 301 s in the future");
}

static void test_nonce(void **state)
{
	(void)state;
	options.nonce = "00ff";
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
	assert_non_null(strstr(result.reason, "nonce"));
	(void)json_object_set_new(predicate, "nonce", json_string("00fe"));
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
	(void)json_object_set_new(predicate, "nonce", json_string("00FF"));
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	options.nonce = NULL;
	assert_int_equal(check(), CLO_VERIFY_PASSED);
	/* The wrong nonce: no verdict of it counts, not even a bad one. */
	set_result("net.flow-matrix", "FAIL", "x");
	options.nonce = "11";
	assert_int_equal(check(), CLO_VERIFY_NOT_AUTHENTIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_sound_statement_passes),
		TEST(test_a_scope_statement_passes),
		TEST(test_nothing_is_shown_without_a_signature),
		TEST(test_payloads_that_are_no_statement),
		TEST(test_members_are_checked),
		TEST(test_key_id_is_the_signing_key),
		TEST(test_a_later_link_of_the_chain),
		TEST(test_a_first_link_names_the_boot_before),
		TEST(test_claimed_verdicts_are_recomputed),
		TEST(test_failed_names_the_control),
		TEST(test_inconclusive_says_why),
		TEST(test_no_mandatory_control_may_be_left_out),
		TEST(test_no_mandatory_control_may_be_demoted),
		TEST(test_age),
		TEST(test_failed_wins_over_stale),
		TEST(test_clocks_may_differ_a_little),
		TEST(test_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
