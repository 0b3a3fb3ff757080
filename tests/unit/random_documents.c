/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "policy/service_spec.h"
#include "unit/random_policy.h"

/* A model as the documents that say it. */

/* json_pack() and the like fail only without memory. */
static json_t *made(json_t *json)
{
	assert(json);
	return json;
}

static void add(json_t *array, json_t *item)
{
	int r = json_array_append_new(array, made(item));

	assert(r == 0);
}

static json_t *cidrs(const struct clo_cidr *list, size_t n, bool whole)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		char text[CLO_CIDR_TEXT + 4];

		clo_cidr_format(&list[i], text);
		if (whole && list[i].bits == (list[i].family == 4 ? 32 : 128))
			(void)snprintf(text + strlen(text), 5, "/%u",
				       list[i].bits);
		add(array, json_string(text));
	}
	return array;
}

static json_t *specs(const struct clo_service_spec *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		char text[CLO_SERVICE_SPEC_TEXT];

		clo_service_spec_format(&list[i], text);
		add(array, json_string(text));
	}
	return array;
}

static json_t *texts(const char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		add(array, json_string(list[i]));
	return array;
}

static json_t *node(const struct clo_node_doc *doc)
{
	json_t *services = json_array();

	for (size_t i = 0; i < doc->n_services; i++) {
		const struct clo_provided *service = &doc->services[i];

		add(services,
		    json_pack("{s:s, s:s, s:o, s:o}", "name", service->name,
			      "kind", service->node ? "node" : "provider",
			      "addresses",
			      cidrs(service->addresses, service->n_addresses,
				    false),
			      "ports",
			      specs(service->ports, service->n_ports)));
	}
	return json_pack("{s:s, s:s, s:s, s:[s], s:o, s:o, s:o, s:o}",
			 "apiVersion", "cloison/v1", "kind", "Node", "name",
			 doc->name, "bridges", "br0", "addresses",
			 cidrs(doc->addresses, doc->n_addresses, false),
			 "services", services, "forensics",
			 cidrs(doc->forensics, doc->n_forensics, false),
			 "nationalPrefixes",
			 cidrs(doc->national, doc->n_national, false));
}

static json_t *peer(const struct clo_peer *doc)
{
	const struct clo_scope_doc *scope =
		&doc->tenant->scopes[doc->environment];
	bool group = doc->kind == CLO_PEER_GROUP;
	json_t *cidr, *text;

	if (doc->kind == CLO_PEER_SERVICE)
		return json_pack("{s:s}", "service", doc->service->name);
	if (doc->kind == CLO_PEER_CIDR) {
		cidr = cidrs(&doc->cidr, 1, true);
		text = json_incref(json_array_get(cidr, 0));
		json_decref(cidr);
		return json_pack("{s:o, s:o}", "cidr", text, "except",
				 cidrs(doc->except, doc->n_except, true));
	}
	return json_pack("{s:s, s:s, s:s}", group ? "group" : "segment",
			 group ? scope->groups[doc->index]
			       : scope->segments[doc->index].name,
			 "tenant", doc->tenant->name, "environment",
			 clo_environment_name(doc->environment));
}

static json_t *rules(const struct clo_scope_doc *scope)
{
	json_t *array = json_array();

	for (size_t i = 0; i < scope->n_rules; i++) {
		const struct clo_rule_doc *doc = &scope->rules[i];
		json_t *rule =
			json_pack("{s:s, s:o, s:o}", "name", doc->name, "from",
				  peer(&doc->from), "to", peer(&doc->to));

		if (doc->to.kind != CLO_PEER_SERVICE)
			(void)json_object_set_new(
				made(rule), "ports",
				specs(doc->ports, doc->n_ports));
		add(array, rule);
	}
	return array;
}

/* Where a legal policy has its endpoints: see random_policy.c. */
static json_t *segments(const struct clo_tenant_doc *tenant,
			enum clo_environment environment)
{
	const struct clo_scope_doc *scope = &tenant->scopes[environment];
	bool own = scope->segments[0].space != tenant->space;
	json_t *array = json_array();

	for (size_t i = 0; i < scope->n_segments; i++) {
		unsigned int net =
			(unsigned int)i + (own ? 0 : 2 * (environment - 1));

		add(array, json_pack("{s:s, s:[o, o]}", "name",
				     scope->segments[i].name, "cidrs",
				     json_sprintf("10.0.%u.0/24", net),
				     json_sprintf("fd00::%x:0/112", net)));
	}
	return array;
}

