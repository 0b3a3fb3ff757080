/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/explain_joint.h"
#include "policy/explain_service.h"
#include "policy/prove.h"
#include "unit/property.h"

/*
 * The old matrix with the plan's gains and without its losses is the new
 * matrix. A matrix is counted as (from, to, range of services), by the names
 * that the plan has: where two joints share one, it says as many flows.
 */
struct cell {
	int before, after; /* allowed, of all joints of these names */
	int gained, lost; /* expected less found */
	const char *owner; /* of what one joint gained or lost; else NULL */
};

struct matrices {
	const struct subject *before, *after;
	struct clo_joints joints;
	size_t *names; /* by joint: the first of its name */
	struct clo_ranges ranges;
	struct cell *cells;
	/*
	 * What the plan calls ranges i to j, at [i * n + j]; "": not known. By
	 * text, where that is; and by the name of a joint, which it is.
	 */
	char (*texts)[CLO_SERVICE_TEXT];
	json_t *services, *joint_names;
};

static struct cell *cell(const struct matrices *m, size_t from, size_t to,
			 size_t range)
{
	return &m->cells[(m->names[from] * m->joints.n + m->names[to]) *
				 m->ranges.n +
			 range];
}

/* The rule that allows it, NULL: denied. */
static const char *allows(const struct subject *subject, uint32_t src,
			  uint32_t dst, uint32_t slot)
{
	const struct clo_view view = {subject->compiled->tables};
	struct clo_verdict verdict;
	uint8_t proto;
	uint16_t number;

	clo_slot_decode(slot, &proto, &number);
	clo_judge_pair(&view, src, dst, proto, number, &verdict);
	return verdict.drop == CLO_DROP_NONE
		       ? subject->compiled->rules[verdict.rule]->full
		       : NULL;
}

static void count_joints(struct matrices *m, size_t i, size_t j)
{
	const struct clo_joint *from = &m->joints.joints[i];
	const struct clo_joint *to = &m->joints.joints[j];
	const struct clo_view views[] = {{m->before->compiled->tables},
					 {m->after->compiled->tables}};

	bool was = clo_view_pair(&views[0], from->before, to->before);
	bool is = clo_view_pair(&views[1], from->after, to->after);

	if (!was && !is)
		return;
	for (size_t r = 0; r < m->ranges.n; r++) {
		uint32_t slot = m->ranges.ranges[r].first;
		const char *before =
			was ? allows(m->before, from->before, to->before, slot)
			    : NULL;
		const char *after =
			is ? allows(m->after, from->after, to->after, slot)
			   : NULL;
		struct cell *c = cell(m, i, j, r);

		c->before += before != NULL;
		c->after += after != NULL;
		c->gained += after && !before;
		c->lost += before && !after;
		if (!before != !after)
			c->owner = c->gained + c->lost == 1
					   ? before ? before : after
					   : NULL;
	}
}

static size_t find_name(const struct matrices *m, const char *name)
{
	const json_t *known = json_object_get(m->joint_names, name);

	if (!known)
		subject_fail(m->after, "plan: nobody is called %s", name);
	return (size_t)json_integer_value(known);
}

/* Whether ranges i to j are what the plan calls by this text. */
static bool is_called(const struct matrices *m, size_t i, size_t j,
		      const char *service)
{
	char *text = m->texts[i * m->ranges.n + j];

	if (!*text)
		clo_service_text(m->ranges.ranges[i].first,
				 m->ranges.ranges[j].last, text);
	return strcmp(text, service) == 0;
}

/* Ranges i to j of a flow that the plan lists. */
struct listed {
	size_t from, to;
	const char *rule;
	bool gained;
};

static void count_range(struct matrices *m, const struct listed *flow, size_t i,
			size_t j)
{
	for (size_t r = i; r <= j; r++) {
		struct cell *c = cell(m, flow->from, flow->to, r);

		if (c->owner && strcmp(c->owner, flow->rule) != 0)
			subject_fail(m->after,
				     "plan: a flow of rule %s is said to be of "
				     "%s",
				     c->owner, flow->rule);
		*(flow->gained ? &c->gained : &c->lost) -= 1;
		*(flow->gained ? &c->before : &c->after) += 1;
	}
}

