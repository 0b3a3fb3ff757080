/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/fleet_view.h"

#include <errno.h>
#include <string.h>

#include "policy/address.h"

static int order_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int clo_fleet_tenants_init(struct clo_fleet_tenants *tenants,
			   const struct clo_fleet_member *members, size_t n)
{
	size_t total = 0;
	size_t kept = 0;

	for (size_t m = 0; m < n; m++)
		total += members[m].compiled->policy->n_tenants;
	tenants->names = calloc(total + 1, sizeof(*tenants->names));
	if (!tenants->names)
		return -ENOMEM;
	for (size_t m = 0; m < n; m++) {
		const struct clo_policy *policy = members[m].compiled->policy;

		for (size_t t = 0; t < policy->n_tenants; t++)
			tenants->names[kept++] = policy->tenants[t].name;
	}
	qsort(tenants->names, total, sizeof(*tenants->names), order_names);
	for (size_t i = 0; i < total; i++) {
		if (tenants->n == 0 || strcmp(tenants->names[tenants->n - 1],
					      tenants->names[i]) != 0)
			tenants->names[tenants->n++] = tenants->names[i];
	}
	return 0;
}

void clo_fleet_tenants_done(struct clo_fleet_tenants *tenants)
{
	free(tenants->names);
}

static uint32_t tenant_number(const struct clo_fleet_tenants *tenants,
			      const char *name)
{
	const char **found = bsearch(&name, tenants->names, tenants->n,
				     sizeof(*tenants->names), order_names);

	return (uint32_t)(found - tenants->names) + 1;
}

int clo_fleet_order(const struct clo_fleet_binding *a,
		    const struct clo_fleet_binding *b)
{
	if (a->label.space != b->label.space)
		return a->label.space < b->label.space ? -1 : 1;
	return clo_cidr_compare(&a->addr, &b->addr);
}

static int order_bindings(const void *left, const void *right)
{
	const struct clo_fleet_binding *a = left;
	const struct clo_fleet_binding *b = right;
	int order = clo_fleet_order(a, b);

	/* one address of two spaces: what is in both members is in one order */
	return order ? order : strcmp(a->interface->name, b->interface->name);
}

bool clo_fleet_connected(const struct clo_fleet_binding *a,
			 const struct clo_fleet_binding *b)
{
	return a->label.space == b->label.space &&
	       (a->apart == b->apart || a->apart == CLO_ENV_NONE ||
		b->apart == CLO_ENV_NONE);
}

bool clo_fleet_agree(const struct clo_fleet_binding *a,
		     const struct clo_fleet_binding *b)
{
	return a->apart == b->apart &&
	       a->label.environment == b->label.environment &&
	       a->label.flags == b->label.flags &&
	       strcmp(a->interface->segment->name,
		      b->interface->segment->name) == 0 &&
	       strcmp(a->interface->name, b->interface->name) == 0;
}

bool clo_fleet_equal(const struct clo_fleet_view *a,
		     const struct clo_fleet_view *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (clo_fleet_order(&a->bindings[i], &b->bindings[i]) ||
		    !clo_fleet_agree(&a->bindings[i], &b->bindings[i]))
			return false;
	}
	return true;
}

static size_t count(const struct clo_policy *policy)
{
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++)
			n += workload->interfaces[i].n_addresses;
	}
	return n;
}

static void add(struct clo_fleet_view *view,
		const struct clo_fleet_tenants *tenants,
		const struct clo_workload_doc *workload,
		const struct clo_interface_doc *interface)
{
	const struct clo_tenant_doc *tenant = workload->tenant;
	uint32_t space = interface->segment->space;
	struct clo_fleet_binding binding = {
		.tenant = tenant->name,
		.apart = space == tenant->space ? CLO_ENV_NONE
						: workload->environment,
		.space = space,
		.workload = workload,
		.interface = interface,
		.label =
			{
				.space = tenant_number(tenants, tenant->name),
				.kind = CLO_IDENTITY_ENDPOINTS,
				.environment = (uint8_t)workload->environment,
				.flags = clo_tenant_flags(tenant),
			},
	};

	for (size_t a = 0; a < interface->n_addresses; a++) {
		binding.addr = interface->addresses[a];
		view->bindings[view->n++] = binding;
	}
}

int clo_fleet_view_init(struct clo_fleet_view *view,
			const struct clo_fleet_tenants *tenants,
			const struct clo_compiled *compiled)
{
	const struct clo_policy *policy = compiled->policy;
	size_t n = count(policy);

	view->compiled = compiled;
	view->bindings = calloc(n + 1, sizeof(*view->bindings));
	view->differs = calloc(n + 1, sizeof(*view->differs));
	if (!view->bindings || !view->differs)
		return -ENOMEM;
	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++)
			add(view, tenants, workload, &workload->interfaces[i]);
	}
	qsort(view->bindings, view->n, sizeof(*view->bindings), order_bindings);
	return 0;
}

void clo_fleet_view_done(struct clo_fleet_view *view)
{
	free(view->bindings);
	free(view->differs);
}
