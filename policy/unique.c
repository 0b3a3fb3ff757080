/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/*
 * What two workloads cannot both have. Every claim goes into one array; sorted,
 * those of the same thing stand together.
 */

enum thing {
	THING_ADDRESS, /* of one address space */
	THING_MAC,
	THING_DEVICE,
	THING_DOMAIN,
	THING_UUID,
};

static const char *const names[] = {
	[THING_ADDRESS] = "address", [THING_MAC] = "MAC",
	[THING_DEVICE] = "device",   [THING_DOMAIN] = "domain",
	[THING_UUID] = "uuid",
};

struct claim {
	enum thing thing;
	const struct clo_tenant_doc *tenant; /* ADDRESS */
	enum clo_environment environment; /* ADDRESS: that has its own space */
	struct clo_cidr address; /* ADDRESS, MAC in addr */
	const char *text; /* the others; else "" */
	/* Where it stands. */
	size_t workload, interface, index;
};

struct claims {
	struct claim *items;
	size_t n;
};

/* What is claimed, without who claims it. */
static int compare_things(const struct claim *x, const struct claim *y)
{
	int r;

	if (x->thing != y->thing)
		return x->thing < y->thing ? -1 : 1;
	if (x->tenant != y->tenant)
		return x->tenant < y->tenant ? -1 : 1;
	if (x->environment != y->environment)
		return x->environment < y->environment ? -1 : 1;
	r = clo_cidr_compare(&x->address, &y->address);
	return r ? r : strcmp(x->text, y->text);
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = compare_things(x, y);

	if (r == 0)
		r = (x->workload > y->workload) - (x->workload < y->workload);
	if (r == 0)
		r = (x->interface > y->interface) -
		    (x->interface < y->interface);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void report(struct clo_parse *parse, const struct claim *first,
		   const struct claim *again)
{
	const struct clo_source *source = &parse->workloads[again->workload];
	const struct clo_source *other = &parse->workloads[first->workload];
	const char *what = names[again->thing];
	struct clo_place top = clo_place_top(source);
	struct clo_place list = clo_place_member(&top, "interfaces");
	struct clo_place interface = clo_place_item(&list, again->interface);
	struct clo_place addresses = clo_place_member(&interface, "addresses");
	struct clo_place place;

	if (again->thing == THING_ADDRESS)
		place = clo_place_item(&addresses, again->index);
	else if (again->thing == THING_MAC || again->thing == THING_DEVICE)
		place = clo_place_member(&interface, again->thing == THING_MAC
							     ? "mac"
							     : "device");
	else
		place = clo_place_member(&top, what);

	clo_flaw_at(&parse->reader, &place,
		    "%s %s is used twice, first by workload %s (%s line %d): "
		    "give each its own",
		    what, clo_quote(json_string_value(place.json)).text,
		    clo_quote(other->name).text, other->file->name,
		    other->line);
}

static void claim(struct claims *claims, struct claim claim)
{
	if (!claim.text)
		claim.text = "";
	claims->items[claims->n++] = claim;
}

static void claim_addresses(struct claims *claims,
			    const struct clo_place *interface,
			    const struct claim *whose)
{
	struct clo_place list = clo_place_member(interface, "addresses");
	struct claim address = *whose;

	/* From the text: the model has them in another order. */
	address.thing = THING_ADDRESS;
	for (size_t i = 0; i < clo_place_items(&list); i++) {
		struct clo_place item = clo_place_item(&list, i);
		const char *text = json_string_value(item.json);

		address.index = i;
		if (text && clo_cidr_parse(text, CLO_FORM_ADDRESS,
					   &address.address) == 0)
			claim(claims, address);
	}
}

static void claim_interfaces(struct clo_parse *parse, struct claims *claims,
			     size_t w)
{
	const struct clo_workload_doc *workload = &parse->policy->workloads[w];
	struct clo_place top = clo_place_top(&parse->workloads[w]);
	struct clo_place list = clo_place_member(&top, "interfaces");
	static const uint8_t unread[6];

	for (size_t i = 0; i < workload->n_interfaces; i++) {
		const struct clo_interface_doc *doc = &workload->interfaces[i];
		struct clo_place interface = clo_place_item(&list, i);
		struct claim mac = {
			.thing = THING_MAC, .workload = w, .interface = i};
		struct claim whose = mac;

		memcpy(mac.address.addr, doc->mac, sizeof(doc->mac));
		if (memcmp(doc->mac, unread, sizeof(unread)) != 0)
			claim(claims, mac);
		if (doc->device && *doc->device)
			claim(claims, (struct claim){.thing = THING_DEVICE,
						     .text = doc->device,
						     .workload = w,
						     .interface = i});
		whose.tenant = workload->tenant;
		if (whose.tenant &&
		    clo_scope_state(parse, whose.tenant, workload->environment)
			    ->own_space)
			whose.environment = workload->environment;
		if (whose.tenant)
			claim_addresses(claims, &interface, &whose);
	}
}

static void claim_domain(const struct clo_parse *parse, struct claims *claims,
			 size_t w)
{
	const struct clo_workload_doc *workload = &parse->policy->workloads[w];

	if (workload->domain && *workload->domain)
		claim(claims, (struct claim){.thing = THING_DOMAIN,
					     .text = workload->domain,
					     .workload = w});
	if (workload->uuid && *workload->uuid)
		claim(claims, (struct claim){.thing = THING_UUID,
					     .text = workload->uuid,
					     .workload = w});
}

/* An upper bound of what all workloads claim. */
static size_t count(const struct clo_parse *parse)
{
	size_t n = 0;

	for (size_t w = 0; w < parse->policy->n_workloads; w++) {
		json_t *list =
			json_object_get(parse->workloads[w].json, "interfaces");

		n += 2; /* domain, uuid */
		for (size_t i = 0; i < json_array_size(list); i++)
			n += 2 + json_array_size(json_object_get(
					 json_array_get(list, i), "addresses"));
	}
	return n;
}

void clo_parse_unique(struct clo_parse *parse)
{
	struct claims claims = {0};
	size_t first = 0;

	claims.items = clo_arena_array(parse->reader.scratch, count(parse),
				       sizeof(*claims.items));
	if (!claims.items)
		return;

	for (size_t w = 0; w < parse->policy->n_workloads; w++) {
		claim_domain(parse, &claims, w);
		claim_interfaces(parse, &claims, w);
	}
	clo_sort(claims.items, claims.n, sizeof(*claims.items), compare_claims);
	for (size_t i = 1; i < claims.n; i++) {
		if (compare_things(&claims.items[first], &claims.items[i]) != 0)
			first = i;
		else
			report(parse, &claims.items[first], &claims.items[i]);
	}
}
