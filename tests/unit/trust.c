/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"
#include "fixture_key.h"

#define AK "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char *pem[2];
static char id[2][65];
static char reason[200];

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct clo_key *key =
			fixture_key(i ? FIXTURE_KEY_2 : FIXTURE_KEY_1);

		assert_int_equal(clo_key_public_pem(key, &pem[i]), 0);
		assert_int_equal(clo_key_id(key, id[i]), 0);
		clo_key_free(key);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(pem[0]);
	free(pem[1]);
	return 0;
}

static json_t *entry(int key)
{
	return json_pack("{s:s, s:[s, s], s:s, s:s}", "name", "k", "roles",
			 "attest", "log", "node", "n1", "pem", pem[key]);
}

/* Takes the list. */
static int parse(json_t *keys, struct clo_trust **ret_trust)
{
	json_t *root = json_pack("{s:s, s:s, s:o}", "apiVersion", "cloison/v1",
				 "kind", "TrustStore", "keys", keys);
	char *text = json_dumps(root, 0);
	int r;

	reason[0] = '\0';
	r = clo_trust_parse(text, strlen(text), ret_trust, reason);
	free(text);
	json_decref(root);
	return r;
}

static void test_attestation_keys(void **state)
{
	static const struct {
		const char *ak, *role;
	} bad[] = {{"000c" AK, "attest"},
		   {"000b" AK "00", "attest"},
		   {"000b" AK, "log"},
		   {AK, "attest"},
		   {"", "attest"}};
	struct clo_trust *trust = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_int_equal(
			parse(json_pack("[{s:s, s:[s], s:s, s:s}]", "name", "k",
					"roles", bad[i].role, "node", "n1",
					"ak", bad[i].ak),
			      &trust),
			-EBADMSG);
	/* a key and an attestation key in one: whose signature would it be? */
	assert_int_equal(parse(json_pack("[{s:s, s:[s], s:s, s:s, s:s}]",
					 "name", "k", "roles", "attest", "node",
					 "n1", "ak", "000b" AK, "pem", pem[0]),
			       &trust),
			 -EBADMSG);
	assert_int_equal(parse(json_pack("[{s:s, s:[s], s:s, s:s}, o]", "name",
					 "k", "roles", "attest", "node", "n1",
					 "ak", "000b" AK, entry(0)),
			       &trust),
			 0);
	assert_null(clo_trust_find(trust, AK, CLO_TRUST_ATTEST));
	assert_non_null(clo_trust_find_ak(trust, AK));
	assert_null(clo_trust_find_ak(trust, id[0]));
	assert_non_null(clo_trust_find(trust, id[0], CLO_TRUST_ATTEST));
	clo_trust_free(trust);
}

static void test_find(void **state)
{
	struct clo_trust *trust = NULL;
	const struct clo_trusted *found;

	(void)state;
	assert_int_equal(parse(json_pack("[o, o]", entry(0), entry(1)), &trust),
			 0);
	for (int i = 0; i < 2; i++) {
		found = clo_trust_find(trust, id[i], CLO_TRUST_ATTEST);
		assert_non_null(found);
		assert_string_equal(found->node, "n1");
		assert_string_equal(found->id, id[i]);
		assert_non_null(clo_trust_find(trust, id[i], CLO_TRUST_LOG));
		assert_null(clo_trust_find(trust, id[i], CLO_TRUST_POLICY));
	}
	id[0][63] ^= 1;
	assert_null(clo_trust_find(trust, id[0], CLO_TRUST_ATTEST));
	assert_null(clo_trust_find(trust, "", CLO_TRUST_ATTEST));
	clo_trust_free(trust);
}

static void test_times(void **state)
{
	static const struct clo_trusted bounded = {
		.not_before = 100, .not_after = 300, .revoked = 200};
	static const struct clo_trusted unbounded;

	(void)state;
	assert_null(clo_trusted_flaw(&unbounded, 1));
	assert_null(clo_trusted_flaw(&bounded, 100));
	assert_null(clo_trusted_flaw(&bounded, 199));
	assert_non_null(strstr(clo_trusted_flaw(&bounded, 99), "before"));
	assert_non_null(strstr(clo_trusted_flaw(&bounded, 200), "revoked"));
	assert_non_null(strstr(clo_trusted_flaw(&bounded, 301), "after"));
}

/* A member of the one entry, what it is instead, and what the reason names. */
static void test_flaws(void **state)
{
	static const struct {
		const char *member, *value, *where;
	} cases[] = {
		{"name", "1", "$.keys[0]"},
		{"pem", "\"x\"", "$.keys[0].pem"},
		{"roles", "[]", "$.keys[0].roles"},
		{"roles", "\"attest\"", "$.keys[0].roles"},
		{"roles", "[\"attest\", \"attest\"]", "$.keys[0].roles[1]"},
		{"roles", "[\"root\"]", "$.keys[0].roles[0]"},
		{"roles", "[1]", "$.keys[0].roles[0]"},
		{"node", "\"\"", "$.keys[0].node"},
		{"node", "1", "$.keys[0]"},
		{"notBefore", "\"yesterday\"", "$.keys[0].notBefore"},
		{"notAfter", "5", "$.keys[0].notAfter"},
		{"revoked", "null", "$.keys[0].revoked"},
		{"more", "1", "$.keys[0]"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_trust *trust = NULL;
		json_t *one = entry(0);

		assert_int_equal(
			json_object_set_new(one, cases[i].member,
					    json_loads(cases[i].value,
						       JSON_DECODE_ANY, NULL)),
			0);
		assert_int_equal(parse(json_pack("[o]", one), &trust),
				 -EBADMSG);
		assert_null(trust);
		assert_memory_equal(reason, cases[i].where,
				    strlen(cases[i].where));
	}
}

static void test_whole(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"apiVersion\": \"cloison/v1\"}",
		"{\"apiVersion\":\"v2\",\"kind\":\"TrustStore\",\"keys\":[]}",
		"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\",\"keys\":[]}",
		"{\"apiVersion\":\"cloison/v1\",\"kind\":\"TrustStore\","
		"\"keys\":{}}",
		"{\"apiVersion\":\"cloison/v1\",\"kind\":\"TrustStore\","
		"\"keys\":[],\"keys\":[]}",
	};
	struct clo_trust *trust = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		assert_int_equal(clo_trust_parse(texts[i], strlen(texts[i]),
						 &trust, reason),
				 -EBADMSG);
		assert_int_equal(reason[0], '$');
	}
	assert_int_equal(parse(json_pack("[o, o]", entry(0), entry(0)), &trust),
			 -EBADMSG);
	assert_non_null(strstr(reason, "twice"));
	assert_int_equal(parse(json_array(), &trust), 0);
	clo_trust_free(trust);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_attestation_keys, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test(test_times),
		cmocka_unit_test_setup_teardown(test_flaws, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
