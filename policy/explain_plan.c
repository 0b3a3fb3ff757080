/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_plan_impl.h"
#include "policy/prove_check.h"

static void done(struct plan *plan)
{
	for (int i = 0; i < 2; i++) {
		clo_index_done(&plan->sides[i].pairs);
		clo_ranges_done(&plan->sides[i].ranges);
		free(plan->sides[i].rows);
		free(plan->sides[i].row);
		free(plan->sides[i].classes);
		clo_index_done(&plan->sides[i].by_class);
		json_decref(plan->lists[i]);
		json_decref(plan->folded[i]);
	}
	clo_joints_done(&plan->joints);
	clo_ranges_done(&plan->ranges);
	clo_lists_done(&plan->rows);
	clo_lists_done(&plan->keys);
	clo_edges_done(&plan->row_keys);
	free(plan->open);
	free(plan->seen);
	free(plan->told);
	free(plan->changed);
}

/* Of each class the rule that grants it in this row of the side's; NULL: none. */
static const uint32_t *owners(struct side *side, uint32_t row_plus_1)
{
	if (!row_plus_1)
		return NULL;
	if (side->shown != row_plus_1)
		clo_tables_row_rules(side->compiled->tables, row_plus_1 - 1,
				     side->row);
	side->shown = row_plus_1;
	return side->row;
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

/* Nothing of what "any" covers is open. */
static bool is_closed(const struct plan *plan)
{
	for (size_t i = clo_plan_next(plan, 1); i < plan->ranges.n;
	     i = clo_plan_next(plan, i + 1))
		if (!is_encapsulation(plan, i))
			return false;
	return true;
}

/* All that "any" covers has the same fate: one flow. */
static bool is_any(const struct plan *plan, const struct rows *rows,
		   struct fate fate)
{
	if (plan->mixed)
		return false;
	if (fate.change == NEVER)
		return is_closed(plan);
	for (size_t i = 1; i < plan->ranges.n; i++) {
		struct fate next = fate_of(plan, rows, i);

		if (!is_encapsulation(plan, i) &&
		    (next.change != fate.change || next.rule != fate.rule))
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

static int note(struct plan *plan, const struct told *told)
{
	struct told *moved = clo_array_room(plan->told, plan->n_told,
					    &plan->cap_told, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	plan->told = moved;
	moved[plan->n_told++] = *told;
	return 0;
}

void clo_plan_service(const struct plan *plan, uint32_t first, uint32_t end,
		      char ret_text[CLO_SERVICE_TEXT])
{
	if (first == PLAN_ANY)
		(void)snprintf(ret_text, CLO_SERVICE_TEXT, "any");
	else
		clo_service_text(plan->ranges.ranges[first].first,
				 plan->ranges.ranges[end - 1].last, ret_text);
}

/* One flow: listed between these joints; from NULL: counted and noted. */
static int tell(struct plan *plan, const struct clo_joint *from,
		const struct clo_joint *to, struct fate fate, uint32_t first,
		uint32_t end, struct seen *seen)
{
	const struct told told = {fate.change == GAINED, fate.rule, first, end};
	char text[CLO_SERVICE_TEXT];

	seen->unchanged += fate.change == UNCHANGED;
	if (fate.change <= UNCHANGED)
		return 0;
	seen->changed[told.after]++;
	if (!from)
		return note(plan, &told);
	clo_plan_service(plan, first, end, text);
	return add_flow(plan, from, to, fate, text);
}

/*
 * The flows of one pair of joints. from NULL: only count them, and note what
 * changes.
 */
static int walk(struct plan *plan, const uint32_t indices[2],
		const struct clo_joint *from, const struct clo_joint *to,
		struct seen *ret_seen)
{
	const struct rows both = {owners(&plan->sides[0], indices[0]),
				  owners(&plan->sides[1], indices[1])};
	struct fate fate = fate_of(plan, &both, 0);
	size_t i;
	bool any;
	int r = 0;

	clo_plan_open(plan, indices);
	any = is_any(plan, &both, fate);
	*ret_seen = (struct seen){0};
	if (any)
		r = tell(plan, from, to, fate, PLAN_ANY, 0, ret_seen);
	for (i = clo_plan_next(plan, 0); i < plan->ranges.n && r == 0;
	     i = clo_plan_next(plan, i)) {
		size_t end = i + 1;

		if (any && !is_encapsulation(plan, i)) {
			i++;
			continue;
		}
		fate = fate_of(plan, &both, i);
		if (!any)
			end = merge(plan, &both, i, fate);
		r = tell(plan, from, to, fate, (uint32_t)i, (uint32_t)end,
			 ret_seen);
		i = end;
	}
	return r;
}

static int order_told(const void *left, const void *right)
{
	const struct told *a = left;
	const struct told *b = right;

	if (a->after != b->after)
		return a->after < b->after ? -1 : 1;
	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	if ((a->first == PLAN_ANY) != (b->first == PLAN_ANY))
		return a->first == PLAN_ANY ? -1 : 1;
	return (a->first > b->first) - (a->first < b->first);
}

/* What was noted becomes keys: of one rule, all services of these rows. */
static int make_keys(struct plan *plan, uint32_t rows)
{
	CLO_AUTO_MEM uint32_t *key = calloc(plan->n_told * 2 + 2, sizeof(*key));
	size_t i = 0;
	int r = 0;

	if (!key)
		return -ENOMEM;
	if (plan->n_told)
		qsort(plan->told, plan->n_told, sizeof(*plan->told),
		      order_told);
	while (i < plan->n_told && r == 0) {
		const struct told *first = &plan->told[i];
		uint32_t index;
		size_t n = 0;

		key[n++] = first->after;
		key[n++] = first->rule;
		for (; i < plan->n_told && plan->told[i].after == key[0] &&
		       plan->told[i].rule == key[1];
		     i++) {
			key[n++] = plan->told[i].first;
			key[n++] = plan->told[i].end;
		}
		r = clo_lists_intern(&plan->keys, key, n, &index);
		if (r == 0)
			r = clo_edges_add(&plan->row_keys, rows, index);
	}
	plan->n_told = 0;
	return r;
}

/* What the two rows have in common is worked out once. */
static int look_up(struct plan *plan, const uint32_t rows[2],
		   uint32_t *ret_index)
{
	size_t n = plan->n_rows;
	struct seen *moved;
	int r;

	r = clo_lists_intern(&plan->rows, rows, 2, ret_index);
	if (r < 0 || *ret_index < n)
		return r;
	moved = clo_array_room(plan->seen, n, &plan->cap_seen, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	plan->seen = moved;
	plan->n_rows++;
	r = walk(plan, rows, NULL, NULL, &plan->seen[n]);
	return r < 0 ? r : make_keys(plan, *ret_index);
}

static int keep(struct plan *plan, uint32_t rows, uint32_t from, uint32_t to)
{
	const struct seen *seen = &plan->seen[rows];
	struct changed *moved;

	if (plan->n_changed == PLAN_CHANGED_MAX) {
		plan->n_folded_omitted += seen->changed[0] + seen->changed[1];
		return 0;
	}
	moved = clo_array_room(plan->changed, plan->n_changed,
			       &plan->cap_changed, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	plan->changed = moved;
	moved[plan->n_changed++] = (struct changed){rows, from, to};
	return 0;
}

/* No flow of that list would be listed. */
static bool is_full(const struct plan *plan, const struct seen *seen, int list)
{
	return !seen->changed[list] ||
	       json_array_size(plan->lists[list]) == CLO_PLAN_MAX;
}

static int compare_pair(struct plan *plan, uint32_t i, uint32_t j)
{
	const struct clo_joint *from = &plan->joints.joints[i];
	const struct clo_joint *to = &plan->joints.joints[j];
	const uint32_t rows[2] = {plan->sides[0].rows[to->before],
				  plan->sides[1].rows[to->after]};
	const struct seen *seen;
	struct seen again;
	uint32_t index;
	int r;

	if (!rows[0] && !rows[1])
		return 0;
	r = look_up(plan, rows, &index);
	if (r < 0)
		return r;
	seen = &plan->seen[index];
	plan->n_unchanged += seen->unchanged;
	if (!seen->changed[0] && !seen->changed[1])
		return 0;
	plan->n[0] += seen->changed[0];
	plan->n[1] += seen->changed[1];
	r = keep(plan, index, i, j);
	if (r < 0)
		return r;
	if (is_full(plan, seen, 0) && is_full(plan, seen, 1)) {
		plan->n_omitted += seen->changed[0] + seen->changed[1];
		return 0;
	}
	return walk(plan, rows, from, to, &again);
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

	for (uint32_t i = 0; i < plan->joints.n && r == 0; i++) {
		const struct clo_joint *from = &plan->joints.joints[i];

		expand(&plan->sides[0], from->before);
		expand(&plan->sides[1], from->after);
		for (uint32_t j = 0; j < plan->joints.n && r == 0; j++)
			r = compare_pair(plan, i, j);
	}
	return r;
}

static int prepare_side(struct side *side)
{
	const struct clo_tables *tables = side->compiled->tables;
	int r;

	side->rows = calloc(tables->gen.identities, sizeof(*side->rows));
	side->row = calloc((size_t)tables->gen.words * 64, sizeof(*side->row));
	if (!side->rows || !side->row)
		return -ENOMEM;
	r = clo_pairs_index(tables, &side->pairs);
	return r < 0 ? r : clo_ranges_init(&side->ranges, tables);
}

static int prepare(struct plan *plan)
{
	int r = prepare_side(&plan->sides[0]);

	if (r == 0)
		r = prepare_side(&plan->sides[1]);
	if (r == 0)
		r = clo_ranges_init_both(&plan->ranges, &plan->sides[0].ranges,
					 &plan->sides[1].ranges);
	if (r == 0)
		r = clo_plan_ranges(plan);
	if (r == 0)
		r = clo_joints_init(&plan->joints, plan->sides[0].compiled,
				    plan->sides[1].compiled);
	if (r == 0)
		r = clo_lists_init(&plan->rows, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_lists_init(&plan->keys, CLO_LISTS_MAX);
	if (r < 0)
		return r;

	/* Index 0 is the empty list, which no pair of rows is. */
	plan->seen = calloc(1, sizeof(*plan->seen));
	plan->n_rows = 1;
	plan->cap_seen = 1;
	for (int i = 0; i < 2; i++) {
		plan->lists[i] = json_array();
		plan->folded[i] = json_array();
		if (!plan->lists[i] || !plan->folded[i])
			return -ENOMEM;
	}
	return plan->seen ? 0 : -ENOMEM;
}

static int set_omitted(json_t *object, uint64_t n)
{
	if (n == 0)
		return 0;
	return json_object_set_new(object, "omitted",
				   json_integer((json_int_t)n));
}

static json_t *explain(const struct plan *plan, time_t now)
{
	json_t *folded = json_pack("{s:O, s:O}", "gained", plan->folded[1],
				   "lost", plan->folded[0]);
	json_t *explained = json_pack(
		"{s:O, s:O, s:I, s:{s:I, s:I, s:I}, s:o}", "gained",
		plan->lists[1], "lost", plan->lists[0], "unchanged",
		(json_int_t)plan->n_unchanged, "counts", "gained",
		(json_int_t)plan->n[1], "lost", (json_int_t)plan->n[0],
		"unchanged", (json_int_t)plan->n_unchanged, "folded", folded);

	if (explained && set_omitted(explained, plan->n_omitted) == 0 &&
	    set_omitted(folded, plan->n_folded_omitted) == 0 &&
	    clo_plan_bindings(plan, now, explained) == 0)
		return explained;
	json_decref(explained);
	return NULL;
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
			 const struct clo_compiled *after, time_t now)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *nothing = NULL;
	struct plan plan = {0};
	json_t *explained = NULL;

	if (!before && compile_nothing(&nothing) < 0)
		return NULL;
	plan.sides[0].compiled = before ? before : nothing;
	plan.sides[1].compiled = after;
	if (prepare(&plan) == 0 && compare(&plan) == 0 &&
	    clo_plan_fold(&plan) == 0)
		explained = explain(&plan, now);
	done(&plan);
	return explained;
}
