/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/oracle_compare.h"

#include <errno.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/oracle_state.h"

int clo_oracle_push(struct clo_oracle_list *list, uint32_t item)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 8;
		uint32_t *moved =
			reallocarray(list->items, cap, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		list->items = moved;
		list->cap = cap;
	}
	list->items[list->n++] = item;
	return 0;
}

static int wait(const struct clo_oracle_state *state)
{
	return state->pace.wait ? state->pace.wait(state->pace.userdata) : 0;
}

static int init(struct clo_oracle_state *state)
{
	const struct clo_tables *compiled = state->compiled->tables;

	state->n_rules = compiled->gen.rules;
	state->n_identities = state->tables->gen.identities;
	state->asleep = calloc(state->n_rules + 1U, sizeof(*state->asleep));
	state->stands = calloc(state->n_identities + 1U, sizeof(size_t));
	state->from = calloc(state->n_identities + 1U, sizeof(*state->from));
	state->to = calloc(state->n_identities + 1U, sizeof(*state->to));
	if (!state->asleep || !state->stands || !state->from || !state->to)
		return -ENOMEM;

	for (uint32_t i = 1; i < state->n_rules; i++) {
		state->asleep[i] = clo_oracle_sleeps(
			state->policy, state->compiled->rules[i], state->now);
		state->report.rules += !state->asleep[i];
	}
	return 0;
}

static void done(struct clo_oracle_state *state)
{
	for (uint32_t i = 0; i < state->n_identities; i++) {
		if (state->from)
			free(state->from[i].items);
		if (state->to)
			free(state->to[i].items);
	}
	free(state->from);
	free(state->to);
	free(state->stands);
	free(state->asleep);
	free(state->peers[0].items);
	free(state->peers[1].items);
	free(state->scratch.items);
	free(state->seen);
	free(state->ranges);
	free(state->slots);
	free(state->serves);
}

static struct clo_oracle_list *rules_of(struct clo_oracle_state *state,
					uint32_t identity, bool to)
{
	return &(to ? state->to : state->from)[identity];
}

/* The first party of an identity: the rules that mean it. */
static int learn(struct clo_oracle_state *state, size_t index)
{
	const struct clo_oracle_seen *seen = &state->seen[index];
	int r = 0;

	state->stands[seen->identity] = index + 1;
	for (int to = 0; to < 2 && r == 0; to++)
		r = clo_oracle_meant(state, to, &seen->party,
				     rules_of(state, seen->identity, to));
	return r;
}

/* The first rule that is in one of the lists only, or 0. */
static uint32_t first_alone(const struct clo_oracle_list *a,
			    const struct clo_oracle_list *b)
{
	size_t i = 0;

	while (i < a->n && i < b->n && a->items[i] == b->items[i])
		i++;
	if (i == a->n)
		return i < b->n ? b->items[i] : 0;
	if (i == b->n)
		return a->items[i];
	return a->items[i] < b->items[i] ? a->items[i] : b->items[i];
}

static struct clo_oracle_suspect party_suspect(size_t index, bool to,
					       uint32_t rule)
{
	struct clo_oracle_suspect suspect = {.rule = rule, .slot = CLO_SLOTS};

	*(to ? &suspect.dst_party : &suspect.src_party) = index + 1;
	return suspect;
}

/* Another party of it: the same rules must mean it. */
static int check_same(struct clo_oracle_state *state, size_t index)
{
	const struct clo_oracle_seen *seen = &state->seen[index];
	char name[CLO_NAME_MAX];

	for (int to = 0; to < 2; to++) {
		struct clo_oracle_suspect suspect;
		int r = clo_oracle_meant(state, to, &seen->party,
					 &state->scratch);
		uint32_t rule;

		if (r < 0)
			return r;
		rule = first_alone(rules_of(state, seen->identity, to),
				   &state->scratch);
		if (!rule)
			continue;
		suspect = party_suspect(index, to, rule);
		clo_oracle_differ(state, &suspect,
				  "identity %s: rule %s tells its addresses "
				  "apart",
				  clo_name_identity(state->compiled,
						    seen->identity, name),
				  state->compiled->rules[rule]->full);
		return 0;
	}
	return 0;
}

/* What has no class no rule may mean. */
static int check_none(struct clo_oracle_state *state, size_t index,
		      enum clo_identity_kind kind, uint8_t flags)
{
	const struct clo_party *party = &state->seen[index].party;
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(&party->addr, text);
	if (kind != CLO_IDENTITY_EXTERNAL || flags)
		clo_oracle_differ(state, NULL,
				  "%s has a meaning and no class in the tables",
				  text);
	for (int to = 0; to < 2; to++) {
		struct clo_oracle_suspect suspect;
		int r = clo_oracle_meant(state, to, party, &state->scratch);

		if (r < 0)
			return r;
		if (state->scratch.n == 0)
			continue;
		suspect = party_suspect(index, to, state->scratch.items[0]);
		clo_oracle_differ(
			state, &suspect,
			"%s: rule %s means it and it has no class in the "
			"tables",
			text, state->compiled->rules[suspect.rule]->full);
	}
	return 0;
}

