/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* Tenants without their rules: all that other documents may refer to. */

enum {
	TENANT_QUALIFICATION = CLO_DOC_OWN,
	TENANT_TEST_DEV,
	TENANT_SERVICES,
	TENANT_ENVIRONMENTS,
	TENANT_COUNT,
};

static const struct clo_member tenant_members[TENANT_COUNT] = {
	CLO_DOC_MEMBERS,
	[TENANT_QUALIFICATION] = {"qualification", JSON_INTEGER, true},
	[TENANT_TEST_DEV] = {"allowTestDevelopment", JSON_TRUE},
	[TENANT_SERVICES] = {"services", JSON_ARRAY},
	[TENANT_ENVIRONMENTS] = {"environments", JSON_OBJECT, true},
};

/* In the order of enum clo_environment. */
static const struct clo_member environment_members[] = {
	{"production", JSON_OBJECT},
	{"test", JSON_OBJECT},
	{"development", JSON_OBJECT},
};

enum {
	SCOPE_SEGMENTS,
	SCOPE_GROUPS,
	SCOPE_RULES,
	SCOPE_COUNT,
};

static const struct clo_member scope_members[SCOPE_COUNT] = {
	[SCOPE_SEGMENTS] = {"segments", JSON_ARRAY},
	[SCOPE_GROUPS] = {"groups", JSON_ARRAY},
	[SCOPE_RULES] = {"rules", JSON_ARRAY},
};

enum {
	SEGMENT_NAME,
	SEGMENT_CIDRS,
	SEGMENT_COUNT,
};

static const struct clo_member segment_members[SEGMENT_COUNT] = {
	[SEGMENT_NAME] = {"name", JSON_STRING, true},
	[SEGMENT_CIDRS] = {"cidrs", JSON_ARRAY, true, true},
};

/* A CIDR of a segment and where it stands, to find overlaps. */
struct span {
	struct clo_cidr cidr;
	enum clo_environment environment;
	size_t segment, index; /* in the document */
	const char *name; /* of the segment */
};

struct spans {
	struct span *items;
	size_t n;
};

/* Equal blocks in document order, so that the later one has the flaw. */
static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int r = clo_cidr_compare(&x->cidr, &y->cidr);

	if (r == 0)
		r = (int)x->environment - (int)y->environment;
	if (r == 0)
		r = (x->segment > y->segment) - (x->segment < y->segment);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void report_overlap(struct clo_parse *parse,
			   const struct clo_place *environments,
			   const struct span *outer, const struct span *inner)
{
	const char *env_name = clo_environment_name(inner->environment);
	struct clo_place env = clo_place_member(environments, env_name);
	struct clo_place segments = clo_place_member(&env, "segments");
	struct clo_place segment = clo_place_item(&segments, inner->segment);
	struct clo_place cidrs = clo_place_member(&segment, "cidrs");
	struct clo_place place = clo_place_item(&cidrs, inner->index);
	char text[2][CLO_CIDR_TEXT];

	clo_cidr_format(&inner->cidr, text[0]);
	clo_cidr_format(&outer->cidr, text[1]);
	clo_flaw_at(&parse->reader, &place,
		    "%s overlaps %s of segment %s in %s: the segments of one "
		    "tenant share one address space, so give each its own "
		    "addresses",
		    text[0], text[1], clo_quote(outer->name).text,
		    clo_environment_name(outer->environment));
}

/*
 * Sorted, a block is followed by all that it contains: enough to look at the
 * last block that is in no other.
 */
static void check_overlaps(struct clo_parse *parse,
			   const struct clo_place *environments,
			   struct spans *spans)
{
	const struct span *outer = NULL;

	clo_sort(spans->items, spans->n, sizeof(*spans->items), compare_spans);
	for (size_t i = 0; i < spans->n; i++) {
		const struct span *span = &spans->items[i];

		if (outer && clo_cidr_contains(&outer->cidr, &span->cidr))
			report_overlap(parse, environments, outer, span);
		else
			outer = span;
	}
}

