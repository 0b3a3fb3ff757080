/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/prove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "policy/explain_prove.h"

/* What a level of this file found. */
struct looked {
	uint64_t looked_at, wrong;
	uint64_t errors; /* that could not be looked at */
	uint64_t passed; /* judged right and let through: audit mode */
	const char *gap; /* if nothing was looked at */
	const char *text; /* the first that is wrong; NULL: see the status */
	json_t *witness; /* borrowed; NULL: none */
};

static uint64_t count_problems(const struct clo_audit *audit,
			       const char *control)
{
	uint64_t n = 0;

	for (size_t i = 0; i < audit->problems.n; i++)
		n += strcmp(audit->problems.list[i].control, control) == 0;
	return n;
}

static void look_at_documents(const struct clo_node *node,
			      const struct clo_audit *audit,
			      struct looked *looked)
{
	const struct clo_meaning *meaning = &node->meaning;

	(void)audit;
	looked->gap = "the comparison with the documents is under way";
	if (!clo_meaning_known(node))
		return;
	looked->looked_at = meaning->verdicts;
	looked->wrong = meaning->differences;
	looked->text = meaning->first;
	looked->errors = meaning->error != 0;
}

static void look_at_decisions(const struct clo_node *node,
			      const struct clo_audit *audit,
			      struct looked *looked)
{
	const struct clo_decisions *decisions = &node->decisions;

	looked->looked_at = audit->decided.verdicts + audit->decided.slots;
	looked->wrong = audit->decided.wrong;
	looked->errors = decisions->error &&
			 decisions->asked == audit->observed->gen.epoch;
	looked->gap = "the enumeration of these tables is under way";
	looked->witness = audit->contradiction;
}

/* An entry that names another endpoint, or nobody's tap, or is missing. */
static void look_at_ports(const struct clo_node *node,
			  const struct clo_audit *audit, struct looked *looked)
{
	(void)node;
	for (size_t i = 0; i < audit->n_taps; i++)
		looked->looked_at += audit->taps[i].has_port;
	looked->wrong = count_problems(audit, "env.label-integrity");
	looked->gap = "no tap has a port entry";
}

static void look_at_hooks(const struct clo_node *node,
			  const struct clo_audit *audit, struct looked *looked)
{
	(void)node;
	for (size_t i = 0; i < audit->n_taps; i++) {
		looked->looked_at++;
		looked->wrong += !audit->taps[i].guarded;
	}
	for (int i = 0; i < 2; i++) {
		looked->errors += !audit->programs_read;
		looked->wrong +=
			audit->programs_read && !audit->programs[i].as_built;
	}
	looked->gap = "the node has no tap";
}

static void look_at_probes(const struct clo_node *node,
			   const struct clo_audit *audit, struct looked *looked)
{
	(void)node;
	for (size_t i = 0; i < audit->n_taps; i++) {
		for (size_t p = 0; p < clo_probes_count; p++) {
			enum clo_probe_result result = audit->taps[i].probes[p];

			looked->looked_at += result != CLO_PROBE_NOT_RUN;
			looked->wrong += result == CLO_PROBE_WRONG;
			looked->errors += result == CLO_PROBE_ERROR;
			looked->passed += result == CLO_PROBE_PASSED;
		}
	}
	looked->gap = "no tap takes a frame";
}

/* What needs the node beside its tables. */
static const struct live_level {
	const char *name, *question, *counts;
	void (*look)(const struct clo_node *node, const struct clo_audit *audit,
		     struct looked *looked);
} live_levels[] = {
	{"documents", "every compiled verdict is what the documents mean",
	 "verdicts", look_at_documents},
	{"decisions",
	 "the decision code in the kernel says of every verdict what was "
	 "compiled",
	 "verdicts", look_at_decisions},
	{"ports", "each tap's port entry is its endpoint's", "port entries",
	 look_at_ports},
	{"hooks", "each tap has the programs that were built, and first",
	 "taps", look_at_hooks},
	{"programs", "the attached programs judge known frames as they must",
	 "frames", look_at_probes},
};