static json_t *tenant(const struct clo_tenant_doc *doc)
{
	json_t *environments = json_object();
	json_t *services = json_array();

	for (size_t i = 0; i < doc->n_services; i++)
		add(services, json_string(doc->services[i]->name));
	for (enum clo_environment e = CLO_ENV_PRODUCTION;
	     e <= CLO_ENV_DEVELOPMENT; e++) {
		const struct clo_scope_doc *scope = &doc->scopes[e];
		json_t *json = json_pack("{s:o, s:o, s:o}", "segments",
					 segments(doc, e), "groups",
					 texts(scope->groups, scope->n_groups),
					 "rules", rules(scope));

		(void)json_object_set_new(environments, clo_environment_name(e),
					  made(json));
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:o}", "apiVersion",
			 "cloison/v1", "kind", "Tenant", "name", doc->name,
			 "qualification", doc->qualification,
			 "allowTestDevelopment", doc->test_dev, "services",
			 services, "environments", environments);
}

static json_t *interface(const struct clo_workload_doc *workload,
			 const struct clo_interface_doc *doc)
{
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	json_t *groups = json_array();
	const uint8_t *mac = doc->mac;

	for (size_t i = 0; i < doc->n_groups; i++)
		add(groups, json_string(scope->groups[doc->groups[i]]));
	return json_pack("{s:o, s:s, s:o, s:o}", "mac",
			 json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
				      mac[1], mac[2], mac[3], mac[4], mac[5]),
			 "segment", doc->segment->name, "addresses",
			 cidrs(doc->addresses, doc->n_addresses, false),
			 "groups", groups);
}

static json_t *workload(const struct clo_workload_doc *doc)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < doc->n_interfaces; i++)
		add(interfaces, interface(doc, &doc->interfaces[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "apiVersion",
			 "cloison/v1", "kind", "Workload", "name", doc->name,
			 "tenant", doc->tenant->name, "environment",
			 clo_environment_name(doc->environment), "interfaces",
			 interfaces);
}

static json_t *instant(time_t time)
{
	struct tm tm;
	char text[32];

	(void)gmtime_r(&time, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *exception(const struct clo_exception_doc *doc, size_t number)
{
	return json_pack(
		"{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}",
		"apiVersion", "cloison/v1", "kind", "Exception", "name",
		json_sprintf("e%zu", number), "control", doc->control, "reason",
		"a reason", "riskAnalysis", "RA-1", "approver", "somebody",
		"owner", "somebody else", "notBefore", instant(doc->not_before),
		"notAfter", instant(doc->not_after), "rules",
		texts(doc->rules, doc->n_rules));
}

static void shuffle_array(json_t *array, struct dice *dice)
{
	size_t n = json_array_size(array);

	for (size_t i = n; i > 1; i--) {
		size_t j = roll(dice, (uint32_t)i);
		json_t *a = json_incref(json_array_get(array, i - 1));
		json_t *b = json_incref(json_array_get(array, j));

		(void)json_array_set_new(array, j, a);
		(void)json_array_set_new(array, i - 1, b);
	}
}

/* Interfaces are numbered as they stand, and rules own flows as they do. */
static void shuffle_all(json_t *json, const char *name, struct dice *dice)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_array(json)) {
		if (strcmp(name, "rules") != 0 &&
		    strcmp(name, "interfaces") != 0)
			shuffle_array(json, dice);
		json_array_foreach (json, i, item)
			shuffle_all(item, "", dice);
	} else {
		json_object_foreach (json, key, item)
			shuffle_all(item, key, dice);
	}
}

json_t *random_documents(const struct clo_policy *policy, struct dice *shuffle)
{
	json_t *array = json_array();

	add(array, node(&policy->node));
	for (size_t i = 0; i < policy->n_tenants; i++)
		add(array, tenant(&policy->tenants[i]));
	for (size_t i = 0; i < policy->n_workloads; i++)
		add(array, workload(&policy->workloads[i]));
	for (size_t i = 0; i < policy->n_exceptions; i++)
		add(array, exception(&policy->exceptions[i], i));
	if (shuffle)
		shuffle_all(array, "", shuffle);
	return array;
}