static bool overlap_itself(const struct clo_segment_doc *segment)
{
	for (size_t i = 1; i < segment->n_cidrs; i++)
		if (clo_cidr_contains(&segment->cidrs[i - 1],
				      &segment->cidrs[i]))
			return true;
	return false;
}

static void read_segment(struct clo_parse *parse, const struct clo_place *place,
			 enum clo_environment environment,
			 struct clo_segment_doc *segment, struct spans *spans)
{
	struct clo_place members[SEGMENT_COUNT];
	size_t n;

	(void)clo_read_object(&parse->reader, place, segment_members,
			      SEGMENT_COUNT, members);
	segment->name = clo_read_text(&parse->reader, &members[SEGMENT_NAME],
				      &clo_format_name);
	n = clo_place_items(&members[SEGMENT_CIDRS]);
	segment->cidrs =
		clo_arena_array(parse->reader.keep, n, sizeof(*segment->cidrs));
	if (!segment->cidrs)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item =
			clo_place_item(&members[SEGMENT_CIDRS], i);
		struct clo_cidr *cidr = &segment->cidrs[segment->n_cidrs];

		if (!clo_read_cidr(&parse->reader, &item, CLO_FORM_CIDR,
				   CLO_USE_GUEST, cidr))
			continue;
		segment->n_cidrs++;
		spans->items[spans->n++] = (struct span){
			.cidr = *cidr,
			.environment = environment,
			.segment = place->index,
			.index = i,
			.name = segment->name,
		};
	}
	clo_sort(segment->cidrs, segment->n_cidrs, sizeof(*segment->cidrs),
		 clo_compare_cidrs);
	/* Not all is known: no address can be said to be outside. */
	if (segment->n_cidrs < n || overlap_itself(segment))
		segment->n_cidrs = 0;
}

static bool read_segments(struct clo_parse *parse, const struct clo_place *list,
			  struct clo_scope_doc *scope, struct spans *spans)
{
	size_t n = clo_place_items(list);
	bool unsure = false;

	scope->segments = clo_arena_array(parse->reader.keep, n,
					  sizeof(*scope->segments));
	if (!scope->segments)
		return true;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);

		read_segment(parse, &item, scope->environment,
			     &scope->segments[i], spans);
		unsure |= !*scope->segments[i].name;
	}
	scope->n_segments = n;
	clo_check_repeats(&parse->reader, list, "name");
	clo_sort(scope->segments, n, sizeof(*scope->segments),
		 clo_compare_text);
	return unsure;
}

/* True if a member is there but could not be read. */
static bool lost(const struct clo_place *up, const struct clo_place *member,
		 const char *name)
{
	return json_object_get(up->json, name) && !member->json;
}

static void read_scope(struct clo_parse *parse, const struct clo_place *place,
		       struct clo_scope_doc *scope,
		       struct clo_scope_state *state, struct spans *spans)
{
	struct clo_place members[SCOPE_COUNT];
	struct clo_texts groups;

	(void)clo_read_object(&parse->reader, place, scope_members, SCOPE_COUNT,
			      members);
	scope->present = true;
	for (size_t i = 0; i < SCOPE_COUNT; i++)
		state->unsure |=
			lost(place, &members[i], scope_members[i].name);

	state->unsure |=
		read_segments(parse, &members[SCOPE_SEGMENTS], scope, spans);
	groups = clo_read_texts(&parse->reader, &members[SCOPE_GROUPS],
				&clo_format_name);
	scope->groups = groups.items;
	scope->n_groups = groups.n;
	state->unsure |= clo_texts_have(&groups, "");
}

/* How many CIDRs the segments may have in all environments. */
static size_t count_cidrs(const struct clo_place *environments)
{
	size_t n = 0;
	const char *key;
	json_t *env;

	json_object_foreach (environments->json, key, env) {
		json_t *segments = json_object_get(env, "segments");

		for (size_t i = 0; i < json_array_size(segments); i++)
			n += json_array_size(json_object_get(
				json_array_get(segments, i), "cidrs"));
	}
	return n;
}

