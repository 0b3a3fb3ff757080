/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* Tenants without their rules: all that other documents may refer to. */

enum {
	TENANT_QUALIFICATION = CLO_DOC_OWN,
	TENANT_TEST_DEV,
	TENANT_SERVICES,
	TENANT_MODE,
	TENANT_LIMITS,
	TENANT_ENVIRONMENTS,
	TENANT_COUNT,
};

static const struct clo_member tenant_members[TENANT_COUNT] = {
	CLO_DOC_MEMBERS,
	[TENANT_QUALIFICATION] = {"qualification", JSON_INTEGER, true},
	[TENANT_TEST_DEV] = {"allowTestDevelopment", JSON_TRUE},
	[TENANT_SERVICES] = {"services", JSON_ARRAY},
	[TENANT_MODE] = {"mode", JSON_STRING},
	[TENANT_LIMITS] = {"limits", JSON_OBJECT},
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
	SCOPE_LIMITS,
	SCOPE_UID,
	SCOPE_PERMITS,
	SCOPE_COUNT,
};

static const struct clo_member scope_members[SCOPE_COUNT] = {
	[SCOPE_SEGMENTS] = {"segments", JSON_ARRAY},
	[SCOPE_GROUPS] = {"groups", JSON_ARRAY},
	[SCOPE_RULES] = {"rules", JSON_ARRAY},
	[SCOPE_LIMITS] = {"limits", JSON_OBJECT},
	[SCOPE_UID] = {"uid", JSON_INTEGER},
	[SCOPE_PERMITS] = {"permits", JSON_ARRAY},
};

/* True if a member is there but could not be read. */
static bool lost(const struct clo_place *up, const struct clo_place *member,
		 const char *name)
{
	return json_object_get(up->json, name) && !member->json;
}

static void read_scope(struct clo_parse *parse, const struct clo_place *place,
		       struct clo_scope_doc *scope,
		       struct clo_scope_state *state, struct clo_spans *spans)
{
	struct clo_place members[SCOPE_COUNT];
	struct clo_texts groups;

	(void)clo_read_object(&parse->reader, place, scope_members, SCOPE_COUNT,
			      members);
	scope->present = true;
	for (size_t i = 0; i < SCOPE_LIMITS; i++)
		state->unsure |=
			lost(place, &members[i], scope_members[i].name);

	state->unsure |= clo_read_segments(parse, &members[SCOPE_SEGMENTS],
					   scope, spans);
	groups = clo_read_texts(&parse->reader, &members[SCOPE_GROUPS],
				&clo_format_name);
	scope->groups = groups.items;
	scope->n_groups = groups.n;
	state->unsure |= clo_texts_have(&groups, "");
	state->connections =
		clo_read_share(&parse->reader, &members[SCOPE_LIMITS]);
	scope->uid = clo_read_uid(parse, &members[SCOPE_UID]);
	state->unsure_uid = lost(place, &members[SCOPE_UID], "uid");
	scope->permits = clo_read_permits(parse, &members[SCOPE_PERMITS]);
}

static void read_environments(struct clo_parse *parse,
			      const struct clo_place *place,
			      struct clo_tenant_doc *tenant,
			      struct clo_tenant_state *state)
{
	const size_t n = CLO_ARRAY_LEN(environment_members);
	struct clo_place members[CLO_ARRAY_LEN(environment_members)];
	struct clo_spans spans;

	if (!clo_spans_init(parse, place, &spans))
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
	clo_spans_check(parse, place, &spans, state->scopes);
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

/* A guest that asks everybody gets one answer. */
static void check_servers(struct clo_parse *parse, const struct clo_place *list,
			  const struct clo_tenant_doc *tenant)
{
	for (size_t k = 0; k < CLO_SERVER_KINDS; k++) {
		const struct clo_server_kind *kind = &clo_server_kinds[k];
		const struct clo_provided *first = NULL;

		for (size_t i = 0; i < tenant->n_services; i++) {
			const struct clo_provided *service =
				tenant->services[i];

			if (!clo_server_is(service, kind) || service == first)
				continue;
			if (first)
				clo_flaw_at(&parse->reader, list,
					    "services %s and %s both have port "
					    "\"%s\": a tenant has one %s "
					    "service, remove the other",
					    clo_quote(first->name).text,
					    clo_quote(service->name).text,
					    kind->port, kind->name);
			first = service;
		}
	}
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
	check_servers(parse, &members[TENANT_SERVICES], tenant);
	/* An unreadable list may have held any service. */
	state->unsure_services =
		lost(&top, &members[TENANT_SERVICES], "services") ||
		clo_texts_have(&state->services, "");
	state->mode = clo_read_mode(&parse->reader, &members[TENANT_MODE]);
	state->connections =
		clo_read_share(&parse->reader, &members[TENANT_LIMITS]);
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
