/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/checkpoint.h"
#include "check.h"
#include "fixture_key.h"

/* The example of the specification; its key in SubjectPublicKeyInfo. */
#define NAME "example.com/foo"
#define PEM                                                                    \
	"-----BEGIN PUBLIC KEY-----\n"                                         \
	"MCowBQYDK2VwAyEA6TJ5GubnqECkYWTJBHhkJtXngh3YspoA1hyucq/dTaQ=\n"       \
	"-----END PUBLIC KEY-----\n"
#define VERIFIER NAME "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE                                                                \
	"This is an example message.\n\n"                                      \
	"\xe2\x80\x94 " NAME " Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONnc"  \
	"AlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define OTHER "\xe2\x80\x94 other.example/key TnKKVHLXTnKKVHLX\n"

static int open_note(const struct clo_key *key, const char *name,
		     const char *note)
{
	size_t n = 0;
	int r = clo_note_open(key, name, note, strlen(note), &n);

	if (r == 0)
		assert_string_equal(strstr(note, "\n\n\xe2\x80\x94") + 1,
				    note + n);
	return r;
}

static struct clo_key *example_key(void)
{
	struct clo_key *key = NULL;

	assert_int_equal(clo_key_parse_public(PEM, strlen(PEM), &key), 0);
	return key;
}

static void test_the_example_of_the_specification(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = example_key();
	CLO_AUTO_MEM char *verifier = NULL;

	(void)state;
	assert_int_equal(clo_note_verifier(key, NAME, &verifier), 0);
	assert_string_equal(verifier, VERIFIER);
	assert_int_equal(open_note(key, NAME, EXAMPLE), 0);
	assert_int_equal(open_note(key, NAME, EXAMPLE OTHER), 0);
	assert_int_equal(open_note(key, "example.com/fop", EXAMPLE), -EBADMSG);
}

static void test_every_byte_counts(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = example_key();
	char note[] = EXAMPLE;
	size_t n;

	(void)state;
	for (size_t i = 0; i < strlen(EXAMPLE); i++) {
		note[i] ^= 1;
		assert_int_equal(open_note(key, NAME, note), -EBADMSG);
		note[i] ^= 1;
		assert_int_equal(clo_note_open(key, NAME, note, i, &n),
				 -EBADMSG);
	}
}

static void test_signed_and_opened(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO(clo_key) struct clo_key *other = fixture_key(FIXTURE_KEY_2);
	CLO_AUTO_MEM char *note = NULL;
	CLO_AUTO_MEM char *both = NULL;
	CLO_AUTO_MEM char *second = NULL;

	(void)state;
	assert_int_equal(clo_note_sign(key, "a/b", "x\n\ny\n", &note), 0);
	assert_int_equal(open_note(key, "a/b", note), 0);
	assert_int_equal(open_note(other, "a/b", note), -EBADMSG);
	assert_int_equal(open_note(key, "a/c", note), -EBADMSG);

	/* Several signatures: each key finds its own. */
	assert_int_equal(clo_note_sign(other, "c", "x\n\ny\n", &second), 0);
	assert_true(asprintf(&both, "%s%s", note,
			     strstr(second, "\xe2\x80\x94")) > 0);
	assert_int_equal(open_note(key, "a/b", both), 0);
	assert_int_equal(open_note(other, "c", both), 0);
	assert_int_equal(open_note(other, "a/b", both), -EBADMSG);
}

/* One that is ours and false spoils the note, though another holds. */
static void test_a_false_signature_spoils_it(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO_MEM char *note = NULL;
	CLO_AUTO_MEM char *third = NULL;
	CLO_AUTO_MEM char *both = NULL;

	(void)state;
	assert_int_equal(clo_note_sign(key, "a", "x\n", &note), 0);
	assert_int_equal(clo_note_sign(key, "a", "y\n", &third), 0);
	assert_true(asprintf(&both, "%s%s", note,
			     strstr(third, "\xe2\x80\x94")) > 0);
	assert_int_equal(open_note(key, "a", both), -EBADMSG);
}

static void test_no_notes(void **state)
{
	static const char *const notes[] = {
		"",
		"\n",
		"\n\n",
		"x\n",
		"x\n\n",
		"x\n\n\n",
		"x\n\ny\n",
		"x\n\n\xe2\x80\x94 \n",
		"x\n\n\xe2\x80\x94 a\n",
		"x\n\n\xe2\x80\x94  TnKKVHLX\n",
		"x\n\n\xe2\x80\x94 a+b TnKKVHLX\n",
		"\xff\n\n" OTHER,
		"\xc0\xaf\n\n" OTHER,
		"\xed\xa0\x80\n\n" OTHER,
		"a\tb\n\n" OTHER,
		"x\n\n" OTHER,
	};
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(notes); i++)
		assert_int_equal(open_note(key, "a", notes[i]), -EBADMSG);
}