static void read_environments(struct clo_parse *parse,
			      const struct clo_place *place,
			      struct clo_tenant_doc *tenant,
			      struct clo_tenant_state *state)
{
	const size_t n = CLO_ARRAY_LEN(environment_members);
	struct clo_place members[CLO_ARRAY_LEN(environment_members)];
	struct spans spans = {0};

	spans.items = clo_arena_array(parse->reader.scratch, count_cidrs(place),
				      sizeof(*spans.items));
	if (!spans.items)
		return;

	for (size_t i = 0; i < 4; i++)
		state->scopes[i].unsure = !place->json || state->source->twice;
	if (!place->json)
		return;

	(void)clo_read_object(&parse->reader, place, environment_members, n,
			      members);
	for (size_t i = 0; i < n; i++) {
		enum clo_environment env = CLO_ENV_PRODUCTION + (unsigned)i;
		const char *name = environment_members[i].name;

		tenant->scopes[env].environment = env;
		if (members[i].json)
			read_scope(parse, &members[i], &tenant->scopes[env],
				   &state->scopes[env], &spans);
		else if (lost(place, &members[i], name))
			state->scopes[env].unsure = true;
	}
	check_overlaps(parse, place, &spans);
}

/* The services that the tenant may use: those of its list that exist. */
static void read_services(struct clo_parse *parse, const struct clo_place *list,
			  struct clo_tenant_doc *tenant,
			  struct clo_tenant_state *state)
{
	size_t n = clo_place_items(list);

	state->services =
		clo_read_texts(&parse->reader, list, &clo_format_name);
	tenant->services =
		clo_arena_array(parse->reader.keep, n, sizeof(void *));
	if (!tenant->services)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);
		const struct clo_provided *service =
			clo_resolve_service(parse, &item);

		if (service)
			tenant->services[tenant->n_services++] = service;
	}
	clo_sort(tenant->services, tenant->n_services, sizeof(void *),
		 clo_compare_named);
}

static void read_tenant(struct clo_parse *parse, struct clo_tenant_doc *tenant,
			struct clo_tenant_state *state)
{
	struct clo_place top = clo_place_top(state->source);
	struct clo_place members[TENANT_COUNT];
	double level;

	(void)clo_read_object(&parse->reader, &top, tenant_members,
			      TENANT_COUNT, members);
	tenant->name = clo_read_text(&parse->reader, &members[CLO_DOC_NAME],
				     &clo_format_name);
	parse->unsure |= !*tenant->name;

	level = json_number_value(members[TENANT_QUALIFICATION].json);
	tenant->qualification = level == 2 ? 2 : 1;
	if (members[TENANT_QUALIFICATION].json && level != 1 && level != 2)
		clo_flaw_at(&parse->reader, &members[TENANT_QUALIFICATION],
			    "expected level 1 or 2");
	tenant->test_dev = json_is_true(members[TENANT_TEST_DEV].json);

	read_services(parse, &members[TENANT_SERVICES], tenant, state);
	/* An unreadable list may have held any service. */
	state->unsure_services =
		lost(&top, &members[TENANT_SERVICES], "services") ||
		clo_texts_have(&state->services, "");
	read_environments(parse, &members[TENANT_ENVIRONMENTS], tenant, state);
}

void clo_parse_tenants(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	const struct clo_source *sources;
	size_t n;

	sources = clo_parse_kind(parse, "Tenant", &n);
	policy->tenants = clo_arena_array(parse->reader.keep, n,
					  sizeof(*policy->tenants));
	parse->tenants = clo_arena_array(parse->reader.scratch, n,
					 sizeof(*parse->tenants));
	if (!policy->tenants || !parse->tenants)
		return;

	policy->n_tenants = n;
	for (size_t i = 0; i < n; i++) {
		policy->tenants[i].name = "";
		parse->tenants[i].source = &sources[i];
	}
	for (size_t i = 0; i < n; i++)
		read_tenant(parse, &policy->tenants[i], &parse->tenants[i]);
}
