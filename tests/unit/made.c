/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/made.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *keep(struct made *made, void *memory)
{
	assert(memory && made->n_kept < 8192);
	made->kept[made->n_kept++] = memory;
	return memory;
}

__attribute__((format(printf, 2, 3))) static const char *
text(struct made *made, const char *fmt, ...)
{
	va_list args;
	char *made_text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&made_text, fmt, args);
	va_end(args);
	assert(n >= 0);
	return keep(made, made_text);
}

/* A larger copy of an array; the old one lives on until made_free. */
static void *grow(struct made *made, const void *array, size_t *n, size_t size)
{
	char *copy = keep(made, calloc(*n + 1, size));

	if (*n)
		memcpy(copy, array, *n * size);
	(*n)++;
	return copy;
}

struct made *made_new(void)
{
	struct made *made = calloc(1, sizeof(*made));

	assert(made);
	made->policy.node.name = "node-1";
	made->policy.digest[0] = 1;
	return made;
}

void made_free(struct made *made)
{
	while (made->n_kept)
		free(made->kept[--made->n_kept]);
	free(made);
}

void made_tenant(struct made *made, const char *name, uint32_t space)
{
	static const char *const groups[] = {"web", "db", "app", "ops"};
	struct clo_policy *policy = &made->policy;
	struct clo_tenant_doc *tenant;

	assert(policy->n_workloads == 0);
	policy->tenants = grow(made, policy->tenants, &policy->n_tenants,
			       sizeof(*tenant));
	tenant = &policy->tenants[policy->n_tenants - 1];
	tenant->name = name;
	tenant->space = space;
	for (uint32_t e = 1; e <= 3; e++) {
		struct clo_scope_doc *scope = &tenant->scopes[e];

		scope->present = true;
		scope->environment = e;
		scope->groups = keep(made, calloc(4, sizeof(char *)));
		memcpy(scope->groups, groups, sizeof(groups));
		scope->n_groups = 4;
		scope->segments =
			keep(made, calloc(2, sizeof(*scope->segments)));
		scope->n_segments = 2;
		scope->segments[0].space = space;
		scope->segments[1].space = space;
		scope->segments[0].name = "front";
		scope->segments[0].id = space * 100 + e * 10;
		scope->segments[1].name = "back";
		scope->segments[1].id = space * 100 + e * 10 + 1;
	}
}

struct clo_tenant_doc *made_get(struct made *made, const char *tenant)
{
	for (size_t i = 0; i < made->policy.n_tenants; i++) {
		if (!strcmp(made->policy.tenants[i].name, tenant))
			return &made->policy.tenants[i];
	}
	abort(); /* no such tenant */
}

static struct clo_cidr parse_cidr(const char *string)
{
	struct clo_cidr cidr = {0};
	char buffer[64];
	char *slash;

	(void)snprintf(buffer, sizeof(buffer), "%s", string);
	slash = strchr(buffer, '/');
	if (slash)
		*slash = '\0';
	cidr.family = strchr(buffer, ':') ? 6 : 4;
	if (inet_pton(cidr.family == 6 ? AF_INET6 : AF_INET, buffer,
		      cidr.addr) != 1)
		abort();
	cidr.bits = cidr.family == 6 ? 128 : 32;
	if (slash)
		cidr.bits = (uint8_t)strtoul(slash + 1, NULL, 10);
	for (unsigned int i = cidr.bits; i < (cidr.family == 6 ? 128U : 32U);
	     i++)
		cidr.addr[i / 8] &= (uint8_t) ~(0x80U >> (i % 8));
	return cidr;
}

static struct clo_cidr *parse_cidrs(struct made *made, const char *list,
				    const char *separator, size_t *ret_n)
{
	char *copy = keep(made, strdup(list));
	struct clo_cidr *cidrs = NULL;
	char *save = NULL;

	*ret_n = 0;
	for (char *item = strtok_r(copy, separator, &save); item;
	     item = strtok_r(NULL, separator, &save)) {
		cidrs = grow(made, cidrs, ret_n, sizeof(*cidrs));
		cidrs[*ret_n - 1] = parse_cidr(item);
	}
	return cidrs;
}

static struct clo_service_spec parse_port(char *item)
{
	static const struct {
		const char *name;
		uint8_t proto;
		uint16_t last;
	} protos[] = {{"tcp", IPPROTO_TCP, 65535},
		      {"udp", IPPROTO_UDP, 65535},
		      {"sctp", IPPROTO_SCTP, 65535},
		      {"icmp", IPPROTO_ICMP, 255},
		      {"icmpv6", IPPROTO_ICMPV6, 255}};
	struct clo_service_spec spec = {0};
	char *slash = strchr(item, '/');
	char *dash;

