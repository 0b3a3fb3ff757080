/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/tlog_proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture_key.h"
#include "fixture_proof.h"

/* Parsed and checked, with the leaf if the file has no entry. */
static int check(const struct clo_key *key, const char *text, size_t len,
		 const uint8_t *leaf)
{
	CLO_AUTO_MEM char *entry = NULL;
	struct clo_tlog_proof proof;
	struct clo_checkpoint checkpoint;
	int r;

	r = clo_tlog_proof_parse(text, len, &proof, &entry);
	if (r == 0)
		r = clo_tlog_proof_check(key, &proof, leaf, &checkpoint);
	if (r == 0)
		assert_int_equal(checkpoint.size, 3);
	return r;
}

static void test_made_and_checked(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO(clo_key) struct clo_key *other = fixture_key(FIXTURE_KEY_2);
	CLO_AUTO_MEM char *text = fixture_proof(key);

	(void)state;
	assert_memory_equal(
		text, "c2sp.org/tlog-proof@v1\nextra b25l\nindex 1\n", 42);
	assert_int_equal(check(key, text, strlen(text), NULL), 0);
	assert_int_equal(check(other, text, strlen(text), NULL), -EBADMSG);
}

static void test_every_byte_counts(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO_MEM char *text = fixture_proof(key);

	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		text[i] ^= 1;
		assert_int_equal(check(key, text, strlen(text), NULL),
				 -EBADMSG);
		text[i] ^= 1;
		assert_int_equal(check(key, text, i, NULL), -EBADMSG);
	}
}

/* The file as it is with a piece of it taken out, or put in. */
static int check_edited(const struct clo_key *key, const char *old,
			const char *new, const uint8_t *leaf)
{
	CLO_AUTO_MEM char *text = fixture_proof(key);
	CLO_AUTO_MEM char *edited = NULL;
	const char *at = strstr(text, old);

	assert_non_null(at);
	assert_true(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, new,
			     at + strlen(old)) > 0);
	return check(key, edited, strlen(edited), leaf);
}

static void test_without_the_entry(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	uint8_t leaf[CLO_SHA256_SIZE];

	(void)state;
	assert_int_equal(clo_merkle_leaf("one", 3, leaf), 0);
	assert_int_equal(check_edited(key, "extra b25l\n", "", leaf), 0);
	assert_int_equal(check_edited(key, "extra b25l\n", "", NULL), -EBADMSG);
	leaf[0] ^= 1;
	assert_int_equal(check_edited(key, "extra b25l\n", "", leaf), -EBADMSG);
}

static void test_no_proofs(void **state)
{
	static const char *const edits[][2] = {
		{"@v1", "@v2"},
		{"index 1", "index 01"},
		{"index 1", "index 0"},
		{"index 1", "index 3"},
		{"index 1", "index"},
		{"index 1", "index 1\nindex 1"},
		{"extra b25l", "extra b25l\nextra b25l"},
		{"extra b25l", "extra "},
		{"extra b25l", "extra b25"},
		{"index 1", "index 1\nAAAA"},
		{"index 1\n", "index 1\n\n"},
	};
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(edits); i++)
		assert_int_equal(
			check_edited(key, edits[i][0], edits[i][1], NULL),
			-EBADMSG);
}

#define HASH_LINE "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"

/* More hashes than any tree is high. */
static void test_a_long_path(void **state)
{
	static char text[8192] = "c2sp.org/tlog-proof@v1\nindex 0\n";
	struct clo_tlog_proof proof;
	char *entry = NULL;

	(void)state;
	for (int i = 0; i <= CLO_MERKLE_LEVELS; i++)
		memcpy(text + strlen(text), HASH_LINE, sizeof(HASH_LINE));
	memcpy(text + strlen(text), "\n", 2);
	assert_int_equal(
		clo_tlog_proof_parse(text, strlen(text), &proof, &entry), 0);
	assert_int_equal(proof.path.n, CLO_MERKLE_LEVELS + 1);
	memcpy(text + strlen(text) - 1, HASH_LINE "\n", sizeof(HASH_LINE "\n"));
	assert_int_equal(
		clo_tlog_proof_parse(text, strlen(text), &proof, &entry),
		-EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_checked),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_without_the_entry),
		cmocka_unit_test(test_no_proofs),
		cmocka_unit_test(test_a_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
