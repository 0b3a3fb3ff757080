/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/selftest/scratch.h"

/* One violation, planted in the scratch node's kernel, and put right again. */
struct clo_live_plant {
	const char *name;
	int (*plant)(struct clo_scratch *scratch);
	int (*mend)(struct clo_scratch *scratch);
	/* Each of which must be found, of net.default-deny; NULL ends them. */
	const char *findings[3];
};

extern const struct clo_live_plant clo_live_plants[];
extern const size_t clo_live_plants_count;

/*
 * true: what was planted was found, by the audit's own check and by the level
 * `hooks` of the proof, to the last finding, and what was there before and
 * after it was left in peace. text: what found it, or how it was missed.
 */
bool clo_live_plant_found(struct clo_scratch *scratch,
			  const struct clo_live_plant *plant, char text[192]);
