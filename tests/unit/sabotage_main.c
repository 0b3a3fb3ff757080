/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "policy/parse.h"
#include "policy/prove_selftest.h"

/* The self-test on its sample: 0 if all was planted and all was found. */

int main(void)
{
	static struct clo_selftest selftest;
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	char text[160] = "";
	int r = clo_selftest_sample(&policy, &compiled);

	if (r == 0)
		r = clo_selftest_run(compiled->tables, true, &selftest, text);
	if (r < 0) {
		(void)printf("not run: %d %s\n", r, text);
		return 3;
	}
	for (size_t i = 0; i < selftest.n; i++)
		if (selftest.results[i].planted != CLO_PLANT_FOUND)
			(void)printf("%s: %s\n", selftest.results[i].name,
				     selftest.results[i].text);
	return selftest.planted == 46 && selftest.found == 46 ? 0 : 3;
}
