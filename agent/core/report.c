/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/report.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "agent/core/drop_name.h"
#include "agent/core/tend.h"

size_t clo_report_declared(const struct clo_policy *policy)
{
	size_t n = 0;

	for (size_t i = 0; i < policy->n_workloads; i++)
		n += policy->workloads[i].n_interfaces;
	return n;
}

static json_t *drops(struct clo_node *node)
{
	CLO_AUTO_MEM struct clo_bpf_drop *counted = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (clo_bpf_drops_read(node->bpf, &counted, &n) < 0)
		return list;
	for (size_t i = 0; i < n; i++) {
		const struct clo_tap *tap = clo_inventory_find(
			node->inventory, counted[i].key.ifindex);

		(void)json_array_append_new(
			list,
			json_pack("{s:o, s:s, s:s, s:I}", "interface",
				  tap ? json_string(tap->name)
				      : json_sprintf("ifindex %u",
						     counted[i].key.ifindex),
				  "direction",
				  counted[i].key.to_guest ? "to_guest"
							  : "from_guest",
				  "reason",
				  clo_drop_text(counted[i].key.reason), "count",
				  (json_int_t)counted[i].count));
	}
	return list;
}

static json_t *rules(struct clo_node *node)
{
	CLO_AUTO_MEM struct clo_hits *hits = NULL;
	json_t *list = json_array();
	size_t n = 0;

	if (!node->force || clo_bpf_hits_read(node->bpf, &hits, &n) < 0)
		return list;
	for (size_t i = 1;
	     i < n && i < node->force->compiled->tables->gen.rules; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:I, s:I}", "rule",
				  node->force->compiled->rules[i]->full,
				  "flows", (json_int_t)hits[i].flows, "packets",
				  (json_int_t)hits[i].packets));
	return list;
}

/* Controls of the last proof that are not PASS, mandatory or failed. */
static json_t *findings(const struct clo_node *node)
{
	const json_t *controls = json_object_get(node->last, "controls");
	json_t *list = json_array();
	const json_t *control;
	size_t i;

	json_array_foreach (controls, i, control) {
		const char *result =
			json_string_value(json_object_get(control, "result"));
		bool mandatory =
			json_is_true(json_object_get(control, "mandatory"));

		if (!result || strcmp(result, "PASS") == 0 ||
		    (!mandatory && strcmp(result, "FAIL") != 0))
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:O, s:s, s:O}", "control",
					json_object_get(control, "id"),
					"result", result, "detail",
					json_object_get(control, "detail")));
	}
	return list;
}

static json_t *coverage(struct clo_node *node, json_int_t *ret_undeclared)
{
	json_int_t observed = 0;

	*ret_undeclared = 0;
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];

		*ret_undeclared += tap->interface == NULL;
		observed += clo_tend_guarded(node, tap->ifindex);
	}
	return json_pack("{s:I, s:I}", "expected",
			 (json_int_t)node->inventory->n_taps, "guarded",
			 observed);
}

json_t *clo_report_status(struct clo_node *node)
{
	uint64_t connections = 0;
	uint64_t statements = 0;
	uint64_t epoch = 0;
	json_int_t undeclared;
	json_t *endpoints = coverage(node, &undeclared);
	char digest[65];
	char when[21];

	(void)clo_bpf_epoch(node->bpf, &epoch);
	(void)clo_bpf_connections_count(node->bpf, &connections);
	(void)clo_store_count(node->store, &statements);
	clo_time_format(node->last_time, when);
	if (node->force)
		clo_hex_encode(node->force->policy->digest, 32, digest);

	return json_pack(
		"{s:s?, s:s, s:s, s:i, s:I, s:s?, s:I, s:s, s:b, s:o, s:I, "
		"s:I, s:s, s:s?, s:i, s:I, s:o, s:o, s:o}",
		"node", node->force ? node->force->policy->node.name : NULL,
		"version", CLO_VERSION, "bootId", node->boot_id, "pid",
		(int)getpid(), "uptime",
		(json_int_t)(time(NULL) - node->started), "policy",
		node->force ? digest : NULL, "epoch", (json_int_t)epoch,
		"attach", clo_bpf_attach_name(node->bpf), "libvirt",
		node->virt && clo_virt_connected(node->virt), "endpoints",
		endpoints, "undeclared", undeclared, "connections",
		(json_int_t)connections, "verdict",
		node->verdict[0] ? node->verdict : "NONE", "lastProof",
		node->last ? when : NULL, "period", (int)node->options->period,
		"statements", (json_int_t)statements, "findings",
		findings(node), "drops", drops(node), "rules", rules(node));
}

