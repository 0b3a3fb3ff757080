/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "policy/address.h"
#include "policy/explain_trace_impl.h"
#include "policy/service_spec.h"

/*
 * The smallest rule that would let a dropped packet pass: the narrowest names
 * that its ends have, and its one service. A rule that the policy's reader or
 * an invariant would refuse is not suggested.
 */

struct side {
	const struct clo_trace_end *end;
	struct clo_identity identity;
	struct clo_cidr block; /* of an address: itself */
	char cidr[CLO_CIDR_TEXT];
};

struct wish {
	const struct clo_policy *policy;
	const struct clo_trace_packet *packet;
	struct side from, to;
	/* Where the rule belongs. */
	const struct clo_tenant_doc *tenant;
	enum clo_environment environment;
	char none[256]; /* why there is none; "" */
};

/* Who is meant, whatever the addresses resolve to where the flow is judged. */
static void look(const struct clo_tracer *tracer,
		 const struct clo_trace_packet *packet,
		 const struct clo_trace_end *end, struct side *ret)
{
	const struct clo_identity *found;
	char text[CLO_TRACE_ADDRESS];
	uint32_t identity, endpoint;

	*ret = (struct side){.end = end};
	ret->block.family = packet->family;
	ret->block.bits = packet->family == 4 ? 32 : 128;
	memcpy(ret->block.addr, end->addr, packet->family == 4 ? 4 : 16);
	(void)snprintf(ret->cidr, sizeof(ret->cidr), "%s/%u",
		       clo_trace_address(packet->family, end->addr, text),
		       ret->block.bits);
	if (end->workload) {
		ret->identity = (struct clo_identity){
			.space = end->workload->tenant->space,
			.kind = CLO_IDENTITY_ENDPOINTS,
			.environment = (uint8_t)end->workload->environment,
			.flags = clo_tenant_flags(end->workload->tenant),
		};
		return;
	}
	clo_trace_peek_side(tracer, packet->port->port.space, packet->family,
			    end->addr, &identity, &endpoint);
	found = clo_tables_find(tracer->tables, CLO_TABLE_IDENTITIES,
				&identity);
	if (found)
		ret->identity = *found;
}

static const struct clo_invariant *forbidding(const struct wish *wish)
{
	for (size_t i = 0; i < clo_invariants_count; i++)
		if (clo_invariants[i].forbids(&wish->from.identity,
					      &wish->to.identity))
			return &clo_invariants[i];
	return NULL;
}

static size_t members(const struct clo_policy *policy,
		      const struct clo_workload_doc *of, size_t group)
{
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		if (workload->tenant != of->tenant ||
		    workload->environment != of->environment)
			continue;
		for (size_t i = 0; i < workload->n_interfaces; i++)
			for (size_t g = 0; g < workload->interfaces[i].n_groups;
			     g++)
				n += workload->interfaces[i].groups[g] == group;
	}
	return n;
}

/* The endpoint's group with the fewest members, or its segment. */
static json_t *endpoint_peer(const struct wish *wish,
			     const struct clo_trace_end *end)
{
	const struct clo_workload_doc *workload = end->workload;
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	size_t least = SIZE_MAX, best = 0;
	json_t *peer;

	for (size_t g = 0; g < end->interface->n_groups; g++) {
		size_t n = members(wish->policy, workload,
				   end->interface->groups[g]);

		if (n >= least)
			continue;
		least = n;
		best = end->interface->groups[g];
	}
	peer = end->interface->n_groups
		       ? json_pack("{s:s}", "group", scope->groups[best])
		       : json_pack("{s:s}", "segment",
				   end->interface->segment->name);
	if (peer && workload->environment != wish->environment)
		(void)json_object_set_new(peer, "environment",
					  json_string(clo_environment_name(
						  workload->environment)));
	return peer;
}

static bool provides(const struct clo_provided *service,
		     const struct clo_cidr *address,
		     const struct clo_trace_packet *packet)
{
	bool here = false;

	for (size_t i = 0; i < service->n_addresses; i++)
		here |= clo_cidr_contains(&service->addresses[i], address);
	for (size_t i = 0; here && i < service->n_ports; i++) {
		const struct clo_service_spec *spec = &service->ports[i];

		if (spec->proto == packet->proto &&
		    spec->first <= packet->number &&
		    packet->number <= spec->last)
			return true;
	}
	return false;
}

static json_t *service_peer(struct wish *wish)
{
	const struct clo_node_doc *node = &wish->policy->node;
	const struct clo_provided *undeclared = NULL;

	for (size_t s = 0; s < node->n_services; s++) {
		const struct clo_provided *service = &node->services[s];

		if (!provides(service, &wish->to.block, wish->packet))
			continue;
		for (size_t i = 0; i < wish->tenant->n_services; i++)
			if (wish->tenant->services[i] == service)
				return json_pack("{s:s}", "service",
						 service->name);
		undeclared = service;
	}
	if (undeclared)
		(void)snprintf(wish->none, sizeof(wish->none),
			       "tenant %s does not declare to use service %s: "
			       "add it to the tenant's \"services\" first",
			       wish->tenant->name, undeclared->name);
	else
		(void)snprintf(wish->none, sizeof(wish->none),
			       "%s is a declared service's, but not on this "
			       "port: the node's document says what it offers",
			       wish->to.cidr);
	return NULL;
}

