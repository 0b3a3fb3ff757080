/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* Rules, once the segments and groups of all tenants are known. */

enum {
	RULE_NAME,
	RULE_FROM,
	RULE_TO,
	RULE_PORTS,
	RULE_COUNT,
};

static const struct clo_member rule_members[RULE_COUNT] = {
	[RULE_NAME] = {"name", JSON_STRING, true},
	[RULE_FROM] = {"from", JSON_OBJECT, true},
	[RULE_TO] = {"to", JSON_OBJECT, true},
	[RULE_PORTS] = {"ports", JSON_ARRAY, false, true},
};

/* The first four by enum clo_peer_kind. */
enum {
	PEER_EXCEPT = CLO_PEER_SERVICE + 1,
	PEER_ENVIRONMENT,
	PEER_TENANT,
	PEER_COUNT,
};

static const struct clo_member peer_members[PEER_COUNT] = {
	[CLO_PEER_GROUP] = {"group", JSON_STRING},
	[CLO_PEER_SEGMENT] = {"segment", JSON_STRING},
	[CLO_PEER_CIDR] = {"cidr", JSON_STRING},
	[CLO_PEER_SERVICE] = {"service", JSON_STRING},
	[PEER_EXCEPT] = {"except", JSON_ARRAY},
	[PEER_ENVIRONMENT] = {"environment", JSON_STRING},
	[PEER_TENANT] = {"tenant", JSON_STRING},
};

/* The rules of one scope. */
struct rules {
	struct clo_parse *parse;
	struct clo_tenant_doc *tenant;
	struct clo_tenant_state *state;
	struct clo_scope_doc *scope;
};

/* False: it is not exactly one of the four. */
static bool check_kind(struct clo_parse *parse, const struct clo_place *place,
		       enum clo_peer_kind *ret_kind)
{
	int found = 0;

	for (enum clo_peer_kind kind = CLO_PEER_GROUP; kind <= CLO_PEER_SERVICE;
	     kind++) {
		if (!json_object_get(place->json, peer_members[kind].name))
			continue;
		*ret_kind = kind;
		found++;
	}
	if (found == 1)
		return true;
	clo_flaw_at(&parse->reader, place,
		    "%s: expected exactly one of \"group\", \"segment\", "
		    "\"cidr\" and \"service\"",
		    found ? "more than one peer" : "no peer");
	return false;
}

/* Members that only some kinds of peer have. */
static void check_extras(struct clo_parse *parse, const struct clo_place *place,
			 enum clo_peer_kind kind,
			 const struct clo_place *members)
{
	bool scoped = kind == CLO_PEER_GROUP || kind == CLO_PEER_SEGMENT;

	for (size_t i = PEER_EXCEPT; i < PEER_COUNT; i++) {
		bool fits = i == PEER_EXCEPT ? kind == CLO_PEER_CIDR : scoped;

		if (!json_object_get(place->json, peer_members[i].name) || fits)
			continue;
		clo_flaw_at(&parse->reader, &members[i],
			    "\"%s\" does not go with \"%s\": remove it",
			    peer_members[i].name, peer_members[kind].name);
	}
}

static void read_cidr_peer(struct rules *rules, const struct clo_place *members,
			   struct clo_peer *peer)
{
	struct clo_reader *reader = &rules->parse->reader;
	const struct clo_place *list = &members[PEER_EXCEPT];
	struct clo_cidrs except;

	except = clo_read_cidrs(reader, list, CLO_FORM_CIDR, CLO_USE_MATCH);
	peer->except = except.items;
	peer->n_except = except.n;
	if (!clo_read_cidr(reader, &members[CLO_PEER_CIDR], CLO_FORM_CIDR,
			   CLO_USE_MATCH, &peer->cidr))
		return;

	for (size_t i = 0; i < clo_place_items(list); i++) {
		struct clo_place item = clo_place_item(list, i);
		const char *text = json_string_value(item.json);
		struct clo_cidr cidr;

		if (!text || clo_cidr_parse(text, CLO_FORM_CIDR, &cidr) < 0)
			continue; /* has its flaw */
		if (!clo_cidr_contains(&peer->cidr, &cidr) ||
		    cidr.bits == peer->cidr.bits)
			clo_flaw_at(
				reader, &item,
				"%s is not a part of %s: an exception "
				"takes a smaller block out of its CIDR",
				clo_quote(text).text,
				json_string_value(members[CLO_PEER_CIDR].json));
	}
}

/* A group or a segment, perhaps of another scope. */
static void read_scoped_peer(struct rules *rules,
			     const struct clo_place *members,
			     struct clo_peer *peer)
{
	struct clo_parse *parse = rules->parse;
	const struct clo_place *target = &members[peer->kind];
	const struct clo_place *scope_place = target;
	struct clo_tenant_doc *tenant = rules->tenant;
	struct clo_scope_doc *scope;
	ssize_t index;

