/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/address.h"
#include "policy/service_spec.h"

static json_t *cidrs(const struct clo_cidr *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		char text[CLO_CIDR_TEXT];

		clo_cidr_format(&list[i], text);
		(void)json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *strings(const char **list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(array, json_string(list[i]));
	return array;
}

static json_t *service(const struct clo_provided *service)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < service->n_ports; i++) {
		char text[CLO_SERVICE_SPEC_TEXT];

		clo_service_spec_format(&service->ports[i], text);
		(void)json_array_append_new(ports, json_string(text));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "name", service->name, "kind",
			 service->node ? "node" : "provider", "addresses",
			 cidrs(service->addresses, service->n_addresses),
			 "ports", ports);
}

static json_t *uplink(const struct clo_uplink_doc *uplink)
{
	if (!uplink->segment)
		return json_pack("{s:s}", "interface", uplink->interface);
	return json_pack("{s:s, s:s, s:s, s:s}", "interface", uplink->interface,
			 "segment", uplink->segment->name, "tenant",
			 uplink->tenant->name, "environment",
			 clo_environment_name(uplink->environment));
}

json_t *clo_matrix_node(const struct clo_policy *policy)
{
	const struct clo_node_doc *node = &policy->node;
	json_t *services = json_array();
	json_t *uplinks = json_array();

	for (size_t i = 0; i < node->n_services; i++)
		(void)json_array_append_new(services,
					    service(&node->services[i]));
	for (size_t i = 0; i < node->n_uplinks; i++)
		(void)json_array_append_new(uplinks, uplink(&node->uplinks[i]));
	return json_pack(
		"{s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "name", node->name,
		"bridges", strings(node->bridges, node->n_bridges), "uplinks",
		uplinks, "addresses", cidrs(node->addresses, node->n_addresses),
		"national", cidrs(node->national, node->n_national), "services",
		services, "forensics",
		cidrs(node->forensics, node->n_forensics));
}

int clo_matrix_put_node(struct clo_sink *sink, const struct clo_policy *policy)
{
	clo_sink_put(sink, ",\n\"node\":");
	clo_sink_json(sink, clo_matrix_node(policy));
	return sink->error;
}

static json_t *scope(const struct clo_scope_doc *scope)
{
	json_t *segments = json_array();

	for (size_t i = 0; i < scope->n_segments; i++) {
		const struct clo_segment_doc *segment = &scope->segments[i];

		(void)json_array_append_new(
			segments,
			json_pack("{s:s, s:o, s:o}", "name", segment->name,
				  "cidrs",
				  cidrs(segment->cidrs, segment->n_cidrs),
				  "multicast",
				  cidrs(segment->multicast,
					segment->n_multicast)));
	}
	return json_pack("{s:o, s:o}", "groups",
			 strings(scope->groups, scope->n_groups), "segments",
			 segments);
}

json_t *clo_matrix_tenant(const struct clo_tenant_doc *tenant)
{
	json_t *services = json_array();
	json_t *scopes = json_object();

	for (size_t i = 0; i < tenant->n_services; i++)
		(void)json_array_append_new(
			services, json_string(tenant->services[i]->name));
	for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
		if (tenant->scopes[e].present)
			(void)json_object_set_new(
				scopes,
				clo_environment_name((enum clo_environment)e),
				scope(&tenant->scopes[e]));
	return json_pack("{s:s, s:i, s:b, s:o, s:o}", "name", tenant->name,
			 "qualification", tenant->qualification, "testDev",
			 tenant->test_dev, "services", services, "environments",
			 scopes);
}

int clo_matrix_put_tenants(struct clo_sink *sink,
			   const struct clo_policy *policy)
{
	clo_sink_put(sink, ",\n\"tenants\":[");
	for (size_t i = 0; i < policy->n_tenants; i++) {
		clo_sink_put(sink, i ? ",\n" : "\n");
		clo_sink_json(sink, clo_matrix_tenant(&policy->tenants[i]));
	}
	clo_sink_put(sink, "]");
	return sink->error;
}

/* Each address that the tables give the endpoint, and its class. */
static json_t *bindings(const struct clo_matrix *matrix, uint32_t endpoint)
{
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n4 = tables->table[CLO_TABLE_ADDR4].n;
	json_t *bound = json_object();
	size_t n;
	const struct clo_entry *entries =
		clo_matrix_entries(matrix, endpoint, &n);

	for (size_t i = 0; i < n; i++) {
		bool v4 = entries[i].index < n4;
		enum clo_table t = v4 ? CLO_TABLE_ADDR4 : CLO_TABLE_ADDR6;
		size_t at = v4 ? entries[i].index : entries[i].index - n4;
		const uint8_t *key = clo_tables_key(tables, t, at);
		const struct clo_addr *addr = clo_tables_value(tables, t, at);
		uint32_t class = clo_matrix_class(matrix, addr->identity);
		char text[INET6_ADDRSTRLEN] = "";

		(void)inet_ntop(v4 ? AF_INET : AF_INET6, key + 4, text,
				sizeof(text));
		(void)json_object_set_new(
			bound,
			clo_tables_addr_kind(tables, t, at) == CLO_ADDR_SELF
				? "itself"
				: text,
			class ? json_loads(matrix->names[class],
					   JSON_DECODE_ANY, NULL)
			      : json_null());
	}
	return bound;
}

static json_t *endpoint(const struct clo_matrix *matrix,
			const struct clo_workload_doc *workload,
			const struct clo_interface_doc *interface)
{
	static const char *const modes[] = {"enforce", "audit", "quarantine"};
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	json_t *groups = json_array();
	char mac[18];

	for (size_t i = 0; i < interface->n_groups; i++)
		(void)json_array_append_new(
			groups,
			json_string(scope->groups[interface->groups[i]]));
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		       interface->mac[0], interface->mac[1], interface->mac[2],
		       interface->mac[3], interface->mac[4], interface->mac[5]);
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s, s:o, s:s, s:o}",
			 "name", interface->name, "mac", mac, "device",
			 interface->device, "domain", workload->domain, "uuid",
			 workload->uuid, "segment", interface->segment->name,
			 "groups", groups, "mode", modes[interface->mode],
			 "addresses", bindings(matrix, interface->endpoint));
}

int clo_matrix_put_endpoints(struct clo_sink *sink,
			     const struct clo_matrix *matrix)
{
	const struct clo_policy *policy = matrix->compiled->policy;
	const char *separator = "\n";

	clo_sink_put(sink, ",\n\"endpoints\":[");
	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			clo_sink_put(sink, separator);
			clo_sink_json(sink, endpoint(matrix, workload,
						     &workload->interfaces[i]));
			separator = ",\n";
		}
	}
	clo_sink_put(sink, "]");
	return sink->error;
}

int clo_matrix_put_exceptions(struct clo_sink *sink,
			      const struct clo_policy *policy)
{
	clo_sink_put(sink, ",\n\"exceptions\":[");
	for (size_t i = 0; i < policy->n_exceptions; i++) {
		const struct clo_exception_doc *e = &policy->exceptions[i];

		clo_sink_put(sink, i ? ",\n" : "\n");
		clo_sink_json(
			sink,
			json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:I, "
				  "s:I, s:o}",
				  "name", e->name, "control", e->control,
				  "reason", e->reason, "riskAnalysis",
				  e->risk_analysis, "approver", e->approver,
				  "owner", e->owner, "notBefore",
				  (json_int_t)e->not_before, "notAfter",
				  (json_int_t)e->not_after, "rules",
				  strings(e->rules, e->n_rules)));
	}
	clo_sink_put(sink, "]");
	return sink->error;
}
