/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* What of the node refers to, or must stay clear of, the tenants' segments. */

enum {
	UPLINK_INTERFACE,
	UPLINK_SEGMENT,
	UPLINK_COUNT,
};

static const struct clo_member uplink_members[UPLINK_COUNT] = {
	[UPLINK_INTERFACE] = {"interface", JSON_STRING, true},
	[UPLINK_SEGMENT] = {"segment", JSON_STRING},
};

static struct clo_place node_member(const struct clo_place *top,
				    const char *name)
{
	struct clo_place member = clo_place_member(top, name);

	if (!json_is_array(member.json))
		member.json = NULL;
	return member;
}

static void read_uplink(struct clo_parse *parse, const struct clo_place *item,
			struct clo_uplink_doc *uplink)
{
	struct clo_place members[UPLINK_COUNT];

	(void)clo_read_object(&parse->reader, item, uplink_members,
			      UPLINK_COUNT, members);
	uplink->interface =
		clo_read_text(&parse->reader, &members[UPLINK_INTERFACE],
			      &clo_format_interface);
	if (members[UPLINK_SEGMENT].json)
		(void)clo_resolve_uplink(parse, &members[UPLINK_SEGMENT],
					 uplink);
}

void clo_parse_uplinks(struct clo_parse *parse)
{
	struct clo_node_doc *node = &parse->policy->node;
	struct clo_place top, list;
	size_t n;

	if (!parse->node)
		return;
	top = clo_place_top(parse->node);
	list = node_member(&top, "uplinks");
	n = clo_place_items(&list);
	node->uplinks =
		clo_arena_array(parse->reader.keep, n, sizeof(*node->uplinks));
	if (!node->uplinks)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		read_uplink(parse, &item, &node->uplinks[i]);
	}
	node->n_uplinks = n;
	clo_check_repeats(&parse->reader, &list, "interface");
	clo_check_repeats(&parse->reader, &list, "segment");
	clo_sort(node->uplinks, n, sizeof(*node->uplinks), clo_compare_text);
}

/* A block of "forensics" that lies in no other, and its place. */
struct outer {
	struct clo_cidr cidr;
	size_t index;
	bool told;
};

struct outers {
	struct clo_parse *parse;
	const struct clo_place *list;
	struct outer *items;
	size_t n;
};

static int compare_outers(const void *a, const void *b)
{
	const struct outer *x = a, *y = b;
	int r = clo_cidr_compare(&x->cidr, &y->cidr);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static bool outers_init(struct outers *outers)
{
	size_t n = clo_place_items(outers->list), kept = 0;

	outers->items = clo_arena_array(outers->parse->reader.scratch, n,
					sizeof(*outers->items));
	if (!outers->items)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(outers->list, i);
		const char *text = json_string_value(item.json);
		struct outer *outer = &outers->items[outers->n];

		outer->index = i;
		if (text &&
		    clo_cidr_parse(text, CLO_FORM_EITHER, &outer->cidr) == 0)
			outers->n++;
	}
	clo_sort(outers->items, outers->n, sizeof(*outers->items),
		 compare_outers);
	for (size_t i = 0; i < outers->n; i++)
		if (kept == 0 ||
		    !clo_cidr_contains(&outers->items[kept - 1].cidr,
				       &outers->items[i].cidr))
			outers->items[kept++] = outers->items[i];
	outers->n = kept;
	return true;
}

static void tell(struct outers *outers, struct outer *outer,
		 const struct clo_cidr *cidr, const char *whose)
{
	struct clo_place item = clo_place_item(outers->list, outer->index);
	char text[2][CLO_CIDR_TEXT];

	if (outer->told)
		return;
	outer->told = true;
	clo_cidr_format(&outer->cidr, text[0]);
	clo_cidr_format(cidr, text[1]);
	clo_flaw_at(&outers->parse->reader, &item,
		    "%s overlaps %s of %s: forensic addresses are used for "
		    "nothing else",
		    text[0], text[1], whose);
}

/* Sorted and disjoint: what overlaps is the one before, or those behind. */
static void check(struct outers *outers, const struct clo_cidr *cidr,
		  const char *whose)
{
	size_t low = 0, high = outers->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (clo_cidr_compare(&outers->items[middle].cidr, cidr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && clo_cidr_contains(&outers->items[low - 1].cidr, cidr))
		tell(outers, &outers->items[low - 1], cidr, whose);
	for (; low < outers->n &&
	       clo_cidr_contains(cidr, &outers->items[low].cidr);
	     low++)
		tell(outers, &outers->items[low], cidr, whose);
}

static void check_scope(struct outers *outers,
			const struct clo_tenant_doc *tenant,
			const struct clo_scope_doc *scope)
{
	for (size_t i = 0; i < scope->n_segments; i++) {
		const struct clo_segment_doc *segment = &scope->segments[i];
		struct clo_arena *scratch = outers->parse->reader.scratch;
		const char *full = clo_arena_printf(
			scratch, "%s/%s/%s", tenant->name,
			clo_environment_name(scope->environment),
			segment->name);
		const char *whose = clo_arena_printf(scratch, "segment %s",
						     clo_quote(full).text);

		for (size_t k = 0; k < segment->n_cidrs; k++)
			check(outers, &segment->cidrs[k], whose);
	}
}

void clo_parse_forensics(struct clo_parse *parse)
{
	const struct clo_policy *policy = parse->policy;
	const struct clo_node_doc *node = &policy->node;
	struct clo_place top, list;
	struct outers outers = {.parse = parse, .list = &list};

	if (!parse->node)
		return;
	top = clo_place_top(parse->node);
	list = node_member(&top, "forensics");
	if (!list.json || !outers_init(&outers) || outers.n == 0)
		return;

	for (size_t i = 0; i < node->n_addresses; i++)
		check(&outers, &node->addresses[i], "the node");
	for (size_t i = 0; i < node->n_services; i++) {
		const struct clo_provided *service = &node->services[i];
		const char *whose =
			clo_arena_printf(parse->reader.scratch, "service %s",
					 clo_quote(service->name).text);

		for (size_t k = 0; k < service->n_addresses; k++)
			check(&outers, &service->addresses[k], whose);
	}
	for (size_t i = 0; i < policy->n_tenants; i++)
		for (size_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT;
		     e++)
			check_scope(&outers, &policy->tenants[i],
				    &policy->tenants[i].scopes[e]);
}