	if (members[PEER_TENANT].json) {
		scope_place = &members[PEER_TENANT];
		tenant = clo_resolve_tenant(parse, scope_place);
		/* Somebody else's until it is known whose. */
		peer->tenant = tenant;
	}
	if (members[PEER_ENVIRONMENT].json) {
		scope_place = &members[PEER_ENVIRONMENT];
		peer->environment =
			clo_read_environment(&parse->reader, scope_place);
	}
	if (!tenant || peer->environment == CLO_ENV_NONE)
		return;

	scope = clo_resolve_scope(parse, scope_place, tenant,
				  peer->environment);
	if (!scope)
		return;
	index = peer->kind == CLO_PEER_GROUP
			? clo_resolve_group(parse, target, tenant, scope)
			: clo_resolve_segment(parse, target, tenant, scope);
	if (index >= 0)
		peer->index = (size_t)index;
}

static void read_service_peer(struct rules *rules,
			      const struct clo_place *place,
			      struct clo_peer *peer)
{
	struct clo_parse *parse = rules->parse;
	const char *name = clo_read_string(&parse->reader, place);

	if (!name)
		return;
	/* Listed: if it does not exist, the list has the flaw. */
	if (clo_texts_have(&rules->state->services, name)) {
		peer->service =
			clo_find(&name, parse->policy->node.services,
				 parse->policy->node.n_services,
				 sizeof(*peer->service), clo_compare_text);
		return;
	}
	if (clo_resolve_service(parse, place) &&
	    !rules->state->unsure_services && !rules->state->source->twice)
		clo_flaw_at(&parse->reader, place,
			    "tenant %s does not declare to use service %s: add "
			    "it to the tenant's \"services\"",
			    clo_quote(rules->tenant->name).text,
			    clo_quote(name).text);
}

/* False: what the peer is could not be read. */
static bool read_peer(struct rules *rules, const struct clo_place *place,
		      struct clo_peer *peer)
{
	struct clo_parse *parse = rules->parse;
	struct clo_place members[PEER_COUNT];

	if (!place->json)
		return false;

	peer->tenant = rules->tenant;
	peer->environment = rules->scope->environment;
	(void)clo_read_object(&parse->reader, place, peer_members, PEER_COUNT,
			      members);
	if (!check_kind(parse, place, &peer->kind))
		return false;

	check_extras(parse, place, peer->kind, members);
	if (!members[peer->kind].json)
		return false;
	switch (peer->kind) {
	case CLO_PEER_GROUP:
	case CLO_PEER_SEGMENT:
		read_scoped_peer(rules, members, peer);
		break;
	case CLO_PEER_CIDR:
		read_cidr_peer(rules, members, peer);
		break;
	case CLO_PEER_SERVICE:
		read_service_peer(rules, &members[CLO_PEER_SERVICE], peer);
		break;
	}
	return true;
}

/* A group or segment of the rule's own scope, or it may become one. */
static bool is_own(const struct rules *rules, const struct clo_peer *peer)
{
	if (peer->kind != CLO_PEER_GROUP && peer->kind != CLO_PEER_SEGMENT)
		return false;
	return (!peer->tenant || peer->tenant == rules->tenant) &&
	       (peer->environment == CLO_ENV_NONE ||
		peer->environment == rules->scope->environment);
}

static void check_peers(struct rules *rules, const struct clo_place *place,
			const struct clo_rule_doc *rule)
{
	if (is_own(rules, &rule->from) || is_own(rules, &rule->to))
		return;
	clo_flaw_at(&rules->parse->reader, place,
		    "neither \"from\" nor \"to\" is a group or segment of "
		    "tenant %s in %s, where the rule stands: move the rule or "
		    "correct one side",
		    clo_quote(rules->tenant->name).text,
		    clo_environment_name(rules->scope->environment));
}

/* Whose addresses a peer's are: NULL where that is no scope's, or unknown. */
static const struct clo_scope_state *space_of(const struct rules *rules,
					      const struct clo_peer *peer)
{
	if ((peer->kind != CLO_PEER_GROUP && peer->kind != CLO_PEER_SEGMENT) ||
	    !peer->tenant || peer->environment == CLO_ENV_NONE)
		return NULL;
	return clo_scope_state(rules->parse, peer->tenant, peer->environment);
}

