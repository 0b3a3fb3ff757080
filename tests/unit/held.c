/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/held.h"

#include <string.h>

#include "agent/attest/sha256.h"
#include "agent/core/control.h"
#include "check.h"
#include "fixture_force.h"

#define NOW (FIXTURE_START + 1000)

static struct clo_node node;
static json_t *documents, *reply;

static int begin(void **state)
{
	(void)state;
	node = (struct clo_node){.force = fixture_force(NOW)};
	documents = NULL;
	reply = NULL;
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(documents);
	json_decref(reply);
	clo_force_free(node.force);
	return 0;
}

static const json_t *in_force(size_t i, const char *member)
{
	return json_object_get(json_array_get(node.force->documents, i),
			       member);
}

static const char *digest_of(size_t i)
{
	static char digest[CLO_SHA256_HEX];
	const json_t *text = in_force(i, "text");

	assert_int_equal(clo_sha256_hex(json_string_value(text),
					json_string_length(text), digest),
			 0);
	return digest;
}

/* Takes the request. */
static void resolve(json_t *request)
{
	assert_non_null(request);
	json_decref(documents);
	json_decref(reply);
	documents = NULL;
	reply = clo_held_resolve(&node, request, &documents);
	json_decref(request);
	assert_true(!documents != !reply);
}

static void check_refused(const char *error, bool unheld)
{
	assert_null(documents);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_int_equal(json_integer_value(json_object_get(reply, "exit")),
			 CLO_EXIT_REFUSED);
	assert_string_equal(json_string_value(json_object_get(reply, "error")),
			    error);
	assert_int_equal(json_is_true(json_object_get(reply, "unheld")),
			 unheld);
}

/* Every text in force is told, by its digest, and nothing else. */
static void test_what_is_held(void **state)
{
	const json_t *list;

	(void)state;
	for (int again = 0; again < 2; again++) {
		json_decref(reply);
		reply = clo_held_answer(&node, NULL);
		list = json_object_get(json_object_get(reply, "result"),
				       "held");
		assert_int_equal(json_array_size(list),
				 json_array_size(node.force->documents));
		for (size_t i = 0; i < json_array_size(list); i++)
			assert_string_equal(
				json_string_value(json_array_get(list, i)),
				digest_of(i));
	}
}

static void test_nothing_is_held(void **state)
{
	char digest[CLO_SHA256_HEX];

	(void)state;
	strcpy(digest, digest_of(0));
	clo_force_free(node.force);
	node.force = NULL;
	reply = clo_held_answer(&node, NULL);
	assert_int_equal(json_array_size(json_object_get(
				 json_object_get(reply, "result"), "held")),
			 0);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	resolve(json_pack("[{s:s, s:s}]", "name", "a", "sha256", digest));
	check_refused("document a: no text of this digest is held: send the "
		      "text",
		      true);
}

/* The text is the one in force, not a copy; the name is the one sent. */
static void test_by_digest(void **state)
{
	const json_t *one, *other;

	(void)state;
	resolve(json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "p/moved.json",
			  "sha256", digest_of(1), "name", "p/new.json", "text",
			  "{}"));
	assert_int_equal(json_array_size(documents), 2);
	one = json_array_get(documents, 0);
	assert_int_equal(json_object_size(one), 2);
	assert_string_equal(json_string_value(json_object_get(one, "name")),
			    "p/moved.json");
	assert_ptr_equal(json_object_get(one, "text"), in_force(1, "text"));
	assert_string_not_equal(json_string_value(in_force(1, "name")),
				"p/moved.json");
	other = json_array_get(documents, 1);
	assert_string_equal(json_string_value(json_object_get(other, "text")),
			    "{}");
}

/* They come in the order sent and outlive the policy that held them. */
static void test_texts_outlive_the_policy(void **state)
{
	const size_t n = json_array_size(node.force->documents);
	json_t *request = json_array();

	(void)state;
	for (size_t i = n; i-- > 0;)
		(void)json_array_append_new(request,
					    json_pack("{s:O, s:s}", "name",
						      in_force(i, "name"),
						      "sha256", digest_of(i)));
	resolve(request);
	clo_force_free(node.force);
	node.force = NULL;
	assert_int_equal(json_array_size(documents), n);
	assert_int_equal(fixture_make(documents, NOW, &node.force), 0);
	reply = clo_held_answer(&node, NULL);
	assert_string_equal(
		json_string_value(json_array_get(
			json_object_get(json_object_get(reply, "result"),
					"held"),
			0)),
		digest_of(0));
}

/* A digest in a document that brings its text is a claim: it is not let in. */
static void test_claims_are_refused(void **state)
{
#define BOTH "document a: it needs its text or its sha256, and not both"
#define SPELT "document a: sha256 is not 64 lower-case hex digits"
	char digest[CLO_SHA256_HEX + 1];

	(void)state;
	strcpy(digest, digest_of(0));
	resolve(json_pack("[{s:s, s:s, s:s}]", "name", "a", "text", "{}",
			  "sha256", digest));
	check_refused(BOTH, false);
	resolve(json_pack("[{s:s}]", "name", "a"));
	check_refused(BOTH, false);

	digest[63] ^= 1;
	resolve(json_pack("[{s:s, s:s}]", "name", "a", "sha256", digest));
	check_refused("document a: no text of this digest is held: send the "
		      "text",
		      true);

	digest[63] = 'A';
	resolve(json_pack("[{s:s, s:s}]", "name", "a", "sha256", digest));
	check_refused(SPELT, false);
	digest[63] = '\0';
	resolve(json_pack("[{s:s, s:s}]", "name", "a", "sha256", digest));
	check_refused(SPELT, false);
	strcpy(digest, digest_of(0));
	strcat(digest, "0");
	resolve(json_pack("[{s:s, s:s}]", "name", "a", "sha256", digest));
	check_refused(SPELT, false);
	resolve(json_pack("[{s:s, s:i}]", "name", "a", "sha256", 7));
	check_refused(SPELT, false);
	resolve(json_pack("[{s:s, s:n}]", "name", "a", "sha256"));
	check_refused(SPELT, false);
#undef BOTH
#undef SPELT
}

/* The parser says what is wrong with these. */
static void test_other_shapes(void **state)
{
	static const char *const shapes[] = {
		"{}",
		"7",
		"null",
		"[]",
		"[1]",
		"[{}]",
		"[{\"name\":1,\"sha256\":\"00\"}]",
		"[{\"name\":\"a\",\"text\":1}]",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(shapes); i++) {
		json_auto_t *shape =
			json_loads(shapes[i], JSON_DECODE_ANY, NULL);

		resolve(json_incref(shape));
		assert_true(json_equal(documents, shape));
	}
	json_decref(documents);
	documents = NULL;
	assert_null(clo_held_resolve(&node, NULL, &documents));
	assert_true(json_is_null(documents));
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_held),
		TEST(test_nothing_is_held),
		TEST(test_by_digest),
		TEST(test_texts_outlive_the_policy),
		TEST(test_claims_are_refused),
		TEST(test_other_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
