/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/names.h"

#include <errno.h>
#include <string.h>

#define KEPT 4 /* policies */

struct generation {
	uint64_t epoch;
	struct clo_endpoint_name *endpoints; /* by id */
	size_t n_endpoints;
	char **rules; /* by index; [0] NULL */
	size_t n_rules;
};

struct clo_names {
	struct generation *kept[KEPT]; /* newest first */
};

static void generation_free(struct generation *generation)
{
	if (!generation)
		return;

	for (size_t i = 0; i < generation->n_endpoints; i++)
		free(generation->endpoints[i].name);
	for (size_t i = 0; i < generation->n_rules; i++)
		free(generation->rules[i]);
	free(generation->endpoints);
	free(generation->rules);
	free(generation);
}
CLO_DEFINE_FREEP(generation)

int clo_names_new(struct clo_names **ret_names)
{
	struct clo_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	*ret_names = names;
	return 0;
}

void clo_names_free(struct clo_names *names)
{
	if (!names)
		return;

	for (size_t i = 0; i < KEPT; i++)
		generation_free(names->kept[i]);
	free(names);
}

static int by_id(const void *a, const void *b)
{
	const struct clo_endpoint_name *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int copy_endpoints(struct generation *generation,
			  const struct clo_policy *policy)
{
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++)
		n += policy->workloads[w].n_interfaces;
	generation->endpoints = calloc(n + 1, sizeof(*generation->endpoints));
	if (!generation->endpoints)
		return -ENOMEM;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];
		uint32_t tenant = (uint32_t)strlen(workload->tenant->name);
		uint32_t environment = (uint32_t)strlen(
			clo_environment_name(workload->environment));

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			const struct clo_interface_doc *interface =
				&workload->interfaces[i];
			char *name = strdup(interface->name);

			if (!name)
				return -ENOMEM;
			generation->endpoints[generation->n_endpoints++] =
				(struct clo_endpoint_name){
					.id = interface->endpoint,
					.tenant_len = tenant,
					.scope_len = tenant + 1 + environment,
					.name = name};
		}
	}
	qsort(generation->endpoints, n, sizeof(*generation->endpoints), by_id);
	return 0;
}

static int copy_rules(struct generation *generation,
		      const struct clo_compiled *compiled)
{
	size_t n = compiled->tables->gen.rules;

	generation->rules = calloc(n + 1, sizeof(*generation->rules));
	if (!generation->rules)
		return -ENOMEM;
	generation->n_rules = n;
	for (size_t i = 1; i < n; i++) {
		generation->rules[i] = strdup(compiled->rules[i]->full);
		if (!generation->rules[i])
			return -ENOMEM;
	}
	return 0;
}

int clo_names_add(struct clo_names *names, const struct clo_compiled *compiled,
		  uint64_t epoch)
{
	CLO_AUTO(generation) struct generation *generation = NULL;
	int r;

	generation = calloc(1, sizeof(*generation));
	if (!generation)
		return -ENOMEM;
	generation->epoch = epoch;
	r = copy_endpoints(generation, compiled->policy);
	if (r == 0)
		r = copy_rules(generation, compiled);
	if (r < 0)
		return r;

	generation_free(names->kept[KEPT - 1]);
	for (size_t i = KEPT - 1; i > 0; i--)
		names->kept[i] = names->kept[i - 1];
	names->kept[0] = CLO_TAKE(generation);
	return 0;
}

uint64_t clo_names_epoch(const struct clo_names *names)
{
	return names->kept[0] ? names->kept[0]->epoch : 0;
}

const struct clo_endpoint_name *
clo_names_endpoint(const struct clo_names *names, uint32_t id)
{
	const struct clo_endpoint_name key = {.id = id};
	const struct clo_endpoint_name *found = NULL;

	for (size_t i = 0; i < KEPT && names->kept[i] && !found; i++)
		found = bsearch(&key, names->kept[i]->endpoints,
				names->kept[i]->n_endpoints, sizeof(key),
				by_id);
	return found;
}

const char *clo_names_rule(const struct clo_names *names, uint64_t epoch,
			   uint32_t rule)
{
	for (size_t i = 0; i < KEPT && names->kept[i]; i++) {
		const struct generation *generation = names->kept[i];

		if (generation->epoch == epoch)
			return rule < generation->n_rules
				       ? generation->rules[rule]
				       : NULL;
	}
	return NULL;
}

bool clo_name_under(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 &&
	       (name[n] == '\0' || name[n] == '/');
}

size_t clo_names_count(const struct clo_names *names, const char *prefix)
{
	const struct generation *newest = names->kept[0];
	size_t n = 0;

	for (size_t i = 0; newest && i < newest->n_endpoints; i++)
		n += clo_name_under(newest->endpoints[i].name, prefix);
	return n;
}