static enum clo_proven judge(const struct looked *looked, char text[160])
{
	if (looked->errors) {
		(void)snprintf(text, 160, "%llu could not be looked at",
			       (unsigned long long)looked->errors);
		return CLO_PROOF_ERROR;
	}
	if (looked->wrong && looked->text) {
		(void)snprintf(text, 160, "%.159s", looked->text);
		return CLO_VIOLATED;
	}
	if (looked->wrong) {
		(void)snprintf(text, 160, "%llu wrong: see cloison status",
			       (unsigned long long)looked->wrong);
		return CLO_VIOLATED;
	}
	if (looked->passed) {
		(void)snprintf(text, 160,
			       "%llu judged and let through: audit mode",
			       (unsigned long long)looked->passed);
		return CLO_NOT_COVERED;
	}
	if (looked->looked_at == 0) {
		(void)snprintf(text, 160, "%s", looked->gap);
		return CLO_NOT_COVERED;
	}
	return CLO_PROVEN;
}

enum clo_proven clo_prove_hooks(const struct clo_node *node,
				const struct clo_audit *audit, char text[160])
{
	struct looked looked = {0};

	text[0] = '\0';
	look_at_hooks(node, audit, &looked);
	return judge(&looked, text);
}

static int add_live(const struct clo_node *node, const struct clo_audit *audit,
		    json_t *levels, enum clo_proven *worst)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(live_levels); i++) {
		const struct live_level *level = &live_levels[i];
		double begin = clo_milliseconds();
		struct looked looked = {0};
		enum clo_proven proven;
		char text[160] = "";
		json_t *told;

		level->look(node, audit, &looked);
		proven = judge(&looked, text);
		*worst = clo_proven_worse(*worst, proven);
		told = json_pack(
			"{s:s, s:s, s:s, s:s, s:I, s:I, s:s?, s:f, s:[], s:n, "
			"s:o}",
			"name", level->name, "question", level->question,
			"verdict", clo_proven_text(proven), "counts",
			level->counts, "lookedAt", (json_int_t)looked.looked_at,
			"wrong", (json_int_t)looked.wrong, "text",
			text[0] ? text : NULL, "ms", clo_milliseconds() - begin,
			"differences", "proof", "witnesses",
			looked.witness ? json_pack("[O]", looked.witness)
				       : json_array());
		if (json_array_append_new(levels, told) < 0)
			return -1;
	}
	return 0;
}

struct replay {
	const struct clo_node *node;
	const struct clo_audit *audit;
};

/* -ENOENT: the endpoint has no tap here, or no program. */
static int run_attached(void *userdata, uint32_t endpoint, const uint8_t *frame,
			size_t len, bool *ret_passes)
{
	const struct replay *replay = userdata;
	const struct clo_inventory *inventory = replay->node->inventory;

	for (size_t i = 0; i < inventory->n_taps && i < replay->audit->n_taps;
	     i++) {
		const struct clo_tap *tap = &inventory->taps[i];
		bool drop = true;
		int r;

		if (!tap->interface || tap->interface->endpoint != endpoint)
			continue;
		r = clo_bpf_probe(
			replay->node->bpf,
			replay->audit->taps[i].guard.from_guest.prog_id,
			tap->ifindex, CLO_MARK_NONE, frame, len, &drop);
		*ret_passes = !drop;
		return r;
	}
	return -ENOENT;
}

json_t *clo_prove_contradiction(const struct clo_node *node,
				const struct clo_audit *audit)
{
	struct replay replay = {node, audit};
	const struct clo_proving proving = {
		.compiled = node->force->compiled,
		.attached = run_attached,
		.userdata = &replay,
	};

	return clo_explain_contradiction(&proving, &audit->decided.first);
}

json_t *clo_prove_tell(const struct clo_node *node,
		       const struct clo_audit *audit)
{
	struct replay replay = {node, audit};
	const struct clo_proving proving = {
		.compiled = node->force->compiled,
		.observed = audit->observed,
		.attached = run_attached,
		.userdata = &replay,
	};
	enum clo_proven worst = CLO_PROOF_ERROR;
	json_auto_t *levels =
		clo_explain_levels(&proving, clo_milliseconds, &worst);

	if (!levels || add_live(node, audit, levels, &worst) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:f, s:O}", "verdict",
			 clo_proven_text(worst), "tables", "kernel", "readMs",
			 audit->ms_read, "levels", levels);
}
