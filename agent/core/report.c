/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/report.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "agent/core/drop_name.h"
#include "agent/core/monitor.h"
#include "agent/core/predicate.h"
#include "agent/core/retain.h"
#include "agent/core/tend.h"

/* What the kernel holds now, for questions about many endpoints. */
struct kernel {
	struct clo_bpf_port *ports;
	size_t n_ports;
	struct clo_bpf_account *accounts;
	size_t n_accounts;
};

static int by_key(const void *a, const void *b)
{
	const struct clo_bpf_account *x = a;
	const struct clo_bpf_account *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* What cannot be read is empty. */
static void kernel_read(struct clo_node *node, struct kernel *ret)
{
	*ret = (struct kernel){0};
	(void)clo_bpf_ports_read(node->bpf, &ret->ports, &ret->n_ports);
	if (clo_bpf_accounts_read(node->bpf, &ret->accounts,
				  &ret->n_accounts) == 0 &&
	    ret->n_accounts)
		qsort(ret->accounts, ret->n_accounts, sizeof(*ret->accounts),
		      by_key);
}

static void kernel_done(struct kernel *kernel)
{
	free(kernel->ports);
	free(kernel->accounts);
}

static json_t *mode_of(const struct kernel *kernel, const struct clo_tap *tap)
{
	for (size_t i = 0; tap && i < kernel->n_ports; i++)
		if (kernel->ports[i].ifindex == tap->ifindex)
			return json_string(clo_setting_mode(
				(enum clo_mode)kernel->ports[i].port.mode));
	return json_null();
}

static json_t *quota_of(const struct kernel *kernel, uint32_t endpoint)
{
	const struct clo_bpf_account key = {.key = endpoint};
	const struct clo_bpf_account *found =
		kernel->n_accounts
			? bsearch(&key, kernel->accounts, kernel->n_accounts,
				  sizeof(key), by_key)
			: NULL;

	if (!found)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "used",
			 (json_int_t)found->account.used, "limit",
			 (json_int_t)found->account.limit, "pressure",
			 (json_int_t)found->account.pressure, "refused",
			 (json_int_t)found->account.refused);
}

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
		json_t *drop = json_pack(
			"{s:o, s:s, s:s, s:I}", "interface",
			tap ? json_string(tap->name)
			    : json_sprintf("ifindex %u",
					   counted[i].key.ifindex),
			"direction",
			counted[i].key.to_guest ? "to_guest" : "from_guest",
			"reason", clo_drop_text(counted[i].key.reason), "count",
			(json_int_t)counted[i].count);

		if (counted[i].key.passed) /* audit mode */
			(void)json_object_set_new(drop, "passed", json_true());
		(void)json_array_append_new(list, drop);
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
			list, json_pack("{s:s, s:I, s:I, s:I}", "rule",
					node->force->compiled->rules[i]->full,
					"flows", (json_int_t)hits[i].flows,
					"packets", (json_int_t)hits[i].packets,
					"bytes", (json_int_t)hits[i].bytes));
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

		*ret_undeclared += !clo_tap_bound(tap);
		observed += clo_tend_guarded(node, tap->ifindex);
	}
	return json_pack("{s:I, s:I}", "expected",
			 (json_int_t)node->inventory->n_taps, "guarded",
			 observed);
}

/* How many port entries are in each mode. */
static json_t *modes(const struct kernel *kernel)
{
	json_int_t n[CLO_MODE_QUARANTINE + 1] = {0};

	for (size_t i = 0; i < kernel->n_ports; i++)
		if (kernel->ports[i].port.mode <= CLO_MODE_QUARANTINE)
			n[kernel->ports[i].port.mode]++;
	return json_pack("{s:I, s:I, s:I}", "enforce", n[CLO_MODE_ENFORCE],
			 "audit", n[CLO_MODE_AUDIT], "quarantine",
			 n[CLO_MODE_QUARANTINE]);
}

/* Of all flows; what the accounts of endpoints have seen of their limits. */
static json_t *flows(const struct clo_node *node, const struct kernel *kernel)
{
	json_int_t pressure = 0;
	json_int_t refused = 0;

	for (size_t i = 0; i < kernel->n_accounts; i++) {
		if (kernel->accounts[i].key > CLO_ENDPOINT_MAX)
			break; /* by key: scopes and tenants follow */
		pressure += kernel->accounts[i].account.pressure;
		refused += kernel->accounts[i].account.refused;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "live",
			 (json_int_t)node->flows_live, "timedOut",
			 (json_int_t)node->flows_ended, "pressure", pressure,
			 "refused", refused);
}

