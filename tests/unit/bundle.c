/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/bundle.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "check.h"
#include "fixture_key.h"

#define ID_1 "fb4938aaf8b1ed0c1ef19a1d0f44b6bcf6e2b5e5b4b3a2a1908f7e6d5c4b3a29"
#define ENVELOPE                                                               \
	"{\"payload\":\"e30=\",\"payloadType\":\"" CLO_DSSE_TYPE               \
	"\",\"signatures\":[{\"keyid\":\"" ID_1 "\",\"sig\":\"AAAB\"}]}"
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define THREES "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

static struct clo_merkle_proof path = {.n = 2};
static struct clo_checkpoint head = {.origin = "log", .size = 6};
static uint8_t log_id[32];

static struct clo_bundle example(void)
{
	memset(path.hashes[0], 0, CLO_SHA256_SIZE);
	memset(path.hashes[1], 1, CLO_SHA256_SIZE);
	memset(head.root, 2, CLO_SHA256_SIZE);
	memset(log_id, 3, sizeof(log_id));
	return (struct clo_bundle){
		.envelope = ENVELOPE,
		.time = 1767225600,
		.body = "{\"a\":1}",
		.index = 5,
		.path = &path,
		.head = &head,
		.note = "log\n6\nroot\n\n\xe2\x80\x94 log sig\n",
		.log_id = log_id,
	};
}

/* Every member, as the schema spells it: 64-bit numbers are strings. */
static void test_every_member(void **state)
{
	static const char expected[] =
		"{\"dsseEnvelope\":" ENVELOPE ",\"mediaType\":"
		"\"application/vnd.dev.sigstore.bundle.v0.3+json\","
		"\"verificationMaterial\":{\"publicKey\":{\"hint\":\"" ID_1
		"\"},\"tlogEntries\":[{"
		"\"canonicalizedBody\":\"eyJhIjoxfQ==\","
		"\"inclusionProof\":{\"checkpoint\":{\"envelope\":"
		"\"log\\n6\\nroot\\n\\n\xe2\x80\x94 log sig\\n\"},"
		"\"hashes\":[\"" ZEROS "\",\"" ONES "\"],"
		"\"logIndex\":\"5\",\"rootHash\":\"" TWOS
		"\",\"treeSize\":\"6\"},"
		"\"integratedTime\":\"1767225600\","
		"\"kindVersion\":{\"kind\":\"dsse\",\"version\":\"0.0.1\"},"
		"\"logId\":{\"keyId\":\"" THREES "\"},"
		"\"logIndex\":\"5\"}]}}";
	const struct clo_bundle bundle = example();
	CLO_AUTO_MEM char *text = NULL;

	(void)state;
	assert_int_equal(clo_bundle_format(&bundle, &text), 0);
	assert_string_equal(text, expected);
}

/* What was signed is in it byte by byte, and still verifies. */
static void test_the_envelope_is_kept(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	struct clo_bundle bundle = example();
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *text = NULL;
	char id[65];

	(void)state;
	assert_int_equal(clo_key_id(key, id), 0);
	assert_int_equal(clo_dsse_sign(key, "{\"a\":1}", 7, &envelope), 0);
	bundle.envelope = envelope;
	assert_int_equal(clo_bundle_format(&bundle, &text), 0);
	assert_non_null(strstr(text, envelope));
	assert_non_null(strstr(strstr(text, "\"hint\""), id));
}

static void test_read_again(void **state)
{
	CLO_AUTO(clo_bundled) struct clo_bundled *bundled = NULL;
	const struct clo_bundle bundle = example();
	CLO_AUTO_MEM char *text = NULL;

	(void)state;
	assert_int_equal(clo_bundle_format(&bundle, &text), 0);
	assert_true(clo_bundle_is_claimed(text, strlen(text)));
	assert_false(clo_bundle_is_claimed(ENVELOPE, strlen(ENVELOPE)));
	assert_int_equal(clo_bundle_parse(text, strlen(text), &bundled), 0);
	assert_string_equal(bundled->envelope, ENVELOPE);
	assert_string_equal(bundled->body, bundle.body);
	assert_string_equal(bundled->note, bundle.note);
	assert_int_equal(bundled->proof.index, 5);
	assert_int_equal(bundled->size, 6);
	assert_int_equal(bundled->time, bundle.time);
	assert_memory_equal(bundled->root, head.root, CLO_SHA256_SIZE);
	assert_int_equal(bundled->proof.path.n, 2);
	assert_memory_equal(bundled->proof.path.hashes, path.hashes,
			    sizeof(path.hashes[0]) * 2);
}

static void test_a_tree_of_one(void **state)
{
	const struct clo_merkle_proof none = {.n = 0};
	struct clo_bundle bundle = example();
	CLO_AUTO_MEM char *text = NULL;

	(void)state;
	bundle.path = &none;
	bundle.index = 0;
	assert_int_equal(clo_bundle_format(&bundle, &text), 0);
	assert_non_null(strstr(text, "\"hashes\":[]"));
	assert_non_null(strstr(text, "\"logIndex\":\"0\""));
}

static void test_great_numbers(void **state)
{
	struct clo_bundle bundle = example();
	CLO_AUTO_MEM char *text = NULL;

	(void)state;
	bundle.index = CLO_MERKLE_SIZE_MAX;
	assert_int_equal(clo_bundle_format(&bundle, &text), 0);
	assert_non_null(strstr(text, "\"logIndex\":\"9223372036854775807\""));
}

static void test_no_envelopes(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		ENVELOPE "x",
		"{\"payload\":\"e30=\",\"payloadType\":\"" CLO_DSSE_TYPE
		"\",\"signatures\":[{\"sig\":\"AAAB\"}]}",
	};
	struct clo_bundle bundle = example();
	char *text = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		bundle.envelope = texts[i];
		assert_int_equal(clo_bundle_format(&bundle, &text), -EBADMSG);
	}
	bundle = example();
	bundle.time = -1;
	assert_int_equal(clo_bundle_format(&bundle, &text), -EINVAL);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member),
		cmocka_unit_test(test_the_envelope_is_kept),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_a_tree_of_one),
		cmocka_unit_test(test_great_numbers),
		cmocka_unit_test(test_no_envelopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
