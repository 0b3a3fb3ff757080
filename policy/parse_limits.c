/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* Limits and modes: how they are written, and what follows from all of them. */

#define RATE_MAX 1000000000U /* flows, packets, events in a second */
#define BYTES_MAX 100000000000U /* bytes in a second */

enum {
	LIMIT_CONNECTIONS,
	LIMIT_NEW_FLOWS,
	LIMIT_MULTICAST,
	LIMIT_EVENTS,
	LIMIT_FROM,
	LIMIT_TO,
	LIMIT_COUNT,
};

static const struct clo_member limit_members[LIMIT_COUNT] = {
	[LIMIT_CONNECTIONS] = {"connections", JSON_INTEGER},
	[LIMIT_NEW_FLOWS] = {"newFlowsPerSecond", JSON_INTEGER},
	[LIMIT_MULTICAST] = {"multicastPerSecond", JSON_INTEGER},
	[LIMIT_EVENTS] = {"eventsPerSecond", JSON_INTEGER},
	[LIMIT_FROM] = {"fromGuest", JSON_OBJECT},
	[LIMIT_TO] = {"toGuest", JSON_OBJECT},
};

static const struct clo_member rate_members[] = {
	{"bytesPerSecond", JSON_INTEGER},
	{"packetsPerSecond", JSON_INTEGER},
};

bool clo_read_number(struct clo_reader *reader, const struct clo_place *place,
		     uint64_t least, uint64_t most, uint64_t *ret_number)
{
	double number = json_number_value(place->json);

	if (!place->json)
		return false;
	if (number >= (double)least && number <= (double)most &&
	    number == (double)(uint64_t)number) {
		*ret_number = (uint64_t)number;
		return true;
	}
	clo_flaw_at(reader, place, "expected a whole number from %llu to %llu",
		    (unsigned long long)least, (unsigned long long)most);
	return false;
}

static void read_count(struct clo_reader *reader, const struct clo_place *place,
		       uint32_t most, uint32_t *ret_count)
{
	uint64_t number;

	if (clo_read_number(reader, place, 1, most, &number))
		*ret_count = (uint32_t)number;
}

static void read_rate(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_rate *rate)
{
	struct clo_place members[CLO_ARRAY_LEN(rate_members)];

	if (!clo_read_object(reader, place, rate_members,
			     CLO_ARRAY_LEN(rate_members), members))
		return;
	(void)clo_read_number(reader, &members[0], 1, BYTES_MAX, &rate->bytes);
	(void)clo_read_number(reader, &members[1], 1, RATE_MAX, &rate->packets);
}

void clo_read_limits(struct clo_reader *reader, const struct clo_place *place,
		     struct clo_limits *ret_limits)
{
	struct clo_place members[LIMIT_COUNT];

	if (!clo_read_object(reader, place, limit_members, LIMIT_COUNT,
			     members))
		return;
	read_count(reader, &members[LIMIT_CONNECTIONS], CLO_CONNECTIONS_MAX,
		   &ret_limits->connections);
	read_count(reader, &members[LIMIT_NEW_FLOWS], RATE_MAX,
		   &ret_limits->new_flows);
	read_count(reader, &members[LIMIT_MULTICAST], RATE_MAX,
		   &ret_limits->multicast);
	read_count(reader, &members[LIMIT_EVENTS], RATE_MAX,
		   &ret_limits->events);
	read_rate(reader, &members[LIMIT_FROM], &ret_limits->from);
	read_rate(reader, &members[LIMIT_TO], &ret_limits->to);
}

uint32_t clo_read_share(struct clo_reader *reader,
			const struct clo_place *place)
{
	struct clo_place member;
	uint32_t share = 0;

	if (clo_read_object(reader, place, &limit_members[LIMIT_CONNECTIONS], 1,
			    &member))
		read_count(reader, &member, CLO_CONNECTIONS_MAX, &share);
	return share;
}

int clo_read_mode(struct clo_reader *reader, const struct clo_place *place)
{
	static const char *const names[] = {
		[CLO_MODE_ENFORCE] = "enforce",
		[CLO_MODE_AUDIT] = "audit",
		[CLO_MODE_QUARANTINE] = "quarantine",
	};
	const char *text = clo_read_string(reader, place);

	if (!text)
		return CLO_MODE_NONE;
	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	clo_flaw_at(reader, place,
		    "%s: expected \"enforce\", \"audit\" or \"quarantine\"",
		    clo_quote(text).text);
	return CLO_MODE_NONE;
}

/* What several have together: some are given, the others share the rest. */
struct shares {
	uint64_t given;
	size_t n_rest;
};

static void add_share(struct shares *shares, uint32_t given)
{
	shares->given += given;
	shares->n_rest += given == 0;
}

