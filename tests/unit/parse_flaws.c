/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/parse.h"
#include "policy_base.h"

/*
 * What is refused, and in which words. data/policy/refused/X.json is parsed
 * with the base documents, or alone if X begins with "alone-"; X.flaws is all
 * that must be said, one flaw a line.
 */

#define REFUSED POLICY_DATA "refused/"

static char *say(const struct clo_flaws *flaws)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (size_t i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		(void)fprintf(out, "%s:%d: %s: %s\n", flaw->file, flaw->line,
			      flaw->path, flaw->text);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *refuse(const struct clo_document *documents, size_t n)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_policy *policy = NULL;

	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(
		clo_policy_parse(documents, n, POLICY_NOW, &policy, flaws),
		-EINVAL);
	assert_null(policy);
	assert_true(clo_flaws_count(flaws) > 0);
	return say(flaws);
}

static bool check_case(const struct clo_document *base, const char *name)
{
	struct clo_document documents[BASE_COUNT + 1];
	struct clo_document expected;
	bool alone = strncmp(name, "alone-", 6) == 0;
	char path[512], *said;
	bool same;

	(void)snprintf(path, sizeof(path), REFUSED "%s.json", name);
	memcpy(documents, base, BASE_COUNT * sizeof(*base));
	documents[BASE_COUNT] = document_read(path, "case.json");
	(void)snprintf(path, sizeof(path), REFUSED "%s.flaws", name);
	expected = document_read(path, "flaws");

	said = refuse(documents + (alone ? BASE_COUNT : 0),
		      alone ? 1 : BASE_COUNT + 1);
	same = strlen(said) == expected.len &&
	       memcmp(said, expected.text, expected.len) == 0;
	if (!same)
		print_error("%s: expected\n%.*sbut it says\n%s", name,
			    (int)expected.len, expected.text, said);
	free(said);
	document_done(&documents[BASE_COUNT]);
	document_done(&expected);
	return same;
}

static void refuses_every_case(void **state)
{
	struct clo_document base[BASE_COUNT];
	const struct dirent *entry;
	size_t cases = 0, wrong = 0;
	DIR *dir = opendir(REFUSED);

	(void)state;
	assert_non_null(dir);
	base_read(base);
	while ((entry = readdir(dir))) {
		char name[256];
		char *dot;

		(void)snprintf(name, sizeof(name), "%s", entry->d_name);
		dot = strrchr(name, '.');
		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		*dot = '\0';
		cases++;
		wrong += !check_case(base, name);
	}
	(void)closedir(dir);
	base_done(base);
	assert_true(cases >= 20);
	assert_int_equal(wrong, 0);
}

static void assert_refused(const char *text, size_t len, const char *expected)
{
	struct clo_document document = {"f.json", text, len};
	char *said = refuse(&document, 1);

	assert_string_equal(said, expected);
	free(said);
}

static void refuses_by_size(void **state)
{
	const size_t len = 100U << 20;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, '[', len); /* would also be too deep: is not looked at */
	assert_refused(text, len,
		       "f.json:0: $: the file has 104857600 bytes, at most "
		       "8388608 are read: split it\n");
	free(text);
}

static void refuses_a_policy_by_size(void **state)
{
	struct clo_document documents[10];
	char *text = malloc(CLO_DOCUMENT_MAX), *said;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', CLO_DOCUMENT_MAX);
	text[0] = '[';
	text[1] = ']';
	for (size_t i = 0; i < 10; i++)
		documents[i] =
			(struct clo_document){"f.json", text, CLO_DOCUMENT_MAX};
	said = refuse(documents, 10);
	assert_non_null(strstr(said, "more than 67108864 bytes"));
	free(said);
	free(text);
}

static void refuses_too_many_values(void **state)
{
	struct clo_document documents[2];
	char *text = malloc(CLO_DOCUMENT_MAX), *said;

	(void)state;
	assert_non_null(text);
	memset(text, ',', CLO_DOCUMENT_MAX);
	for (size_t i = 0; i < CLO_DOCUMENT_MAX; i += 2)
		text[i] = '0';
	text[0] = '[';
	for (size_t i = 0; i < 2; i++)
		documents[i] =
			(struct clo_document){"f.json", text, CLO_DOCUMENT_MAX};
	said = refuse(documents, 2);
	assert_non_null(strstr(said, "JSON values"));
	free(said);
	free(text);
}

