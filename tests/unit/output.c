/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/output.h"

#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "check.h"

static void printed(const char *text, const char *expected)
{
	char seen[512] = "";
	FILE *out = fmemopen(seen, sizeof(seen), "w");

	assert_non_null(out);
	clo_text_print(out, text);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(seen, expected);
}

static void harmless_text_is_kept(void **state)
{
	(void)state;
	printed("", "");
	printed("acme/production/front{web,db}",
		"acme/production/front{web,db}");
	printed("séparé 分離 🔒", "séparé 分離 🔒");
	assert_int_equal(clo_text_width("séparé"), 6);
}

static void controls_are_spelled_out(void **state)
{
	(void)state;
	printed("a\nb\tc\r", "a\\x0ab\\x09c\\x0d");
	printed("\033[2J\x7f\x08", "\\x1b[2J\\x7f\\x08");
	printed("\xc2\x9b"
		"2J",
		"\\xc2\\x9b"
		"2J"); /* C1 CSI */
	printed("\xe2\x80\xae"
		"x",
		"\\xe2\\x80\\xae"
		"x"); /* right-to-left override */
	printed("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
	printed("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
	assert_int_equal(clo_text_width("\033"), 4);
}

static void broken_utf8_is_spelled_out(void **state)
{
	(void)state;
	printed("\x9b", "\\x9b");
	printed("\xff\xfe", "\\xff\\xfe");
	printed("a\xc3", "a\\xc3"); /* cut off: stops at the end */
	printed("\xe2\x82", "\\xe2\\x82");
	printed("\xf0\x9f\x94", "\\xf0\\x9f\\x94");
	printed("\xc0\x9b", "\\xc0\\x9b"); /* over-long */
	printed("\xe0\x82\x9b", "\\xe0\\x82\\x9b");
	printed("\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b");
	printed("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
	printed("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	printed("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void lines_and_columns(void **state)
{
	char seen[64] = "";
	FILE *out = fmemopen(seen, sizeof(seen), "w");

	(void)state;
	clo_text_lines(out, "a\nb\033\n");
	clo_text_pad(out, "é", 3);
	clo_text_pad(out, "long", 3);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(seen, "a\nb\\x1b\né  long");
}

static void members_of_any_shape(void **state)
{
	json_auto_t *object =
		json_pack("{s:s, s:i, s:n}", "s", "x", "i", 4, "n");

	(void)state;
	assert_string_equal(clo_member_text(object, "s"), "x");
	assert_string_equal(clo_member_text(object, "i"), "-");
	assert_string_equal(clo_member_text(object, "none"), "-");
	assert_string_equal(clo_member_text(NULL, "s"), "-");
	assert_int_equal(clo_member_int(object, "i"), 4);
	assert_int_equal(clo_member_int(object, "s"), 0);
	assert_int_equal(clo_member_int(json_object_get(object, "s"), "s"), 0);
}

static void colours_of_verdicts(void **state)
{
	(void)state;
	assert_int_equal(clo_color_of("PASSED"), CLO_COLOR_GOOD);
	assert_int_equal(clo_color_of("FAILED"), CLO_COLOR_BAD);
	assert_int_equal(clo_color_of("INCONCLUSIVE"), CLO_COLOR_WARN);
	/* What is not known is never good. */
	assert_int_equal(clo_color_of("PASSED "), CLO_COLOR_WARN);
}

static void files_are_bounded(void **state)
{
	char path[] = "/tmp/cloison-output.XXXXXX";
	CLO_AUTO_FD int fd = mkstemp(path);
	CLO_AUTO_MEM char *text = NULL;
	static char big[100000];
	size_t len = 0;

	(void)state;
	assert_true(fd >= 0);
	memset(big, 'x', sizeof(big));
	assert_int_equal(clo_file_write(path, big, sizeof(big)), 0);
	assert_true(clo_file_read(path, sizeof(big) - 1, &text, &len) < 0);
	assert_null(text);
	assert_int_equal(clo_file_read(path, sizeof(big), &text, &len), 0);
	(void)unlink(path);
	assert_int_equal(len, sizeof(big));
	assert_memory_equal(text, big, sizeof(big));
	assert_int_equal(text[len], '\0');
	assert_true(clo_file_write("/dev/full", big, 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_text_is_kept),
		cmocka_unit_test(controls_are_spelled_out),
		cmocka_unit_test(broken_utf8_is_spelled_out),
		cmocka_unit_test(lines_and_columns),
		cmocka_unit_test(members_of_any_shape),
		cmocka_unit_test(colours_of_verdicts),
		cmocka_unit_test(files_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
