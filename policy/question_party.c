/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/address.h"
#include "policy/question_impl.h"

enum kind {
	KIND_TENANT,
	KIND_SCOPE,
	KIND_GROUP,
	KIND_SEGMENT,
	KIND_WORKLOAD,
	KIND_ENDPOINT,
	KIND_SERVICE,
	KIND_CIDR,
	N_KINDS,
};

static const char *const kinds[N_KINDS] = {"tenant",  "scope",    "group",
					   "segment", "workload", "endpoint",
					   "service", "cidr"};

/* The name asked for, without the kind before it. */
struct wanted {
	const char *name;
	int kind; /* -1: any */
};

/* name is "tenant/environment" or, with item, "tenant/environment/item". */
static bool is_path(const char *name, const char *tenant,
		    enum clo_environment environment, const char *item)
{
	const char *parts[] = {tenant, clo_environment_name(environment), item};

	for (size_t i = 0; i < CLO_ARRAY_LEN(parts) && parts[i]; i++) {
		size_t n = strlen(parts[i]);

		if (i && *name++ != '/')
			return false;
		if (strncmp(name, parts[i], n) != 0)
			return false;
		name += n;
	}
	return *name == '\0';
}

static bool has_group(const struct clo_workload_doc *workload,
		      const struct clo_interface_doc *interface,
		      const char *name)
{
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];

	for (size_t i = 0; i < interface->n_groups; i++)
		if (is_path(name, workload->tenant->name, workload->environment,
			    scope->groups[interface->groups[i]]))
			return true;
	return false;
}

/* Whether the endpoint is of what the name means, taken as this kind. */
static bool is_member(const char *name, enum kind kind,
		      const struct clo_workload_doc *workload,
		      const struct clo_interface_doc *interface)
{
	const char *tenant = workload->tenant->name;
	enum clo_environment environment = workload->environment;

	switch (kind) {
	case KIND_TENANT:
		return strcmp(name, tenant) == 0;
	case KIND_SCOPE:
		return is_path(name, tenant, environment, NULL);
	case KIND_GROUP:
		return has_group(workload, interface, name);
	case KIND_SEGMENT:
		return is_path(name, tenant, environment,
			       interface->segment->name);
	case KIND_WORKLOAD:
		return clo_workload_is_called(workload, name);
	case KIND_ENDPOINT:
		return strcmp(name, interface->name) == 0;
	default:
		return false;
	}
}

/* Groups and segments may be without an endpoint, and exist all the same. */
static bool is_declared_in(const struct clo_tenant_doc *tenant,
			   const char *name, enum kind kind)
{
	for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++) {
		const struct clo_scope_doc *scope = &tenant->scopes[e];
		enum clo_environment environment = (enum clo_environment)e;

		if (kind == KIND_SCOPE &&
		    (scope->present || scope->n_segments) &&
		    is_path(name, tenant->name, environment, NULL))
			return true;
		for (size_t i = 0; kind == KIND_GROUP && i < scope->n_groups;
		     i++)
			if (is_path(name, tenant->name, environment,
				    scope->groups[i]))
				return true;
		for (size_t i = 0;
		     kind == KIND_SEGMENT && i < scope->n_segments; i++)
			if (is_path(name, tenant->name, environment,
				    scope->segments[i].name))
				return true;
	}
	return kind == KIND_TENANT && strcmp(tenant->name, name) == 0;
}

static const struct clo_provided *find_service(const struct clo_policy *policy,
					       const char *name)
{
	for (size_t i = 0; i < policy->node.n_services; i++)
		if (strcmp(policy->node.services[i].name, name) == 0)
			return &policy->node.services[i];
	return NULL;
}

static bool is_declared(const struct clo_policy *policy, const char *name,
			enum kind kind)
{
	struct clo_cidr cidr;

	if (kind == KIND_CIDR)
		return clo_cidr_parse(name, CLO_FORM_EITHER, &cidr) == 0;
	if (kind == KIND_SERVICE)
		return find_service(policy, name) != NULL;
	for (size_t t = 0; t < policy->n_tenants; t++)
		if (is_declared_in(&policy->tenants[t], name, kind))
			return true;
	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces; i++)
			if (is_member(name, kind, &policy->workloads[w],
				      &policy->workloads[w].interfaces[i]))
				return true;
	return false;
}

/* "group:acme/production/web"; an IPv6 address has colons of its own. */
static struct wanted split(const char *name)
{
	for (int kind = 0; kind < N_KINDS; kind++) {
		size_t n = strlen(kinds[kind]);

		if (strncmp(name, kinds[kind], n) == 0 && name[n] == ':')
			return (struct wanted){name + n + 1, kind};
	}
	return (struct wanted){name, -1};
}

/* The one kind that the name is of. */
static int find_kind(const struct clo_policy *policy,
		     const struct wanted *wanted, enum kind *ret_kind,
		     char reterr_text[160])
{
	int found = -1;

	for (int kind = 0; kind < N_KINDS; kind++) {
		if ((wanted->kind >= 0 && wanted->kind != kind) ||
		    !is_declared(policy, wanted->name, (enum kind)kind))
			continue;
		if (found >= 0) {
			(void)snprintf(reterr_text, 160,
				       "%.60s is a %s and a %s: say %s:... or "
				       "%s:...",
				       wanted->name, kinds[found], kinds[kind],
				       kinds[found], kinds[kind]);
			return -EINVAL;
		}
		found = kind;
	}
	if (found < 0) {
		(void)snprintf(
			reterr_text, 160, "%.60s: no such %s", wanted->name,
			wanted->kind >= 0 ? kinds[wanted->kind]
					  : "tenant, scope, group, segment, "
					    "workload, endpoint, service or "
					    "address");
		return -EINVAL;
	}
	*ret_kind = (enum kind)found;
	return 0;
}

