/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

enum {
	WORKLOAD_DOMAIN = CLO_DOC_OWN,
	WORKLOAD_UUID,
	WORKLOAD_TENANT,
	WORKLOAD_ENVIRONMENT,
	WORKLOAD_MODE,
	WORKLOAD_DEVICES,
	WORKLOAD_INTERFACES,
	WORKLOAD_COUNT,
};

static const struct clo_member workload_members[WORKLOAD_COUNT] = {
	CLO_DOC_MEMBERS,
	[WORKLOAD_DOMAIN] = {"domain", JSON_STRING},
	[WORKLOAD_UUID] = {"uuid", JSON_STRING},
	[WORKLOAD_TENANT] = {"tenant", JSON_STRING, true},
	[WORKLOAD_ENVIRONMENT] = {"environment", JSON_STRING, true},
	[WORKLOAD_MODE] = {"mode", JSON_STRING},
	[WORKLOAD_DEVICES] = {"devices", JSON_ARRAY},
	[WORKLOAD_INTERFACES] = {"interfaces", JSON_ARRAY, true},
};

enum {
	INTERFACE_MAC,
	INTERFACE_SEGMENT,
	INTERFACE_ADDRESSES,
	INTERFACE_GROUPS,
	INTERFACE_DEVICE,
	INTERFACE_LIMITS,
	INTERFACE_COUNT,
};

static const struct clo_member interface_members[INTERFACE_COUNT] = {
	[INTERFACE_MAC] = {"mac", JSON_STRING, true},
	[INTERFACE_SEGMENT] = {"segment", JSON_STRING, true},
	[INTERFACE_ADDRESSES] = {"addresses", JSON_ARRAY, true, true},
	[INTERFACE_GROUPS] = {"groups", JSON_ARRAY},
	[INTERFACE_DEVICE] = {"device", JSON_STRING},
	[INTERFACE_LIMITS] = {"limits", JSON_OBJECT},
};

