/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "policy/oracle_state.h"

/*
 * Every range of services that the ports of the documents or the classes of the
 * tables tell apart: inside one, the first slot stands for all.
 */

/* Slots at which a range begins. */
static void cut(bool *begins, const struct clo_service_spec *spec)
{
	begins[clo_judge_slot(spec->proto, spec->first)] = true;
	/* Behind the last one: for a whole protocol, where the next begins. */
	if (clo_judge_slot(spec->proto, spec->last) + 1 < CLO_SLOTS)
		begins[clo_judge_slot(spec->proto, spec->last) + 1] = true;
}

static void cut_documents(const struct clo_oracle_state *state, bool *begins)
{
	static const uint32_t protocols[] = {CLO_SLOT_TCP, CLO_SLOT_UDP,
					     CLO_SLOT_SCTP, CLO_SLOT_ICMP,
					     CLO_SLOT_ICMPV6};

	for (size_t i = 0; i < CLO_ARRAY_LEN(protocols); i++)
		begins[protocols[i]] = true;
	for (uint32_t slot = CLO_SLOT_OTHER; slot < CLO_SLOTS; slot++)
		begins[slot] = true;
	for (uint32_t i = 1; i < state->n_rules; i++) {
		const struct clo_rule_doc *rule = state->compiled->rules[i];

		for (size_t p = 0; p < rule->n_ports; p++) {
			if (!rule->ports[p].any)
				cut(begins, &rule->ports[p]);
		}
	}
}

static void cut_tables(const struct clo_oracle_state *state, bool *begins)
{
	for (uint32_t slot = 0; slot < CLO_SLOTS;
	     slot = clo_tables_class_end(state->tables, slot))
		begins[slot] = true;
}

static void take_class(struct clo_oracle_state *state, uint32_t slot)
{
	uint32_t class = clo_view_class(&state->view, slot);
	uint8_t proto;
	uint16_t number;

	clo_slot_decode(slot, &proto, &number);
	/* A protocol with a place of its own is not among the others. */
	if (clo_judge_slot(proto, number) != slot)
		return;
	state->ranges[state->n_ranges++] =
		(struct clo_oracle_range){slot, class};
	if (class >= state->tables->gen.classes || state->slots[class])
		return;

	/* The first range of the class stands for it. */
	state->slots[class] = slot + 1;
	for (uint32_t i = 1; i < state->n_rules; i++) {
		if (clo_oracle_serves(state->compiled->rules[i], proto, number))
			state->serves[(size_t)i * state->words + class / 64] |=
				(uint64_t)1 << (class % 64);
	}
}

int clo_oracle_ranges(struct clo_oracle_state *state)
{
	CLO_AUTO_MEM bool *begins = calloc(CLO_SLOTS, sizeof(*begins));
	size_t n = 0;

	state->words = (state->tables->gen.classes + 63) / 64;
	state->slots = calloc((size_t)state->tables->gen.classes + 1,
			      sizeof(*state->slots));
	state->serves = calloc((size_t)state->n_rules * state->words + 1,
			       sizeof(*state->serves));
	if (!begins || !state->slots || !state->serves)
		return -ENOMEM;

	cut_documents(state, begins);
	cut_tables(state, begins);
	for (uint32_t slot = 0; slot < CLO_SLOTS; slot++)
		n += begins[slot];
	state->ranges = calloc(n, sizeof(*state->ranges));
	if (!state->ranges)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < CLO_SLOTS; slot++) {
		if (begins[slot])
			take_class(state, slot);
	}
	return 0;
}