static json_t *peer_of(struct wish *wish, const struct side *side)
{
	const char *special;

	if (side->end->workload)
		return endpoint_peer(wish, side->end);
	if (side->identity.kind == CLO_IDENTITY_SERVICE) {
		if (side == &wish->to)
			return service_peer(wish);
		(void)snprintf(wish->none, sizeof(wish->none),
			       "a service opens no flow: answers of one need "
			       "no rule");
		return NULL;
	}
	special = clo_cidr_refuse(&side->block, CLO_USE_MATCH);
	if (!special)
		return json_pack("{s:s}", "cidr", side->cidr);
	(void)snprintf(wish->none, sizeof(wish->none),
		       "%s is %s: no rule may name it", side->cidr, special);
	return NULL;
}

static bool is_taken(const struct clo_rule_list *rules, const char *name)
{
	for (size_t i = 0; i < rules->n; i++)
		if (strcmp(rules->items[i].name, name) == 0)
			return true;
	return false;
}

/* "allow-tcp-443", and a number if there is one of that name. */
static void rule_name(const struct wish *wish, const char *service,
		      char ret[64])
{
	const struct clo_rule_list rules = clo_policy_rules(
		wish->policy, (size_t)(wish->tenant - wish->policy->tenants),
		wish->environment);
	char plain[CLO_SERVICE_SPEC_TEXT];
	unsigned int n = 1;

	(void)snprintf(plain, sizeof(plain), "%s", service);
	for (char *at = plain; *at; at++)
		if (*at == '/')
			*at = '-';
	(void)snprintf(ret, 64, "allow-%s", plain);
	while (is_taken(&rules, ret))
		(void)snprintf(ret, 64, "allow-%s-%u", plain, ++n);
}

static json_t *rule_of(struct wish *wish)
{
	struct clo_service_spec spec = {.proto = wish->packet->proto};
	json_auto_t *from = peer_of(wish, &wish->from);
	json_auto_t *to = from ? peer_of(wish, &wish->to) : NULL;
	char service[CLO_SERVICE_SPEC_TEXT], name[64];
	json_t *rule;

	if (!from || !to)
		return NULL;
	if (spec.proto == IPPROTO_TCP || spec.proto == IPPROTO_UDP ||
	    spec.proto == IPPROTO_SCTP || clo_flow_is_icmp(spec.proto))
		spec.first = spec.last = wish->packet->number;
	clo_service_spec_format(&spec, service);
	rule_name(wish, service, name);
	rule = json_pack("{s:s, s:O, s:O}", "name", name, "from", from, "to",
			 to);
	if (rule && !json_object_get(to, "service"))
		(void)json_object_set_new(rule, "ports",
					  json_pack("[s]", service));
	return json_pack("{s:s, s:s, s:o}", "tenant", wish->tenant->name,
			 "environment", clo_environment_name(wish->environment),
			 "rule", rule);
}

/* Two environments whose addresses overlap never meet. */
static bool are_apart(const struct wish *wish)
{
	const struct clo_trace_end *from = wish->from.end;
	const struct clo_trace_end *to = wish->to.end;

	return from->workload && to->workload &&
	       from->interface->segment->space != to->interface->segment->space;
}

/* "": a rule decides this packet. */
static void check_reason(const struct clo_tracer *tracer, enum clo_drop drop,
			 struct wish *wish)
{
	const char *why = NULL;

	if (drop == CLO_DROP_NO_FLOW)
		why = "rules are about packets that open a flow, and this one "
		      "does not";
	else if (drop != CLO_DROP_POLICY && drop != CLO_DROP_NO_CLASS &&
		 drop != CLO_DROP_PROTOCOL && drop != CLO_DROP_REVOKED)
		why = "no rule decides this";
	else if (tracer->frame.kind > CLO_FRAME_MESSAGE)
		why = "no server for such a question is declared";
	else if (are_apart(wish))
		why = "the addresses of the two environments overlap: no flow "
		      "is possible between them";
	if (why)
		(void)snprintf(wish->none, sizeof(wish->none), "%s", why);
}

json_t *clo_trace_allow(const struct clo_tracer *tracer, enum clo_drop drop,
			const struct clo_trace_packet *packet,
			const struct clo_invariant **ret_invariant)
{
	struct wish wish = {.policy = tracer->compiled->policy,
			    .packet = packet};
	const struct clo_workload_doc *owner = packet->from.workload
						       ? packet->from.workload
						       : packet->to.workload;
	json_t *rule = NULL;

	look(tracer, packet, &packet->from, &wish.from);
	look(tracer, packet, &packet->to, &wish.to);
	*ret_invariant = forbidding(&wish);
	if (!drop)
		return json_null();

	if (*ret_invariant)
		(void)snprintf(wish.none, sizeof(wish.none),
			       "invariant %d, %s (%s): no policy may allow "
			       "this flow",
			       (*ret_invariant)->number, (*ret_invariant)->name,
			       (*ret_invariant)->control);
	else
		check_reason(tracer, drop, &wish);
	if (!wish.none[0] && owner) {
		wish.tenant = owner->tenant;
		wish.environment = owner->environment;
		rule = rule_of(&wish);
	}
	return rule ? rule : json_pack("{s:s}", "none", wish.none);
}