	if (!strcmp(item, "any")) {
		spec.any = true;
		return spec;
	}
	if (!strcmp(item, "gre") || !strncmp(item, "proto/", 6)) {
		spec.proto = slash ? (uint8_t)strtoul(slash + 1, NULL, 10)
				   : IPPROTO_GRE;
		return spec;
	}
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < 5; i++) {
		if (strcmp(protos[i].name, item) != 0)
			continue;
		spec.proto = protos[i].proto;
		spec.last = protos[i].last;
	}
	assert(spec.proto);
	if (!slash)
		return spec;
	dash = strchr(slash + 1, '-');
	spec.first = (uint16_t)strtoul(slash + 1, NULL, 10);
	spec.last = dash ? (uint16_t)strtoul(dash + 1, NULL, 10) : spec.first;
	return spec;
}

static struct clo_service_spec *parse_ports(struct made *made, const char *list,
					    size_t *ret_n)
{
	char *copy = keep(made, strdup(list));
	struct clo_service_spec *ports = NULL;
	char *save = NULL;

	*ret_n = 0;
	for (char *item = strtok_r(copy, ",", &save); item;
	     item = strtok_r(NULL, ",", &save)) {
		ports = grow(made, ports, ret_n, sizeof(*ports));
		ports[*ret_n - 1] = parse_port(item);
	}
	return ports;
}

struct clo_interface_doc *made_endpoint(struct made *made, const char *tenant,
					enum clo_environment environment,
					size_t segment, unsigned int groups,
					const char *addresses)
{
	struct clo_policy *policy = &made->policy;
	struct clo_tenant_doc *owner = made_get(made, tenant);
	struct clo_interface_doc *interface =
		keep(made, calloc(1, sizeof(*interface)));
	struct clo_workload_doc *workload;
	uint32_t n;

	policy->workloads = grow(made, policy->workloads, &policy->n_workloads,
				 sizeof(*workload));
	n = (uint32_t)policy->n_workloads;
	workload = &policy->workloads[n - 1];
	*workload = (struct clo_workload_doc){
		.name = text(made, "w%u", n),
		.tenant = owner,
		.environment = environment,
		.interfaces = interface,
		.n_interfaces = 1,
	};
	*interface = (struct clo_interface_doc){
		.mac = {0x52, 0x54, 0, 0, (uint8_t)(n >> 8), (uint8_t)n},
		.endpoint = n,
		.segment = &owner->scopes[environment].segments[segment],
		.name = text(made, "%s/%s/w%u/0", tenant,
			     clo_environment_name(environment), n),
	};
	interface->addresses =
		parse_cidrs(made, addresses, ",", &interface->n_addresses);
	interface->groups = keep(made, calloc(4, sizeof(size_t)));
	for (size_t i = 0; i < 4; i++) {
		if (groups >> i & 1)
			interface->groups[interface->n_groups++] = i;
	}
	return interface;
}

void made_node(struct made *made, const char *addresses)
{
	made->policy.node.addresses = parse_cidrs(
		made, addresses, ",", &made->policy.node.n_addresses);
}

void made_service(struct made *made, const char *name, bool node,
		  const char *addresses, const char *ports)
{
	struct clo_node_doc *doc = &made->policy.node;
	struct clo_provided *service;

	doc->services =
		grow(made, doc->services, &doc->n_services, sizeof(*service));
	service = &doc->services[doc->n_services - 1];
	service->name = name;
	service->node = node;
	service->addresses =
		parse_cidrs(made, addresses, ",", &service->n_addresses);
	service->ports = parse_ports(made, ports, &service->n_ports);
}

void made_use(struct made *made, const char *tenant, const char *service)
{
	struct clo_tenant_doc *user = made_get(made, tenant);
	const struct clo_node_doc *node = &made->policy.node;

	/* NOLINTBEGIN(bugprone-sizeof-expression): an array of pointers */
	user->services = grow(made, user->services, &user->n_services,
			      sizeof(*user->services));
	/* NOLINTEND(bugprone-sizeof-expression) */
	for (size_t i = 0; i < node->n_services; i++) {
		if (!strcmp(node->services[i].name, service))
			user->services[user->n_services - 1] =
				&node->services[i];
	}
	assert(user->services[user->n_services - 1]);
}

