/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/compile.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "policy/explain.h"
#include "policy/parse.h"
#include "policy/prove.h"

/*
 * How long a large policy takes: 3,000 identities, 100,000 rules, 1,000
 * service classes. Prints milliseconds; the caller decides what is too long.
 */
#define TENANTS 10U
#define GROUPS 100U /* of each of the three scopes: one endpoint each */
#define RULES 3333U /* of each scope */
#define CLASSES 1000U

static double milliseconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void *make(size_t n, size_t size)
{
	void *made = calloc(n, size);

	if (!made)
		abort();
	return made;
}

static const char *name(const char *what, uint32_t tenant, uint32_t scope,
			uint32_t i)
{
	char *made;

	if (asprintf(&made, "t%u/%u/%s%u", tenant, scope, what, i) < 0)
		abort();
	return made;
}

static uint32_t roll(uint32_t sides)
{
	static uint32_t dice = 1;

	dice = dice * 1664525U + 1013904223U;
	return (dice >> 8) % sides;
}

static void make_rule(struct clo_tenant_doc *tenant, struct clo_rule_doc *rule,
		      enum clo_environment environment, uint32_t i)
{
	struct clo_service_spec *port = make(1, sizeof(*port));
	const struct clo_peer peer = {.kind = CLO_PEER_GROUP,
				      .tenant = tenant,
				      .environment = environment};

	port->proto = IPPROTO_TCP;
	port->first = (uint16_t)(1 + roll(CLASSES - 1));
	port->last = port->first;
	rule->name = name("rule", tenant->space, environment, i);
	rule->full = rule->name;
	rule->file = "bench";
	rule->ports = port;
	rule->n_ports = 1;
	rule->from = peer;
	rule->from.index = roll(GROUPS);
	rule->to = peer;
	rule->to.index = roll(GROUPS);
}

static void make_workload(struct clo_tenant_doc *tenant,
			  struct clo_workload_doc *workload,
			  enum clo_environment environment, uint32_t i)
{
	static uint32_t endpoint;
	struct clo_interface_doc *interface = make(1, sizeof(*interface));
	struct clo_cidr *addr = make(1, sizeof(*addr));

	endpoint++;
	*addr = (struct clo_cidr){.family = 4,
				  .bits = 32,
				  .addr = {10, (uint8_t)environment,
					   (uint8_t)(i >> 8), (uint8_t)i}};
	interface->mac[3] = (uint8_t)(endpoint >> 16);
	interface->mac[4] = (uint8_t)(endpoint >> 8);
	interface->mac[5] = (uint8_t)endpoint;
	interface->endpoint = endpoint;
	interface->segment = tenant->scopes[environment].segments;
	interface->addresses = addr;
	interface->n_addresses = 1;
	interface->groups = make(1, sizeof(*interface->groups));
	interface->groups[0] = i;
	interface->n_groups = 1;
	interface->name = name("w", tenant->space, environment, i);
	*workload = (struct clo_workload_doc){.name = interface->name,
					      .tenant = tenant,
					      .environment = environment,
					      .interfaces = interface,
					      .n_interfaces = 1};
}

static void make_scope(struct clo_policy *policy, struct clo_tenant_doc *tenant,
		       enum clo_environment environment)
{
	struct clo_scope_doc *scope = &tenant->scopes[environment];

	scope->present = true;
	scope->environment = environment;
	scope->segments = make(1, sizeof(*scope->segments));
	scope->segments->name = "front";
	scope->segments->id = tenant->space * 10 + environment;
	scope->segments->space = tenant->space;
	scope->n_segments = 1;
	scope->groups = make(GROUPS, sizeof(*scope->groups));
	scope->n_groups = GROUPS;
	for (uint32_t i = 0; i < GROUPS; i++) {
		scope->groups[i] = name("g", tenant->space, environment, i);
		make_workload(tenant, &policy->workloads[policy->n_workloads++],
			      environment, i);
	}
	scope->rules = make(RULES, sizeof(*scope->rules));
	scope->n_rules = RULES;
	for (uint32_t i = 0; i < RULES; i++)
		make_rule(tenant, &scope->rules[i], environment, i);
}

int main(void)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO_MEM struct clo_proof *proof = make(1, sizeof(*proof));
	struct clo_policy policy = {.n_tenants = TENANTS};
	json_auto_t *plan = NULL;
	char text[160] = "";
	double at[4];

	policy.tenants = make(TENANTS, sizeof(*policy.tenants));
	policy.workloads =
		make((size_t)TENANTS * 3 * GROUPS, sizeof(*policy.workloads));
	for (uint32_t t = 0; t < TENANTS; t++) {
		policy.tenants[t].name = name("tenant", t, 0, 0);
		policy.tenants[t].space = t + 1;
		for (uint32_t e = 1; e <= 3; e++)
			make_scope(&policy, &policy.tenants[t], e);
	}

	if (clo_flaws_new(&flaws) < 0)
		return 1;
	at[0] = milliseconds();
	if (clo_compile(&policy, 0, &compiled, flaws) < 0)
		return 1;
	at[1] = milliseconds();
	if (clo_prove(compiled->tables, NULL, 0, proof, text) < 0)
		return 1;
	at[2] = milliseconds();
	plan = clo_explain_plan(NULL, compiled, 0);
	at[3] = milliseconds();
	(void)printf("%u identities, %u rules, %u classes, %zu pairs, %zu "
		     "words of rows\n",
		     compiled->tables->gen.identities - 1,
		     compiled->tables->gen.rules - 1,
		     compiled->tables->gen.classes,
		     compiled->tables->table[CLO_TABLE_PAIRS].n,
		     compiled->tables->table[CLO_TABLE_WORDS].n);
	(void)printf("compile %.0f ms, prove %" PRIu64
		     " verdicts in %.0f ms, plan %.0f ms\n",
		     at[1] - at[0], proof->verdicts, at[2] - at[1],
		     at[3] - at[2]);
	return plan && proof->breached == 0 ? 0 : 1;
}
