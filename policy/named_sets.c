/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/named_sets.h"

#include <errno.h>
#include <string.h>

#include "policy/address.h"

static const struct clo_identity *entry_of(const struct clo_compiled *compiled,
					   uint32_t identity)
{
	return clo_tables_find(compiled->tables, CLO_TABLE_IDENTITIES,
			       &identity);
}

void clo_named_sets_done(struct clo_named_sets *sets)
{
	free(sets->identities);
	free(sets->addresses);
	free(sets->wanted);
	free(sets->covered);
	free(sets->seen);
	clo_lists_done(&sets->keys);
	clo_index_done(&sets->sets);
	clo_index_done(&sets->members);
	*sets = (struct clo_named_sets){0};
}

/* The first address of a table that each identity has, if it has none yet. */
static void take_addresses(struct clo_named_sets *sets, enum clo_table t)
{
	const struct clo_tables *from = sets->compiled->tables;
	bool endpoints = t == CLO_TABLE_ADDR4 || t == CLO_TABLE_ADDR6;
	bool v4 = t == CLO_TABLE_ADDR4 || t == CLO_TABLE_CIDR4;

	for (size_t i = 0; i < from->table[t].n; i++) {
		const uint8_t *key = clo_tables_key(from, t, i);
		const uint32_t *identity = clo_tables_value(from, t, i);
		struct clo_cidr *cidr = &sets->addresses[*identity];
		uint32_t bits = v4 ? 32 : 128;

		if (cidr->family ||
		    (endpoints &&
		     clo_tables_addr_kind(from, t, i) != CLO_ADDR_ENDPOINT))
			continue;
		if (!endpoints)
			memcpy(&bits, key, sizeof(bits));
		cidr->family = v4 ? 4 : 6;
		cidr->bits = (uint8_t)bits;
		memcpy(cidr->addr, key + 4, v4 ? 4 : 16);
	}
}

/* One address of each identity: its rules' cidrs hold all of them or none. */
static int find_addresses(struct clo_named_sets *sets)
{
	static const enum clo_table tables[] = {
		CLO_TABLE_ADDR4, CLO_TABLE_ADDR6, CLO_TABLE_CIDR4,
		CLO_TABLE_CIDR6};

	sets->addresses = calloc(sets->compiled->tables->gen.identities,
				 sizeof(*sets->addresses));
	if (!sets->addresses)
		return -ENOMEM;
	for (size_t k = 0; k < CLO_ARRAY_LEN(tables); k++)
		take_addresses(sets, tables[k]);
	return 0;
}

/* The tenant and environment that "acme/production" names. */
static const struct clo_scope_doc *find_scope(const struct clo_policy *policy,
					      const char *name,
					      uint32_t *ret_tenant,
					      uint32_t *ret_environment)
{
	size_t n = strcspn(name, "/");

	for (uint32_t t = 0; t < policy->n_tenants; t++) {
		const struct clo_tenant_doc *tenant = &policy->tenants[t];

		if (strlen(tenant->name) != n ||
		    strncmp(tenant->name, name, n) != 0)
			continue;
		for (uint32_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT;
		     e++) {
			if (strcmp(name + n + 1,
				   clo_environment_name(
					   (enum clo_environment)e)) != 0)
				continue;
			*ret_tenant = t;
			*ret_environment = e;
			return &tenant->scopes[e];
		}
	}
	return NULL;
}

/* Whether "web,db" holds the name. */
static bool lists_group(const char *groups, const char *name)
{
	size_t n = strlen(name);

	while (*groups) {
		size_t own = strcspn(groups, ",");

		if (own == n && !strncmp(groups, name, n))
			return true;
		groups += own;
		groups += *groups == ',';
	}
	return false;
}

static int join(struct clo_named_sets *sets, struct clo_edges *edges,
		uint32_t member, const uint32_t key[4])
{
	uint32_t set;
	int r = clo_lists_intern(&sets->keys, key, 4, &set);

	return r < 0 ? r : clo_edges_add(edges, member, set);
}

/* The groups and the segment of a member. */
static int join_member(struct clo_named_sets *sets, struct clo_edges *edges,
		       uint32_t member)
{
	uint32_t identity = sets->identities[member];
	const struct clo_identity_name *name =
		&sets->compiled->identities[identity];
	const struct clo_scope_doc *scope;
	uint32_t key[4] = {CLO_PEER_GROUP};
	int r = 0;

	if (!identity || !name->scope)
		return 0;
	scope = find_scope(sets->compiled->policy, name->scope, &key[1],
			   &key[2]);
	if (!scope)
		return 0;
	for (size_t i = 0; i < scope->n_groups && r == 0; i++) {
		key[3] = (uint32_t)i;
		if (lists_group(name->group, scope->groups[i]))
			r = join(sets, edges, member, key);
	}
	key[0] = CLO_PEER_SEGMENT;
	for (size_t i = 0; i < scope->n_segments && r == 0; i++) {
		key[3] = (uint32_t)i;
		if (scope->segments[i].id ==
		    entry_of(sets->compiled, identity)->segment)
			r = join(sets, edges, member, key);
	}
	return r;
}

