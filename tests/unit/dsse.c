/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/dsse.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include <jansson.h>

#include "agent/attest/json.h"
#include "check.h"
#include "fixture_key.h"

static struct clo_key *key;
static struct clo_key *other;
static char *envelope; /* of "{\"a\":1}" by `key` */

static int set_up(void **state)
{
	(void)state;
	key = fixture_key(FIXTURE_KEY_1);
	other = fixture_key(FIXTURE_KEY_2);
	return clo_dsse_sign(key, "{\"a\":1}", 7, &envelope);
}

static int tear_down(void **state)
{
	(void)state;
	free(envelope);
	clo_key_free(other);
	clo_key_free(key);
	return 0;
}

static void assert_refused(const char *text, size_t len)
{
	char *payload = NULL;
	size_t n = 99;

	assert_int_equal(clo_dsse_open(key, text, len, &payload, &n), -EBADMSG);
	assert_null(payload);
	assert_int_equal(n, 99);
}

/* `envelope` with one piece of text replaced is refused. */
static void assert_refused_with(const char *old, const char *new)
{
	const char *at = strstr(envelope, old);
	char *text = NULL;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - envelope), envelope,
			     new, at + strlen(old)) > 0);
	assert_refused(text, strlen(text));
	free(text);
}

static void assert_opens(const char *text, const char *expected, size_t len)
{
	char *payload = NULL;
	size_t n;

	assert_int_equal(clo_dsse_open(key, text, strlen(text), &payload, &n),
			 0);
	assert_int_equal(n, len);
	assert_memory_equal(payload, expected, len);
	assert_int_equal(payload[n], '\0');
	free(payload);
}

static void test_round_trip(void **state)
{
	static const char *const payloads[] = {"", "a", "ab", "abc", "abcd"};

	(void)state;
	assert_opens(envelope, "{\"a\":1}", 7);
	for (size_t i = 0; i < 5; i++) {
		char *text = NULL;

		assert_int_equal(clo_dsse_sign(key, payloads[i],
					       strlen(payloads[i]), &text),
				 0);
		assert_opens(text, payloads[i], strlen(payloads[i]));
		free(text);
	}
}

static void test_binary_payload(void **state)
{
	static const char bytes[] = "\0\xff\n\0";
	char *text = NULL;

	(void)state;
	assert_int_equal(clo_dsse_sign(key, bytes, 4, &text), 0);
	assert_opens(text, bytes, 4);
	free(text);
}

/* The signature is over the encoding that the DSSE specification gives. */
static void test_signature_is_over_the_pae(void **state)
{
	static const char pae[] =
		"DSSEv1 28 application/vnd.in-toto+json 7 {\"a\":1}";
	unsigned char expected[89];
	uint8_t signature[64];

	(void)state;
	assert_int_equal(clo_key_sign(key, pae, strlen(pae), signature), 0);
	assert_int_equal(EVP_EncodeBlock(expected, signature, 64), 88);
	/* Ed25519 is deterministic: the same bytes, the same signature. */
	assert_non_null(strstr(envelope, (const char *)expected));
}

static void test_members_are_those_of_the_format(void **state)
{
	json_t *root = json_loads(envelope, 0, NULL);
	char id[65];

	(void)state;
	assert_int_equal(clo_key_id(key, id), 0);
	assert_int_equal(json_object_size(root), 3);
	assert_string_equal(json_string_value(json_object_get(root, "payload")),
			    "eyJhIjoxfQ==");
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(root, "signatures"), 0),
			"keyid")),
		id);
	json_decref(root);
}

static void test_key_id_is_optional_but_true(void **state)
{
	char *at;
	char *text = NULL;

	(void)state;
	at = strstr(envelope, "\"keyid\":\"");
	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s", (int)(at - envelope), envelope,
			     strstr(at, "\"sig\"")) > 0);
	assert_opens(text, "{\"a\":1}", 7);
	free(text);
	assert_refused_with("\"keyid\":\"", "\"keyid\":\"0");
	assert_refused_with("\"keyid\":\"", "\"keyid\":\"\",\"kex\":\"");
}

static void test_another_key_does_not_open(void **state)
{
	char *payload = NULL;
	size_t n;

	(void)state;
	assert_int_equal(
		clo_dsse_open(other, envelope, strlen(envelope), &payload, &n),
		-EBADMSG);
	assert_null(payload);
}

static void test_other_types_are_refused(void **state)
{
	(void)state;
	assert_refused_with("application/vnd.in-toto+json", "text/plain");
	assert_refused_with("in-toto+json\"", "in-toto+json2\"");
}