static json_t *addresses(const struct clo_interface_doc *interface)
{
	json_t *list = json_array();

	for (size_t i = 0; i < interface->n_addresses; i++) {
		const struct clo_cidr *address = &interface->addresses[i];
		char text[INET6_ADDRSTRLEN];

		if (inet_ntop(address->family == 4 ? AF_INET : AF_INET6,
			      address->addr, text, sizeof(text)))
			(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *groups(const struct clo_workload_doc *workload,
		      const struct clo_interface_doc *interface)
{
	const struct clo_scope_doc *scope =
		&workload->tenant->scopes[workload->environment];
	json_t *list = json_array();

	for (size_t i = 0; i < interface->n_groups; i++)
		(void)json_array_append_new(
			list, json_string(scope->groups[interface->groups[i]]));
	return list;
}

static json_t *identity(const struct clo_node *node,
			const struct clo_interface_doc *interface)
{
	const struct clo_compiled *compiled = node->force->compiled;

	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_ADDR6; t++)
		for (size_t i = 0; i < compiled->tables->table[t].n; i++) {
			const struct clo_addr *a = clo_tables_value(
				compiled->tables, (enum clo_table)t, i);

			if (a->endpoint == interface->endpoint)
				return json_string(
					compiled->identities[a->identity].name);
		}
	return json_null();
}

static json_t *endpoint(struct clo_node *node,
			const struct clo_workload_doc *workload,
			const struct clo_interface_doc *interface)
{
	const struct clo_tap *tap = NULL;
	char mac[18];

	for (size_t i = 0; i < node->inventory->n_taps; i++)
		if (node->inventory->taps[i].interface == interface)
			tap = &node->inventory->taps[i];
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		       interface->mac[0], interface->mac[1], interface->mac[2],
		       interface->mac[3], interface->mac[4], interface->mac[5]);

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s?, s:i, "
		"s:b}",
		"name", interface->name, "tenant", workload->tenant->name,
		"environment", clo_environment_name(workload->environment),
		"segment", interface->segment->name, "groups",
		groups(workload, interface), "mac", mac, "addresses",
		addresses(interface), "identity", identity(node, interface),
		"interface", tap ? tap->name : NULL, "ifindex",
		tap ? (int)tap->ifindex : 0, "guarded",
		tap && clo_tend_guarded(node, tap->ifindex));
}

json_t *clo_report_endpoints(struct clo_node *node)
{
	json_t *declared = json_array();
	json_t *undeclared = json_array();

	for (size_t w = 0; node->force && w < node->force->policy->n_workloads;
	     w++) {
		const struct clo_workload_doc *workload =
			&node->force->policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++)
			(void)json_array_append_new(
				declared, endpoint(node, workload,
						   &workload->interfaces[i]));
	}
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];

		if (tap->interface)
			continue;
		(void)json_array_append_new(
			undeclared,
			json_pack("{s:s, s:i, s:s, s:b}", "interface",
				  tap->name, "ifindex", (int)tap->ifindex,
				  "bridge", tap->bridge, "guarded",
				  clo_tend_guarded(node, tap->ifindex)));
	}
	return json_pack("{s:o, s:o}", "endpoints", declared, "undeclared",
			 undeclared);
}
