/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/oracle.h"

#include <string.h>

#include "policy/service_spec.h"

/* Bit by bit: as plain as the definition of a prefix. */
static bool lies_in(const struct clo_cidr *addr, const struct clo_cidr *block)
{
	if (block->family != addr->family)
		return false;
	for (unsigned int bit = 0; bit < block->bits; bit++) {
		unsigned int differs = block->addr[bit / 8] ^
				       (unsigned int)addr->addr[bit / 8];

		if (differs & 0x80U >> (bit % 8))
			return false;
	}
	return true;
}

static bool lies_in_any(const struct clo_cidr *addr,
			const struct clo_cidr *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (lies_in(addr, &blocks[i]))
			return true;
	}
	return false;
}

static bool is_node(const struct clo_policy *policy,
		    const struct clo_cidr *addr)
{
	return lies_in_any(addr, policy->node.addresses,
			   policy->node.n_addresses);
}

/* Whether the service, if somebody asks for it by this address, is meant. */
static bool is_served_by(const struct clo_policy *policy,
			 const struct clo_provided *service,
			 const struct clo_cidr *addr)
{
	return lies_in_any(addr, service->addresses, service->n_addresses) &&
	       (service->node || !is_node(policy, addr));
}

static bool is_service(const struct clo_policy *policy,
		       const struct clo_cidr *addr)
{
	for (size_t i = 0; i < policy->node.n_services; i++) {
		if (is_served_by(policy, &policy->node.services[i], addr))
			return true;
	}
	return false;
}

struct clo_cidr clo_oracle_link_local(const struct clo_interface_doc *doc)
{
	const uint8_t *mac = doc->mac;

	return (struct clo_cidr){
		.family = 6,
		.bits = 128,
		.addr = {0xfe, 0x80, [8] = mac[0] ^ 2U, mac[1], mac[2], 0xff,
			 0xfe, mac[3], mac[4], mac[5]},
	};
}

static bool is_same(const struct clo_cidr *a, const struct clo_cidr *b)
{
	return a->family == b->family &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static bool has_address(const struct clo_interface_doc *doc,
			const struct clo_cidr *addr)
{
	for (size_t i = 0; i < doc->n_addresses; i++) {
		if (is_same(&doc->addresses[i], addr))
			return true;
	}
	return false;
}

/* By which address cidrs mean the endpoint; NULL: by none. */
static const struct clo_cidr *meant_by(const struct clo_party *party)
{
	const struct clo_interface_doc *doc = party->interface;

	if (has_address(doc, &party->addr))
		return &party->addr;
	for (size_t i = 0; i < doc->n_addresses; i++) {
		if (doc->addresses[i].family == 6)
			return &doc->addresses[i];
	}
	return doc->n_addresses ? &doc->addresses[0] : NULL;
}

static bool has_group(const struct clo_interface_doc *doc, size_t group)
{
	for (size_t i = 0; i < doc->n_groups; i++) {
		if (doc->groups[i] == group)
			return true;
	}
	return false;
}

static bool cidr_means(const struct clo_policy *policy,
		       const struct clo_peer *peer,
		       const struct clo_party *party, bool own)
{
	const struct clo_cidr *addr = &party->addr;

	if (party->workload) {
		if (!own)
			return false;
		addr = meant_by(party);
	} else if (is_node(policy, addr) || is_service(policy, addr)) {
		return false;
	}
	return addr && lies_in(addr, &peer->cidr) &&
	       !lies_in_any(addr, peer->except, peer->n_except);
}

bool clo_oracle_means(const struct clo_policy *policy,
		      const struct clo_peer *peer,
		      const struct clo_party *party)
{
	bool own = party->workload && party->workload->tenant == peer->tenant &&
		   party->workload->environment == peer->environment;

	switch (peer->kind) {
	case CLO_PEER_GROUP:
		return own && has_group(party->interface, peer->index);
	case CLO_PEER_SEGMENT:
		return own && party->interface->segment ==
				      &peer->tenant->scopes[peer->environment]
					       .segments[peer->index];
	case CLO_PEER_CIDR:
		return cidr_means(policy, peer, party, own);
	case CLO_PEER_SERVICE:
		return !party->workload &&
		       is_served_by(policy, peer->service, &party->addr);
	}
	return false;
}

bool clo_oracle_serves(const struct clo_rule_doc *rule, uint8_t proto,
		       uint16_t number)
{
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct clo_service_spec *spec = &rule->ports[i];

		if (spec->any ? !clo_proto_is_encapsulation(proto)
			      : spec->proto == proto && spec->first <= number &&
					number <= spec->last)
			return true;
	}
	return false;
}

static bool lists(const struct clo_exception_doc *exception,
		  const struct clo_rule_doc *rule)
{
	for (size_t i = 0; i < exception->n_rules; i++) {
		if (strcmp(exception->rules[i], rule->full) == 0)
			return true;
	}
	return false;
}