static void test_what_is_not_signed(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	char *note = NULL;

	(void)state;
	assert_int_equal(clo_note_sign(key, "", "x\n", &note), -EINVAL);
	assert_int_equal(clo_note_sign(key, "a b", "x\n", &note), -EINVAL);
	assert_int_equal(clo_note_sign(key, "a+b", "x\n", &note), -EINVAL);
	assert_int_equal(clo_note_sign(key, "a", "x", &note), -EINVAL);
	assert_int_equal(clo_note_sign(key, "a", "", &note), -EINVAL);
	assert_int_equal(clo_note_sign(key, "a", "\x80\n", &note), -EINVAL);
	assert_null(note);
}

static void test_at_most_so_many_signatures(void **state)
{
	static char note[sizeof(EXAMPLE) +
			 sizeof(OTHER) * CLO_NOTE_SIGNATURES_MAX] = EXAMPLE;
	CLO_AUTO(clo_key) struct clo_key *key = example_key();

	(void)state;
	for (int i = 1; i < CLO_NOTE_SIGNATURES_MAX; i++)
		memcpy(note + strlen(note), OTHER, sizeof(OTHER));
	assert_int_equal(open_note(key, NAME, note), 0);
	memcpy(note + strlen(note), OTHER, sizeof(OTHER));
	assert_int_equal(open_note(key, NAME, note), -EBADMSG);
}

static void test_checkpoints(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO(clo_key) struct clo_key *other = fixture_key(FIXTURE_KEY_2);
	struct clo_checkpoint made = {.origin = "log.example/1", .size = 42};
	struct clo_checkpoint read = {0};
	CLO_AUTO_MEM char *note = NULL;

	(void)state;
	memset(made.root, 0xab, sizeof(made.root));
	assert_int_equal(clo_checkpoint_sign(key, &made, &note), 0);
	assert_memory_equal(note,
			    "log.example/1\n42\n"
			    "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n\n",
			    63);
	assert_int_equal(clo_checkpoint_open(key, note, strlen(note), &read),
			 0);
	assert_memory_equal(&made, &read, sizeof(made));
	assert_int_equal(clo_checkpoint_open(other, note, strlen(note), &read),
			 -EBADMSG);
}

/* Signed all right, and not a checkpoint. */
static void test_notes_that_are_no_checkpoints(void **state)
{
#define ROOT "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="

	static const struct {
		int r;
		const char *text;
	} texts[] = {
		{0, "o\n7\n" ROOT "\n"},
		{0, "o\n0\n" ROOT "\n"},
		{0, "o\n7\n" ROOT "\nmore\n"},
		{-EBADMSG, "o\n7\n" ROOT "\n\nmore\n"},
		{-EBADMSG, "o\n07\n" ROOT "\n"},
		{-EBADMSG, "o\n-7\n" ROOT "\n"},
		{-EBADMSG, "o\n+7\n" ROOT "\n"},
		{-EBADMSG, "o\n7 \n" ROOT "\n"},
		{-EBADMSG, "o\n9223372036854775808\n" ROOT "\n"},
		{-EBADMSG, "o\n99999999999999999999999\n" ROOT "\n"},
		{-EBADMSG, "o\n7\nq6ur\n"},
		{-EBADMSG, "o\n7\n"},
		{-EBADMSG, "o\n"},
		{-EBADMSG, "o\n\n7\n" ROOT "\n"},
	};
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	struct clo_checkpoint read;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		CLO_AUTO_MEM char *note = NULL;

		assert_int_equal(clo_note_sign(key, "o", texts[i].text, &note),
				 0);
		assert_int_equal(
			clo_checkpoint_open(key, note, strlen(note), &read),
			texts[i].r);
	}
#undef ROOT
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_example_of_the_specification),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_signed_and_opened),
		cmocka_unit_test(test_a_false_signature_spoils_it),
		cmocka_unit_test(test_no_notes),
		cmocka_unit_test(test_what_is_not_signed),
		cmocka_unit_test(test_at_most_so_many_signatures),
		cmocka_unit_test(test_checkpoints),
		cmocka_unit_test(test_notes_that_are_no_checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