static int index_both(struct clo_named_sets *sets, struct clo_edges *edges)
{
	int r = clo_index_init(&sets->sets, edges, sets->n_members);

	for (size_t i = 0; i < edges->n; i++)
		edges->edges[i] = (struct clo_edge){edges->edges[i].to,
						    edges->edges[i].from};
	return r < 0 ? r
		     : clo_index_init(&sets->members, edges,
				      (uint32_t)sets->keys.n);
}

int clo_named_sets_init(struct clo_named_sets *sets,
			const struct clo_compiled *compiled,
			uint32_t *identities, uint32_t n_members)
{
	struct clo_edges edges = {0};
	int r;

	*sets = (struct clo_named_sets){.compiled = compiled,
					.identities = identities,
					.n_members = n_members};
	r = clo_lists_init(&sets->keys, CLO_LISTS_MAX);
	if (r == 0)
		r = find_addresses(sets);
	for (uint32_t i = 0; i < n_members && r == 0; i++)
		r = join_member(sets, &edges, i);
	if (r == 0)
		r = index_both(sets, &edges);
	clo_edges_done(&edges);
	sets->wanted = calloc(n_members + 1, 1);
	sets->covered = calloc(n_members + 1, 1);
	sets->seen = calloc(sets->keys.n + 1, sizeof(*sets->seen));
	if (r == 0 && (!sets->wanted || !sets->covered || !sets->seen))
		r = -ENOMEM;
	if (r < 0)
		clo_named_sets_done(sets);
	return r;
}

static bool in_scope(const struct clo_named_sets *sets,
		     const struct clo_peer *peer, uint32_t identity)
{
	const char *scope = sets->compiled->identities[identity].scope;
	size_t n = strlen(peer->tenant->name);

	return scope && !strncmp(scope, peer->tenant->name, n) &&
	       scope[n] == '/' &&
	       !strcmp(scope + n + 1, clo_environment_name(peer->environment));
}

static bool in_any(const struct clo_cidr *blocks, size_t n,
		   const struct clo_cidr *address)
{
	for (size_t i = 0; i < n; i++)
		if (clo_cidr_covers(&blocks[i], address->family, address->addr,
				    address->bits))
			return true;
	return false;
}

/* An address of the node is no provider's, whatever its blocks hold. */
static bool means_service(const struct clo_named_sets *sets,
			  const struct clo_provided *service, uint32_t identity)
{
	const struct clo_node_doc *node = &sets->compiled->policy->node;
	const struct clo_identity *entry = entry_of(sets->compiled, identity);
	const struct clo_cidr *address = &sets->addresses[identity];

	return (entry->kind == CLO_IDENTITY_SERVICE ||
		entry->kind == CLO_IDENTITY_NODE) &&
	       (service->node ||
		!in_any(node->addresses, node->n_addresses, address)) &&
	       in_any(service->addresses, service->n_addresses, address);
}

bool clo_named_sets_means(const struct clo_named_sets *sets,
			  const struct clo_peer *peer, uint32_t identity)
{
	const struct clo_identity *entry = entry_of(sets->compiled, identity);
	const struct clo_cidr *address = &sets->addresses[identity];
	const struct clo_scope_doc *scope;

	if (peer->kind == CLO_PEER_SERVICE)
		return means_service(sets, peer->service, identity);
	scope = &peer->tenant->scopes[peer->environment];
	if (peer->kind == CLO_PEER_CIDR)
		return (entry->kind == CLO_IDENTITY_EXTERNAL ||
			in_scope(sets, peer, identity)) &&
		       address->family && in_any(&peer->cidr, 1, address) &&
		       !in_any(peer->except, peer->n_except, address);
	if (!in_scope(sets, peer, identity))
		return false;
	if (peer->kind == CLO_PEER_GROUP)
		return lists_group(sets->compiled->identities[identity].group,
				   scope->groups[peer->index]);
	return entry->segment == scope->segments[peer->index].id;
}

static json_t *name_set(const struct clo_named_sets *sets, uint32_t set)
{
	size_t n;
	const uint32_t *key = clo_lists_get(&sets->keys, set, &n);
	const struct clo_tenant_doc *tenant =
		&sets->compiled->policy->tenants[key[1]];
	const struct clo_scope_doc *scope = &tenant->scopes[key[2]];
	bool group = key[0] == CLO_PEER_GROUP;

	return json_pack(
		"{s:s, s:o}", "kind", group ? "group" : "segment", "name",
		json_sprintf("%s/%s/%s", tenant->name,
			     clo_environment_name((enum clo_environment)key[2]),
			     group ? scope->groups[key[3]]
				   : scope->segments[key[3]].name));
}

