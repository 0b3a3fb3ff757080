/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/explain_joint.h"
#include "policy/explain_name.h"
#include "policy/explain_service.h"
#include "policy/partition.h"
#include "policy/prove_check.h"

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
	uint32_t *classes; /* by joint range */
};

/* What becomes of the flows between two joints. */
struct seen {
	uint64_t unchanged;
	bool differs; /* there are others */
};

struct plan {
	struct side sides[2]; /* before, after */
	struct clo_joints joints;
	struct clo_ranges ranges; /* of both: each is in one class of each */
	struct clo_lists rows; /* {row before + 1, row after + 1} */
	uint64_t *unchanged; /* by rows: flows, when nothing differs */
	bool *differs;
	size_t n_rows, cap_unchanged, cap_differs;
	json_t *lists[2]; /* lost, gained */
	uint64_t n_unchanged, n_omitted;
};

static void done(struct plan *plan)
{
	for (int i = 0; i < 2; i++) {
		clo_index_done(&plan->sides[i].pairs);
		clo_ranges_done(&plan->sides[i].ranges);
		free(plan->sides[i].rows);
		free(plan->sides[i].classes);
		json_decref(plan->lists[i]);
	}
	clo_joints_done(&plan->joints);
	clo_ranges_done(&plan->ranges);
	clo_lists_done(&plan->rows);
	free(plan->unchanged);
	free(plan->differs);
}

/* Owners of a row's classes, one for each: table rules is a flat array. */
static const uint32_t *owners(const struct side *side, uint32_t row_plus_1)
{
	const struct clo_tables *tables = side->compiled->tables;
	const struct clo_rules *rules;

	if (!row_plus_1)
		return NULL;
	rules = clo_tables_value(tables, CLO_TABLE_RULES,
				 (size_t)(row_plus_1 - 1) * tables->gen.words *
					 32);
	return rules->rule;
}

/* What becomes of a range, and by which rule of the side that allows it. */
struct fate {
	enum change change;
	uint32_t rule;
};

/* Two rows, before and after: NULL where the pair has none. */
struct rows {
	const uint32_t *before, *after;
};

static struct fate fate_of(const struct plan *plan, const struct rows *rows,
			   size_t range)
{
	uint32_t before = 0;
	uint32_t after = 0;

	if (rows->before)
		before = rows->before[plan->sides[0].classes[range]];
	if (rows->after)
		after = rows->after[plan->sides[1].classes[range]];
	if (before && after)
		return (struct fate){UNCHANGED, 0};
	if (after)
		return (struct fate){GAINED, after};
	return (struct fate){before ? LOST : NEVER, before};
}

/* Ranges from `first` on that are one flow; returns the one after them. */
static size_t merge(const struct plan *plan, const struct rows *rows,
		    size_t first, struct fate fate)
{
	size_t end = first + 1;

	for (; end < plan->ranges.n; end++) {
		struct fate next;

		if (clo_ranges_begins_protocol(&plan->ranges, end))
			break;
		next = fate_of(plan, rows, end);
		if (next.change != fate.change || next.rule != fate.rule)
			break;
	}
	return end;
}

static bool is_encapsulation(const struct plan *plan, size_t range)
{
	return clo_range_is_encapsulation(&plan->ranges.ranges[range]);
}

/* All that "any" covers has the same fate: one flow. */
static bool is_any(const struct plan *plan, const struct rows *rows,
		   struct fate fate)
{
	for (size_t i = 1; i < plan->ranges.n; i++) {
		struct fate next = fate_of(plan, rows, i);

		if (is_encapsulation(plan, i))
			continue;
		if (next.change != fate.change || next.rule != fate.rule)
			return false;
	}
	return true;
}

