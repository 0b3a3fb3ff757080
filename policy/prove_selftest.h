/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"
#include "policy/prove.h"

/*
 * The prover's test of itself: plants one violation after the other in a copy
 * of tables and looks whether what should find it does, to the last count, and
 * whether untouched tables are left in peace.
 */

enum clo_planted {
	CLO_PLANT_FOUND,
	CLO_PLANT_MISSED,
	CLO_PLANT_NO_PLACE, /* these tables have nothing to plant it in */
};

struct clo_plant_result {
	const char *name;
	enum clo_planted planted;
	char text[192]; /* what found it, or how it was missed */
};

#define CLO_PLANTS_MAX 48

struct clo_selftest {
	struct clo_plant_result results[CLO_PLANTS_MAX];
	size_t n;
	size_t planted, found;
};

/*
 * 0 with the results, -ENOMEM, or -EBADMSG with reterr_text if the tables are
 * not sound to begin with. clean: they are known to break no invariant, so that
 * a breach in untouched tables is one more miss.
 */
int clo_selftest_run(const struct clo_tables *tables, bool clean,
		     struct clo_selftest *ret_selftest, char reterr_text[160]);

/* The sample: a policy with a place for every plant. 0 or -errno. */
int clo_selftest_sample(struct clo_policy **ret_policy,
			struct clo_compiled **ret_compiled);
