/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "check.h"
#include "unit/judged.h"

/*
 * Random policies: the verdicts of the compiled tables against an evaluator
 * that walks the rules of the model for each packet, as plainly as it can.
 */
#define POLICIES 400
#define PACKETS 600

static uint32_t dice; /* state of the generator: a failure names its seed */

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

/* One end of a packet: an endpoint by one of its addresses, or an address. */
struct party {
	const struct clo_workload_doc *workload; /* NULL: outside */
	struct clo_cidr addr; /* as in the packet */
	struct clo_cidr member; /* what cidrs are compared with */
};

static bool in_block(const struct clo_cidr *block, const struct clo_cidr *addr)
{
	if (block->family != addr->family)
		return false;
	for (unsigned int bit = 0; bit < block->bits; bit++) {
		uint8_t mask = (uint8_t)(0x80U >> (bit % 8));

		if ((block->addr[bit / 8] ^ addr->addr[bit / 8]) & mask)
			return false;
	}
	return true;
}

static bool in_any(const struct clo_cidr *blocks, size_t n,
		   const struct clo_cidr *addr)
{
	for (size_t i = 0; i < n; i++) {
		if (in_block(&blocks[i], addr))
			return true;
	}
	return false;
}

static bool is_node(const struct clo_policy *policy,
		    const struct clo_cidr *addr)
{
	return in_any(policy->node.addresses, policy->node.n_addresses, addr);
}

static bool is_service(const struct clo_policy *policy,
		       const struct clo_cidr *addr)
{
	for (size_t i = 0; i < policy->node.n_services; i++) {
		if (in_any(policy->node.services[i].addresses,
			   policy->node.services[i].n_addresses, addr))
			return true;
	}
	return false;
}

static bool in_scope(const struct party *party,
		     const struct clo_tenant_doc *tenant,
		     enum clo_environment environment)
{
	return party->workload && party->workload->tenant == tenant &&
	       party->workload->environment == environment;
}

static bool has_group(const struct clo_interface_doc *interface, size_t group)
{
	for (size_t i = 0; i < interface->n_groups; i++) {
		if (interface->groups[i] == group)
			return true;
	}
	return false;
}

static bool means(const struct clo_policy *policy, const struct clo_peer *peer,
		  const struct party *party)
{
	const struct clo_interface_doc *interface =
		party->workload ? party->workload->interfaces : NULL;
	bool in = in_scope(party, peer->tenant, peer->environment);

	switch (peer->kind) {
	case CLO_PEER_GROUP:
		return in && has_group(interface, peer->index);
	case CLO_PEER_SEGMENT:
		return in && interface->segment ==
				     &peer->tenant->scopes[peer->environment]
					      .segments[peer->index];
	case CLO_PEER_CIDR:
		if (!in_block(&peer->cidr, &party->member) ||
		    in_any(peer->except, peer->n_except, &party->member))
			return false;
		if (party->workload)
			return in;
		return !is_node(policy, &party->addr) &&
		       !is_service(policy, &party->addr);
	case CLO_PEER_SERVICE:
		return !party->workload &&
		       in_any(peer->service->addresses,
			      peer->service->n_addresses, &party->addr) &&
		       (peer->service->node || !is_node(policy, &party->addr));
	}
	return false;
}

static bool carries_packets(uint8_t proto)
{
	return proto == IPPROTO_GRE || proto == IPPROTO_IPIP;
}

static bool has_port(const struct clo_rule_doc *rule, uint8_t proto,
		     uint16_t number)
{
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct clo_service_spec *port = &rule->ports[i];

		if (port->any ? !carries_packets(proto)
			      : port->proto == proto && port->first <= number &&
					number <= port->last)
			return true;
	}
	return false;
}