/* What each without a limit of its own gets; 0 and a flaw: not enough. */
static uint32_t divide(struct clo_parse *parse, const struct clo_place *place,
		       const struct shares *shares, uint32_t total,
		       const char *whose)
{
	uint64_t least = shares->given + shares->n_rest;

	if (least <= total)
		return shares->n_rest ? (uint32_t)((total - shares->given) /
						   shares->n_rest)
				      : 1;
	if (shares->given > total)
		clo_flaw_at(&parse->reader, place,
			    "the %s' limits sum up to %llu connections of %u: "
			    "lower them or raise these",
			    whose, (unsigned long long)shares->given, total);
	else
		clo_flaw_at(&parse->reader, place,
			    "the %s' limits leave %llu of %u connections to "
			    "%zu without a limit, which need one each at "
			    "least: lower them or raise these",
			    whose, (unsigned long long)(total - shares->given),
			    total, shares->n_rest);
	return 0;
}

static void share_tenant(struct clo_parse *parse, size_t index)
{
	struct clo_tenant_doc *tenant = &parse->policy->tenants[index];
	struct clo_tenant_state *state = &parse->tenants[index];
	struct clo_place top = clo_place_top(state->source);
	struct clo_place limits = clo_place_member(&top, "limits");
	struct shares shares = {0};
	uint32_t share;

	for (size_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
		if (tenant->scopes[e].present)
			add_share(&shares, state->scopes[e].connections);
	share = divide(parse, limits.json ? &limits : &top, &shares,
		       tenant->connections, "environments");

	for (size_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++) {
		uint32_t given = state->scopes[e].connections;

		if (tenant->scopes[e].present)
			tenant->scopes[e].connections = given ? given : share;
	}
}

static bool share_node(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	struct clo_place top = clo_place_top(parse->node);
	struct clo_place total = clo_place_member(&top, "connections");
	struct shares shares = {0};
	uint32_t share;

	for (size_t i = 0; i < policy->n_tenants; i++)
		add_share(&shares, parse->tenants[i].connections);
	share = divide(parse, total.json ? &total : &top, &shares,
		       policy->node.connections, "tenants");

	for (size_t i = 0; i < policy->n_tenants; i++) {
		uint32_t given = parse->tenants[i].connections;

		policy->tenants[i].connections = given ? given : share;
	}
	return share > 0;
}

/* Endpoints by scope: {tenant, environment}. */
static uint32_t *count_endpoints(struct clo_parse *parse)
{
	const struct clo_policy *policy = parse->policy;
	uint32_t *n = clo_arena_array(parse->reader.scratch,
				      policy->n_tenants * 4, sizeof(*n));

	for (size_t i = 0; n && i < policy->n_workloads; i++) {
		const struct clo_workload_doc *workload = &policy->workloads[i];

		if (workload->tenant)
			n[(workload->tenant - policy->tenants) * 4 +
			  (int)workload->environment] +=
				(uint32_t)workload->n_interfaces;
	}
	return n;
}

/*
 * An endpoint without a limit of its own gets half of its scope's at most, so
 * that it cannot use up what the scope's other endpoints need.
 */
static void share_interface(struct clo_parse *parse,
			    const struct clo_place *place,
			    const struct clo_workload_doc *workload,
			    struct clo_interface_doc *interface, bool alone)
{
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	struct clo_place limits = clo_place_member(place, "limits");
	struct clo_place given = clo_place_member(&limits, "connections");
	uint32_t most = alone ? scope->connections : scope->connections / 2;
	uint32_t *connections = &interface->limits.connections;

	if (!given.json) {
		if (*connections == 0 || *connections > most)
			*connections = most ? most : 1;
	} else if (*connections > scope->connections) {
		clo_flaw_at(&parse->reader, &given,
			    "%u connections, but %s of tenant %s has %u: lower "
			    "the limit or raise the environment's",
			    *connections,
			    clo_environment_name(workload->environment),
			    clo_quote(workload->tenant->name).text,
			    scope->connections);
	}
}

static void share_workload(struct clo_parse *parse, size_t index,
			   const uint32_t *endpoints)
{
	struct clo_workload_doc *workload = &parse->policy->workloads[index];
	struct clo_place top = clo_place_top(&parse->workloads[index]);
	struct clo_place list = clo_place_member(&top, "interfaces");
	size_t scope;

	if (!workload->tenant ||
	    !workload->tenant->scopes[workload->environment].present)
		return;

	scope = (size_t)(workload->tenant - parse->policy->tenants) * 4 +
		workload->environment;
	for (size_t i = 0; i < workload->n_interfaces; i++) {
		struct clo_place item = clo_place_item(&list, i);

		share_interface(parse, &item, workload,
				&workload->interfaces[i],
				endpoints[scope] == 1);
	}
}

void clo_parse_limits(struct clo_parse *parse)
{
	uint32_t *endpoints = count_endpoints(parse);
	size_t flaws = clo_flaws_count(parse->reader.flaws);

	/* Without a node nothing is known of what there is to share. */
	if (!parse->node || !endpoints || !parse->policy->node.connections ||
	    !share_node(parse))
		return;
	for (size_t i = 0; i < parse->policy->n_tenants; i++)
		share_tenant(parse, i);
	if (clo_flaws_count(parse->reader.flaws) > flaws)
		return;
	for (size_t i = 0; i < parse->policy->n_workloads; i++)
		share_workload(parse, i, endpoints);
}
