/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/locate.h"

#include <string.h>

#include "check.h"
#include "policy/scan.h"

static const char text[] = "\n" /* 1 */
			   "[ {\"a\" : 1},\n" /* 2 */
			   "  { \"q\\\"]}\": [],\n" /* 3 */
			   "    \"b\\u0063\":\n" /* 4 */
			   "      [true,\n" /* 5 */
			   "       \"x\\\\\",\n" /* 6 */
			   "       -1.5e3, {\n" /* 7 */
			   "        \"d.e\":null}],\n" /* 8 */
			   "    \"b\\u0063\":\n" /* 9 */
			   "      [0]\n" /* 10 */
			   "  } ]";

struct setup {
	struct clo_document file;
	struct clo_source source; /* the second document */
	json_t *json;
};

static void setup_done(struct setup *setup)
{
	json_decref(setup->json);
}

static struct setup setup_new(void)
{
	struct setup setup = {.file = {"f", text, strlen(text)}};

	setup.json = json_loadb(text, strlen(text), 0, NULL);
	assert_non_null(setup.json);
	setup.source.offset = (size_t)(strstr(text, "{ \"q") - text);
	setup.source.line = 3;
	setup.source.listed = true;
	setup.source.index = 1;
	setup.source.json = json_array_get(setup.json, 1);
	return setup;
}

static void finds_lines(void **state)
{
	struct setup setup = setup_new();
	struct clo_place top, list, item, member, other;

	(void)state;
	setup.source.file = &setup.file;
	top = clo_place_top(&setup.source);
	list = clo_place_member(&top, "bc");
	assert_int_equal(clo_place_line(&top), 3);
	assert_int_equal(clo_place_line(&list), 5);
	item = clo_place_item(&list, 1);
	assert_int_equal(clo_place_line(&item), 6);
	item = clo_place_item(&list, 3);
	assert_int_equal(clo_place_line(&item), 7);
	member = clo_place_member(&item, "d.e");
	assert_int_equal(clo_place_line(&member), 8);

	/* What is absent is where its parent is. */
	other = clo_place_member(&item, "none");
	assert_null(other.json);
	assert_int_equal(clo_place_line(&other), 7);
	item = clo_place_item(&list, 4);
	assert_int_equal(clo_place_line(&item), 5);
	other = clo_place_member(&list, "x");
	assert_int_equal(clo_place_line(&other), 5);

	/* jansson keeps the last of duplicate keys. */
	setup.source.repeats = true;
	assert_int_equal(clo_place_line(&list), 10);
	setup_done(&setup);
}

static void writes_paths(void **state)
{
	CLO_AUTO(clo_arena) struct clo_arena *arena = NULL;
	struct setup setup = setup_new();
	struct clo_place top, list, item, member;

	(void)state;
	assert_int_equal(clo_arena_new(&arena), 0);
	top = clo_place_top(&setup.source);
	list = clo_place_member(&top, "bc");
	item = clo_place_item(&list, 3);
	member = clo_place_member(&item, "d.\n");
	assert_string_equal(clo_place_path(arena, &top), "$[1]");
	assert_string_equal(clo_place_path(arena, &member),
			    "$[1].bc[3][\"d.\\x0a\"]");
	setup.source.listed = false;
	assert_string_equal(clo_place_path(arena, &item), "$.bc[3]");
	setup_done(&setup);
}

static void finds_all_items_in_one_pass(void **state)
{
	struct setup setup = setup_new();
	struct clo_source file = {.file = &setup.file,
				  .offset = 1,
				  .line = 2,
				  .json = setup.json};
	struct clo_place array = clo_place_top(&file);
	size_t offsets[2];
	int lines[2];

	(void)state;
	clo_place_lines(&array, 2, lines, offsets);
	assert_int_equal(lines[0], 2);
	assert_int_equal(lines[1], 3);
	assert_int_equal(offsets[0], 3);
	assert_int_equal(offsets[1], setup.source.offset);
	setup_done(&setup);
}

static void measures_any_text(void **state)
{
	static const char odd[] = "]]}\"[[[\\\"[[\" [{\n[[,,";
	struct clo_scan_size size;

	(void)state;
	size = clo_scan_size(odd, odd + strlen(odd), 2);
	assert_int_equal(size.depth, 4);
	assert_int_equal(size.deepest, strlen("]]}\"[[[\\\"[[\" [{\n"));
	size = clo_scan_size(odd, odd, 2);
	assert_int_equal(size.depth, 0);
}

/* No cut of the text leads a walk outside of it. */
static void stays_inside(void **state)
{
	(void)state;
	for (size_t len = 0; len <= strlen(text); len++) {
		char *cut = malloc(len + 1); /* valgrind and ASan watch it */
		const char *end = cut + len, *p;

		memcpy(cut, text, len);
		p = clo_scan_space(cut, end);
		for (size_t i = 0; i < 4; i++) {
			const char *item = clo_scan_item(p, end, i);

			if (!item)
				continue;
			assert_in_range((uintptr_t)item, (uintptr_t)cut,
					(uintptr_t)end);
			(void)clo_scan_member(item, end, "bc", true);
			assert_true(clo_scan_value(item, end) <= end);
		}
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_lines),
		cmocka_unit_test(writes_paths),
		cmocka_unit_test(finds_all_items_in_one_pass),
		cmocka_unit_test(measures_any_text),
		cmocka_unit_test(stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