/* The index of the first rule that allows it, or 0. */
static uint32_t evaluate(const struct clo_policy *policy,
			 const struct party *src, const struct party *dst,
			 uint8_t proto, uint16_t number)
{
	uint32_t index = 0;

	for (size_t t = 0; t < policy->n_tenants; t++) {
		for (int e = 1; e <= 3; e++) {
			const struct clo_scope_doc *scope =
				&policy->tenants[t].scopes[e];

			for (size_t i = 0; i < scope->n_rules; i++) {
				const struct clo_rule_doc *rule =
					&scope->rules[i];

				index++;
				if ((src->workload || dst->workload) &&
				    means(policy, &rule->from, src) &&
				    means(policy, &rule->to, dst) &&
				    has_port(rule, proto, number))
					return index;
			}
		}
	}
	return 0;
}

static const char *random_address(char buffer[80])
{
	uint32_t net = roll(3);
	uint32_t host = roll(9);
	bool high = roll(2);

	if (roll(2))
		(void)snprintf(buffer, 80, "10.0.%u.%u", net,
			       host + (high ? 247 : 0));
	else
		(void)snprintf(buffer, 80, "fd00::%x:%x", net,
			       host + (high ? 0xfff7 : 0));
	return buffer;
}

static void random_block(char buffer[80])
{
	static const unsigned int bits4[] = {0,  7,  8,  22, 23,
					     24, 28, 30, 31, 32};
	static const unsigned int bits6[] = {0,   8,   96,  111, 112,
					     113, 124, 126, 127, 128};
	size_t n = strlen(random_address(buffer));
	bool v6 = strchr(buffer, ':') != NULL;

	(void)snprintf(buffer + n, 80 - n, "/%u",
		       v6 ? bits6[roll(10)] : bits4[roll(10)]);
}

static const char *const names[] = {"web", "db", "app", "ops", "front", "back"};
static const char *const environments[] = {"", "production", "test",
					   "development"};

static void append(char *buffer, size_t size, const char *more)
{
	size_t n = strlen(buffer);

	(void)snprintf(buffer + n, size - n, "%s", more);
}

static const char *random_peer(struct made *made, bool to, char buffer[400])
{
	const char *tenant;
	const char *environment;

	switch (roll(to ? 9 : 5)) {
	case 0:
	case 1:
		return names[roll(6)];
	case 2:
		tenant = made->policy.tenants[roll(2)].name;
		environment = environments[1 + roll(2)];
		(void)snprintf(buffer, 400, "%s/%s/%s", tenant, environment,
			       names[roll(6)]);
		return buffer;
	case 7:
	case 8:
		(void)snprintf(buffer, 400, "@%s",
			       made->policy.node.services[roll(3)].name);
		return buffer;
	default:
		random_block(buffer);
		for (uint32_t n = roll(3); n > 0; n--) {
			size_t used = strlen(buffer);

			buffer[used] = '-';
			random_block(buffer + used + 1);
		}
		return buffer;
	}
}

static const char *random_ports(char buffer[200])
{
	static const char *const ports[] = {
		"any",       "tcp",    "tcp/0",       "tcp/65535",  "tcp/10-20",
		"tcp/15-30", "tcp/15", "udp/0-65535", "udp/10-20",  "sctp/5",
		"icmp",      "icmp/8", "icmpv6/0-10", "icmpv6/255", "tcp/20-30",
		"udp/20",    "gre",    "proto/89"};
	uint32_t n = 1 + roll(3);

	buffer[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		size_t pick = roll(12) ? 1 + roll(17) : 0;

		append(buffer, 200, i ? "," : "");
		append(buffer, 200, ports[pick]);
	}
	return buffer;
}

