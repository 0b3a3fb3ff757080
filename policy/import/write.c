/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/write.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/read.h"

/* Documents. jansson takes NULL for out of memory all the way up. */

#define SEGMENT "pods"

/* "10.0.0.1/32": with its length, also where it is one address. */
static json_t *cidr_json(const struct clo_cidr *cidr)
{
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(cidr, text);
	return strchr(text, '/') ? json_string(text)
				 : json_sprintf("%s/%u", text, cidr->bits);
}

static json_t *address_json(const struct clo_cidr *address)
{
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(address, text);
	return json_string(text);
}

static json_t *block_json(const struct clo_import_flow *flow)
{
	json_auto_t *except = json_array();

	for (size_t i = 0; i < flow->n_except; i++)
		if (json_array_append_new(except, cidr_json(&flow->except[i])) <
		    0)
			return NULL;
	if (flow->n_except == 0)
		return json_pack("{s:o}", "cidr", cidr_json(&flow->cidr));
	return json_pack("{s:o, s:O}", "cidr", cidr_json(&flow->cidr), "except",
			 except);
}

/* A group; of another scope than the rule's it says which. */
static json_t *peer_json(const struct clo_import *import,
			 const struct clo_import_plan *plan,
			 const struct clo_import_flow *flow, uint32_t index)
{
	const struct clo_import_group *group;
	const struct clo_import_scope *own = &import->scopes[flow->scope];
	const struct clo_import_scope *scope;

	if (index == CLO_IMPORT_NONE)
		return block_json(flow);
	group = &plan->groups[index];
	scope = &import->scopes[group->scope];
	if (scope == own)
		return json_pack("{s:s}", "group", group->name);
	return json_pack(
		"{s:s, s:s*, s:s}", "group", group->name, "tenant",
		strcmp(scope->tenant, own->tenant) ? scope->tenant : NULL,
		"environment", clo_environment_name(scope->environment));
}

static json_t *rule_json(const struct clo_import *import,
			 const struct clo_import_plan *plan,
			 const struct clo_import_flow *flow)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "name", flow->name, "from",
			 peer_json(import, plan, flow, flow->from), "to",
			 peer_json(import, plan, flow, flow->to), "ports",
			 clo_import_ports(import, flow->set));
}

static int compare_cidrs(const void *a, const void *b)
{
	return clo_cidr_compare(a, b);
}

/* The addresses of the scope's pods, each a block: no other scope's is near. */
static json_t *segment_json(const struct clo_import *import, uint32_t scope)
{
	const struct clo_kube *kube = import->kube;
	CLO_AUTO_MEM struct clo_cidr *all =
		calloc(2 * kube->n_pods + 1, sizeof(*all));
	json_auto_t *cidrs = json_array();
	size_t n = 0;

	if (!all)
		return NULL;
	for (size_t i = 0; i < kube->n_pods; i++)
		for (size_t a = 0; a < kube->pods[i].n_addresses; a++)
			if (import->classes[import->pod_class[i]].scope ==
			    scope)
				all[n++] = kube->pods[i].addresses[a];
	clo_sort(all, n, sizeof(*all), compare_cidrs);
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(cidrs, cidr_json(&all[i])) < 0)
			return NULL;
	if (n == 0)
		return json_array();
	return json_pack("[{s:s, s:O}]", "name", SEGMENT, "cidrs", cidrs);
}

static json_t *environment_json(const struct clo_import *import,
				const struct clo_import_plan *plan,
				uint32_t scope)
{
	json_auto_t *groups = json_array(), *rules = json_array();

	for (size_t i = 0; i < plan->n_groups; i++)
		if (plan->groups[i].scope == scope &&
		    json_array_append_new(
			    groups, json_string(plan->groups[i].name)) < 0)
			return NULL;
	for (size_t i = 0; i < plan->n_flows; i++)
		if (plan->flows[i].scope == scope &&
		    json_array_append_new(
			    rules, rule_json(import, plan, &plan->flows[i])) <
			    0)
			return NULL;
	return json_pack("{s:o, s:O, s:O}", "segments",
			 segment_json(import, scope), "groups", groups, "rules",
			 rules);
}

/* All scopes of one tenant stand together, from `first` on. */
static json_t *tenant_json(const struct clo_import *import,
			   const struct clo_import_plan *plan, size_t first)
{
	json_auto_t *environments = json_object();
	const char *tenant = import->scopes[first].tenant;

	for (size_t s = first; s < import->n_scopes; s++) {
		const struct clo_import_scope *scope = &import->scopes[s];

		if (strcmp(scope->tenant, tenant) != 0)
			break;
		if (json_object_set_new(
			    environments,
			    clo_environment_name(scope->environment),
			    environment_json(import, plan, (uint32_t)s)) < 0)
			return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:O}", "apiVersion",
			 "cloison/v1", "kind", "Tenant", "name", tenant,
			 "qualification", 1, "environments", environments);
}

/* Locally administered, from the name: the same at every import. */
static json_t *mac_json(const struct clo_kube_pod *pod)
{
	const char *texts[] = {pod->home, "/", pod->name};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (pod->mac)
		return json_string(pod->mac);
	for (size_t t = 0; t < CLO_ARRAY_LEN(texts); t++)
		for (const char *p = texts[t]; *p; p++)
			hash = (hash ^ (unsigned char)*p) *
			       UINT64_C(0x100000001b3);
	hash ^= hash >> 40;
	return json_sprintf("02:%02x:%02x:%02x:%02x:%02x",
			    (unsigned int)(hash >> 32 & 0xff),
			    (unsigned int)(hash >> 24 & 0xff),
			    (unsigned int)(hash >> 16 & 0xff),
			    (unsigned int)(hash >> 8 & 0xff),
			    (unsigned int)(hash & 0xff));
}

