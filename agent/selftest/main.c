/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-selftest: called by `cloison prove --self-test`, which is no part of
 * the daemon. Prints [{"name":, "result": "found"|"missed"|"not run", "text":}].
 */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "agent/selftest/plant.h"

static json_t *run_plants(void)
{
	json_t *results = json_array();
	struct clo_scratch scratch;
	const char *what;
	int r = clo_scratch_enter(&scratch, &what);

	for (size_t i = 0; i < clo_live_plants_count; i++) {
		const struct clo_live_plant *plant = &clo_live_plants[i];
		const char *result = "not run";
		char text[192];

		if (r < 0)
			(void)snprintf(text, sizeof(text), "it needs %s: %s",
				       what, strerrordesc_np(-r));
		else
			result = clo_live_plant_found(&scratch, plant, text)
					 ? "found"
					 : "missed";
		(void)json_array_append_new(results,
					    json_pack("{s:s, s:s, s:s}", "name",
						      plant->name, "result",
						      result, "text", text));
	}
	clo_scratch_done(&scratch);
	return results;
}

int main(void)
{
	json_auto_t *results = run_plants();

	if (!results || json_dumpf(results, stdout, JSON_COMPACT) < 0)
		return 1;
	return putchar('\n') == EOF || fflush(stdout) == EOF;
}
