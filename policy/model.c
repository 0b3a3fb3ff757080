/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/model.h"

#include <netinet/in.h>
#include <string.h>

#include "policy/arena.h"
#include "policy/parse.h"

bool clo_node_governs(const struct clo_node_doc *node, const char *bridge)
{
	for (size_t i = 0; i < node->n_bridges; i++)
		if (strcmp(node->bridges[i], bridge) == 0)
			return true;
	return false;
}

/* Behind that beginning of a text; NULL: it has another. */
static const char *behind(const char *text, const char *part)
{
	size_t len = strlen(part);

	return text && strncmp(text, part, len) == 0 ? text + len : NULL;
}

bool clo_workload_is_called(const struct clo_workload_doc *workload,
			    const char *name)
{
	const char *at = behind(name, workload->tenant->name);

	at = behind(at, "/");
	at = behind(at, clo_environment_name(workload->environment));
	at = behind(at, "/");
	return strcmp(at ? at : name, workload->name) == 0;
}

const char *clo_environment_name(enum clo_environment environment)
{
	switch (environment) {
	case CLO_ENV_PRODUCTION:
		return "production";
	case CLO_ENV_TEST:
		return "test";
	case CLO_ENV_DEVELOPMENT:
		return "development";
	case CLO_ENV_NONE:
		break;
	}
	return "none";
}

uint32_t clo_scope_space(const struct clo_tenant_doc *tenant,
			 enum clo_environment environment)
{
	const struct clo_scope_doc *scope = &tenant->scopes[environment];

	return scope->n_segments ? scope->segments[0].space : tenant->space;
}

const struct clo_server_kind clo_server_kinds[CLO_SERVER_KINDS] = {
	{"DHCP", "udp/67", IPPROTO_UDP, 67, {4, 32, {255, 255, 255, 255}}},
	{"DHCPv6",
	 "udp/547",
	 IPPROTO_UDP,
	 547,
	 {6, 128, {0xff, 0x02, [13] = 1, [15] = 2}}},
	{"router",
	 "icmpv6/133",
	 IPPROTO_ICMPV6,
	 133,
	 {6, 128, {0xff, 0x02, [15] = 2}}},
};

bool clo_server_is(const struct clo_provided *service,
		   const struct clo_server_kind *kind)
{
	for (size_t i = 0; i < service->n_ports; i++) {
		const struct clo_service_spec *port = &service->ports[i];

		/* A range that happens to hold the number says nothing. */
		if (!port->any && port->proto == kind->proto &&
		    port->first == kind->number && port->last == kind->number)
			return true;
	}
	return false;
}

const struct clo_cidr *clo_server_address(const struct clo_provided *service,
					  const struct clo_server_kind *kind)
{
	if (!clo_server_is(service, kind))
		return NULL;
	for (size_t i = 0; i < service->n_addresses; i++)
		if (service->addresses[i].family == kind->asked.family)
			return &service->addresses[i];
	return NULL;
}

struct clo_rule_list clo_policy_rules(const struct clo_policy *policy,
				      size_t tenant,
				      enum clo_environment environment)
{
	const struct clo_scope_doc *scope =
		&policy->tenants[tenant].scopes[environment];

	if (policy->rules)
		return policy->rules[4 * tenant + environment];
	return (struct clo_rule_list){scope->rules, scope->n_rules};
}

void clo_policy_free(struct clo_policy *policy)
{
	while (policy && --policy->users == 0) {
		struct clo_policy *before = policy->before;

		/* The struct itself lives in its arena. */
		clo_arena_free(policy->arena);
		policy = before;
	}
}