static void count_any(struct matrices *m, const struct listed *flow)
{
	for (size_t i = 0; i < m->ranges.n; i++) {
		if (!clo_range_is_encapsulation(&m->ranges.ranges[i]))
			count_range(m, flow, i, i);
	}
}

/* The first place that is called so. */
static size_t find_service(struct matrices *m, const char *service)
{
	json_t *known = json_object_get(m->services, service);
	size_t place;

	for (size_t i = 0; i < m->ranges.n && !known; i++) {
		size_t j = i;

		while (!is_called(m, i, j, service) && j + 1 < m->ranges.n &&
		       !clo_ranges_begins_protocol(&m->ranges, j + 1))
			j++;
		if (!is_called(m, i, j, service))
			continue;
		place = i * m->ranges.n + j;
		known = json_integer((json_int_t)place);
		(void)json_object_set_new(m->services, service, known);
	}
	if (!known)
		subject_fail(m->after, "plan: %s are no services", service);
	return (size_t)json_integer_value(known);
}

static void count_service(struct matrices *m, const struct listed *flow,
			  const char *service)
{
	size_t place = find_service(m, service);

	count_range(m, flow, place / m->ranges.n, place % m->ranges.n);
}

static const char *text_of(const json_t *flow, const char *key)
{
	return json_string_value(json_object_get(flow, key));
}

static void count_flow(struct matrices *m, const json_t *flow, bool gained)
{
	const struct listed listed = {find_name(m, text_of(flow, "from")),
				      find_name(m, text_of(flow, "to")),
				      text_of(flow, "rule"), gained};
	const char *service = text_of(flow, "service");

	if (strcmp(service, "any") == 0)
		count_any(m, &listed);
	else
		count_service(m, &listed, service);
}

static void count_flows(struct matrices *m, const json_t *plan)
{
	const json_t *gained = json_object_get(plan, "gained");
	const json_t *lost = json_object_get(plan, "lost");
	const json_t *flow;
	size_t i;

	json_array_foreach (gained, i, flow)
		count_flow(m, flow, true);
	json_array_foreach (lost, i, flow)
		count_flow(m, flow, false);
}

/* Each party has a joint of what it was and what it is. */
static void check_joint(const struct matrices *m, const struct clo_party *party)
{
	uint32_t before, after;

	if (party->workload)
		return;
	before = subject_identity(m->before, party);
	after = subject_identity(m->after, party);
	for (size_t i = 0; i < m->joints.n; i++) {
		if (m->joints.joints[i].before == before &&
		    m->joints.joints[i].after == after)
			return;
	}
	if (before || after)
		subject_fail(m->after, "plan: no joint of %u and %u", before,
			     after);
}

static void check_joints(const struct matrices *m)
{
	struct dice dice = dice_new(m->after->seed ^ 0x1017);

	for (int i = 0; i < 20; i++) {
		struct clo_oracle_packet packet;

		random_packet(i % 2 ? m->before->policy : m->after->policy,
			      &dice, &packet);
		check_joint(m, &packet.src);
		check_joint(m, &packet.dst);
	}
}

/* None of the endpoints of either is left out. */
static void check_identities(const struct matrices *m)
{
	const struct subject *subjects[] = {m->before, m->after};

	for (size_t s = 0; s < 2; s++) {
		const struct clo_tables *tables = subjects[s]->compiled->tables;

		for (uint32_t i = 1; i < tables->gen.identities; i++) {
			const struct clo_identity *identity = clo_tables_find(
				tables, CLO_TABLE_IDENTITIES, &i);
			size_t j = 0;

			if (identity->kind != CLO_IDENTITY_ENDPOINTS)
				continue;
			while (j < m->joints.n &&
			       (s ? m->joints.joints[j].after
				  : m->joints.joints[j].before) != i)
				j++;
			if (j == m->joints.n)
				subject_fail(m->after,
					     "plan: identity %u is left out",
					     i);
		}
	}
}

