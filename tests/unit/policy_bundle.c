/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/policy_bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/statement.h"
#include "check.h"
#include "fixture_key.h"

#define NOW 1767323045 /* 2026-01-02T03:04:05Z */

static struct clo_key *key, *other;
static struct clo_trust *trust;

/* Of FIXTURE_KEY_1, with these members, a comma before each. */
static struct clo_trust *trust_of(const char *role, const char *more)
{
	CLO_AUTO_MEM char *pem = NULL;
	struct clo_trust *made = NULL;
	json_auto_t *root = NULL;
	json_auto_t *entry = NULL;
	CLO_AUTO_MEM char *text = NULL;
	char reason[200] = "";

	assert_int_equal(clo_key_public_pem(key, &pem), 0);
	entry = json_loads(more, 0, NULL);
	assert_non_null(entry);
	assert_int_equal(
		json_object_update_new(entry, json_pack("{s:s, s:s, s:[s]}",
							"name", "plane", "pem",
							pem, "roles", role)),
		0);
	root = json_pack("{s:s, s:s, s:[O]}", "apiVersion", "cloison/v1",
			 "kind", "TrustStore", "keys", entry);
	text = json_dumps(root, 0);
	if (clo_trust_parse(text, strlen(text), &made, reason) < 0)
		fail_msg("%s", reason);
	return made;
}

static int begin(void **state)
{
	(void)state;
	key = fixture_key(FIXTURE_KEY_1);
	other = fixture_key(FIXTURE_KEY_2);
	trust = trust_of("policy", "{}");
	return 0;
}

static int end(void **state)
{
	(void)state;
	clo_trust_free(trust);
	clo_key_free(other);
	clo_key_free(key);
	return 0;
}

static int open_by(const struct clo_trust *by, const char *envelope,
		   struct clo_policy_bundle **ret_bundle, char reason[200])
{
	return clo_policy_bundle_open(by, envelope, strlen(envelope), NOW,
				      ret_bundle, reason);
}

/* Refused, and the reason has these words. */
static void assert_refused(const struct clo_trust *by, const char *envelope,
			   const char *words)
{
	struct clo_policy_bundle *bundle = NULL;
	char reason[200] = "";

	assert_int_equal(open_by(by, envelope, &bundle, reason), -EBADMSG);
	assert_null(bundle);
	if (!strstr(reason, words))
		fail_msg("\"%s\", not \"%s\"", reason, words);
}

static char *seal_by(const struct clo_key *signer, time_t not_after)
{
	json_auto_t *documents =
		json_pack("[{s:s, s:s}]", "name", "a.json", "text", "{}");
	const struct clo_policy_bundle parts = {.node = "hv-1",
						.revision = 7,
						.not_after = not_after,
						.documents = documents};
	char *envelope = NULL;

	assert_int_equal(clo_policy_bundle_seal(signer, &parts, &envelope), 0);
	return envelope;
}

static char *sign(const char *payload)
{
	char *envelope = NULL;

	assert_int_equal(clo_dsse_sign_as(key, CLO_POLICY_BUNDLE_TYPE, payload,
					  strlen(payload), &envelope),
			 0);
	return envelope;
}

static void test_opens_what_was_sealed(void **state)
{
	CLO_AUTO_MEM char *envelope = seal_by(key, 0);
	CLO_AUTO_MEM char *dated = seal_by(key, NOW + 1);
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *bundle = NULL;
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *later = NULL;
	char reason[200];
	char id[65];

	(void)state;
	assert_int_equal(open_by(trust, envelope, &bundle, reason), 0);
	assert_string_equal(bundle->node, "hv-1");
	assert_int_equal(bundle->revision, 7);
	assert_int_equal(bundle->not_after, 0);
	assert_false(bundle->bound);
	assert_int_equal(json_array_size(bundle->documents), 1);
	assert_int_equal(clo_key_id(key, id), 0);
	assert_string_equal(bundle->key_id, id);
	assert_int_equal(strlen(bundle->digest), 64);

	assert_int_equal(open_by(trust, dated, &later, reason), 0);
	assert_int_equal(later->not_after, NOW + 1);
	assert_string_not_equal(later->digest, bundle->digest);
}

/* Whatever byte of it is another. */
static void test_tampered(void **state)
{
	CLO_AUTO_MEM char *envelope = seal_by(key, 0);
	size_t len = strlen(envelope);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		struct clo_policy_bundle *bundle = NULL;
		char was = envelope[i];
		char reason[200];

		envelope[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(open_by(trust, envelope, &bundle, reason),
				 -EBADMSG);
		envelope[i] = was;
		assert_int_equal(clo_policy_bundle_open(trust, envelope, i, NOW,
							&bundle, reason),
				 -EBADMSG);
		assert_null(bundle);
	}
}

