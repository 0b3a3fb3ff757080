/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

struct clo_scope_state *clo_scope_state(struct clo_parse *parse,
					const struct clo_tenant_doc *tenant,
					enum clo_environment environment)
{
	size_t i = (size_t)(tenant - parse->policy->tenants);

	return &parse->tenants[i].scopes[environment];
}

static struct clo_tenant_doc *find_tenant(const struct clo_parse *parse,
					  const char *name)
{
	return clo_find(&name, parse->policy->tenants, parse->policy->n_tenants,
			sizeof(struct clo_tenant_doc), clo_compare_text);
}

struct clo_tenant_doc *clo_resolve_tenant(struct clo_parse *parse,
					  const struct clo_place *place)
{
	const char *name = clo_read_string(&parse->reader, place);
	struct clo_tenant_doc *tenant;

	if (!name)
		return NULL;

	tenant = find_tenant(parse, name);
	if (!tenant && !parse->unsure)
		clo_flaw_at(&parse->reader, place,
			    "there is no tenant %s: correct the name or add "
			    "its document",
			    clo_quote(name).text);
	return tenant;
}

struct clo_scope_doc *clo_resolve_scope(struct clo_parse *parse,
					const struct clo_place *place,
					struct clo_tenant_doc *tenant,
					enum clo_environment environment)
{
	struct clo_scope_doc *scope = &tenant->scopes[environment];

	if (scope->present)
		return scope;
	if (!clo_scope_state(parse, tenant, environment)->unsure)
		clo_flaw_at(&parse->reader, place,
			    "tenant %s has no environment %s: correct the name "
			    "or add it to the tenant",
			    clo_quote(tenant->name).text,
			    clo_environment_name(environment));
	return NULL;
}

/* Something of a scope that is not there. */
static void report_unknown(struct clo_parse *parse,
			   const struct clo_place *place,
			   const struct clo_tenant_doc *tenant,
			   const struct clo_scope_doc *scope, const char *what,
			   const char *name)
{
	if (clo_scope_state(parse, tenant, scope->environment)->unsure)
		return;
	clo_flaw_at(&parse->reader, place,
		    "tenant %s has no %s %s in %s: correct the name or add it "
		    "there",
		    clo_quote(tenant->name).text, what, clo_quote(name).text,
		    clo_environment_name(scope->environment));
}

ssize_t clo_resolve_segment(struct clo_parse *parse,
			    const struct clo_place *place,
			    const struct clo_tenant_doc *tenant,
			    const struct clo_scope_doc *scope)
{
	const char *name = clo_read_string(&parse->reader, place);
	const struct clo_segment_doc *segment;

	if (!name)
		return -1;

	segment = clo_find(&name, scope->segments, scope->n_segments,
			   sizeof(*segment), clo_compare_text);
	if (segment)
		return segment - scope->segments;
	report_unknown(parse, place, tenant, scope, "segment", name);
	return -1;
}

ssize_t clo_resolve_group(struct clo_parse *parse,
			  const struct clo_place *place,
			  const struct clo_tenant_doc *tenant,
			  const struct clo_scope_doc *scope)
{
	const char *name = clo_read_string(&parse->reader, place);
	const char *const *group;

	if (!name)
		return -1;

	group = clo_find(&name, scope->groups, scope->n_groups, sizeof(*group),
			 clo_compare_text);
	if (group)
		return group - (const char *const *)scope->groups;
	report_unknown(parse, place, tenant, scope, "group", name);
	return -1;
}

const struct clo_provided *clo_resolve_service(struct clo_parse *parse,
					       const struct clo_place *place)
{
	const struct clo_node_doc *node = &parse->policy->node;
	const char *name = json_string_value(place->json);
	const struct clo_provided *service;

	if (!name)
		return NULL;

	service = clo_find(&name, node->services, node->n_services,
			   sizeof(*service), clo_compare_text);
	if (!service && !parse->unsure_services)
		clo_flaw_at(&parse->reader, place,
			    "the Node has no service %s: correct the name or "
			    "add it to the Node's \"services\"",
			    clo_quote(name).text);
	return service;
}

/* "tenant/environment/name" -> its parts; false: not of that form. */
static bool split(struct clo_parse *parse, const char *full, char *parts[3])
{
	size_t size = strlen(full) + 1;
	char *text = clo_arena_array(parse->reader.scratch, size, 1);

	if (!text)
		return false;
	memcpy(text, full, size);
	for (size_t i = 0; i < 3; i++) {
		parts[i] = strsep(&text, "/");
		if (!parts[i])
			return false;
	}
	return text == NULL;
}

/* The environment of this name; CLO_ENV_NONE: there is none. */
static enum clo_environment find_environment(const char *name)
{
	for (enum clo_environment e = CLO_ENV_PRODUCTION;
	     e <= CLO_ENV_DEVELOPMENT; e++)
		if (strcmp(name, clo_environment_name(e)) == 0)
			return e;
	return CLO_ENV_NONE;
}

static bool rule_exists(struct clo_parse *parse, char *parts[3])
{
	const struct clo_tenant_doc *tenant = find_tenant(parse, parts[0]);
	enum clo_environment environment = find_environment(parts[1]);
	const struct clo_rule_doc wanted = {.name = parts[2]};
	const struct clo_rule_doc *key = &wanted;
	const struct clo_scope_state *state;

	if (!tenant)
		return parse->unsure;
	if (environment == CLO_ENV_NONE)
		return false;

	state = clo_scope_state(parse, tenant, environment);
	return state->unsure || clo_find(&key, state->rules, state->n_rules,
					 sizeof(void *), clo_compare_named);
}

void clo_resolve_rule(struct clo_parse *parse, const struct clo_place *place)
{
	const char *full = json_string_value(place->json);
	char *parts[3];

	if (!full || !split(parse, full, parts))
		return;
	if (!rule_exists(parse, parts))
		clo_flaw_at(&parse->reader, place,
			    "there is no rule %s: correct the name, which is "
			    "\"tenant/environment/rule\", or remove it",
			    clo_quote(full).text);
}

/* False: it is not there for sure. */
static bool find_segment(struct clo_parse *parse, char *parts[3],
			 struct clo_uplink_doc *uplink)
{
	const char *name = parts[2];
	const struct clo_scope_doc *scope;

	uplink->tenant = find_tenant(parse, parts[0]);
	uplink->environment = find_environment(parts[1]);
	if (!uplink->tenant || uplink->environment == CLO_ENV_NONE)
		return !uplink->tenant && parse->unsure;

	scope = &uplink->tenant->scopes[uplink->environment];
	uplink->segment = clo_find(&name, scope->segments, scope->n_segments,
				   sizeof(*scope->segments), clo_compare_text);
	return uplink->segment ||
	       clo_scope_state(parse, uplink->tenant, uplink->environment)
		       ->unsure;
}

bool clo_resolve_uplink(struct clo_parse *parse, const struct clo_place *place,
			struct clo_uplink_doc *uplink)
{
	const char *full = clo_read_string(&parse->reader, place);
	char *parts[3];

	if (!full)
		return false;
	if (!split(parse, full, parts) || !find_segment(parse, parts, uplink)) {
		clo_flaw_at(&parse->reader, place,
			    "there is no segment %s: correct the name, which "
			    "is \"tenant/environment/segment\", or remove it",
			    clo_quote(full).text);
		return false;
	}
	return uplink->segment != NULL;
}