bool clo_oracle_sleeps(const struct clo_policy *policy,
		       const struct clo_rule_doc *rule, time_t now)
{
	bool listed = false;

	for (size_t i = 0; i < policy->n_exceptions; i++) {
		const struct clo_exception_doc *exception =
			&policy->exceptions[i];

		if (!lists(exception, rule))
			continue;
		if (exception->not_before <= now && now < exception->not_after)
			return false;
		listed = true;
	}
	return listed;
}

/* Where data lies is asked for a tenant of level 2 alone. */
bool clo_oracle_asks_national(const struct clo_policy *policy)
{
	for (size_t t = 0; t < policy->n_tenants; t++) {
		if (policy->tenants[t].qualification == 2)
			return true;
	}
	return false;
}

/* What stands on the node is at home, the rest if its prefix is declared. */
static bool is_national(const struct clo_policy *policy,
			const struct clo_cidr *addr)
{
	const struct clo_node_doc *node = &policy->node;

	if (!clo_oracle_asks_national(policy))
		return false;
	for (size_t i = 0; i < node->n_services; i++) {
		if (node->services[i].node &&
		    is_served_by(policy, &node->services[i], addr))
			return true;
	}
	return lies_in_any(addr, node->national, node->n_national);
}

enum clo_identity_kind clo_oracle_kind(const struct clo_policy *policy,
				       const struct clo_party *party,
				       uint8_t *ret_flags)
{
	const struct clo_node_doc *node = &policy->node;

	*ret_flags = 0;
	if (party->workload) {
		const struct clo_tenant_doc *tenant = party->workload->tenant;

		if (tenant->test_dev)
			*ret_flags |= CLO_IDENTITY_TEST_DEV;
		if (tenant->qualification == 2)
			*ret_flags |= CLO_IDENTITY_LEVEL_2;
		return CLO_IDENTITY_ENDPOINTS;
	}
	if (is_national(policy, &party->addr))
		*ret_flags = CLO_IDENTITY_NATIONAL;
	if (is_service(policy, &party->addr))
		return CLO_IDENTITY_SERVICE;
	if (is_node(policy, &party->addr)) {
		*ret_flags = 0;
		return CLO_IDENTITY_NODE;
	}
	if (lies_in_any(&party->addr, node->forensics, node->n_forensics))
		*ret_flags |= CLO_IDENTITY_FORENSICS;
	return CLO_IDENTITY_EXTERNAL;
}

const struct clo_cidr *clo_oracle_server(const struct clo_tenant_doc *tenant,
					 const struct clo_server_kind *kind)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct clo_cidr *addr =
			clo_server_address(tenant->services[i], kind);

		if (addr)
			return addr;
	}
	return NULL;
}

/* Whoever lives in this space asks for a server by this address. */
static const struct clo_cidr *asked_server(const struct clo_policy *policy,
					   uint32_t space,
					   const struct clo_cidr *addr)
{
	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			if (workload->interfaces[i].segment->space != space)
				continue;
			for (size_t k = 0; k < CLO_SERVER_KINDS; k++) {
				if (is_same(&clo_server_kinds[k].asked, addr))
					return clo_oracle_server(
						workload->tenant,
						&clo_server_kinds[k]);
			}
		}
	}
	return NULL;
}

struct clo_party clo_oracle_find(const struct clo_policy *policy,
				 uint32_t space, const struct clo_cidr *addr)
{
	const struct clo_cidr *server;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			const struct clo_interface_doc *doc =
				&workload->interfaces[i];
			const struct clo_cidr own = clo_oracle_link_local(doc);

			if (doc->segment->space == space &&
			    (has_address(doc, addr) || is_same(&own, addr)))
				return (struct clo_party){workload, doc, *addr};
		}
	}
	server = asked_server(policy, space, addr);
	return (struct clo_party){.addr = server ? *server : *addr};
}

size_t clo_oracle_judge(const struct clo_policy *policy, time_t now,
			const struct clo_oracle_packet *packet,
			const struct clo_rule_doc **ret_rules, size_t max)
{
	size_t n = 0;

	if (!packet->src.workload && !packet->dst.workload)
		return 0;
	for (size_t t = 0; t < policy->n_tenants; t++) {
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++) {
			const struct clo_rule_list list =
				clo_policy_rules(policy, t, e);

			for (size_t i = 0; i < list.n; i++) {
				const struct clo_rule_doc *rule =
					&list.items[i];

				if (!clo_oracle_means(policy, &rule->from,
						      &packet->src) ||
				    !clo_oracle_means(policy, &rule->to,
						      &packet->dst) ||
				    !clo_oracle_serves(rule, packet->proto,
						       packet->number) ||
				    clo_oracle_sleeps(policy, rule, now))
					continue;
				if (n < max)
					ret_rules[n] = rule;
				n++;
			}
		}
	}
	return n;
}
