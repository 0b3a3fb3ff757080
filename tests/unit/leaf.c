/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/leaf.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "check.h"
#include "fixture_key.h"

/* Written out by hand from Rekor's schema: sorted, compact, SHA-256 in hex. */
static void test_the_body_of_an_entry(void **state)
{
	static const char expected[] =
		"{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\",\"spec\":{"
		"\"envelopeHash\":{\"algorithm\":\"sha256\",\"value\":"
		"\"dc254c18faf16ee5b33a56d843639c43ef929c662a26292f23c4ebe68ba4"
		"cf93\"},"
		"\"payloadHash\":{\"algorithm\":\"sha256\",\"value\":"
		"\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"},"
		"\"signatures\":[{\"signature\":"
		"\"vW8iDoS+pQIrO8G9pV+VHVGcvY/XcGMh2vfWpJJwwrH/m4CRZswsl9wIASL/"
		"n2XN7RSNIqdiogwYkqskDFZiAQ==\","
		"\"verifier\":\"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUNvd0JRWURLMlZ3QXlFQTEx"
		"cVlBWUt4Q3JmVlMvN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm89Ci0t"
		"LS0tRU5EIFBVQkxJQyBLRVktLS0tLQo=\"}]}}";
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *body = NULL;

	(void)state;
	assert_int_equal(clo_dsse_sign(key, "{}", 2, &envelope), 0);
	assert_int_equal(clo_leaf_body(key, envelope, strlen(envelope), &body),
			 0);
	assert_string_equal(body, expected);
	assert_true(strlen(body) < CLO_LEAF_MAX);
}

static void test_the_key_in_a_body(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_2);
	CLO_AUTO(clo_key) struct clo_key *found = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *body = NULL;
	char id[65];
	char found_id[65];

	(void)state;
	assert_int_equal(clo_dsse_sign(key, "{}", 2, &envelope), 0);
	assert_int_equal(clo_leaf_body(key, envelope, strlen(envelope), &body),
			 0);
	assert_int_equal(clo_leaf_key(body, strlen(body), &found), 0);
	assert_int_equal(clo_key_id(key, id), 0);
	assert_int_equal(clo_key_id(found, found_id), 0);
	assert_string_equal(id, found_id);
}

static void test_no_envelopes_and_no_bodies(void **state)
{
	static const char short_signature[] =
		"{\"payload\":\"e30=\",\"payloadType\":\"" CLO_DSSE_TYPE
		"\",\"signatures\":[{\"sig\":\"AAAA\"}]}";
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		short_signature,
		"{\"spec\":{\"signatures\":[{\"verifier\":\"\"}]}}",
		"{\"spec\":{\"signatures\":[{\"verifier\":\"AAAA\"}]}}",
		"{\"spec\":{\"signatures\":[]}}",
	};
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	struct clo_key *found = NULL;
	char *body = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		assert_int_equal(
			clo_leaf_body(key, texts[i], strlen(texts[i]), &body),
			-EBADMSG);
		assert_int_equal(
			clo_leaf_key(texts[i], strlen(texts[i]), &found),
			-EBADMSG);
	}
	assert_null(body);
	assert_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_body_of_an_entry),
		cmocka_unit_test(test_the_key_in_a_body),
		cmocka_unit_test(test_no_envelopes_and_no_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
