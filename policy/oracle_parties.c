/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/oracle_state.h"

/*
 * Every address that a packet can have: those of the endpoints, and outside one
 * of each block that the documents or the tables tell apart.
 */

static int see(struct clo_oracle_state *state, const struct clo_party *party,
	       uint32_t identity)
{
	if (state->n_seen == state->cap_seen) {
		size_t cap = state->cap_seen ? 2 * state->cap_seen : 256;
		struct clo_oracle_seen *moved =
			reallocarray(state->seen, cap, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		state->seen = moved;
		state->cap_seen = cap;
	}
	state->seen[state->n_seen++] =
		(struct clo_oracle_seen){*party, identity};
	return 0;
}

/* An entry of the address tables that must be this endpoint's. */
static int see_endpoint(struct clo_oracle_state *state,
			const struct clo_party *party, uint32_t space,
			const struct clo_cidr *key)
{
	const struct clo_interface_doc *doc = party->interface;
	const struct clo_addr *addr =
		clo_view_addr(&state->view, space, key->family, key->addr);
	const struct clo_identity *identity =
		addr ? clo_tables_find(state->tables, CLO_TABLE_IDENTITIES,
				       &addr->identity)
		     : NULL;

	if (!identity || addr->endpoint != doc->endpoint ||
	    addr->segment != doc->segment->id ||
	    identity->kind != CLO_IDENTITY_ENDPOINTS ||
	    identity->space != doc->segment->space ||
	    identity->segment != doc->segment->id ||
	    identity->environment != party->workload->environment) {
		clo_oracle_differ(state, NULL,
				  "an address of endpoint %s is not the "
				  "endpoint's in the tables",
				  doc->name);
		return 0;
	}
	return see(state, party, addr->identity);
}

/* Asked for without an address: the tables must mean who answers. */
static int see_servers(struct clo_oracle_state *state,
		       const struct clo_workload_doc *workload, uint32_t space)
{
	for (size_t k = 0; k < CLO_SERVER_KINDS; k++) {
		const struct clo_server_kind *kind = &clo_server_kinds[k];
		const struct clo_cidr *server =
			clo_oracle_server(workload->tenant, kind);
		const struct clo_addr *addr =
			clo_view_addr(&state->view, space, kind->asked.family,
				      kind->asked.addr);
		struct clo_party party = {0};
		int r;

		if (!server && !addr)
			continue;
		if (!server || !addr || addr->endpoint || addr->segment) {
			clo_oracle_differ(
				state, NULL,
				"space %u: the tables and the documents "
				"disagree about its %s server",
				space, kind->name);
			continue;
		}
		party.addr = *server;
		party.addr.bits = server->family == 4 ? 32 : 128;
		r = see(state, &party, addr->identity);
		if (r < 0)
			return r;
	}
	return 0;
}

static int see_interface(struct clo_oracle_state *state,
			 const struct clo_workload_doc *workload,
			 const struct clo_interface_doc *doc)
{
	const uint32_t space = doc->segment->space;
	struct clo_party party = {workload, doc, {0}};
	struct clo_cidr number = {.family = 4, .bits = 32};
	int r = 0;

	for (size_t i = 0; i < doc->n_addresses && r == 0; i++) {
		party.addr = doc->addresses[i];
		r = see_endpoint(state, &party, space, &party.addr);
	}
	party.addr = clo_oracle_link_local(doc);
	if (r == 0)
		r = see_endpoint(state, &party, space, &party.addr);
	/* By its number, as the mark of a frame has it. */
	memcpy(number.addr, &doc->endpoint, sizeof(doc->endpoint));
	if (r == 0)
		r = see_endpoint(state, &party, CLO_SPACE_SELF, &number);
	return r < 0 ? r : see_servers(state, workload, space);
}

/* No address is an endpoint's but those that were looked up. */
static void count_entries(struct clo_oracle_state *state, uint64_t expected)
{
	static const enum clo_table tables[] = {CLO_TABLE_ADDR4,
						CLO_TABLE_ADDR6};

	uint64_t n = 0;

	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < state->tables->table[tables[t]].n; i++) {
			enum clo_addr_kind kind = clo_tables_addr_kind(
				state->tables, tables[t], i);

			n += kind == CLO_ADDR_ENDPOINT || kind == CLO_ADDR_SELF;
		}
	}
	if (n != expected)
		clo_oracle_differ(
			state, NULL,
			"the tables have %llu addresses of endpoints, the "
			"documents %llu",
			(unsigned long long)n, (unsigned long long)expected);
}

static int see_endpoints(struct clo_oracle_state *state)
{
	uint64_t expected = 0;

	for (size_t w = 0; w < state->policy->n_workloads; w++) {
		const struct clo_workload_doc *workload =
			&state->policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			const struct clo_interface_doc *doc =
				&workload->interfaces[i];
			const struct clo_cidr own = clo_oracle_link_local(doc);
			int r = see_interface(state, workload, doc);

			if (r < 0)
				return r;
			expected += doc->n_addresses + 2;
			for (size_t a = 0; a < doc->n_addresses; a++)
				expected -= !memcmp(&doc->addresses[a], &own,
						    sizeof(own));
		}
	}
	count_entries(state, expected);
	return 0;
}