static void test_changed_content_is_refused(void **state)
{
	(void)state;
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoyfQ==");
	assert_refused_with("eyJhIjoxfQ==", "");
}

/* One payload, one spelling: or digests of envelopes would mean nothing. */
static void test_base64_is_strict(void **state)
{
	(void)state;
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfQ");
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfR==");
	assert_refused_with("eyJhIjoxfQ==", " eyJhIjoxfQ==");
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfQ==\\n");
	assert_refused_with("eyJhIjoxfQ==", "eyJh\\nIjoxfQ==");
	assert_refused_with("eyJhIjoxfQ==", "    eyJhIjoxfQ==");
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfQ==    ");
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfQ======");
	assert_refused_with("eyJhIjoxfQ==", "====");
	assert_refused_with("eyJhIjoxfQ==", "eyJh-_oxfQ==");
	assert_refused_with("eyJhIjoxfQ==", "eyJhIjoxfQ==\\u0000");
	assert_refused_with("\"sig\":\"", "\"sig\":\" ");
	assert_refused_with("\"sig\":\"", "\"sig\":\"AAAA");
}

static void test_shape_is_strict(void **state)
{
	(void)state;
	assert_refused("", 0);
	assert_refused("{}", 2);
	assert_refused("[]", 2);
	assert_refused("null", 4);
	assert_refused_with("{\"payload\"", "{\"extra\":1,\"payload\"");
	assert_refused_with("{\"payload\"", "{\"payload\":\"\",\"payload\"");
	assert_refused_with("\"sig\"", "\"sog\"");
	assert_refused_with("\"sig\"", "\"x\":1,\"sig\"");
	assert_refused_with("\"signatures\":[{", "\"signatures\":[{},{");
	assert_refused_with("\"signatures\":[{",
			    "\"signatures\":[[]],\"b\":[{");
	assert_refused_with("}]}", "}]}}");
	assert_refused_with("}]}", "}]");
	assert_refused_with("}]}", "}]} x");
	assert_refused_with("}]}", "},{\"sig\":\"\"}]}");
}

static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(envelope); len++)
		assert_refused(envelope, len);
}

static void flip(char *text, size_t bit)
{
	uint8_t *byte = (uint8_t *)&text[bit / 8];

	*byte = (uint8_t)(*byte ^ 1U << bit % 8);
}

static void test_every_flipped_bit_is_refused(void **state)
{
	size_t len = strlen(envelope);

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		flip(envelope, bit);
		assert_refused(envelope, len);
		flip(envelope, bit);
	}
}

static void test_depth_and_size_are_bounded(void **state)
{
	const int len = CLO_DSSE_MAX + 1;
	char *text = NULL;
	char *signed_text = NULL;

	(void)state;
	/* A good envelope, but for its length. */
	assert_int_equal(asprintf(&text, "%-*s", len, envelope), len);
	assert_refused(text, (size_t)len);
	assert_opens(envelope, "{\"a\":1}", 7);
	assert_int_equal(clo_dsse_sign(key, text, (size_t)len, &signed_text),
			 -EMSGSIZE);
	/* Fits, but not once it is in base64. */
	assert_int_equal(
		clo_dsse_sign(key, text, (size_t)len - 100, &signed_text),
		-EMSGSIZE);
	assert_null(signed_text);
	memset(text, '[', 100000);
	assert_refused(text, 100000);
	free(text);
}

static void test_json_depth_counts_only_brackets(void **state)
{
	static const char ok[] = "{\"[[[[\\\"[[\":[[\"{{{{{\"]],\"b\":[[]]}";
	json_t *root = NULL;

	(void)state;
	assert_int_equal(clo_json_parse(ok, strlen(ok), 3, &root), 0);
	json_decref(root);
	root = NULL;
	assert_int_equal(clo_json_parse(ok, strlen(ok), 2, &root), -EBADMSG);
	assert_null(root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_binary_payload),
		TEST(test_signature_is_over_the_pae),
		TEST(test_members_are_those_of_the_format),
		TEST(test_key_id_is_optional_but_true),
		TEST(test_another_key_does_not_open),
		TEST(test_other_types_are_refused),
		TEST(test_changed_content_is_refused),
		TEST(test_base64_is_strict),
		TEST(test_shape_is_strict),
		TEST(test_every_truncation_is_refused),
		TEST(test_every_flipped_bit_is_refused),
		TEST(test_depth_and_size_are_bounded),
		TEST(test_json_depth_counts_only_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