static int add_flow(struct plan *plan, const struct clo_joint *from,
		    const struct clo_joint *to, struct fate fate,
		    const char *service)
{
	int after = fate.change == GAINED;
	json_t *list = plan->lists[after];
	json_t *flow;

	if (json_array_size(list) == CLO_PLAN_MAX) {
		plan->n_omitted++;
		return 0;
	}
	flow = json_pack("{s:s, s:s, s:s, s:s?}", "from", from->name, "to",
			 to->name, "service", service, "rule",
			 clo_name_rule(plan->sides[after].compiled, fate.rule));
	return json_array_append_new(list, flow) < 0 ? -ENOMEM : 0;
}

/* One flow: counted, and listed if it changes and `from` is not NULL. */
static int tell(struct plan *plan, const struct clo_joint *from,
		const struct clo_joint *to, struct fate fate,
		const char *service, struct seen *seen)
{
	seen->unchanged += fate.change == UNCHANGED;
	seen->differs |= fate.change > UNCHANGED;
	if (!from || fate.change <= UNCHANGED)
		return 0;
	return add_flow(plan, from, to, fate, service);
}

/*
 * The flows of one pair of joints. from NULL: only count those that stay, and
 * see whether there are others.
 */
static int walk(struct plan *plan, const uint32_t indices[2],
		const struct clo_joint *from, const struct clo_joint *to,
		struct seen *ret_seen)
{
	const struct rows both = {owners(&plan->sides[0], indices[0]),
				  owners(&plan->sides[1], indices[1])};
	struct fate fate = fate_of(plan, &both, 0);
	bool any = is_any(plan, &both, fate);
	size_t i = 0;
	int r = 0;

	*ret_seen = (struct seen){0};
	if (any)
		r = tell(plan, from, to, fate, "any", ret_seen);
	while (i < plan->ranges.n && r == 0) {
		char text[CLO_SERVICE_TEXT];
		size_t end = i + 1;

		if (any && !is_encapsulation(plan, i)) {
			i++;
			continue;
		}
		fate = fate_of(plan, &both, i);
		if (!any)
			end = merge(plan, &both, i, fate);
		clo_service_text(plan->ranges.ranges[i].first,
				 plan->ranges.ranges[end - 1].last, text);
		r = tell(plan, from, to, fate, text, ret_seen);
		i = end;
	}
	return r;
}

/* What the two rows have in common is worked out once. */
static int look_up(struct plan *plan, const uint32_t rows[2],
		   uint32_t *ret_index)
{
	size_t n = plan->n_rows;
	struct seen seen = {0};
	uint64_t *unchanged;
	bool *differs;
	int r;

	r = clo_lists_intern(&plan->rows, rows, 2, ret_index);
	if (r < 0 || *ret_index < n)
		return r;
	unchanged = clo_array_room(plan->unchanged, n, &plan->cap_unchanged,
				   sizeof(*unchanged));
	if (!unchanged)
		return -ENOMEM;
	plan->unchanged = unchanged;
	differs = clo_array_room(plan->differs, n, &plan->cap_differs,
				 sizeof(*differs));
	if (!differs)
		return -ENOMEM;
	plan->differs = differs;
	plan->n_rows++;
	r = walk(plan, rows, NULL, NULL, &seen);
	unchanged[n] = seen.unchanged;
	differs[n] = seen.differs;
	return r;
}

static int compare_pair(struct plan *plan, const struct clo_joint *from,
			const struct clo_joint *to)
{
	const uint32_t rows[2] = {plan->sides[0].rows[to->before],
				  plan->sides[1].rows[to->after]};
	struct seen seen;
	uint32_t index;
	int r;

	if (!rows[0] && !rows[1])
		return 0;
	r = look_up(plan, rows, &index);
	if (r < 0)
		return r;
	plan->n_unchanged += plan->unchanged[index];
	if (!plan->differs[index])
		return 0;
	return walk(plan, rows, from, to, &seen);
}

static void expand(struct side *side, uint32_t src)
{
	const struct clo_tables *tables = side->compiled->tables;
	const uint32_t *entries;
	size_t n;

	memset(side->rows, 0, tables->gen.identities * sizeof(*side->rows));
	if (src == 0)
		return;
	entries = clo_index_get(&side->pairs, src, &n);
	for (size_t i = 0; i < n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, entries[i]);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, entries[i]);

		side->rows[pair->dst] = *row + 1;
	}
}