/* The classes of all addresses that the tables give the endpoint. */
static void take_classes(const struct clo_matrix *matrix, struct party *party,
			 uint32_t endpoint)
{
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n4 = tables->table[CLO_TABLE_ADDR4].n;
	size_t n;
	const struct clo_entry *entries =
		clo_matrix_entries(matrix, endpoint, &n);

	for (size_t i = 0; i < n; i++) {
		size_t at = entries[i].index;
		const struct clo_addr *addr = clo_tables_value(
			tables, at < n4 ? CLO_TABLE_ADDR4 : CLO_TABLE_ADDR6,
			at < n4 ? at : at - n4);

		party->classes[clo_matrix_class(matrix, addr->identity)] = true;
	}
}

static int take_endpoints(const struct clo_matrix *matrix, const char *name,
			  enum kind kind, struct party *party)
{
	const struct clo_policy *policy = matrix->compiled->policy;
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++)
		n += policy->workloads[w].n_interfaces;
	party->interfaces = calloc(n + 1, sizeof(void *));
	if (!party->interfaces)
		return -ENOMEM;
	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces; i++) {
			const struct clo_workload_doc *workload =
				&policy->workloads[w];
			const struct clo_interface_doc *interface =
				&workload->interfaces[i];

			if (!is_member(name, kind, workload, interface))
				continue;
			party->interfaces[party->n_interfaces++] = interface;
			take_classes(matrix, party, interface->endpoint);
		}
	return 0;
}

static unsigned __int128 number_of(const struct clo_cidr *cidr)
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < (cidr->family == 4 ? 4U : 16U); i++)
		number = number << 8 | cidr->addr[i];
	return number;
}

/* Ranges outside that the block has an address of. */
static void take_block(const struct clo_matrix *matrix, struct party *party,
		       const struct clo_cidr *cidr)
{
	unsigned int host = (cidr->family == 4 ? 32U : 128U) - cidr->bits;
	unsigned __int128 first = number_of(cidr);
	unsigned __int128 last =
		host == 128 ? ~(unsigned __int128)0
			    : first + (((unsigned __int128)1 << host) - 1);

	for (size_t i = 0; i < matrix->n_outside; i++) {
		const struct clo_outside *outside = &matrix->outside[i];

		if (outside->family == cidr->family && outside->first <= last &&
		    first <= outside->last)
			party->classes[outside->class] = true;
	}
}

/* Of ASCII: it stands in the reply. */
static bool is_printable(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~')
			return false;
	return n > 0 && n <= 200;
}

static bool has_address(const struct clo_interface_doc *interface,
			const struct clo_cidr *address)
{
	for (size_t i = 0; i < interface->n_addresses; i++)
		if (!clo_cidr_compare(address, &interface->addresses[i]))
			return true;
	return false;
}

/* One address that is an endpoint's is hardly meant as one outside. */
static int refuse_endpoint(const struct clo_policy *policy,
			   const struct clo_cidr *address,
			   char reterr_text[160])
{
	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces; i++) {
			const struct clo_interface_doc *interface =
				&policy->workloads[w].interfaces[i];

			if (!has_address(interface, address))
				continue;
			(void)snprintf(reterr_text, 160,
				       "that is endpoint %.60s: say so, or "
				       "cidr:... for the same outside",
				       interface->name);
			return -EINVAL;
		}
	return 0;
}

int clo_party_find(const struct clo_matrix *matrix, const char *name,
		   struct party *party, char reterr_text[160])
{
	const struct wanted wanted = split(name);
	enum kind kind;
	int r;

	*party = (struct party){.name = name};
	if (!is_printable(name)) {
		(void)snprintf(reterr_text, 160,
			       "a name is 1 to 200 printable characters");
		return -EINVAL;
	}
	r = find_kind(matrix->compiled->policy, &wanted, &kind, reterr_text);
	if (r < 0)
		return r;
	party->classes = calloc(matrix->n_classes + 1, sizeof(bool));
	if (!party->classes)
		return -ENOMEM;
	party->outside = kind == KIND_SERVICE || kind == KIND_CIDR;
	if (!party->outside) {
		r = take_endpoints(matrix, wanted.name, kind, party);
	} else if (kind == KIND_CIDR) {
		(void)clo_cidr_parse(wanted.name, CLO_FORM_EITHER,
				     &party->cidr);
		take_block(matrix, party, &party->cidr);
		if (wanted.kind < 0)
			r = refuse_endpoint(matrix->compiled->policy,
					    &party->cidr, reterr_text);
	} else {
		party->service =
			find_service(matrix->compiled->policy, wanted.name);
		for (size_t i = 0; i < party->service->n_addresses; i++)
			take_block(matrix, party,
				   &party->service->addresses[i]);
	}
	party->classes[0] = false; /* no class, no flow */
	return r;
}

void clo_party_done(struct party *party)
{
	free(party->classes);
	free(party->interfaces);
	*party = (struct party){0};
}