static int check_party(struct clo_oracle_state *state, size_t index)
{
	const struct clo_oracle_seen *seen = &state->seen[index];
	const struct clo_identity *identity = clo_tables_find(
		state->tables, CLO_TABLE_IDENTITIES, &seen->identity);
	enum clo_identity_kind kind;
	uint8_t flags;
	char text[CLO_CIDR_TEXT];

	kind = clo_oracle_kind(state->policy, &seen->party, &flags);
	if (seen->identity == 0) {
		return check_none(state, index, kind, flags);
	}
	clo_cidr_format(&seen->party.addr, text);
	if (!identity || identity->kind != kind || identity->flags != flags) {
		clo_oracle_differ(state, NULL,
				  "%s is of another kind in the tables than in "
				  "the documents",
				  text);
		if (!identity)
			return 0;
	}
	if (!state->stands[seen->identity])
		return learn(state, index);
	return check_same(state, index);
}

static bool is_served(const struct clo_oracle_state *state, uint32_t rule,
		      uint32_t class)
{
	return state->serves[(size_t)rule * state->words + class / 64] >>
		       (class % 64) &
	       1;
}

static void check_range(struct clo_oracle_state *state,
			const struct clo_oracle_range *range)
{
	char service[CLO_SERVICE_TEXT];
	uint8_t proto;
	uint16_t number;

	clo_slot_decode(range->first, &proto, &number);
	clo_service_text(range->first, range->first, service);
	if (range->class >= state->tables->gen.classes) {
		clo_oracle_differ(state, NULL, "%s has no class in the tables",
				  service);
		return;
	}
	for (uint32_t i = 1; i < state->n_rules; i++) {
		const struct clo_rule_doc *rule = state->compiled->rules[i];
		const struct clo_oracle_suspect suspect = {
			.rule = i, .slot = range->first};

		if (state->asleep[i] ||
		    clo_oracle_serves(rule, proto, number) ==
			    is_served(state, i, range->class))
			continue;
		clo_oracle_differ(state, &suspect,
				  "%s: rule %s tells it apart from the rest of "
				  "its class",
				  service, rule->full);
		return;
	}
}

static const char *who(const struct clo_oracle_state *state, uint32_t rule)
{
	const char *name = clo_name_rule(state->compiled, rule);

	return name ? name : rule ? "a rule that there is not" : "denied";
}

static void tell_pair(struct clo_oracle_state *state,
		      const struct clo_pair *pair, uint32_t class,
		      uint32_t owner, const char *found)
{
	const struct clo_oracle_suspect suspect = {
		.src = pair->src,
		.dst = pair->dst,
		.slot = state->slots[class] - 1,
	};
	char names[3][CLO_NAME_MAX];

	clo_oracle_differ(
		state, &suspect,
		"%s > %s %s: by the documents %s, by the tables %s",
		clo_name_identity(state->compiled, pair->src, names[0]),
		clo_name_identity(state->compiled, pair->dst, names[1]),
		clo_name_class(state->compiled, class, names[2]),
		who(state, owner), found);
}

/* The owner of each class by the documents; the first rule is the last. */
static void find_owners(const struct clo_oracle_state *state,
			const struct clo_oracle_list *rules, uint32_t *owners)
{
	memset(owners, 0, state->tables->gen.classes * sizeof(*owners));
	for (size_t i = rules->n; i > 0; i--) {
		uint32_t rule = rules->items[i - 1];
		const uint64_t *serves =
			&state->serves[(size_t)rule * state->words];

		for (uint32_t w = 0; w < state->words; w++) {
			for (uint64_t word = serves[w]; word; word &= word - 1)
				owners[w * 64 +
				       (uint32_t)__builtin_ctzll(word)] = rule;
		}
	}
}

/* One pair: each bit and its owner. */
static void check_pair(struct clo_oracle_state *state,
		       const struct clo_pair *pair,
		       const struct clo_oracle_list *rules, uint32_t *owners)
{
	const uint32_t *row = clo_view_pair(&state->view, pair->src, pair->dst);
	const uint64_t *bits =
		row ? clo_tables_bits(state->tables, *row) : NULL;

	if (!row && rules->n == 0)
		return;
	find_owners(state, rules, owners);
	for (uint32_t c = 0; c < state->tables->gen.classes; c++) {
		bool allowed = bits && bits[c / 64] >> (c % 64) & 1;
		uint32_t owner =
			allowed ? clo_tables_rule(state->tables, *row, c) : 0;

		if (!state->slots[c])
			continue; /* no packet has it */
		state->report.allowed += owners[c] != 0;
		if (allowed == (owners[c] != 0) && owner == owners[c])
			continue;
		tell_pair(state, pair, c, owners[c],
			  allowed && !owner ? "allowed by no rule"
					    : who(state, owner));
	}
}