static void init(struct matrices *m)
{
	struct clo_ranges own[2];

	assert_int_equal(clo_joints_init(&m->joints, m->before->compiled,
					 m->after->compiled),
			 0);
	assert_int_equal(clo_ranges_init(&own[0], m->before->compiled->tables),
			 0);
	assert_int_equal(clo_ranges_init(&own[1], m->after->compiled->tables),
			 0);
	assert_int_equal(clo_ranges_init_both(&m->ranges, &own[0], &own[1]), 0);
	clo_ranges_done(&own[0]);
	clo_ranges_done(&own[1]);
	m->names = calloc(m->joints.n + 1, sizeof(*m->names));
	m->cells = calloc(m->joints.n * m->joints.n * m->ranges.n + 1,
			  sizeof(*m->cells));
	m->texts = calloc(m->ranges.n * m->ranges.n + 1, sizeof(*m->texts));
	assert_non_null(m->texts);
	assert_non_null(m->names);
	assert_non_null(m->cells);
	m->services = json_object();
	m->joint_names = json_object();
	for (size_t i = 0; i < m->joints.n; i++) {
		const char *name = m->joints.joints[i].name;

		if (!json_object_get(m->joint_names, name))
			(void)json_object_set_new(m->joint_names, name,
						  json_integer((json_int_t)i));
		m->names[i] = find_name(m, name);
	}
}

static void done(struct matrices *m)
{
	clo_joints_done(&m->joints);
	clo_ranges_done(&m->ranges);
	json_decref(m->services);
	json_decref(m->joint_names);
	free(m->names);
	free(m->cells);
	free(m->texts);
}

void check_change(const struct subject *before, const struct subject *after)
{
	static struct clo_proof whole, change;
	const struct clo_tables *tables = after->compiled->tables;
	CLO_AUTO(clo_proved) struct clo_proved *proved = NULL;
	char text[160] = "";

	if (clo_prove_change(NULL, before->compiled->tables, NULL, 0, &whole,
			     &proved, text) < 0 ||
	    clo_prove_change(proved, tables, NULL, 0, &change, NULL, text) <
		    0 ||
	    clo_prove(tables, NULL, 0, &whole, text) < 0)
		subject_fail(after, "change: %s", text);
	if (!clo_proof_equal(&change, &whole))
		subject_fail(after, "the change is proven otherwise");
}

/* Listed, or counted where the lists are full: how many are not listed. */
static json_int_t count_omitted(const struct matrices *m, const json_t *plan)
{
	json_int_t omitted =
		json_integer_value(json_object_get(plan, "omitted"));
	const json_t *counts = json_object_get(plan, "counts");
	json_int_t all = json_integer_value(json_object_get(counts, "gained")) +
			 json_integer_value(json_object_get(counts, "lost"));
	size_t listed = json_array_size(json_object_get(plan, "gained")) +
			json_array_size(json_object_get(plan, "lost"));

	if ((json_int_t)listed + omitted != all ||
	    (omitted && listed < CLO_PLAN_MAX))
		subject_fail(m->after,
			     "plan: %zu flows are listed and %lld omitted of "
			     "%lld",
			     listed, (long long)omitted, (long long)all);
	return omitted;
}

/* Nothing is left, or what is left is what the lists had no room for. */
static void check_cells(const struct matrices *m, bool omitted)
{
	size_t n = m->joints.n;
	bool left = false;

	for (size_t i = 0; i < n * n * m->ranges.n; i++) {
		const struct cell *c = &m->cells[i];
		size_t pair = i / m->ranges.n;
		char service[CLO_SERVICE_TEXT];
		const struct clo_range *range =
			&m->ranges.ranges[i % m->ranges.n];

		if (c->before == c->after && !c->gained && !c->lost)
			continue;
		left = true;
		if (omitted && c->gained >= 0 && c->lost >= 0)
			continue;
		clo_service_text(range->first, range->last, service);
		subject_fail(m->after,
			     "plan: %s > %s %s: %d gains and %d losses are "
			     "missing",
			     m->joints.joints[pair / n].name,
			     m->joints.joints[pair % n].name, service,
			     c->gained, c->lost);
	}
	if (left != omitted)
		subject_fail(m->after, "plan: what was omitted is not missing");
}

void check_plan(const struct subject *before, const struct subject *after)
{
	struct matrices m = {.before = before, .after = after};
	json_t *plan = clo_explain_plan(before->compiled, after->compiled,
					before->now);
	size_t n;

	assert_non_null(plan);
	init(&m);
	n = m.joints.n;
	for (size_t i = 0; i < n * n; i++)
		count_joints(&m, i / n, i % n);
	count_flows(&m, plan);
	check_cells(&m, count_omitted(&m, plan) > 0);
	check_joints(&m);
	check_identities(&m);
	json_decref(plan);
	done(&m);
}
