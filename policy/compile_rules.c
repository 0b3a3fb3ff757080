/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/address.h"
#include "policy/compile_build.h"
#include "policy/prove.h"

static bool is_national(const struct clo_node_doc *node,
			const struct clo_cidr *block)
{
	for (size_t i = 0; i < node->n_national; i++)
		if (clo_cidr_contains(&node->national[i], block))
			return true;
	return false;
}

/* All of what the peer means is at home. */
static bool at_home(const struct clo_node_doc *node,
		    const struct clo_peer *peer)
{
	const struct clo_provided *service = peer->service;

	if (peer->kind == CLO_PEER_CIDR)
		return is_national(node, &peer->cidr);
	for (size_t i = 0; !service->node && i < service->n_addresses; i++)
		if (!is_national(node, &service->addresses[i]))
			return false;
	return true;
}

/* What all that a peer names has in common, as far as invariants ask. */
static struct clo_identity peer_identity(const struct clo_node_doc *node,
					 const struct clo_peer *peer)
{
	if (peer->kind == CLO_PEER_GROUP || peer->kind == CLO_PEER_SEGMENT)
		return clo_scope_identity(peer->tenant, peer->environment);
	return (struct clo_identity){
		.kind = peer->kind == CLO_PEER_SERVICE ? CLO_IDENTITY_SERVICE
						       : CLO_IDENTITY_EXTERNAL,
		.flags = at_home(node, peer) ? CLO_IDENTITY_NATIONAL : 0};
}

/* An exception lifts the invariant of its own control and no other. */
static bool may_admit(const struct clo_node_doc *node,
		      const struct clo_exception_doc *exception,
		      const struct clo_rule_doc *rule)
{
	const struct clo_identity from = peer_identity(node, &rule->from);
	const struct clo_identity to = peer_identity(node, &rule->to);

	for (size_t i = 0; i < clo_invariants_count; i++) {
		if (clo_invariants[i].forbids(&from, &to) &&
		    strcmp(clo_invariants[i].control, exception->control) != 0)
			return false;
	}
	return true;
}

static int order_names(const void *left, const void *right, void *rules)
{
	const uint32_t *a = left;
	const uint32_t *b = right;
	const struct clo_rule_doc *const *docs = rules;

	return strcmp(docs[*a]->full, docs[*b]->full);
}

