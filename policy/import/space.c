/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/import/translate.h"
#include "policy/read.h"

/* Ports -> service classes, blocks -> atoms of the addresses. */

static int compare_policies(const void *a, const void *b)
{
	const struct clo_kube_policy *x =
		((const struct clo_import_policy *)a)->kube;
	const struct clo_kube_policy *y =
		((const struct clo_import_policy *)b)->kube;
	int r = (x->tier > y->tier) - (x->tier < y->tier);

	if (r == 0)
		r = (x->priority > y->priority) - (x->priority < y->priority);
	if (r == 0)
		r = strcmp(x->home ? x->home : "", y->home ? y->home : "");
	return r ? r : strcmp(x->name, y->name);
}

static int add_peers(struct clo_import *import,
		     const struct clo_kube_peer *peers, size_t n,
		     struct clo_import_peers *ret)
{
	ret->items = clo_arena_array(import->arena, n, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	ret->n = n;
	for (size_t i = 0; i < n; i++) {
		struct clo_import_peer *peer = &ret->items[i];
		int r;

		peer->kube = &peers[i];
		if (!peers[i].block) {
			peer->number = import->n_means++;
			peer->relative = peers[i].where != CLO_KUBE_SELECTED &&
					 peers[i].where != CLO_KUBE_HOME;
			import->relative |= peer->relative;
			continue;
		}
		peer->set = ++import->n_blocks;
		r = clo_blocks_add(&import->blocks, peer->set, &peers[i].cidr,
				   peers[i].except, peers[i].n_except);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_name(struct clo_import *import,
		     const struct clo_kube_ports *ports, uint32_t *ret_index)
{
	struct clo_import_name *moved;

	for (size_t i = 0; i < import->n_names; i++) {
		*ret_index = (uint32_t)i;
		if (import->names[i].proto == ports->proto &&
		    strcmp(import->names[i].name, ports->name) == 0)
			return 0;
	}
	moved = clo_array_room(import->names, import->n_names,
			       &import->cap_names, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	import->names = moved;
	*ret_index = (uint32_t)import->n_names;
	moved[import->n_names++] =
		(struct clo_import_name){ports->name, ports->proto};
	return 0;
}

static int add_spec(struct clo_import *import, uint8_t proto, uint16_t first,
		    uint16_t last, uint32_t *ret_spec)
{
	const struct clo_service_spec spec = {
		.proto = proto, .first = first, .last = last};

	return clo_classes_add(&import->services, &spec, ret_spec);
}

static int add_ports(struct clo_import *import,
		     const struct clo_kube_ports *ports,
		     struct clo_import_rule *rule)
{
	if (ports->name)
		return find_name(import, ports, &rule->names[rule->n_names++]);
	return add_spec(import, ports->proto, ports->first, ports->last,
			&rule->specs[rule->n_specs++]);
}

static int add_rule(struct clo_import *import, const struct clo_kube_rule *kube,
		    struct clo_import_rule *rule)
{
	int r;

	rule->kube = kube;
	rule->specs = clo_arena_array(import->arena, kube->n_ports,
				      sizeof(*rule->specs));
	rule->names = clo_arena_array(import->arena, kube->n_ports,
				      sizeof(*rule->names));
	if (!rule->specs || !rule->names)
		return -ENOMEM;
	r = add_peers(import, kube->peers, kube->n_peers, &rule->peers);
	if (r == 0)
		r = add_peers(import, kube->subjects, kube->n_subjects,
			      &rule->subjects);
	for (size_t i = 0; i < kube->n_ports && r == 0; i++)
		if (kube->ports[i].proto)
			r = add_ports(import, &kube->ports[i], rule);
	return r;
}

static int add_policy(struct clo_import *import,
		      struct clo_import_policy *policy)
{
	const struct clo_kube_policy *kube = policy->kube;
	int r = add_peers(import, kube->subjects, kube->n_subjects,
			  &policy->subjects);

	for (size_t d = 0; d < CLO_KUBE_DIRECTIONS && r == 0; d++) {
		policy->rules[d] =
			clo_arena_array(import->arena, kube->n_rules[d],
					sizeof(*policy->rules[d]));
		if (!policy->rules[d])
			return -ENOMEM;
		for (size_t i = 0; i < kube->n_rules[d] && r == 0; i++)
			r = add_rule(import, &kube->rules[d][i],
				     &policy->rules[d][i]);
	}
	return r;
}

/* What the pods call their ports makes service classes, too. */
static int add_resolved(struct clo_import *import)
{
	for (size_t p = 0; p < import->kube->n_pods; p++) {
		const struct clo_kube_pod *pod = &import->kube->pods[p];

		for (size_t i = 0; i < pod->n_ports; i++) {
			const struct clo_kube_port *port = &pod->ports[i];
			uint32_t spec;
			size_t n = 0;
			int r;

			while (n < import->n_names &&
			       (import->names[n].proto != port->proto ||
				strcmp(import->names[n].name, port->name) != 0))
				n++;
			if (n == import->n_names)
				continue;
			r = add_spec(import, port->proto, port->number,
				     port->number, &spec);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static bool takes_all(const struct clo_kube_rule *rule)
{
	bool all = rule->everything;

	for (size_t i = 0; i < rule->n_ports; i++)
		all |= rule->ports[i].proto == 0;
	return all;
}

static int fix_ports(struct clo_import *import, struct clo_import_rule *rule)
{
	rule->fixed = clo_arena_array(import->arena, import->words,
				      sizeof(*rule->fixed));
	if (!rule->fixed)
		return -ENOMEM;
	if (takes_all(rule->kube)) {
		memcpy(rule->fixed, import->all,
		       import->words * sizeof(*rule->fixed));
		return 0;
	}
	for (size_t i = 0; i < rule->n_specs; i++) {
		size_t n;
		const uint32_t *classes = clo_index_get(
			&import->services.by_spec, rule->specs[i], &n);

		for (size_t c = 0; c < n; c++)
			rule->fixed[classes[c] / 64] |= UINT64_C(1)
							<< classes[c] % 64;
	}
	return 0;
}

static int fix_all(struct clo_import *import)
{
	uint32_t n = clo_classes_count(&import->services);
	int r = 0;

	import->words = (n + 63) / 64;
	import->all = clo_arena_array(import->arena, import->words,
				      sizeof(*import->all));
	import->work = clo_arena_array(import->arena, 8 * import->words,
				       sizeof(*import->work));
	if (!import->all || !import->work)
		return -ENOMEM;
	for (uint32_t c = 0; c < n; c++)
		import->all[c / 64] |= UINT64_C(1) << c % 64;
	for (size_t p = 0; p < import->n_policies; p++) {
		struct clo_import_policy *policy = &import->policies[p];

		for (size_t d = 0; d < CLO_KUBE_DIRECTIONS; d++)
			for (size_t i = 0;
			     i < policy->kube->n_rules[d] && r == 0; i++)
				r = fix_ports(import, &policy->rules[d][i]);
	}
	return r;
}

/* Every address is in a block: in these, if in none of a rule. */
static int add_everywhere(struct clo_import *import)
{
	static const struct clo_cidr v4 = {.family = 4}, v6 = {.family = 6};
	int r = clo_blocks_add(&import->blocks, ++import->n_blocks, &v4, NULL,
			       0);

	return r < 0 ? r
		     : clo_blocks_add(&import->blocks, ++import->n_blocks, &v6,
				      NULL, 0);
}

int clo_import_space(struct clo_import *import)
{
	const struct clo_kube *kube = import->kube;
	int r;

	import->blocks.lists = &import->lists;
	import->policies = clo_arena_array(import->arena, kube->n_policies,
					   sizeof(*import->policies));
	if (!import->policies)
		return -ENOMEM;
	import->n_policies = kube->n_policies;
	for (size_t i = 0; i < kube->n_policies; i++)
		import->policies[i].kube = &kube->policies[i];
	clo_sort(import->policies, import->n_policies,
		 sizeof(*import->policies), compare_policies);

	r = add_everywhere(import);
	for (size_t i = 0; i < import->n_policies && r == 0; i++)
		r = add_policy(import, &import->policies[i]);
	if (r == 0)
		r = add_resolved(import);
	if (r == 0)
		r = clo_classes_build(&import->services);
	if (r == 0)
		r = clo_blocks_build(&import->blocks);
	return r < 0 ? r : fix_all(import);
}
