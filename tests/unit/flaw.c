/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/flaw.h"

#include <string.h>

#include "check.h"
#include "policy/quote.h"

static void keeps_copies(void **state)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	char file[] = "a.json";

	(void)state;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	clo_flaws_add(flaws, file, 3, "$.name", "%s is %d", "it", 7);
	file[0] = 'X';

	assert_int_equal(clo_flaws_count(flaws), 1);
	assert_int_equal(clo_flaws_kept(flaws), 1);
	assert_string_equal(clo_flaws_get(flaws, 0)->file, "a.json");
	assert_int_equal(clo_flaws_get(flaws, 0)->line, 3);
	assert_string_equal(clo_flaws_get(flaws, 0)->path, "$.name");
	assert_string_equal(clo_flaws_get(flaws, 0)->text, "it is 7");
}

static void counts_on_when_full(void **state)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;

	(void)state;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	for (int i = 0; i < CLO_FLAWS_MAX + 10; i++)
		clo_flaws_add(flaws, "f", i, "$", "flaw %d", i);
	assert_int_equal(clo_flaws_count(flaws), CLO_FLAWS_MAX + 10);
	assert_int_equal(clo_flaws_kept(flaws), CLO_FLAWS_MAX);
	assert_int_equal(clo_flaws_get(flaws, CLO_FLAWS_MAX - 1)->line,
			 CLO_FLAWS_MAX - 1);
}

static void shows_no_control_byte(void **state)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;

	(void)state;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	clo_flaws_add(flaws, "a\n.json", 1, "$\x1b[2J", "%s",
		      "tab\t \xff \xc3\xa9 \xc2\x9b \xe2\x80\xae \xc0\x80");
	assert_string_equal(clo_flaws_get(flaws, 0)->file, "a\\x0a.json");
	assert_string_equal(clo_flaws_get(flaws, 0)->path, "$\\x1b[2J");
	assert_string_equal(clo_flaws_get(flaws, 0)->text,
			    "tab\\x09 \\xff \xc3\xa9 \\xc2\\x9b "
			    "\\xe2\\x80\\xae \\xc0\\x80");
}

static void quotes(void **state)
{
	char longer[200];

	(void)state;
	assert_string_equal(clo_quote("").text, "\"\"");
	assert_string_equal(clo_quote("a\"b\\c\n").text,
			    "\"a\\\"b\\\\c\\x0a\"");
	assert_string_equal(clo_quote("\xed\xa0\x80").text,
			    "\"\\xed\\xa0\\x80\""); /* a surrogate */
	assert_string_equal(clo_quote("\xf4\x90\x80\x80").text,
			    "\"\\xf4\\x90\\x80\\x80\""); /* above U+10FFFF */

	memset(longer, 'x', sizeof(longer));
	longer[CLO_QUOTE_MAX] = '\0';
	assert_int_equal(strlen(clo_quote(longer).text), CLO_QUOTE_MAX + 2);
	longer[CLO_QUOTE_MAX] = 'x';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(clo_quote(longer).text), CLO_QUOTE_MAX + 5);

	/* The longest result there can be, and no half of a character. */
	memset(longer, '\x01', sizeof(longer) - 1);
	assert_int_equal(strlen(clo_quote(longer).text),
			 sizeof(struct clo_quoted) - 1);
	memset(longer, 'x', CLO_QUOTE_MAX - 1);
	memcpy(longer + CLO_QUOTE_MAX - 1, "\xc3\xa9z", 4);
	assert_int_equal(strlen(clo_quote(longer).text), CLO_QUOTE_MAX - 1 + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_copies),
		cmocka_unit_test(counts_on_when_full),
		cmocka_unit_test(shows_no_control_byte),
		cmocka_unit_test(quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