static json_t *name_peer(const struct clo_peer *peer)
{
	json_t *except = NULL;
	char text[CLO_CIDR_TEXT];

	if (peer->kind == CLO_PEER_SERVICE)
		return json_pack("{s:s, s:s}", "kind", "service", "name",
				 peer->service->name);
	for (size_t i = 0; i < peer->n_except; i++) {
		if (!except)
			except = json_array();
		clo_cidr_format(&peer->except[i], text);
		(void)json_array_append_new(except, json_string(text));
	}
	clo_cidr_format(&peer->cidr, text);
	return json_pack("{s:s, s:s, s:o*, s:o}", "kind", "cidr", "name", text,
			 "except", except, "scope",
			 json_sprintf("%s/%s", peer->tenant->name,
				      clo_environment_name(peer->environment)));
}

/* All that the peer means is wanted: it is named, and covered. */
static bool cover_by_peer(struct clo_named_sets *sets,
			  const struct clo_peer *peer)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sets->n_members; i++) {
		if (!sets->identities[i] ||
		    !clo_named_sets_means(sets, peer, sets->identities[i]))
			continue;
		n++;
		if (!sets->wanted[i])
			return false;
	}
	for (uint32_t i = 0; n && i < sets->n_members; i++)
		sets->covered[i] |=
			sets->identities[i] &&
			clo_named_sets_means(sets, peer, sets->identities[i]);
	return n > 0;
}

static size_t size_of(const struct clo_named_sets *sets, uint32_t set)
{
	return sets->members.starts[set + 1] - sets->members.starts[set];
}

static bool is_peer(const struct clo_named_sets *sets, uint32_t set,
		    const struct clo_peer *peer)
{
	size_t n;
	const uint32_t *key = clo_lists_get(&sets->keys, set, &n);

	return peer && key[0] == peer->kind && key[3] == peer->index &&
	       &sets->compiled->policy->tenants[key[1]] == peer->tenant &&
	       key[2] == peer->environment;
}

/* Of the sets that a member is in and that are wanted whole: the best, or 0. */
static uint32_t best_set(const struct clo_named_sets *sets, uint32_t member,
			 const struct clo_peer *first)
{
	uint32_t best = 0;
	size_t n;
	const uint32_t *list = clo_index_get(&sets->sets, member, &n);

	for (size_t i = 0; i < n; i++) {
		size_t size = size_of(sets, list[i]);

		if (sets->seen[list[i]] != size)
			continue;
		if (is_peer(sets, list[i], first))
			return list[i];
		if (!best || size > size_of(sets, best))
			best = list[i];
	}
	return best;
}

static json_t *cover_member(struct clo_named_sets *sets, uint32_t member,
			    const struct clo_peer *first, clo_name_member *name,
			    void *userdata)
{
	uint32_t set = best_set(sets, member, first);
	const uint32_t *list;
	size_t n;

	sets->covered[member] = 1;
	if (!set)
		return name(userdata, member);
	list = clo_index_get(&sets->members, set, &n);
	for (size_t i = 0; i < n; i++)
		sets->covered[list[i]] = 1;
	return name_set(sets, set);
}

/* 1 or -1 for each set of each member asked for. */
static void want(struct clo_named_sets *sets, const uint32_t *members,
		 size_t n_members, bool on)
{
	for (size_t i = 0; i < n_members; i++) {
		size_t n;
		const uint32_t *list =
			clo_index_get(&sets->sets, members[i], &n);

		sets->wanted[members[i]] = on;
		sets->covered[members[i]] = 0;
		for (size_t k = 0; k < n; k++)
			sets->seen[list[k]] = on ? sets->seen[list[k]] + 1 : 0;
	}
}

json_t *clo_named_sets_name(struct clo_named_sets *sets,
			    const uint32_t *members, size_t n,
			    const struct clo_peer *first, clo_name_member *name,
			    void *userdata)
{
	json_t *names = json_array();

	want(sets, members, n, true);
	if (first &&
	    (first->kind == CLO_PEER_CIDR || first->kind == CLO_PEER_SERVICE) &&
	    cover_by_peer(sets, first))
		(void)json_array_append_new(names, name_peer(first));
	for (size_t i = 0; i < n && names; i++) {
		if (sets->covered[members[i]])
			continue;
		if (json_array_append_new(names,
					  cover_member(sets, members[i], first,
						       name, userdata)) < 0) {
			json_decref(names);
			names = NULL;
		}
	}
	want(sets, members, n, false);
	return names;
}