/* Where blocks begin, or where what follows them does. */
struct edges {
	struct clo_cidr *items;
	size_t n, cap;
};

static int add_edge(struct edges *edges, const struct clo_cidr *addr)
{
	if (edges->n == edges->cap) {
		size_t cap = edges->cap ? 2 * edges->cap : 256;
		struct clo_cidr *moved =
			reallocarray(edges->items, cap, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		edges->items = moved;
		edges->cap = cap;
	}
	edges->items[edges->n] = *addr;
	edges->items[edges->n++].bits = addr->family == 4 ? 32 : 128;
	return 0;
}

/* The first address of the block, and the first behind it if there is one. */
static int add_block(struct edges *edges, const struct clo_cidr *block)
{
	struct clo_cidr next = *block;
	int r = add_edge(edges, block);

	for (unsigned int bit = block->bits; bit > 0 && r == 0; bit--) {
		uint8_t mask = (uint8_t)(0x80U >> ((bit - 1) % 8));
		bool carry = next.addr[(bit - 1) / 8] & mask;

		next.addr[(bit - 1) / 8] ^= mask;
		if (!carry)
			return add_edge(edges, &next);
	}
	return r;
}

static int add_blocks(struct edges *edges, const struct clo_cidr *blocks,
		      size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_block(edges, &blocks[i]);
	return r;
}

static int add_peer(struct edges *edges, const struct clo_peer *peer)
{
	int r;

	if (peer->kind != CLO_PEER_CIDR)
		return 0;
	r = add_block(edges, &peer->cidr);
	return r < 0 ? r : add_blocks(edges, peer->except, peer->n_except);
}

static int add_documents(const struct clo_oracle_state *state,
			 struct edges *edges)
{
	const struct clo_node_doc *node = &state->policy->node;
	int r = add_blocks(edges, node->addresses, node->n_addresses);

	if (r == 0)
		r = add_blocks(edges, node->forensics, node->n_forensics);
	if (r == 0 && clo_oracle_asks_national(state->policy))
		r = add_blocks(edges, node->national, node->n_national);
	for (size_t i = 0; i < node->n_services && r == 0; i++)
		r = add_blocks(edges, node->services[i].addresses,
			       node->services[i].n_addresses);
	for (uint32_t i = 1; i < state->n_rules && r == 0; i++) {
		r = add_peer(edges, &state->compiled->rules[i]->from);
		if (r == 0)
			r = add_peer(edges, &state->compiled->rules[i]->to);
	}
	return r;
}

static int add_table(const struct clo_tables *tables, enum clo_table t,
		     struct edges *edges)
{
	int r = 0;

	for (size_t i = 0; i < tables->table[t].n && r == 0; i++) {
		const uint8_t *key = clo_tables_key(tables, t, i);
		struct clo_cidr block = {.family =
						 t == CLO_TABLE_CIDR4 ? 4 : 6};
		uint32_t bits;

		memcpy(&bits, key, sizeof(bits));
		if (bits > (block.family == 4 ? 32 : 128))
			continue; /* no look-up finds it */
		block.bits = (uint8_t)bits;
		memcpy(block.addr, key + 4, block.family == 4 ? 4 : 16);
		r = add_block(edges, &block);
	}
	return r;
}

static int order_edges(const void *left, const void *right)
{
	const struct clo_cidr *a = left;
	const struct clo_cidr *b = right;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->addr, b->addr, sizeof(a->addr));
}

static int see_outside(struct clo_oracle_state *state, struct edges *edges)
{
	qsort(edges->items, edges->n, sizeof(*edges->items), order_edges);
	for (size_t i = 0; i < edges->n; i++) {
		const struct clo_cidr *addr = &edges->items[i];
		const struct clo_party party = {.addr = *addr};
		const uint32_t *class;
		int r;

		if (i > 0 && order_edges(addr - 1, addr) == 0)
			continue;
		class = clo_view_cidr(&state->view, addr->family, addr->addr);
		r = see(state, &party, class ? *class : 0);
		if (r < 0)
			return r;
	}
	return 0;
}

int clo_oracle_parties(struct clo_oracle_state *state)
{
	static const struct clo_cidr all[] = {{.family = 4}, {.family = 6}};
	struct edges edges = {0};
	int r = see_endpoints(state);

	if (r == 0)
		r = add_blocks(&edges, all, 2);
	if (r == 0)
		r = add_documents(state, &edges);
	if (r == 0)
		r = add_table(state->tables, CLO_TABLE_CIDR4, &edges);
	if (r == 0)
		r = add_table(state->tables, CLO_TABLE_CIDR6, &edges);
	if (r == 0)
		r = see_outside(state, &edges);
	free(edges.items);
	return r;
}