/* What the decision code was found to say, or how far that is. */
static json_t *decisions(const struct clo_node *node, uint64_t epoch)
{
	const struct clo_decisions *decisions = &node->decisions;
	const struct clo_enumeration *found = &decisions->last;
	enum clo_proven proven = CLO_PROOF_ERROR;
	const char *text = NULL;
	bool known = clo_decisions_known(node, epoch);
	char when[21];

	if (known)
		proven = found->wrong ? CLO_VIOLATED : CLO_PROVEN;
	else if (decisions->error && decisions->asked == epoch)
		text = strerrordesc_np(-decisions->error);
	else {
		proven = CLO_NOT_COVERED;
		text = "the enumeration of these tables is under way";
	}
	if (!known)
		found = decisions->now ? clo_enumerating_found(decisions->now)
				       : &(struct clo_enumeration){0};
	clo_time_format(found->at, when);
	return json_pack("{s:s, s:s?, s:I, s:I, s:I, s:f, s:s?}", "verdict",
			 clo_proven_text(proven), "text", text, "pairs",
			 (json_int_t)found->pairs, "verdicts",
			 (json_int_t)found->verdicts, "wrong",
			 (json_int_t)found->wrong, "ms", found->ms, "time",
			 known ? when : NULL);
}

json_t *clo_report_status(struct clo_node *node)
{
	uint64_t connections = 0;
	uint64_t statements = 0;
	uint64_t epoch = 0;
	json_int_t undeclared;
	json_t *endpoints = coverage(node, &undeclared);
	struct kernel kernel;
	char digest[65];
	char when[21];
	json_t *status;

	(void)clo_bpf_epoch(node->bpf, &epoch);
	(void)clo_bpf_connections_count(node->bpf, &connections);
	(void)clo_store_count(node->store, &statements);
	clo_time_format(node->last_time, when);
	if (node->force)
		clo_hex_encode(node->force->policy->digest, 32, digest);

	kernel_read(node, &kernel);
	status = json_pack(
		"{s:s?, s:s, s:s, s:i, s:I, s:s?, s:I, s:s, s:b, s:o, s:I, "
		"s:I, s:s, s:s?, s:i, s:I, s:o*, s:o, s:o, s:o*, s:o, s:o, s:o}",
		"node", node->force ? node->force->policy->node.name : NULL,
		"version", CLO_VERSION, "bootId", node->boot_id, "pid",
		(int)getpid(), "uptime",
		(json_int_t)(time(NULL) - node->started), "policy",
		node->force ? digest : NULL, "epoch", (json_int_t)epoch,
		"attach", clo_bpf_attach_name(node->bpf), "libvirt",
		node->virt && clo_virt_known(node->virt), "endpoints",
		endpoints, "undeclared", undeclared, "connections",
		(json_int_t)connections, "verdict",
		node->verdict[0] ? node->verdict : "NONE", "lastProof",
		node->last ? when : NULL, "period", (int)node->options->period,
		"statements", (json_int_t)statements, "log",
		clo_retain_status(node), "modes", modes(&kernel), "flows",
		flows(node, &kernel), "monitor",
		node->monitor ? clo_monitor_status(node->monitor) : NULL,
		"findings", findings(node), "drops", drops(node), "rules",
		rules(node));
	kernel_done(&kernel);
	if (node->force)
		(void)json_object_set_new(status, "decisions",
					  decisions(node, epoch));
	(void)json_object_set_new(status, "revoked",
				  clo_predicate_flows(&node->revoke));
	(void)json_object_set_new(status, "matrix",
				  node->force ? json_string(node->force->matrix)
					      : json_null());
	return status;
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

static json_t *endpoint(struct clo_node *node, const struct kernel *kernel,
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
		"s:b, s:o, s:o}",
		"name", interface->name, "tenant", workload->tenant->name,
		"environment", clo_environment_name(workload->environment),
		"segment", interface->segment->name, "groups",
		groups(workload, interface), "mac", mac, "addresses",
		addresses(interface), "identity", identity(node, interface),
		"interface", tap ? tap->name : NULL, "ifindex",
		tap ? (int)tap->ifindex : 0, "guarded",
		tap && clo_tend_guarded(node, tap->ifindex), "mode",
		mode_of(kernel, tap), "connections",
		quota_of(kernel, interface->endpoint));
}

/* Taps that are no endpoint's: uplinks, or those that nobody declared. */
static json_t *others(struct clo_node *node, bool uplinks)
{
	json_t *list = json_array();

	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];
		json_t *entry;

		if (tap->interface || (tap->uplink != NULL) != uplinks)
			continue;
		entry = json_pack("{s:s, s:i, s:b}", "interface", tap->name,
				  "ifindex", (int)tap->ifindex, "guarded",
				  clo_tend_guarded(node, tap->ifindex));
		(void)json_object_set_new(
			entry, uplinks ? "segment" : "bridge",
			json_string(uplinks ? tap->uplink->segment->name
					    : tap->bridge));
		(void)json_array_append_new(list, entry);
	}
	return list;
}

json_t *clo_report_endpoints(struct clo_node *node)
{
	json_t *declared = json_array();
	struct kernel kernel;

	kernel_read(node, &kernel);
	for (size_t w = 0; node->force && w < node->force->policy->n_workloads;
	     w++) {
		const struct clo_workload_doc *workload =
			&node->force->policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++)
			(void)json_array_append_new(
				declared, endpoint(node, &kernel, workload,
						   &workload->interfaces[i]));
	}
	kernel_done(&kernel);
	return json_pack("{s:o, s:o, s:o}", "endpoints", declared, "uplinks",
			 others(node, true), "undeclared", others(node, false));
}
