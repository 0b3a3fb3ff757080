/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "unit/random_policy.h"

/* Packets where a policy changes its mind. */

static const struct clo_rule_doc *any_rule(const struct clo_policy *policy,
					   struct dice *dice)
{
	const struct clo_scope_doc *scope;

	for (int i = 0; i < 4; i++) {
		scope = &policy->tenants[roll(dice,
					      (uint32_t)policy->n_tenants)]
				 .scopes[1 + roll(dice, 3)];
		if (scope->n_rules)
			return &scope->rules[roll(dice,
						  (uint32_t)scope->n_rules)];
	}
	return NULL;
}

static void any_service(const struct clo_rule_doc *rule, struct dice *dice,
			struct clo_oracle_packet *packet)
{
	static const uint8_t protos[] = {IPPROTO_TCP,
					 IPPROTO_UDP,
					 IPPROTO_SCTP,
					 IPPROTO_ICMP,
					 IPPROTO_ICMPV6,
					 IPPROTO_GRE,
					 IPPROTO_IPIP,
					 89,
					 255};
	const struct clo_service_spec *spec;

	packet->proto = protos[roll(dice, CLO_ARRAY_LEN(protos))];
	packet->number = (uint16_t)roll(dice, roll(dice, 2) ? 32 : 65536);
	if (rule && rule->n_ports && roll(dice, 4)) {
		spec = &rule->ports[roll(dice, (uint32_t)rule->n_ports)];
		if (!spec->any) {
			packet->proto = spec->proto;
			packet->number =
				roll(dice, 2) ? spec->first : spec->last;
			packet->number = (uint16_t)(packet->number +
						    (roll(dice, 3)   ? 0
						     : roll(dice, 2) ? 1
								     : -1));
		}
	}
	if (packet->proto == IPPROTO_ICMP || packet->proto == IPPROTO_ICMPV6)
		packet->number &= 0xff;
	else if (packet->proto != IPPROTO_TCP && packet->proto != IPPROTO_UDP &&
		 packet->proto != IPPROTO_SCTP)
		packet->number = 0;
}

/* The first or last address of the block, or the one before or behind. */
static struct clo_cidr edge(const struct clo_cidr *block, struct dice *dice)
{
	unsigned int bits = block->family == 4 ? 32 : 128;
	struct clo_cidr addr = *block;
	bool last = roll(dice, 2);
	bool beyond = roll(dice, 3) == 0;

	for (unsigned int bit = block->bits; bit < bits && last; bit++)
		addr.addr[bit / 8] |= (uint8_t)(0x80U >> (bit % 8));
	addr.bits = (uint8_t)bits;
	for (unsigned int bit = bits; bit > 0 && beyond; bit--) {
		uint8_t mask = (uint8_t)(0x80U >> ((bit - 1) % 8));
		bool was = addr.addr[(bit - 1) / 8] & mask;

		addr.addr[(bit - 1) / 8] ^= mask;
		beyond = was == last; /* carry on, up or down */
	}
	return addr;
}

static struct clo_cidr any_block(const struct clo_policy *policy,
				 struct dice *dice)
{
	const struct clo_node_doc *node = &policy->node;
	const struct clo_rule_doc *rule = any_rule(policy, dice);
	const struct clo_provided *service =
		&node->services[roll(dice, (uint32_t)node->n_services)];
	const struct clo_peer *peer;
	uint32_t pick;

	if (rule) {
		peer = roll(dice, 2) ? &rule->to : &rule->from;
		pick = roll(dice, (uint32_t)peer->n_except + 1);
		if (peer->kind == CLO_PEER_CIDR)
			return pick ? peer->except[pick - 1] : peer->cidr;
	}
	if (node->n_forensics && roll(dice, 4) == 0)
		return node->forensics[0];
	if (roll(dice, 2))
		return service->addresses[0];
	return node->addresses[roll(dice, (uint32_t)node->n_addresses)];
}

static struct clo_party any_party(const struct clo_policy *policy,
				  struct dice *dice)
{
	const struct clo_workload_doc *workload;
	const struct clo_interface_doc *doc;
	struct clo_party party = {0};
	uint32_t pick;

	if (policy->n_workloads == 0 || roll(dice, 3) == 0) {
		struct clo_cidr block = any_block(policy, dice);

		party.addr = edge(&block, dice);
		return party;
	}
	workload =
		&policy->workloads[roll(dice, (uint32_t)policy->n_workloads)];
	doc = workload->interfaces;
	pick = roll(dice, (uint32_t)doc->n_addresses + 1);
	party = (struct clo_party){workload, doc, clo_oracle_link_local(doc)};
	if (pick < doc->n_addresses)
		party.addr = doc->addresses[pick];
	return party;
}

/* By luck one that the rule means. */
static bool any_end(const struct clo_policy *policy,
		    const struct clo_peer *peer, struct dice *dice,
		    struct clo_party *ret_party)
{
	for (int i = 0; i < 6; i++) {
		*ret_party = any_party(policy, dice);
		if (clo_oracle_means(policy, peer, ret_party))
			return true;
	}
	return false;
}

/* Of nothing but chance few would be allowed. */
void random_packet(const struct clo_policy *policy, struct dice *dice,
		   struct clo_oracle_packet *ret_packet)
{
	const struct clo_rule_doc *rule = any_rule(policy, dice);
	uint32_t tries = roll(dice, 4);

	ret_packet->src = any_party(policy, dice);
	ret_packet->dst = any_party(policy, dice);
	for (uint32_t i = 0; rule && i < tries; i++) {
		if (any_end(policy, &rule->from, dice, &ret_packet->src) &&
		    any_end(policy, &rule->to, dice, &ret_packet->dst))
			break;
		rule = any_rule(policy, dice);
	}
	any_service(rule, dice, ret_packet);
}