/* An address of the space that no endpoint has yet: appends it to the list. */
static void random_addresses(bool taken[2][512], size_t tenant,
			     char buffer[200])
{
	buffer[0] = '\0';
	for (uint32_t n = roll(4); n > 0; n--) {
		char address[80];
		struct clo_cidr parsed = {0};
		size_t at;

		(void)random_address(address);
		if (strchr(address, ':')) {
			(void)inet_pton(AF_INET6, address, parsed.addr);
			at = 256 + parsed.addr[13] * 20U +
			     (parsed.addr[15] & 0x1fU) % 20;
		} else {
			(void)inet_pton(AF_INET, address, parsed.addr);
			at = parsed.addr[2] * 32U + (parsed.addr[3] & 0x1fU);
		}
		if (taken[tenant][at])
			continue;
		taken[tenant][at] = true;
		append(buffer, 200, *buffer ? "," : "");
		append(buffer, 200, address);
	}
}

static struct made *random_policy(void)
{
	struct made *made = made_new();
	bool taken[2][512] = {0};
	char a[400];
	char b[400];
	char ports[200];

	made_tenant(made, "acme", 5);
	made_tenant(made, "bolt", 6);
	(void)random_address(a);
	append(a, 400, ",");
	(void)random_address(a + strlen(a));
	made_node(made, a);
	for (size_t i = 0; i < 3; i++) {
		static const char *const services[] = {"dns", "meta", "mirror"};

		if (roll(2))
			(void)random_address(a);
		else
			random_block(a);
		made_service(made, services[i], i < 2, a, "tcp/80");
	}
	for (uint32_t n = roll(12); n > 0; n--) {
		size_t tenant = roll(2);
		enum clo_environment environment;
		size_t segment;

		random_addresses(taken, tenant, a);
		environment = 1 + roll(2);
		segment = roll(2);
		made_endpoint(made, made->policy.tenants[tenant].name,
			      environment, segment, roll(16), a);
	}
	for (uint32_t n = roll(45); n > 0; n--) {
		/* One roll after the other: arguments have no order. */
		const char *tenant = made->policy.tenants[roll(2)].name;
		enum clo_environment environment = 1 + roll(2);
		const char *from = random_peer(made, false, a);
		const char *to = random_peer(made, true, b);

		made_rule(made, tenant, environment, from, to,
			  random_ports(ports));
	}
	return made;
}

static const struct clo_cidr *first_like(const struct clo_interface_doc *doc)
{
	for (size_t i = 0; i < doc->n_addresses; i++) {
		if (doc->addresses[i].family == 6)
			return &doc->addresses[i];
	}
	return doc->n_addresses ? &doc->addresses[0] : NULL;
}

static void random_endpoint(const struct clo_policy *policy,
			    struct party *party)
{
	const struct clo_interface_doc *doc;
	const struct clo_cidr *like;
	size_t pick;

	party->workload =
		&policy->workloads[roll((uint32_t)policy->n_workloads)];
	doc = party->workload->interfaces;
	pick = roll((uint32_t)doc->n_addresses + 1);
	if (pick < doc->n_addresses) {
		party->addr = doc->addresses[pick];
		party->member = party->addr;
		return;
	}
	/* The link-local address; cidrs mean it by another of the endpoint. */
	party->addr = (struct clo_cidr){
		.family = 6,
		.bits = 128,
		.addr = {0xfe, 0x80, [8] = doc->mac[0] ^ 2, doc->mac[1],
			 doc->mac[2], 0xff, 0xfe, doc->mac[3], doc->mac[4],
			 doc->mac[5]}};
	like = first_like(doc);
	party->member = like ? *like : (struct clo_cidr){0};
}

/* A block that the policy speaks of, by its first or last address or near. */
static void random_outside(struct party *party)
{
	char buffer[80];

	(void)random_address(buffer);
	party->workload = NULL;
	party->addr = (struct clo_cidr){0};
	party->addr.family = strchr(buffer, ':') ? 6 : 4;
	party->addr.bits = party->addr.family == 6 ? 128 : 32;
	(void)inet_pton(party->addr.family == 6 ? AF_INET6 : AF_INET, buffer,
			party->addr.addr);
	if (!roll(8))
		party->addr.addr[0] ^= (uint8_t)(1U << roll(8));
	party->member = party->addr;
}

