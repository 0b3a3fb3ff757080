/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/controls.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "check.h"

#define SOURCE CLO_SOURCE_DIR "/../shared/controls.json"

static void test_fifty_unique_controls(void **state)
{
	(void)state;
	assert_int_equal(clo_controls_count, 50);
	for (size_t i = 0; i < clo_controls_count; i++) {
		const struct clo_control *control = &clo_controls[i];

		assert_true(strlen(control->id) > 4);
		assert_true(strlen(control->group) > 0);
		assert_true(strlen(control->title) > 0);
		assert_true(strlen(control->clauses) > 0);
		/* find gives the first of equal ids: each must be its own. */
		assert_ptr_equal(clo_control_find(control->id), control);
	}
}

static void test_find_knows_only_whole_ids(void **state)
{
	(void)state;
	assert_null(clo_control_find(""));
	assert_null(clo_control_find("net"));
	assert_null(clo_control_find("net.default-deny "));
	assert_null(clo_control_find("NET.default-deny"));
}

static void test_what_passed_needs(void **state)
{
	static const char *const mandatory[] = {
		"net.default-deny",      "net.cross-tenant-deny",
		"net.flow-matrix",       "net.no-bypass-path",
		"env.prod-nonprod-deny", "env.label-integrity",
		"spoof.source-binding",  "spoof.arp-nd-dhcp",
		"agt.self-integrity",    "att.authentic-fresh",
		"net.fail-closed",
	};
	size_t n_expected = sizeof(mandatory) / sizeof(mandatory[0]);
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < n_expected; i++) {
		const struct clo_control *c = clo_control_find(mandatory[i]);

		assert_non_null(c);
		assert_true(c->mandatory);
	}
	for (size_t i = 0; i < clo_controls_count; i++)
		n += clo_controls[i].mandatory;
	assert_int_equal(n, n_expected);
}

static void test_equals_the_source_of_the_catalogue(void **state)
{
	json_t *source;
	json_t *entry;
	size_t i;

	(void)state;
	if (access(SOURCE, R_OK) < 0) {
		print_message("note: no %s, not compared\n", SOURCE);
		return;
	}

	source = json_load_file(SOURCE, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(source);
	assert_int_equal(json_array_size(source), clo_controls_count);
	json_array_foreach (source, i, entry) {
		const char *id;
		const char *group;
		const char *title;

		assert_int_equal(json_unpack(entry, "{s:s,s:s,s:s}", "id", &id,
					     "group", &group, "title", &title),
				 0);
		assert_string_equal(clo_controls[i].id, id);
		assert_string_equal(clo_controls[i].group, group);
		assert_string_equal(clo_controls[i].title, title);
	}
	json_decref(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifty_unique_controls),
		cmocka_unit_test(test_find_knows_only_whole_ids),
		cmocka_unit_test(test_what_passed_needs),
		cmocka_unit_test(test_equals_the_source_of_the_catalogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
