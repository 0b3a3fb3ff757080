/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "policy/named_sets.h"
#include "policy/prove_check.h"
#include "policy/question_impl.h"

/*
 * What each rule is good for. The compiler has met every pair of identities
 * with every rule between them; here its findings get their names.
 */
#define BY_MAX 4 /* rules that shadow another: so many are named */

struct rules {
	const struct clo_asked *asked;
	struct clo_named_sets sets; /* over identities */
	struct clo_index pairs;
	bool *from, *to; /* by identity, of one rule */
	json_t *unused, *asleep, *shadowed, *redundant, *never_hit;
	uint64_t omitted;
};

static void done(struct rules *rules)
{
	clo_named_sets_done(&rules->sets);
	clo_index_done(&rules->pairs);
	free(rules->from);
	free(rules->to);
	json_decref(rules->unused);
	json_decref(rules->asleep);
	json_decref(rules->shadowed);
	json_decref(rules->redundant);
	json_decref(rules->never_hit);
}

static int prepare(struct rules *rules)
{
	const struct clo_compiled *compiled = rules->asked->compiled;
	uint32_t n = compiled->tables->gen.identities;
	uint32_t *identities = calloc(n, sizeof(*identities));
	int r;

	if (!identities)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		identities[i] = i;
	r = clo_named_sets_init(&rules->sets, compiled, identities, n);
	if (r == 0)
		r = clo_pairs_index(compiled->tables, &rules->pairs);
	rules->from = calloc(n, sizeof(*rules->from));
	rules->to = calloc(n, sizeof(*rules->to));
	rules->unused = json_array();
	rules->asleep = json_array();
	rules->shadowed = json_array();
	rules->redundant = json_array();
	rules->never_hit = json_array();
	if (r == 0 &&
	    (!rules->from || !rules->to || !rules->unused || !rules->asleep ||
	     !rules->shadowed || !rules->redundant || !rules->never_hit))
		r = -ENOMEM;
	return r;
}

static int add(struct rules *rules, json_t *list, json_t *item)
{
	if (json_array_size(list) == CLO_ANSWER_MAX) {
		json_decref(item);
		rules->omitted++;
		return 0;
	}
	return json_array_append_new(list, item) < 0 ? -ENOMEM : 0;
}

static json_t *item_of(const struct clo_rule_doc *rule)
{
	return json_pack("{s:s, s:s?, s:i}", "rule", rule->full, "file",
			 rule->file, "line", rule->line);
}

/* Identities that the rule's sides mean; false: that side means none. */
static void find_sides(struct rules *rules, const struct clo_rule_doc *rule,
		       bool *ret_from, bool *ret_to)
{
	*ret_from = false;
	*ret_to = false;
	for (uint32_t i = 1; i < rules->sets.n_members; i++) {
		rules->from[i] =
			clo_named_sets_means(&rules->sets, &rule->from, i);
		rules->to[i] = clo_named_sets_means(&rules->sets, &rule->to, i);
		*ret_from |= rules->from[i];
		*ret_to |= rules->to[i];
	}
}

/* Listed by exceptions alone, and none of them is in force. */
static bool is_asleep(const struct clo_asked *asked, uint32_t index)
{
	const struct clo_policy *policy = asked->compiled->policy;
	const char *full = asked->compiled->rules[index]->full;

	if (asked->compiled->excepted[index])
		return false;
	for (size_t e = 0; e < policy->n_exceptions; e++)
		for (size_t i = 0; i < policy->exceptions[e].n_rules; i++)
			if (!strcmp(policy->exceptions[e].rules[i], full))
				return true;
	return false;
}

static int tell_unmet(struct rules *rules, uint32_t index)
{
	const struct clo_rule_doc *rule = rules->asked->compiled->rules[index];
	json_t *item = item_of(rule);
	bool from;
	bool to;

	if (is_asleep(rules->asked, index))
		return add(rules, rules->asleep, item);
	if (json_array_size(rules->unused) == CLO_ANSWER_MAX)
		return add(rules, rules->unused, item);
	find_sides(rules, rule, &from, &to);
	(void)json_object_set_new(item, "side",
				  json_string(!from && !to ? "both"
					      : !from      ? "from"
					      : !to        ? "to"
							   : "outside"));
	return add(rules, rules->unused, item);
}

static bool has_service(const struct clo_rule_doc *rule, uint32_t slot)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (clo_question_covers(&rule->ports[i], slot))
			return true;
	return false;
}

static bool is_listed(const uint32_t *list, size_t n, uint32_t rule)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == rule)
			return true;
	return false;
}

/* Rules found, each once. */
struct found {
	uint32_t list[BY_MAX];
	size_t n;
};

/* Owners in this row of what the rule would grant. */
static void find_in_row(const struct clo_tables *tables, uint32_t row,
			const struct clo_rule_doc *rule,
			const struct clo_ranges *ranges, struct found *found)
{
	for (size_t k = 0; k < ranges->n && found->n < BY_MAX; k++) {
		const struct clo_range *range = &ranges->ranges[k];
		uint32_t owner;

		if (range->class >= tables->gen.classes ||
		    !has_service(rule, range->first))
			continue;
		owner = clo_tables_rule(tables, row, range->class);
		if (owner && !is_listed(found->list, found->n, owner))
			found->list[found->n++] = owner;
	}
}