/* In its own space an endpoint is found; what is no endpoint's is outside. */
static struct clo_side find(const struct clo_compiled *compiled,
			    const struct party *party, uint32_t space)
{
	const struct clo_view view = {compiled->tables};
	struct clo_side side;

	if (party->workload)
		space = party->workload->interfaces->segment->space;
	clo_judge_side(&view, space, party->addr.family, party->addr.addr,
		       &side);
	return side;
}

static bool check_side(const struct party *party, const struct clo_side *side)
{
	const struct clo_interface_doc *doc;

	if (!party->workload)
		return side->endpoint == 0;
	doc = party->workload->interfaces;
	return side->identity != 0 && side->endpoint == doc->endpoint &&
	       side->segment == doc->segment->id;
}

/* By kind of the destination: what was seen, so that the test saw it all. */
static uint32_t n_allowed[CLO_IDENTITY_SERVICE + 1];
static uint32_t n_denied;

static void note(const struct clo_compiled *compiled, uint32_t dst,
		 uint32_t rule)
{
	const struct clo_identity *identity =
		clo_tables_find(compiled->tables, CLO_TABLE_IDENTITIES, &dst);

	if (rule)
		n_allowed[identity->kind]++;
	else
		n_denied++;
}

static void check_packet(struct made *made, const struct clo_compiled *compiled)
{
	static const uint8_t protos[] = {
		IPPROTO_TCP,    IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
		IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_IPIP, 89};
	static const uint16_t numbers[] = {0,  1,  4,  5,  6,  7,    8,
					   9,  10, 11, 14, 15, 16,   19,
					   20, 21, 29, 30, 31, 65535};
	const struct clo_view view = {compiled->tables};
	uint8_t proto = protos[roll(8)];
	uint16_t number = numbers[roll(20)];
	struct party parties[2];
	struct clo_side sides[2];
	struct clo_verdict verdict;
	uint32_t rule;

	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		number &= 0xff;
	if (proto == IPPROTO_GRE || proto == IPPROTO_IPIP || proto == 89)
		number = 0;
	for (int i = 0; i < 2; i++) {
		if (made->policy.n_workloads && roll(3))
			random_endpoint(&made->policy, &parties[i]);
		else
			random_outside(&parties[i]);
	}
	for (int i = 0; i < 2; i++) {
		const struct party *other = &parties[!i];

		sides[i] = find(
			compiled, &parties[i],
			other->workload
				? other->workload->interfaces->segment->space
				: 1);
		/* Outside by chance is an endpoint of the other's space. */
		if (!parties[i].workload && sides[i].endpoint)
			return;
		assert_true(check_side(&parties[i], &sides[i]));
	}

	rule = evaluate(&made->policy, &parties[0], &parties[1], proto, number);
	clo_judge_pair(&view, sides[0].identity, sides[1].identity, proto,
		       number, &verdict);
	assert_int_equal(verdict.rule, rule);
	assert_true((verdict.drop == CLO_DROP_NONE) == (rule != 0));
	note(compiled, sides[1].identity, rule);
}

static void tables_judge_as_the_rules_say(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= POLICIES; seed++) {
		CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
		struct made *made;

		dice = seed * 2654435761U;
		made = random_policy();
		compiled = compile_at(made, 0);
		for (int i = 0; i < PACKETS; i++)
			check_packet(made, compiled);
		made_free(made);
	}
	assert_in_range(n_allowed[CLO_IDENTITY_ENDPOINTS], 500, UINT32_MAX);
	assert_in_range(n_allowed[CLO_IDENTITY_EXTERNAL], 500, UINT32_MAX);
	assert_in_range(n_allowed[CLO_IDENTITY_SERVICE], 100, UINT32_MAX);
	assert_int_equal(n_allowed[CLO_IDENTITY_NODE], 0);
	assert_in_range(n_denied, 10000, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_judge_as_the_rules_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