/* Rule indices by full name; the caller frees. */
static uint32_t *sort_by_name(const struct clo_build *build)
{
	uint32_t *sorted = calloc(build->n_rules, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (uint32_t i = 1; i < build->n_rules; i++)
		sorted[i - 1] = i;
	qsort_r(sorted, build->n_rules - 1, sizeof(*sorted), order_names,
		build->out->rules);
	return sorted;
}

/* The index of the rule with this full name, or 0. */
static uint32_t find_rule(const struct clo_build *build, const uint32_t *sorted,
			  const char *full)
{
	size_t low = 0;
	size_t high = build->n_rules - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order =
			strcmp(build->out->rules[sorted[middle]]->full, full);

		if (order == 0)
			return sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static void apply_exception(struct clo_build *build, const uint32_t *sorted,
			    const struct clo_exception_doc *exception)
{
	struct clo_compiled *out = build->out;
	bool in_force = exception->not_before <= build->now &&
			build->now < exception->not_after;

	for (size_t i = 0; i < exception->n_rules; i++) {
		uint32_t rule = find_rule(build, sorted, exception->rules[i]);

		if (!rule)
			continue;
		build->rules[rule].listed = true;
		build->rules[rule].awake |= in_force;
		if (in_force && !out->excepted[rule] &&
		    may_admit(&build->policy->node, exception,
			      out->rules[rule]))
			out->excepted[rule] = exception;
	}
}

int clo_build_exceptions(struct clo_build *build)
{
	CLO_AUTO_MEM uint32_t *sorted = NULL;

	if (build->policy->n_exceptions == 0)
		return 0;
	sorted = sort_by_name(build);
	if (!sorted)
		return -ENOMEM;

	for (size_t i = 0; i < build->policy->n_exceptions; i++)
		apply_exception(build, sorted, &build->policy->exceptions[i]);
	return 0;
}

uint32_t clo_build_peer(const struct clo_build *build, enum clo_peer_kind kind,
			uint32_t tenant, uint32_t environment, uint32_t index)
{
	const uint32_t key[] = {kind, tenant, environment, index};

	return clo_lists_find(&build->peers, key, CLO_ARRAY_LEN(key));
}

bool clo_build_is_cidr_set(const struct clo_build *build, uint32_t set)
{
	return set > clo_build_national(build);
}

bool clo_build_is_service(const struct clo_build *build, uint32_t set)
{
	return set >= CLO_SET_SERVICE(0) && set < clo_build_forensics(build);
}

uint32_t clo_build_forensics(const struct clo_build *build)
{
	return CLO_SET_SERVICE(build->policy->node.n_services);
}

uint32_t clo_build_national(const struct clo_build *build)
{
	return clo_build_forensics(build) + 1;
}

bool clo_build_has_level_2(const struct clo_build *build)
{
	const struct clo_policy *policy = build->policy;

	for (size_t t = 0; t < policy->n_tenants; t++)
		if (clo_tenant_flags(&policy->tenants[t]) &
		    CLO_IDENTITY_LEVEL_2)
			return true;
	return false;
}

/* A set without a name that a rule could mean. */
static int add_set(struct clo_build *build, uint32_t kind,
		   const struct clo_cidr *blocks, size_t n)
{
	const uint32_t key[2] = {kind, 0};
	uint32_t set = 0;
	int r = clo_lists_intern(&build->set_keys, key, 2, &set);

	for (size_t i = 0; i < n && r == 0; i++)
		r = clo_blocks_add(&build->blocks, set, &blocks[i], NULL, 0);
	return r;
}

/* Sets 1 and up: the node, its services, forensics, national; then cidrs. */
static int fixed_sets(struct clo_build *build)
{
	const struct clo_node_doc *node = &build->policy->node;
	int r = add_set(build, 0, node->addresses, node->n_addresses);

	for (uint32_t s = 0; s < node->n_services && r == 0; s++) {
		const struct clo_provided *service = &node->services[s];
		const uint32_t key[2] = {1, s};
		uint32_t set = 0;

		r = clo_lists_intern(&build->set_keys, key, 2, &set);
		assert(r < 0 || set == CLO_SET_SERVICE(s));
		for (size_t i = 0; i < service->n_addresses && r == 0; i++)
			r = clo_blocks_add(&build->blocks, set,
					   &service->addresses[i], NULL, 0);
	}
	if (r == 0)
		r = add_set(build, 2, node->forensics, node->n_forensics);
	if (r == 0)
		r = add_set(build, 3, node->national,
			    clo_build_has_level_2(build) ? node->n_national
							 : 0);
	return r;
}

#define CIDR_WORDS 5

static void put_cidr(uint32_t *key, const struct clo_cidr *cidr)
{
	key[0] = (uint32_t)cidr->family << 8 | cidr->bits;
	memcpy(key + 1, cidr->addr, sizeof(cidr->addr));
}

static int cidr_set(struct clo_build *build, const struct clo_peer *peer,
		    uint32_t *ret_set)
{
	CLO_AUTO_MEM uint32_t *key = NULL;
	size_t n = (peer->n_except + 1) * CIDR_WORDS;
	size_t n_before = build->set_keys.n;
	uint32_t set;
	int r;

	key = calloc(n, sizeof(*key));
	if (!key)
		return -ENOMEM;
	put_cidr(key, &peer->cidr);
	for (size_t i = 0; i < peer->n_except; i++)
		put_cidr(key + (i + 1) * CIDR_WORDS, &peer->except[i]);

	r = clo_lists_intern(&build->set_keys, key, n, &set);
	if (r < 0)
		return r;
	if (build->set_keys.n > n_before)
		r = clo_blocks_add(&build->blocks, set, &peer->cidr,
				   peer->except, peer->n_except);
	*ret_set = set;
	return r;
}

/* What makes the peer, and the set that it means addresses by (or 0). */
static int peer_key(struct clo_build *build, const struct clo_build_rule *rule,
		    const struct clo_peer *peer, uint32_t ret_key[4],
		    uint32_t *ret_set)
{
	const struct clo_policy *policy = build->policy;
	uint32_t key[4] = {peer->kind};
	int r = 0;

	switch (peer->kind) {
	case CLO_PEER_GROUP:
	case CLO_PEER_SEGMENT:
		key[1] = (uint32_t)(peer->tenant - policy->tenants);
		key[2] = peer->environment;
		key[3] = (uint32_t)peer->index;
		*ret_set = 0;
		break;
	case CLO_PEER_CIDR:
		r = cidr_set(build, peer, ret_set);
		key[1] = rule->tenant;
		key[2] = rule->environment;
		key[3] = *ret_set;
		break;
	case CLO_PEER_SERVICE:
		key[3] = CLO_SET_SERVICE(peer->service - policy->node.services);
		*ret_set = key[3];
		break;
	}
	memcpy(ret_key, key, sizeof(key));
	return r;
}

static int add_peer(struct clo_build *build, const struct clo_build_rule *rule,
		    const struct clo_peer *peer, uint32_t *ret_peer)
{
	size_t n_before = build->peers.n;
	uint32_t key[4];
	uint32_t set = 0;
	int r;

	r = peer_key(build, rule, peer, key, &set);
	if (r == 0)
		r = clo_lists_intern(&build->peers, key, 4, ret_peer);
	if (r == 0 && set && build->peers.n > n_before)
		r = clo_edges_add(&build->set_peers, set, *ret_peer);
	return r;
}

static int order_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

static int add_ports(struct clo_build *build, const struct clo_rule_doc *doc,
		     uint32_t *ret_ports)
{
	CLO_AUTO_MEM uint32_t *specs = NULL;
	bool has_any = false;
	size_t n = 0;
	int r;

	specs = calloc(doc->n_ports + 1, sizeof(*specs));
	if (!specs)
		return -ENOMEM;

	for (size_t i = 0; i < doc->n_ports; i++) {
		if (doc->ports[i].any) {
			has_any = true;
			continue;
		}
		r = clo_classes_add(&build->classes, &doc->ports[i], &specs[n]);
		if (r < 0)
			return r;
		n++;
	}
	if (has_any) {
		specs[n++] = CLO_PORTS_ANY;
		r = clo_classes_add_encapsulation(&build->classes,
						  &build->encapsulation);
		if (r < 0)
			return r;
	}
	qsort(specs, n, sizeof(*specs), order_numbers);
	return clo_lists_intern(&build->ports, specs, n, ret_ports);
}

static int add_rule(struct clo_build *build, uint32_t index)
{
	struct clo_build_rule *rule = &build->rules[index];
	const struct clo_rule_doc *doc = build->out->rules[index];
	int r;

	if (rule->listed && !rule->awake)
		return 0;

	r = add_peer(build, rule, &doc->from, &rule->from);
	if (r == 0)
		r = add_peer(build, rule, &doc->to, &rule->to);
	return r < 0 ? r : add_ports(build, doc, &rule->ports);
}

int clo_build_rules(struct clo_build *build)
{
	int r = fixed_sets(build);

	for (uint32_t i = 1; i < build->n_rules && r == 0; i++)
		r = add_rule(build, i);
	if (r == 0)
		r = clo_blocks_build(&build->blocks);
	if (r == 0)
		r = clo_classes_build(&build->classes);
	if (r == 0 && clo_classes_count(&build->classes) > CLO_CLASSES_MAX)
		return clo_build_refuse(build, "the rules tell more than 16384 "
					       "service classes apart");
	return r;
}
