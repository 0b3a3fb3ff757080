/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/import/translate.h"

/*
 * Verdicts -> groups and rules. Sources that reach the same destinations on
 * the same ports share a rule; whoever stands together in one is a group.
 */

#define FLOWS_MAX 262144U

int clo_import_group(struct clo_import *import, struct clo_import_plan *plan,
		     uint32_t scope, const uint32_t *classes, size_t n,
		     uint32_t *ret_group)
{
	uint32_t key[2] = {scope, 0}, index = 1;
	struct clo_import_group *moved;
	size_t n_before = plan->keys.n;
	int r;

	r = clo_lists_intern(&import->lists, classes, n, &key[1]);
	if (r == 0)
		r = clo_lists_intern(&plan->keys, key, 2, &index);
	if (r < 0)
		return r;
	*ret_group = index - 1;
	if (plan->keys.n == n_before)
		return 0;
	moved = clo_array_room(plan->groups, plan->n_groups, &plan->cap_groups,
			       sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	plan->groups = moved;
	moved[plan->n_groups++] =
		(struct clo_import_group){.scope = scope, .members = key[1]};
	return 0;
}

int clo_import_add_flow(struct clo_import *import, struct clo_import_plan *plan,
			const struct clo_import_flow *flow)
{
	struct clo_import_flow *moved;

	if (plan->n_flows == FLOWS_MAX) {
		clo_flaws_add(import->flaws, CLO_IMPORT_WHERE, 0, "$",
			      "the policies make more than %u rules: import "
			      "the cluster in parts",
			      FLOWS_MAX);
		return -EINVAL;
	}
	moved = clo_array_room(plan->flows, plan->n_flows, &plan->cap_flows,
			       sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	plan->flows = moved;
	moved[plan->n_flows++] = *flow;
	return 0;
}

/* What one source may reach of one scope, by port set. */
struct reach {
	uint32_t set;
	uint32_t destination;
};

/* Sources of one scope that reach the same: {set, scope, destinations}. */
struct reached {
	struct clo_lists keys;
	struct clo_edges sources; /* key -> class */
	struct reach *found;
	size_t n_found;
	uint32_t *key;
	bool *closed; /* by scope of the destination */
};

static int compare_reach(const void *a, const void *b)
{
	const struct reach *x = a, *y = b;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return (x->destination > y->destination) -
	       (x->destination < y->destination);
}

/* One run of equal sets in `found`. */
static int note(struct reached *reached, uint32_t source, uint32_t scope,
		size_t first, size_t end)
{
	size_t n = 0;
	uint32_t index;
	int r;

	reached->key[n++] = reached->found[first].set;
	reached->key[n++] = scope;
	for (size_t i = first; i < end; i++)
		reached->key[n++] = reached->found[i].destination;
	r = clo_lists_intern(&reached->keys, reached->key, n, &index);
	return r < 0 ? r : clo_edges_add(&reached->sources, index, source);
}

/* Ports of one family alone: of the addresses of the destination's pods. */
static int note_only(struct clo_import *import, struct reached *reached,
		     uint32_t source, uint32_t destination, uint32_t family,
		     uint32_t set)
{
	const uint32_t key[] = {set, CLO_IMPORT_NONE, family, destination};
	const struct clo_kube_pod *from = import->classes[source].pod;
	const struct clo_kube_pod *to = import->classes[destination].pod;
	uint32_t index;
	int r;

	if (!set)
		return 0;
	if (import->classes[source].scope !=
	    import->classes[destination].scope) {
		clo_flaws_add(import->flaws, CLO_IMPORT_WHERE, 0, "$",
			      "from pod %s/%s to pod %s/%s the IPv4 and the "
			      "IPv6 flows that are allowed differ, which no "
			      "rule over a border can say: select the pods by "
			      "labels",
			      from->home, from->name, to->home, to->name);
		return -EINVAL;
	}
	r = clo_lists_intern(&reached->keys, key, CLO_ARRAY_LEN(key), &index);
	return r < 0 ? r : clo_edges_add(&reached->sources, index, source);
}

static int judge_source(struct clo_import *import, struct reached *reached,
			uint32_t source, uint32_t scope)
{
	size_t first = 0;
	int r = 0;

	reached->n_found = 0;
	for (uint32_t d = 0; d < import->n_classes; d++) {
		struct clo_import_verdict verdict;

		if (import->classes[d].scope != scope)
			continue;
		r = clo_import_pair(import, source, d, &verdict);
		for (uint32_t f = 0; f < 2 && r == 0; f++)
			r = note_only(import, reached, source, d, f,
				      verdict.only[f]);
		if (r < 0)
			return r;
		reached->closed[scope] |= verdict.closed;
		if (verdict.set)
			reached->found[reached->n_found++] =
				(struct reach){verdict.set, d};
	}
	if (reached->n_found > 1)
		qsort(reached->found, reached->n_found, sizeof(*reached->found),
		      compare_reach);
	for (size_t i = 1; i <= reached->n_found; i++) {
		if (i < reached->n_found &&
		    reached->found[i].set == reached->found[first].set)
			continue;
		r = note(reached, source, scope, first, i);
		if (r < 0)
			return r;
		first = i;
	}
	return 0;
}

/* One rule for each pod of the class: its address. */
static int add_only(struct clo_import *import, struct clo_import_plan *plan,
		    const struct clo_import_flow *like, uint32_t family,
		    uint32_t class)
{
	struct clo_import_flow flow = *like;
	int r = 0;

	flow.to = CLO_IMPORT_NONE;
	for (size_t i = 0; i < import->kube->n_pods && r == 0; i++) {
		const struct clo_kube_pod *pod = &import->kube->pods[i];

		for (size_t a = 0; a < pod->n_addresses && r == 0; a++) {
			if (import->pod_class[i] != class ||
			    pod->addresses[a].family != (family ? 6 : 4))
				continue;
			flow.cidr = pod->addresses[a];
			r = clo_import_add_flow(import, plan, &flow);
		}
	}
	return r;
}

static int add_flows(struct clo_import *import, struct clo_import_plan *plan,
		     struct reached *reached, uint32_t scope)
{
	struct clo_index sources = {0};
	int r;

	r = clo_index_init(&sources, &reached->sources,
			   (uint32_t)reached->keys.n);
	for (uint32_t k = 1; k < reached->keys.n && r == 0; k++) {
		size_t n, n_from;
		const uint32_t *key = clo_lists_get(&reached->keys, k, &n);
		const uint32_t *from = clo_index_get(&sources, k, &n_from);
		struct clo_import_flow flow = {.scope = scope, .set = key[0]};

		r = clo_import_group(import, plan, scope, from, n_from,
				     &flow.from);
		if (r < 0)
			break;
		if (key[1] == CLO_IMPORT_NONE) {
			r = add_only(import, plan, &flow, key[2], key[3]);
			continue;
		}
		r = clo_import_group(import, plan, key[1], key + 2, n - 2,
				     &flow.to);
		if (r == 0)
			r = clo_import_add_flow(import, plan, &flow);
	}
	clo_index_done(&sources);
	return r;
}

static void report_closed(const struct clo_import *import, uint32_t from,
			  const bool *closed)
{
	const struct clo_import_scope *source = &import->scopes[from];

	for (size_t s = 0; s < import->n_scopes; s++) {
		const struct clo_import_scope *scope = &import->scopes[s];

		if (closed[s])
			clo_flaws_add(import->notes, CLO_IMPORT_WHERE, 0, "$",
				      "%s/%s to %s/%s: flows that Kubernetes "
				      "allows are closed, as the two are kept "
				      "apart",
				      source->tenant,
				      clo_environment_name(source->environment),
				      scope->tenant,
				      clo_environment_name(scope->environment));
	}
}

static void done(struct reached *reached)
{
	clo_lists_done(&reached->keys);
	clo_edges_done(&reached->sources);
	free(reached->found);
	free(reached->key);
	free(reached->closed);
}

static int judge_scope(struct clo_import *import, struct clo_import_plan *plan,
		       uint32_t scope)
{
	struct reached reached = {
		.found = calloc(import->n_classes + 1, sizeof(struct reach)),
		.key = calloc(import->n_classes + 2, sizeof(uint32_t)),
		.closed = calloc(import->n_scopes + 1, sizeof(bool)),
	};
	int r = -ENOMEM;

	if (reached.found && reached.key && reached.closed)
		r = clo_lists_init(&reached.keys, CLO_LISTS_MAX);
	for (uint32_t s = 0; s < import->n_classes && r == 0; s++) {
		if (import->classes[s].scope != scope)
			continue;
		for (uint32_t to = 0; to < import->n_scopes && r == 0; to++)
			r = judge_source(import, &reached, s, to);
	}
	if (r == 0)
		r = add_flows(import, plan, &reached, scope);
	if (r == 0)
		report_closed(import, scope, reached.closed);
	done(&reached);
	return r;
}

int clo_import_inside(struct clo_import *import, struct clo_import_plan *plan)
{
	int r = 0;

	for (uint32_t scope = 0; scope < import->n_scopes && r == 0; scope++)
		r = judge_scope(import, plan, scope);
	return r;
}