static void test_keys(void **state)
{
	static const struct {
		const char *role, *more, *words; /* NULL: it opens */
	} cases[] = {
		{"policy", "{\"node\": \"hv-1\"}", NULL},
		{"policy", "{\"node\": \"hv-2\"}", "does not speak for"},
		{"attest", "{\"node\": \"hv-1\"}", "not trusted with policies"},
		{"log", "{\"node\": \"hv-1\"}", "not trusted with policies"},
		{"policy", "{\"notBefore\": \"2026-01-02T03:04:06Z\"}",
		 "before the key is valid"},
		{"policy", "{\"notBefore\": \"2026-01-02T03:04:05Z\"}", NULL},
		{"policy", "{\"notAfter\": \"2026-01-02T03:04:04Z\"}",
		 "after the key is valid"},
		{"policy", "{\"notAfter\": \"2026-01-02T03:04:05Z\"}", NULL},
		{"policy", "{\"revoked\": \"2026-01-02T03:04:05Z\"}",
		 "the key was revoked"},
	};

	CLO_AUTO_MEM char *envelope = seal_by(key, 0);
	CLO_AUTO_MEM char *foreign = seal_by(other, 0);

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO(clo_trust)
		struct clo_trust *by = trust_of(cases[i].role, cases[i].more);
		struct clo_policy_bundle *bundle = NULL;
		char reason[200] = "";

		if (cases[i].words) {
			assert_refused(by, envelope, cases[i].words);
			continue;
		}
		if (open_by(by, envelope, &bundle, reason) < 0)
			fail_msg("%s: %s", cases[i].more, reason);
		assert_int_equal(bundle->bound, i == 0);
		clo_policy_bundle_free(bundle);
	}
	assert_refused(trust, foreign, "not trusted with policies");
}

/* A good signature, over something that is no bundle. */
static void test_signed_nonsense(void **state)
{
#define HEAD "{\"apiVersion\":\"cloison/v1\",\"kind\":\"PolicyBundle\","
#define REST "\"node\":\"n\",\"documents\":[]"

	static const struct {
		const char *payload, *words;
	} cases[] = {
		{"", "strict JSON"},
		{"[]", "strict JSON"},
		{HEAD REST ",\"revision\":1,\"revision\":2}", "strict JSON"},
		{HEAD REST ",\"revision\":1}x", "strict JSON"},
		{HEAD "\"node\":\"n\",\"revision\":1,\"documents\":[[[[]]]]}",
		 "strict JSON"},
		{"{}", "not a PolicyBundle"},
		{HEAD REST "}", "not a PolicyBundle"},
		{HEAD REST ",\"revision\":\"1\"}", "not a PolicyBundle"},
		{HEAD REST ",\"revision\":1.5}", "not a PolicyBundle"},
		{HEAD REST ",\"revision\":1,\"more\":1}", "not a PolicyBundle"},
		{HEAD "\"node\":1,\"revision\":1,\"documents\":[]}",
		 "not a PolicyBundle"},
		{"{\"apiVersion\":\"cloison/v2\",\"kind\":\"PolicyBundle\"," REST
		 ",\"revision\":1}",
		 "not a PolicyBundle"},
		{"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\"," REST
		 ",\"revision\":1}",
		 "not a PolicyBundle"},
		{HEAD REST ",\"revision\":0}", "revision"},
		{HEAD REST ",\"revision\":-1}", "revision"},
		{HEAD REST ",\"revision\":9007199254740992}", "revision"},
		{HEAD REST ",\"revision\":18446744073709551617}",
		 "strict JSON"},
		{HEAD REST ",\"revision\":1,\"notAfter\":\"tomorrow\"}",
		 "notAfter"},
		{HEAD REST ",\"revision\":1,\"notAfter\":"
			   "\"1970-01-01T00:00:00Z\"}",
		 "notAfter"},
		{HEAD REST ",\"revision\":1,\"notAfter\":1}",
		 "not a PolicyBundle"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *envelope = sign(cases[i].payload);

		assert_refused(trust, envelope, cases[i].words);
	}
}

/* Of this key and type alone: no statement passes for a policy, nor back. */
static void test_types_are_apart(void **state)
{
	CLO_AUTO_MEM char *bundle = seal_by(key, 0);
	CLO_AUTO_MEM char *statement = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	size_t len;

	(void)state;
	assert_int_equal(
		clo_dsse_open(key, bundle, strlen(bundle), &payload, &len),
		-EBADMSG);
	assert_int_equal(clo_dsse_sign(key, HEAD REST ",\"revision\":1}",
				       strlen(HEAD REST ",\"revision\":1}"),
				       &statement),
			 0);
	assert_refused(trust, statement, "not an envelope of a policy");
}

static void test_too_long(void **state)
{
	size_t len = CLO_POLICY_BUNDLE_MAX + 1;
	CLO_AUTO_MEM char *text = malloc(len + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	text[len] = '\0';
	assert_refused(trust, text, "longer than 8 MiB");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_opens_what_was_sealed),
		TEST(test_tampered),
		TEST(test_keys),
		TEST(test_signed_nonsense),
		TEST(test_types_are_apart),
		TEST(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
