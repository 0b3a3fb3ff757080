/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/explain.h"
#include "policy/explain_joint.h"
#include "policy/explain_service.h"
#include "policy/partition.h"

/* What the parts of a plan share; only explain_plan*.c see it. */

enum change {
	NEVER,
	UNCHANGED,
	GAINED,
	LOST,
};

/* One of the two policies, and one source's rows in it. */
struct side {
	const struct clo_compiled *compiled;
	struct clo_index pairs;
	struct clo_ranges ranges;
	uint32_t *rows; /* row + 1 by destination; 0: none */
	uint32_t *row; /* rules of row `shown` - 1, by class */
	uint32_t shown;
	uint32_t *classes; /* by joint range */
	struct clo_index by_class; /* class -> joint ranges, ascending */
};

/* What becomes of the flows between two joints. */
struct seen {
	uint64_t unchanged;
	uint64_t changed[2]; /* lost, gained */
};

/* A service of a change: ranges from first to before end. */
#define PLAN_ANY 0xffffffffU /* as first: all but encapsulations */

struct told {
	uint32_t after, rule, first, end;
};

/* Two joints whose flows change, as the pair of rows `rows` says. */
struct changed {
	uint32_t rows, from, to;
};

#define PLAN_CHANGED_MAX ((size_t)1 << 22) /* pairs of joints */

struct plan {
	struct side sides[2]; /* before, after */
	struct clo_joints joints;
	struct clo_ranges ranges; /* of both: each is in one class of each */
	struct clo_lists rows; /* {row before + 1, row after + 1} */
	uint64_t *open; /* of the rows under way: ranges that either allows */
	bool mixed; /* some range of "any" has an encapsulation in it */
	struct seen *seen; /* by rows */
	size_t n_rows, cap_seen;
	struct told *told; /* of the rows under way */
	size_t n_told, cap_told;
	struct clo_lists keys; /* {after, rule, then first and end of each} */
	struct clo_edges row_keys; /* rows -> keys */
	struct changed *changed;
	size_t n_changed, cap_changed;
	json_t *lists[2]; /* lost, gained */
	json_t *folded[2]; /* the same, in words */
	uint64_t n_unchanged, n_omitted, n_folded_omitted;
	uint64_t n[2]; /* flows: lost, gained */
};

/* Index the joint ranges by what the sides' classes are in them. */
int clo_plan_ranges(struct plan *plan);
/* Mark what these rows (+ 1; 0: none), before and after, allow. */
void clo_plan_open(struct plan *plan, const uint32_t rows[2]);
/* The first such range from this one on; their number: there is none. */
size_t clo_plan_next(const struct plan *plan, size_t range);
/* Fill `folded` from what changed. */
int clo_plan_fold(struct plan *plan);
/* Text of a service of a change. */
void clo_plan_service(const struct plan *plan, uint32_t first, uint32_t end,
		      char ret_text[CLO_SERVICE_TEXT]);
/* [{"of": "node"|"tenant NAME", "member", "was", "is"}], appended. */
int clo_plan_settings(const struct clo_policy *before,
		      const struct clo_policy *after, json_t *list);
/* Members "settings", "endpoints", "exceptions" and "idleRules" of the explanation. */
int clo_plan_bindings(const struct plan *plan, time_t now, json_t *explained);