/* By destination: the rules that mean this source and that destination. */
static int meet(struct clo_oracle_state *state, uint32_t src,
		const struct clo_oracle_list *members,
		struct clo_oracle_list *met)
{
	const struct clo_oracle_list *from = &state->from[src];
	bool outside = !state->seen[state->stands[src] - 1].party.workload;

	for (uint32_t i = 0; i < state->n_identities; i++)
		met[i].n = 0;
	for (size_t i = 0; i < from->n; i++) {
		const struct clo_oracle_list *to = &members[from->items[i]];

		for (size_t m = 0; m < to->n; m++) {
			const size_t stands = state->stands[to->items[m]];
			int r;

			if (outside && !state->seen[stands - 1].party.workload)
				continue;
			r = clo_oracle_push(&met[to->items[m]], from->items[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int check_pairs(struct clo_oracle_state *state,
		       const struct clo_oracle_list *members,
		       struct clo_oracle_list *met)
{
	const uint32_t classes = state->tables->gen.classes;
	CLO_AUTO_MEM uint32_t *owners = calloc(classes + 1U, sizeof(*owners));

	if (!owners)
		return -ENOMEM;
	for (uint32_t src = 1; src < state->n_identities; src++) {
		int r;

		if (!state->stands[src])
			continue;
		r = wait(state);
		if (r == 0)
			r = meet(state, src, members, met);
		if (r < 0)
			return r;
		for (uint32_t dst = 1; dst < state->n_identities; dst++) {
			const struct clo_pair pair = {src, dst};

			if (!state->stands[dst])
				continue;
			check_pair(state, &pair, &met[dst], owners);
			state->report.pairs++;
		}
	}
	return 0;
}

/* Rule -> identities that its `to` means. */
static int list_members(const struct clo_oracle_state *state,
			struct clo_oracle_list *members)
{
	for (uint32_t i = 1; i < state->n_identities; i++) {
		for (size_t n = 0; n < state->to[i].n; n++) {
			int r = clo_oracle_push(&members[state->to[i].items[n]],
						i);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void free_lists(struct clo_oracle_list *lists, size_t n)
{
	for (size_t i = 0; lists && i < n; i++)
		free(lists[i].items);
	free(lists);
}

static int run_pairs(struct clo_oracle_state *state)
{
	struct clo_oracle_list *members =
		calloc(state->n_rules + 1U, sizeof(*members));
	struct clo_oracle_list *met =
		calloc(state->n_identities + 1U, sizeof(*met));
	int r = -ENOMEM;

	if (members && met)
		r = list_members(state, members);
	if (r == 0)
		r = check_pairs(state, members, met);
	free_lists(members, state->n_rules);
	free_lists(met, state->n_identities);
	return r;
}

static int run(struct clo_oracle_state *state)
{
	struct clo_oracle_report *report = &state->report;
	int r = init(state);

	if (r == 0)
		r = clo_oracle_peers(state);
	if (r == 0)
		r = clo_oracle_parties(state);
	for (size_t i = 0; i < state->n_seen && r == 0; i++) {
		r = wait(state);
		if (r == 0)
			r = check_party(state, i);
	}
	if (r == 0)
		r = clo_oracle_ranges(state);
	if (r < 0)
		return r;
	for (size_t i = 0; i < state->n_ranges; i++)
		check_range(state, &state->ranges[i]);
	r = run_pairs(state);
	if (r < 0)
		return r;

	clo_oracle_show(state);
	report->parties = state->n_seen;
	report->ranges = state->n_ranges;
	for (uint32_t i = 1; i < state->n_identities; i++)
		report->identities += state->stands[i] != 0;
	report->classes = state->tables->gen.classes;
	report->verdicts = report->pairs * report->classes;
	return 0;
}

int clo_oracle_compare_paced(const struct clo_compiled *compiled,
			     const struct clo_tables *tables, time_t now,
			     const struct clo_oracle_pace *pace,
			     struct clo_oracle_report *ret_report)
{
	struct clo_oracle_state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return -ENOMEM;
	state->compiled = compiled;
	state->policy = compiled->policy;
	state->tables = tables;
	state->view.tables = tables;
	state->now = now;
	state->pace = *pace;
	r = run(state);
	if (r == 0)
		*ret_report = state->report;
	done(state);
	free(state);
	return r;
}

int clo_oracle_compare(const struct clo_compiled *compiled,
		       const struct clo_tables *tables, time_t now,
		       struct clo_oracle_report *ret_report)
{
	const struct clo_oracle_pace at_once = {0};

	return clo_oracle_compare_paced(compiled, tables, now, &at_once,
					ret_report);
}