static const struct clo_cidr *find_block(const struct clo_segment_doc *segment,
					 const struct clo_cidr *address)
{
	size_t low = 0, high = segment->n_cidrs;

	/* Sorted and disjoint: only the last that begins before can have it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (clo_cidr_compare(&segment->cidrs[middle], address) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !clo_cidr_contains(&segment->cidrs[low - 1], address))
		return NULL;
	return &segment->cidrs[low - 1];
}

static void check_address(struct clo_parse *parse,
			  const struct clo_place *place,
			  const struct clo_segment_doc *segment,
			  const struct clo_cidr *address)
{
	const struct clo_cidr *block;
	char text[CLO_CIDR_TEXT], first[CLO_CIDR_TEXT];

	if (!segment || segment->n_cidrs == 0)
		return;

	block = find_block(segment, address);
	clo_cidr_format(address, text);
	if (!block) {
		clo_cidr_format(&segment->cidrs[0], first);
		clo_flaw_at(&parse->reader, place,
			    "%s is outside segment %s, which is %s%s: use an "
			    "address of the segment or widen it",
			    text, clo_quote(segment->name).text, first,
			    segment->n_cidrs > 1 ? " and others" : "");
	} else if (clo_cidr_is_edge(block, address)) {
		clo_cidr_format(block, first);
		clo_flaw_at(&parse->reader, place,
			    "%s is the network or broadcast address of %s: use "
			    "one in between",
			    text, first);
	}
}

static void read_addresses(struct clo_parse *parse,
			   const struct clo_place *list,
			   struct clo_interface_doc *interface)
{
	size_t n = clo_place_items(list);

	interface->addresses = clo_arena_array(parse->reader.keep, n,
					       sizeof(*interface->addresses));
	if (!interface->addresses)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);
		struct clo_cidr address;

		if (!clo_read_cidr(&parse->reader, &item, CLO_FORM_ADDRESS,
				   CLO_USE_GUEST, &address))
			continue;
		check_address(parse, &item, interface->segment, &address);
		interface->addresses[interface->n_addresses++] = address;
	}
	clo_sort(interface->addresses, interface->n_addresses,
		 sizeof(*interface->addresses), clo_compare_cidrs);
}

static int compare_index(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void read_groups(struct clo_parse *parse, const struct clo_place *list,
			const struct clo_tenant_doc *tenant,
			const struct clo_scope_doc *scope,
			struct clo_interface_doc *interface)
{
	size_t n = clo_place_items(list);

	clo_check_repeats(&parse->reader, list, NULL);
	interface->groups = clo_arena_array(parse->reader.keep, n,
					    sizeof(*interface->groups));
	if (!interface->groups)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);
		ssize_t group = -1;

		if (scope)
			group = clo_resolve_group(parse, &item, tenant, scope);
		else
			(void)clo_read_string(&parse->reader, &item);
		if (group >= 0)
			interface->groups[interface->n_groups++] =
				(size_t)group;
	}
	clo_sort(interface->groups, interface->n_groups,
		 sizeof(*interface->groups), compare_index);
}

/* scope NULL: unknown, what depends on it is not looked at. */
static void read_interface(struct clo_parse *parse,
			   const struct clo_place *place,
			   const struct clo_workload_doc *workload,
			   const struct clo_scope_doc *scope,
			   struct clo_interface_doc *interface)
{
	struct clo_reader *reader = &parse->reader;
	struct clo_place members[INTERFACE_COUNT];
	ssize_t segment = -1;

	(void)clo_read_object(reader, place, interface_members, INTERFACE_COUNT,
			      members);
	interface->name =
		clo_arena_printf(reader->keep, "%s/%s/%s/%zu",
				 workload->tenant ? workload->tenant->name : "",
				 clo_environment_name(workload->environment),
				 workload->name, place->index);

	(void)clo_read_mac(reader, &members[INTERFACE_MAC], interface->mac);
	if (scope)
		segment =
			clo_resolve_segment(parse, &members[INTERFACE_SEGMENT],
					    workload->tenant, scope);
	if (segment >= 0)
		interface->segment = &scope->segments[segment];
	read_addresses(parse, &members[INTERFACE_ADDRESSES], interface);
	read_groups(parse, &members[INTERFACE_GROUPS], workload->tenant, scope,
		    interface);
	if (members[INTERFACE_DEVICE].json)
		interface->device =
			clo_read_text(reader, &members[INTERFACE_DEVICE],
				      &clo_format_interface);
	interface->limits = parse->limits;
	clo_read_limits(reader, &members[INTERFACE_LIMITS], &interface->limits);
}

/* Quarantine wherever it is said, else what is said nearest. */
static enum clo_mode find_mode(const struct clo_parse *parse,
			       const struct clo_tenant_doc *tenant, int own)
{
	int modes[] = {own, CLO_MODE_NONE, parse->mode};
	int nearest = CLO_MODE_NONE;

	if (tenant)
		modes[1] = parse->tenants[tenant - parse->policy->tenants].mode;
	for (size_t i = 0; i < CLO_ARRAY_LEN(modes); i++) {
		if (modes[i] == CLO_MODE_QUARANTINE)
			return CLO_MODE_QUARANTINE;
		if (nearest == CLO_MODE_NONE)
			nearest = modes[i];
	}
	return nearest == CLO_MODE_AUDIT ? CLO_MODE_AUDIT : CLO_MODE_ENFORCE;
}

static const char *read_uuid(struct clo_parse *parse,
			     const struct clo_place *place)
{
	const char *text =
		clo_read_text(&parse->reader, place, &clo_format_uuid);
	size_t size = strlen(text) + 1;
	char *lower = clo_arena_array(parse->reader.keep, size, 1);

	for (size_t i = 0; lower && i < size; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	return lower ? lower : "";
}

/* Which libvirt domain it is. */
static void read_domain(struct clo_parse *parse,
			const struct clo_place *members,
			struct clo_workload_doc *workload)
{
	const struct clo_place *domain = &members[WORKLOAD_DOMAIN];
	const struct clo_place *uuid = &members[WORKLOAD_UUID];

	if (domain->json)
		workload->domain = clo_read_text(&parse->reader, domain,
						 &clo_format_domain);
	if (uuid->json)
		workload->uuid = read_uuid(parse, uuid);
	if (domain->json && uuid->json)
		clo_flaw_at(&parse->reader, uuid,
			    "\"uuid\" and \"domain\" both name the libvirt "
			    "domain: remove one");
}

static const struct clo_scope_doc *read_scope(struct clo_parse *parse,
					      const struct clo_place *members,
					      struct clo_workload_doc *workload)
{
	struct clo_tenant_doc *tenant =
		clo_resolve_tenant(parse, &members[WORKLOAD_TENANT]);

	workload->tenant = tenant;
	workload->environment = clo_read_environment(
		&parse->reader, &members[WORKLOAD_ENVIRONMENT]);
	if (!tenant || workload->environment == CLO_ENV_NONE)
		return NULL;
	return clo_resolve_scope(parse, &members[WORKLOAD_ENVIRONMENT], tenant,
				 workload->environment);
}

static void read_workload(struct clo_parse *parse,
			  const struct clo_source *source,
			  struct clo_workload_doc *workload)
{
	struct clo_place top = clo_place_top(source);
	struct clo_place members[WORKLOAD_COUNT];
	const struct clo_scope_doc *scope;
	enum clo_mode mode;
	size_t n;

	(void)clo_read_object(&parse->reader, &top, workload_members,
			      WORKLOAD_COUNT, members);
	workload->name = clo_read_text(&parse->reader, &members[CLO_DOC_NAME],
				       &clo_format_name);
	read_domain(parse, members, workload);
	scope = read_scope(parse, members, workload);
	workload->devices = clo_read_devices(parse, &members[WORKLOAD_DEVICES]);
	mode = find_mode(
		parse, workload->tenant,
		clo_read_mode(&parse->reader, &members[WORKLOAD_MODE]));

	n = clo_place_items(&members[WORKLOAD_INTERFACES]);
	workload->interfaces = clo_arena_array(parse->reader.keep, n,
					       sizeof(*workload->interfaces));
	if (!workload->interfaces)
		return;
	workload->n_interfaces = n;
	for (size_t i = 0; i < n; i++) {
		struct clo_place item =
			clo_place_item(&members[WORKLOAD_INTERFACES], i);

		read_interface(parse, &item, workload, scope,
			       &workload->interfaces[i]);
		workload->interfaces[i].mode = mode;
	}
}

void clo_parse_workloads(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	size_t n;

	parse->workloads = clo_parse_kind(parse, "Workload", &n);
	policy->workloads = clo_arena_array(parse->reader.keep, n,
					    sizeof(*policy->workloads));
	if (!policy->workloads)
		return;

	policy->n_workloads = n;
	for (size_t i = 0; i < n; i++)
		read_workload(parse, &parse->workloads[i],
			      &policy->workloads[i]);
}
