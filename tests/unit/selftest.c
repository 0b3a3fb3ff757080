/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "check.h"
#include "policy/parse.h"
#include "policy/prove_selftest.h"

/* The sample has a place for every plant, and each is found. */
static void every_plant_is_found(void **state)
{
	static struct clo_selftest selftest;
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	char text[160] = "";

	(void)state;
	assert_int_equal(clo_selftest_sample(&policy, &compiled), 0);
	assert_int_equal(
		clo_selftest_run(compiled->tables, true, &selftest, text), 0);
	for (size_t i = 0; i < selftest.n; i++)
		if (selftest.results[i].planted != CLO_PLANT_FOUND)
			print_error("%s: %s\n", selftest.results[i].name,
				    selftest.results[i].text);
	assert_int_equal(selftest.n, 47); /* and untouched tables */
	assert_int_equal(selftest.planted, 46);
	assert_int_equal(selftest.found, 46);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plant_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
