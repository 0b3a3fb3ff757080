/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/selftest/plant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/audit.h"
#include "agent/core/prove.h"

static int detach(struct clo_scratch *scratch)
{
	return clo_bpf_guard_detach(scratch->bpf, scratch->taps[0].ifindex);
}

static int attach(struct clo_scratch *scratch)
{
	return clo_bpf_guard_attach(scratch->bpf, scratch->taps[0].ifindex);
}

const struct clo_live_plant clo_live_plants[] = {
	{"tap without its programs",
	 detach,
	 attach,
	 {"guard from_guest is not attached",
	  "guard to_guest is not attached"}},
};
const size_t clo_live_plants_count = CLO_ARRAY_LEN(clo_live_plants);

__attribute__((format(printf, 2, 3))) static bool missed(char text[192],
							 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, 192, fmt, args);
	va_end(args);
	return false;
}

static bool has_finding(const struct clo_audit *audit, const char *tap,
			const char *finding)
{
	for (size_t i = 0; i < audit->problems.n; i++) {
		const struct clo_problem *found = &audit->problems.list[i];

		if (strcmp(found->control, "net.default-deny") == 0 &&
		    strncmp(found->text, tap, strlen(tap)) == 0 &&
		    strstr(found->text, finding))
			return true;
	}
	return false;
}

/* As it is to be: nothing is said of it. */
static bool is_left_alone(struct clo_scratch *scratch, char text[192])
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	char level[160];

	if (clo_audit_guards(&scratch->node, &audit) < 0)
		return missed(text, "the guarded tap could not be looked at");
	if (audit->problems.n)
		return missed(text, "found where nothing is: %.150s",
			      audit->problems.list[0].text);
	if (clo_prove_hooks(&scratch->node, audit, level) != CLO_PROVEN ||
	    audit->n_guarded != 1 || audit->repair)
		return missed(text, "a guarded tap is not taken for one");
	return true;
}

static bool is_found(struct clo_scratch *scratch,
		     const struct clo_live_plant *plant, char text[192])
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	char level[160];
	size_t n = 0;

	if (clo_audit_guards(&scratch->node, &audit) < 0)
		return missed(text, "the tap could not be looked at");
	for (; plant->findings[n]; n++)
		if (!has_finding(audit, scratch->taps[0].name,
				 plant->findings[n]))
			return missed(text, "not found: %s",
				      plant->findings[n]);
	if (audit->problems.n != n)
		return missed(text, "%zu findings, counted were %zu", n,
			      audit->problems.n);
	if (clo_prove_hooks(&scratch->node, audit, level) != CLO_VIOLATED)
		return missed(text, "the level hooks is not VIOLATED");
	if (audit->n_guarded || audit->repair != CLO_REPAIR_GUARDS)
		return missed(text, "nobody is asked to repair it");
	(void)snprintf(text, 192, "level hooks, %zu findings", n);
	return true;
}

bool clo_live_plant_found(struct clo_scratch *scratch,
			  const struct clo_live_plant *plant, char text[192])
{
	char found[192];

	if (attach(scratch) < 0)
		return missed(text, "the tap could not be guarded");
	if (!is_left_alone(scratch, text))
		return false;
	if (plant->plant(scratch) < 0)
		return missed(text, "it could not be planted");
	if (!is_found(scratch, plant, text))
		return false;
	memcpy(found, text, sizeof(found));
	if (plant->mend(scratch) < 0)
		return missed(text, "it could not be mended");
	if (!is_left_alone(scratch, text))
		return false;
	memcpy(text, found, sizeof(found));
	return true;
}