struct workloads {
	const struct clo_import *import;
	const struct clo_import_plan *plan;
	struct clo_index groups; /* class -> groups */
	json_t *taken; /* names */
};

static json_t *workload_json(struct workloads *workloads, size_t index)
{
	const struct clo_import *import = workloads->import;
	const struct clo_kube_pod *pod = &import->kube->pods[index];
	uint32_t class = import->pod_class[index];
	const struct clo_import_scope *scope =
		&import->scopes[import->classes[class].scope];
	json_auto_t *addresses = json_array(), *groups = json_array();
	size_t n;
	const uint32_t *members = clo_index_get(&workloads->groups, class, &n);

	for (size_t i = 0; i < pod->n_addresses; i++)
		if (json_array_append_new(addresses,
					  address_json(&pod->addresses[i])) < 0)
			return NULL;
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(
			    groups,
			    json_string(
				    workloads->plan->groups[members[i]].name)) <
		    0)
			return NULL;
	return json_pack(
		"{s:s, s:s, s:s, s:s*, s:s, s:s, s:[{s:o, s:s, s:O, s:O}]}",
		"apiVersion", "cloison/v1", "kind", "Workload", "name",
		clo_import_name(import->arena, workloads->taken,
				clo_arena_printf(import->arena, "%s-%s",
						 pod->home, pod->name)),
		"domain", pod->domain, "tenant", scope->tenant, "environment",
		clo_environment_name(scope->environment), "interfaces", "mac",
		mac_json(pod), "segment", SEGMENT, "addresses", addresses,
		"groups", groups);
}

/* "name.json" of the object, made if it is not there; NULL without memory. */
__attribute__((format(printf, 2, 3))) static json_t *
list_of(json_t *documents, const char *fmt, ...)
{
	CLO_AUTO_MEM char *file = NULL;
	json_t *list;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&file, fmt, args);
	va_end(args);
	if (n < 0) {
		file = NULL;
		return NULL;
	}
	list = json_object_get(documents, file);
	if (list)
		return list;
	list = json_array();
	return json_object_set_new(documents, file, list) < 0 ? NULL : list;
}

/* So many to a file that it can be read again. */
#define FILE_WORKLOADS 256U

static int add_workloads(struct workloads *workloads, json_t *documents)
{
	const struct clo_import *import = workloads->import;
	CLO_AUTO_MEM size_t *written =
		calloc(import->n_scopes + 1, sizeof(*written));

	if (!written)
		return -ENOMEM;
	for (size_t i = 0; i < import->kube->n_pods; i++) {
		uint32_t s = import->classes[import->pod_class[i]].scope;
		const struct clo_import_scope *scope = &import->scopes[s];
		json_t *list = list_of(documents, "workloads-%s-%s-%zu.json",
				       scope->tenant,
				       clo_environment_name(scope->environment),
				       written[s]++ / FILE_WORKLOADS);

		if (json_array_append_new(list, workload_json(workloads, i)) <
		    0)
			return -ENOMEM;
	}
	return 0;
}

static int index_groups(struct workloads *workloads)
{
	const struct clo_import_plan *plan = workloads->plan;
	struct clo_edges edges = {0};
	int r = 0;

	for (uint32_t g = 0; g < plan->n_groups && r == 0; g++) {
		size_t n;
		const uint32_t *members = clo_lists_get(
			&workloads->import->lists, plan->groups[g].members, &n);

		for (size_t i = 0; i < n && r == 0; i++)
			r = clo_edges_add(&edges, members[i], g);
	}
	if (r == 0)
		r = clo_index_init(&workloads->groups, &edges,
				   (uint32_t)workloads->import->n_classes);
	clo_edges_done(&edges);
	return r;
}

static int add_node(const struct clo_import_options *options, json_t *documents)
{
	if (!options->node)
		return 0;
	return json_object_set_new(documents, "node.json",
				   json_pack("{s:s, s:s, s:s, s:[s]}",
					     "apiVersion", "cloison/v1", "kind",
					     "Node", "name", options->node,
					     "bridges", options->bridge)) < 0
		       ? -ENOMEM
		       : 0;
}

int clo_import_write(const struct clo_import *import,
		     const struct clo_import_plan *plan, json_t *documents)
{
	struct workloads workloads = {
		.import = import, .plan = plan, .taken = json_object()};
	int r = workloads.taken ? index_groups(&workloads) : -ENOMEM;

	for (size_t s = 0; s < import->n_scopes && r == 0; s++) {
		const char *tenant = import->scopes[s].tenant;

		if (s > 0 && strcmp(import->scopes[s - 1].tenant, tenant) == 0)
			continue;
		if (json_array_append_new(
			    list_of(documents, "tenant-%s.json", tenant),
			    tenant_json(import, plan, s)) < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		r = add_workloads(&workloads, documents);
	if (r == 0)
		r = add_node(import->options, documents);
	clo_index_done(&workloads.groups);
	json_decref(workloads.taken);
	return r;
}