static int compare(struct plan *plan)
{
	int r = 0;

	for (size_t i = 0; i < plan->joints.n && r == 0; i++) {
		const struct clo_joint *from = &plan->joints.joints[i];

		expand(&plan->sides[0], from->before);
		expand(&plan->sides[1], from->after);
		for (size_t j = 0; j < plan->joints.n && r == 0; j++)
			r = compare_pair(plan, from, &plan->joints.joints[j]);
	}
	return r;
}

static int prepare_side(struct side *side)
{
	const struct clo_tables *tables = side->compiled->tables;
	int r;

	side->rows = calloc(tables->gen.identities, sizeof(*side->rows));
	if (!side->rows)
		return -ENOMEM;
	r = clo_pairs_index(tables, &side->pairs);
	return r < 0 ? r : clo_ranges_init(&side->ranges, tables);
}

static int prepare_classes(struct side *side, const struct clo_ranges *both)
{
	size_t own = 0;

	side->classes = calloc(both->n, sizeof(*side->classes));
	if (!side->classes)
		return -ENOMEM;
	for (size_t i = 0; i < both->n; i++) {
		while (side->ranges.ranges[own].last < both->ranges[i].first)
			own++;
		side->classes[i] = side->ranges.ranges[own].class;
	}
	return 0;
}

static int prepare(struct plan *plan)
{
	int r = prepare_side(&plan->sides[0]);

	if (r == 0)
		r = prepare_side(&plan->sides[1]);
	if (r == 0)
		r = clo_ranges_init_both(&plan->ranges, &plan->sides[0].ranges,
					 &plan->sides[1].ranges);
	for (int i = 0; i < 2 && r == 0; i++)
		r = prepare_classes(&plan->sides[i], &plan->ranges);
	if (r == 0)
		r = clo_joints_init(&plan->joints, plan->sides[0].compiled,
				    plan->sides[1].compiled);
	if (r == 0)
		r = clo_lists_init(&plan->rows, CLO_LISTS_MAX);
	if (r < 0)
		return r;

	/* Index 0 is the empty list, which no pair of rows is. */
	plan->unchanged = calloc(1, sizeof(*plan->unchanged));
	plan->differs = calloc(1, sizeof(*plan->differs));
	plan->n_rows = 1;
	plan->cap_unchanged = 1;
	plan->cap_differs = 1;
	for (int i = 0; i < 2; i++)
		plan->lists[i] = json_array();
	return plan->unchanged && plan->differs && plan->lists[0] &&
			       plan->lists[1]
		       ? 0
		       : -ENOMEM;
}

static json_t *explain(const struct plan *plan)
{
	json_t *explained = json_pack(
		"{s:O, s:O, s:I}", "gained", plan->lists[1], "lost",
		plan->lists[0], "unchanged", (json_int_t)plan->n_unchanged);

	if (explained && plan->n_omitted &&
	    json_object_set_new(explained, "omitted",
				json_integer((json_int_t)plan->n_omitted)) <
		    0) {
		json_decref(explained);
		return NULL;
	}
	return explained;
}

/* What is in force before the first policy: nothing. */
static int compile_nothing(struct clo_compiled **ret_compiled)
{
	static const struct clo_policy nothing;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	int r = clo_flaws_new(&flaws);

	return r < 0 ? r : clo_compile(&nothing, 0, ret_compiled, flaws);
}

json_t *clo_explain_plan(const struct clo_compiled *before,
			 const struct clo_compiled *after)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *nothing = NULL;
	struct plan plan = {0};
	json_t *explained = NULL;

	if (!before && compile_nothing(&nothing) < 0)
		return NULL;
	plan.sides[0].compiled = before ? before : nothing;
	plan.sides[1].compiled = after;
	if (prepare(&plan) == 0 && compare(&plan) == 0)
		explained = explain(&plan);
	done(&plan);
	return explained;
}