/* Owners of all that the rule would grant; the first BY_MAX of them. */
static json_t *find_owners(struct rules *rules, const struct clo_rule_doc *rule,
			   const struct clo_ranges *ranges)
{
	const struct clo_compiled *compiled = rules->asked->compiled;
	const struct clo_tables *tables = compiled->tables;
	struct found found = {.n = 0};
	json_t *names = json_array();

	for (uint32_t src = 1; src < rules->sets.n_members; src++) {
		size_t n;
		const uint32_t *entries = clo_index_get(&rules->pairs, src, &n);

		for (size_t i = 0; rules->from[src] && i < n; i++) {
			const struct clo_pair *pair = clo_tables_key(
				tables, CLO_TABLE_PAIRS, entries[i]);
			const uint32_t *row = clo_tables_value(
				tables, CLO_TABLE_PAIRS, entries[i]);

			if (rules->to[pair->dst])
				find_in_row(tables, *row, rule, ranges, &found);
		}
	}
	for (size_t i = 0; i < found.n; i++)
		(void)json_array_append_new(
			names,
			json_string(compiled->rules[found.list[i]]->full));
	return names;
}

static int tell_shadowed(struct rules *rules, uint32_t index,
			 const struct clo_ranges *ranges)
{
	const struct clo_rule_doc *rule = rules->asked->compiled->rules[index];
	json_t *item = item_of(rule);
	bool from;
	bool to;

	/* Beyond the list nobody reads who shadows it. */
	if (json_array_size(rules->shadowed) < CLO_ANSWER_MAX) {
		find_sides(rules, rule, &from, &to);
		(void)json_object_set_new(item, "by",
					  find_owners(rules, rule, ranges));
	}
	return add(rules, rules->shadowed, item);
}

static int tell_rule(struct rules *rules, uint32_t index,
		     const struct clo_ranges *ranges)
{
	const struct clo_asked *asked = rules->asked;
	uint8_t uses = asked->compiled->uses[index];
	int r = 0;

	if (!(uses & CLO_RULE_MET))
		r = tell_unmet(rules, index);
	else if (!(uses & CLO_RULE_OWNS))
		r = tell_shadowed(rules, index, ranges);
	else if (!(uses & CLO_RULE_NEEDED))
		r = add(rules, rules->redundant,
			item_of(asked->compiled->rules[index]));
	if (r == 0 && uses & CLO_RULE_OWNS && asked->packets &&
	    (index >= asked->n_packets || asked->packets[index] == 0))
		r = add(rules, rules->never_hit,
			item_of(asked->compiled->rules[index]));
	return r;
}

static json_t *exceptions(const struct clo_asked *asked)
{
	const struct clo_policy *policy = asked->compiled->policy;
	json_t *list = json_array();

	for (size_t i = 0; i < policy->n_exceptions; i++) {
		const struct clo_exception_doc *e = &policy->exceptions[i];

		if (e->not_after <= asked->now ||
		    e->not_after - asked->now > asked->within)
			continue;
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s?, s:I, s:I}", "exception",
				  e->name, "control", e->control, "owner",
				  e->owner, "notAfter",
				  (json_int_t)e->not_after, "daysLeft",
				  (json_int_t)((e->not_after - asked->now) /
					       86400)));
	}
	return list;
}

static json_t *answer(const struct rules *rules)
{
	const struct clo_asked *asked = rules->asked;
	json_t *answer = json_pack(
		"{s:s, s:I, s:O, s:O, s:O, s:O, s:o}", "verdict", "ANSWERED",
		"rules", (json_int_t)asked->compiled->tables->gen.rules - 1,
		"unused", rules->unused, "asleep", rules->asleep, "shadowed",
		rules->shadowed, "redundant", rules->redundant, "exceptions",
		exceptions(asked));

	if (answer && asked->packets) {
		(void)json_object_set(answer, "neverHit", rules->never_hit);
		(void)json_object_set_new(
			answer, "since",
			json_integer((json_int_t)asked->since));
	}
	if (answer && rules->omitted)
		(void)json_object_set_new(
			answer, "omitted",
			json_integer((json_int_t)rules->omitted));
	return answer;
}

json_t *clo_answer_rules(const struct clo_asked *asked, char reterr_text[160])
{
	struct rules rules = {.asked = asked};
	struct clo_ranges ranges = {0};
	json_t *answered = NULL;
	int r;

	(void)reterr_text;
	r = prepare(&rules);
	if (r == 0)
		r = clo_ranges_init(&ranges, asked->compiled->tables);
	for (uint32_t i = 1; i < asked->compiled->tables->gen.rules && r == 0;
	     i++)
		r = tell_rule(&rules, i, &ranges);
	if (r == 0)
		answered = answer(&rules);
	clo_ranges_done(&ranges);
	done(&rules);
	return answered;
}