/* Two spaces of one tenant: an address of one means another in the other. */
static void check_spaces(struct rules *rules, const struct clo_place *place,
			 const struct clo_rule_doc *rule)
{
	const struct clo_scope_state *from = space_of(rules, &rule->from);
	const struct clo_scope_state *to = space_of(rules, &rule->to);

	if (!from || !to || from == to ||
	    rule->from.tenant != rule->to.tenant ||
	    (!from->own_space && !to->own_space))
		return;
	clo_flaw_at(&rules->parse->reader, place,
		    "no flow is possible between %s and %s of tenant %s: their "
		    "addresses overlap, or one's overlap a third "
		    "environment's, so each has an address space of its own",
		    clo_environment_name(rule->from.environment),
		    clo_environment_name(rule->to.environment),
		    clo_quote(rule->from.tenant->name).text);
}

static void read_ports(struct rules *rules, const struct clo_place *place,
		       const struct clo_place *ports, struct clo_rule_doc *rule,
		       bool to_known)
{
	struct clo_reader *reader = &rules->parse->reader;
	struct clo_specs specs;

	if (to_known && rule->to.kind == CLO_PEER_SERVICE) {
		if (json_object_get(place->json, "ports"))
			clo_flaw_at(reader, ports,
				    "a rule to a service takes the service's "
				    "ports: remove \"ports\"");
		if (rule->to.service) {
			rule->ports = rule->to.service->ports;
			rule->n_ports = rule->to.service->n_ports;
		}
		return;
	}

	if (to_known && !json_object_get(place->json, "ports"))
		clo_flaw_at(reader, place,
			    "member \"ports\" is missing: add it, an array "
			    "like [\"tcp/443\"]");
	specs = clo_read_specs(reader, ports);
	rule->ports = specs.items;
	rule->n_ports = specs.n;
}

static void read_rule(struct rules *rules, const struct clo_place *place,
		      struct clo_rule_doc *rule)
{
	struct clo_reader *reader = &rules->parse->reader;
	struct clo_place members[RULE_COUNT];
	bool from_known, to_known;

	rule->file = clo_arena_strdup(reader->keep, place->source->file->name);
	(void)clo_read_object(reader, place, rule_members, RULE_COUNT, members);
	rule->name =
		clo_read_text(reader, &members[RULE_NAME], &clo_format_name);
	rule->full = clo_arena_printf(
		reader->keep, "%s/%s/%s", rules->tenant->name,
		clo_environment_name(rules->scope->environment), rule->name);

	from_known = read_peer(rules, &members[RULE_FROM], &rule->from);
	to_known = read_peer(rules, &members[RULE_TO], &rule->to);
	if (from_known && rule->from.kind == CLO_PEER_SERVICE) {
		clo_flaw_at(reader, &members[RULE_FROM],
			    "a service cannot be \"from\": services are only "
			    "reached, answers need no rule");
		from_known = false;
	}
	if (from_known && to_known) {
		check_peers(rules, place, rule);
		check_spaces(rules, place, rule);
	}
	read_ports(rules, place, &members[RULE_PORTS], rule, to_known);
}

static void read_rules(struct rules *rules, const struct clo_place *list)
{
	struct clo_reader *reader = &rules->parse->reader;
	struct clo_scope_doc *scope = rules->scope;
	struct clo_scope_state *state =
		&rules->state->scopes[scope->environment];
	size_t n = clo_place_items(list);
	int *lines;

	scope->rules = clo_arena_array(reader->keep, n, sizeof(*scope->rules));
	state->rules = clo_arena_array(reader->scratch, n, sizeof(void *));
	lines = clo_arena_array(reader->scratch, n, sizeof(*lines));
	if (!scope->rules || !state->rules || !lines)
		return;

	clo_place_lines(list, n, lines, NULL);
	scope->n_rules = state->n_rules = n;
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);

		scope->rules[i].line = lines[i];
		read_rule(rules, &item, &scope->rules[i]);
		state->rules[i] = &scope->rules[i];
		state->unsure |= !*scope->rules[i].name;
	}
	clo_check_repeats(reader, list, "name");
	clo_sort(state->rules, n, sizeof(void *), clo_compare_named);
}

void clo_parse_scope_rules(struct clo_parse *parse,
			   struct clo_tenant_doc *tenant,
			   struct clo_scope_doc *scope)
{
	struct clo_tenant_state *state =
		&parse->tenants[tenant - parse->policy->tenants];
	struct clo_place top = clo_place_top(state->source);
	struct clo_place envs = clo_place_member(&top, "environments");
	struct clo_place env = clo_place_member(
		&envs, clo_environment_name(scope->environment));
	struct clo_place list = clo_place_member(&env, "rules");
	struct rules rules = {parse, tenant, state, scope};

	read_rules(&rules, &list);
}

void clo_parse_rules(struct clo_parse *parse)
{
	for (size_t i = 0; i < parse->policy->n_tenants; i++) {
		struct clo_tenant_doc *tenant = &parse->policy->tenants[i];

		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			if (tenant->scopes[e].present)
				clo_parse_scope_rules(parse, tenant,
						      &tenant->scopes[e]);
	}
}