static void refuses_deep_nesting(void **state)
{
	char text[2001];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		text[2 * i] = i < 500 ? '[' : ']';
		text[2 * i + 1] = '\n';
	}
	assert_refused(text, 2000,
		       "f.json:17: $: arrays and objects are nested 500 deep, "
		       "at most 16 are read\n");
	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	assert_refused(text, 2000,
		       "f.json:1: $: arrays and objects are nested 1000 deep, "
		       "at most 16 are read\n");
}

static void refuses_what_is_no_json(void **state)
{
	static const char empty[] =
		"f.json:1: $: the file is empty: expected a document or an "
		"array of documents\n";

	(void)state;
	assert_refused(NULL, 0, empty);
	assert_refused(" \n\t", 3, empty);
	assert_refused("{\n\"a\": \"\xff\"}", 11,
		       "f.json:2: $: not JSON in UTF-8: unable to decode byte "
		       "0xff near '\"' (column 6)\n");
	assert_refused("[]\n[]", 5,
		       "f.json:2: $: not JSON in UTF-8: end of file expected "
		       "near '[' (column 1)\n");
	assert_refused("[\0]", 3,
		       "f.json:1: $: not JSON in UTF-8: invalid token near end "
		       "of file (column 2)\n");
}

static void says_that_the_node_is_missing(void **state)
{
	char *said = refuse(NULL, 0);

	(void)state;
	assert_string_equal(said, "policy:0: $: no document of kind \"Node\": "
				  "add the one that describes this "
				  "hypervisor\n");
	free(said);
}

/* One file that nobody can read makes one flaw, whoever refers to it. */
static void one_mistake_is_one_flaw(void **state)
{
	struct clo_document base[BASE_COUNT];
	char *said;

	(void)state;
	base_read(base);
	for (size_t i = 0; i < BASE_COUNT; i++) {
		size_t len = base[i].len;

		base[i].len = len - 3; /* the end is missing */
		said = refuse(base, BASE_COUNT);
		assert_ptr_equal(strchr(said, '\n') + 1, said + strlen(said));
		assert_ptr_equal(strstr(said, base_names[i]), said);
		free(said);
		base[i].len = len;
	}
	base_done(base);
}

static void many_flaws_stay_cheap(void **state)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_policy *policy = NULL;
	char *text = malloc(CLO_DOCUMENT_MAX);
	struct clo_document document = {"f.json", text, CLO_DOCUMENT_MAX};
	static const char head[] = "{\"apiVersion\":\"cloison/v1\",\"kind\":"
				   "\"Node\",\"bridges\":[";
	static const char tail[] = "0]}";
	clock_t begin;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', document.len);
	memcpy(text, head, sizeof(head) - 1);
	/* All flaws are at the far end, where each search takes longest. */
	for (size_t i = 0; i < 2000; i++)
		text[document.len - 4096 + i] = i % 2 ? ',' : '1';
	memcpy(text + document.len - (sizeof(tail) - 1), tail,
	       sizeof(tail) - 1);

	begin = clock();
	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(
		clo_policy_parse(&document, 1, POLICY_NOW, &policy, flaws),
		-EINVAL);
	assert_int_equal(clo_flaws_count(flaws), 1002); /* and no name */
	assert_int_equal(clo_flaws_kept(flaws), CLO_FLAWS_MAX);
	print_message("256 flaws in 8 MiB: %ld ms\n",
		      (long)((clock() - begin) * 1000 / CLOCKS_PER_SEC));
	assert_true(clock() - begin < 60 * CLOCKS_PER_SEC);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_every_case),
		cmocka_unit_test(refuses_by_size),
		cmocka_unit_test(refuses_a_policy_by_size),
		cmocka_unit_test(refuses_too_many_values),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(says_that_the_node_is_missing),
		cmocka_unit_test(one_mistake_is_one_flaw),
		cmocka_unit_test(many_flaws_stay_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
