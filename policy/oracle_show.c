/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/oracle_state.h"

/* Differences, and the packet that shows the first of them. */

#define TRIES_MAX 100000U /* packets judged in search of one */

void clo_oracle_differ(struct clo_oracle_state *state,
		       const struct clo_oracle_suspect *suspect,
		       const char *fmt, ...)
{
	struct clo_oracle_kept *kept;
	va_list args;

	if (state->report.differences++ >= CLO_ORACLE_KEPT)
		return;
	kept = &state->kept[state->report.differences - 1];
	va_start(args, fmt);
	(void)vsnprintf(kept->text, sizeof(kept->text), fmt, args);
	va_end(args);
	if (suspect)
		kept->suspect = *suspect;
}

static void fill(const struct clo_oracle_packet *packet,
		 struct clo_witness *witness)
{
	const struct clo_party *src = &packet->src;
	const struct clo_party *dst = &packet->dst;

	*witness = (struct clo_witness){
		.family = src->addr.family,
		.proto = packet->proto,
		.number = packet->number,
		.src_endpoint = src->interface ? src->interface->endpoint : 0,
		.dst_endpoint = dst->interface ? dst->interface->endpoint : 0,
	};
	memcpy(witness->src, src->addr.addr, sizeof(witness->src));
	memcpy(witness->dst, dst->addr.addr, sizeof(witness->dst));
}

/* True: the documents and the tables judge this packet differently. */
static bool shows(struct clo_oracle_state *state,
		  const struct clo_oracle_seen *src,
		  const struct clo_oracle_seen *dst, uint32_t slot)
{
	struct clo_oracle_difference *first = &state->report.first;
	struct clo_oracle_packet packet = {src->party, dst->party, 0, 0};
	const struct clo_rule_doc *rule = NULL, *by;
	struct clo_verdict verdict;
	bool meant, allowed;

	clo_slot_decode(slot, &packet.proto, &packet.number);
	meant = clo_oracle_judge(state->policy, state->now, &packet, &rule, 1) >
		0;
	clo_judge_pair(&state->view, src->identity, dst->identity, packet.proto,
		       packet.number, &verdict);
	allowed = verdict.drop == CLO_DROP_NONE;
	by = allowed && verdict.rule < state->n_rules
		     ? state->compiled->rules[verdict.rule]
		     : NULL;
	if (meant == allowed && by == rule)
		return false;

	first->has_packet = true;
	first->meant = meant;
	first->meant_by = rule;
	first->allowed = allowed;
	first->allowed_by = by;
	fill(&packet, &first->packet);
	return true;
}

static bool fits(const struct clo_oracle_state *state, size_t party,
		 size_t wanted, uint32_t identity, const struct clo_peer *peer)
{
	const struct clo_oracle_seen *seen = &state->seen[party];

	if (wanted)
		return wanted == party + 1;
	if (identity)
		return seen->identity == identity;
	return !peer || clo_oracle_means(state->policy, peer, &seen->party);
}

static bool can_be(const struct clo_party *src, const struct clo_party *dst,
		   uint32_t slot)
{
	uint8_t proto;
	uint16_t number;

	clo_slot_decode(slot, &proto, &number);
	return src->addr.family == dst->addr.family &&
	       (src->workload || dst->workload) &&
	       (src->interface != dst->interface) &&
	       proto != (src->addr.family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Between these two; true: found, or enough. */
static bool search_services(struct clo_oracle_state *state,
			    const struct clo_oracle_suspect *suspect,
			    size_t src, size_t dst, uint32_t *tries)
{
	const struct clo_oracle_seen *from = &state->seen[src];
	const struct clo_oracle_seen *to = &state->seen[dst];

	for (size_t i = 0; i < state->n_ranges; i++) {
		uint32_t slot = state->ranges[i].first;
		uint8_t proto;
		uint16_t number;

		if (suspect->slot != CLO_SLOTS && slot != suspect->slot)
			continue;
		clo_slot_decode(slot, &proto, &number);
		if (!can_be(&from->party, &to->party, slot) ||
		    (suspect->rule && suspect->slot == CLO_SLOTS &&
		     !clo_oracle_serves(state->compiled->rules[suspect->rule],
					proto, number)))
			continue;
		if (shows(state, from, to, slot) || ++*tries >= TRIES_MAX)
			return true;
	}
	return false;
}

static void search(struct clo_oracle_state *state,
		   const struct clo_oracle_suspect *suspect, uint32_t *tries)
{
	const struct clo_rule_doc *rule =
		suspect->rule ? state->compiled->rules[suspect->rule] : NULL;

	for (size_t s = 0; s < state->n_seen; s++) {
		if (!fits(state, s, suspect->src_party, suspect->src,
			  rule ? &rule->from : NULL))
			continue;
		for (size_t d = 0; d < state->n_seen; d++) {
			if (fits(state, d, suspect->dst_party, suspect->dst,
				 rule ? &rule->to : NULL) &&
			    search_services(state, suspect, s, d, tries))
				return;
		}
	}
}

void clo_oracle_show(struct clo_oracle_state *state)
{
	struct clo_oracle_difference *first = &state->report.first;
	uint64_t n = state->report.differences;
	uint32_t tries = 0;

	for (size_t i = 0; i < n && i < CLO_ORACLE_KEPT; i++) {
		const struct clo_oracle_kept *kept = &state->kept[i];

		if (kept->suspect.src || kept->suspect.rule)
			search(state, &kept->suspect, &tries);
		if (i == 0 || first->has_packet)
			memcpy(first->text, kept->text, sizeof(first->text));
		if (first->has_packet || tries >= TRIES_MAX)
			return;
	}
}