void made_forensics(struct made *made, const char *blocks)
{
	struct clo_node_doc *node = &made->policy.node;

	node->forensics = parse_cidrs(made, blocks, ",", &node->n_forensics);
}

void made_national(struct made *made, const char *blocks)
{
	struct clo_node_doc *node = &made->policy.node;

	node->national = parse_cidrs(made, blocks, ",", &node->n_national);
}

void made_multicast(struct made *made, const char *tenant,
		    enum clo_environment environment, size_t segment,
		    const char *groups)
{
	struct clo_segment_doc *doc =
		&made_get(made, tenant)->scopes[environment].segments[segment];

	doc->multicast = parse_cidrs(made, groups, ",", &doc->n_multicast);
}

void made_space(struct made *made, const char *tenant,
		enum clo_environment environment, uint32_t space)
{
	struct clo_scope_doc *scope =
		&made_get(made, tenant)->scopes[environment];

	for (size_t i = 0; i < scope->n_segments; i++)
		scope->segments[i].space = space;
}

static struct clo_peer parse_named(struct made *made, const char *tenant,
				   enum clo_environment environment,
				   const char *name)
{
	static const char *const groups[] = {"web", "db", "app", "ops"};
	struct clo_peer peer = {.tenant = made_get(made, tenant),
				.environment = environment};

	peer.kind = CLO_PEER_SEGMENT;
	peer.index = !strcmp(name, "back");
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(groups[i], name) != 0)
			continue;
		peer.kind = CLO_PEER_GROUP;
		peer.index = i;
	}
	return peer;
}

static struct clo_peer parse_peer(struct made *made, const char *tenant,
				  enum clo_environment environment,
				  const char *name)
{
	struct clo_peer peer = {.tenant = made_get(made, tenant),
				.environment = environment};
	char *copy = keep(made, strdup(name));
	char *slash = strchr(copy, '/');

	if (name[0] == '@') {
		peer.kind = CLO_PEER_SERVICE;
		for (size_t i = 0; i < made->policy.node.n_services; i++) {
			if (!strcmp(made->policy.node.services[i].name,
				    name + 1))
				peer.service = &made->policy.node.services[i];
		}
		assert(peer.service);
		return peer;
	}
	if (strchr(name, '.') || strchr(name, ':')) {
		struct clo_cidr *cidrs =
			parse_cidrs(made, name, "-", &peer.n_except);

		peer.kind = CLO_PEER_CIDR;
		peer.cidr = cidrs[0];
		peer.except = cidrs + 1;
		peer.n_except--;
		return peer;
	}
	if (!slash)
		return parse_named(made, tenant, environment, name);

	*slash = '\0';
	environment = slash[1] == 'p'   ? CLO_ENV_PRODUCTION
		      : slash[1] == 't' ? CLO_ENV_TEST
					: CLO_ENV_DEVELOPMENT;
	return parse_named(made, copy, environment, strchr(slash + 1, '/') + 1);
}

struct clo_rule_doc *made_rule(struct made *made, const char *tenant,
			       enum clo_environment environment,
			       const char *from, const char *to,
			       const char *ports)
{
	struct clo_scope_doc *scope =
		&made_get(made, tenant)->scopes[environment];
	struct clo_rule_doc *rule;

	scope->rules = grow(made, scope->rules, &scope->n_rules, sizeof(*rule));
	rule = &scope->rules[scope->n_rules - 1];
	rule->name = text(made, "r%zu", scope->n_rules);
	rule->full = text(made, "%s/%s/%s", tenant,
			  clo_environment_name(environment), rule->name);
	rule->from = parse_peer(made, tenant, environment, from);
	rule->to = parse_peer(made, tenant, environment, to);
	rule->ports = parse_ports(made, ports, &rule->n_ports);
	rule->file = "made.json";
	rule->line = (int)scope->n_rules;
	return rule;
}

void made_exception(struct made *made, const char *control, const char *rule,
		    time_t not_before, time_t not_after)
{
	struct clo_policy *policy = &made->policy;
	struct clo_exception_doc *exception;

	policy->exceptions = grow(made, policy->exceptions,
				  &policy->n_exceptions, sizeof(*exception));
	exception = &policy->exceptions[policy->n_exceptions - 1];
	exception->name = text(made, "e%zu", policy->n_exceptions);
	exception->control = control;
	exception->not_before = not_before;
	exception->not_after = not_after;
	exception->rules = keep(made, calloc(1, sizeof(char *)));
	exception->rules[0] = rule;
	exception->n_rules = 1;
}
