/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/audit_impl.h"
#include "agent/core/setting.h"

/* What a port entry that only counts what it should drop takes back. */
static const char *const enforced[] = {
	"net.default-deny",      "net.cross-tenant-deny", "net.no-bypass-path",
	"env.prod-nonprod-deny", "spoof.source-binding",  "spoof.arp-nd-dhcp",
};

static int note_mode(struct clo_audit *audit, const struct clo_tap *tap,
		     const struct clo_port *port)
{
	if (port->mode != CLO_MODE_AUDIT)
		return 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(enforced); i++) {
		int r = clo_audit_note(audit, tap, enforced[i],
				       "audit mode: judged, not enforced");

		if (r < 0)
			return r;
	}
	return 0;
}

static int note_difference(struct clo_audit *audit, const struct clo_tap *tap,
			   enum clo_setting_difference difference)
{
	static const struct {
		const char *control, *text;
	} notes[] = {
		[CLO_SETTING_OTHER] = {"env.label-integrity",
				       "its port entry names another endpoint"},
		[CLO_SETTING_MODE] = {"net.default-deny",
				      "its port entry has another mode"},
		[CLO_SETTING_LIMITS] = {"net.flow-matrix",
					"its limits are not the policy's"},
	};

	if (difference == CLO_SETTING_SAME)
		return 0;
	audit->repair |= CLO_REPAIR_PORTS;
	return clo_audit_note(audit, tap, notes[difference].control, "%s",
			      notes[difference].text);
}

/* A port entry of the kernel that names a tap of the inventory. */
static int check_port(struct clo_node *node, struct clo_audit *audit,
		      const struct clo_tap *tap,
		      const struct clo_bpf_port *have)
{
	struct clo_tap_audit *result =
		&audit->taps[tap - node->inventory->taps];
	struct clo_setting want;
	int r;

	result->has_port = true;
	result->port = have->port;
	clo_setting_make(tap, &want);
	if (clo_tap_bound(tap) || node->inventory->domains_known) {
		r = note_difference(audit, tap,
				    clo_setting_compare(&want, have));
		if (r < 0)
			return r;
	} /* else libvirt is mute: nobody can say whose it is */
	return note_mode(audit, tap, &have->port);
}

/* Each limit is its port's own: two that share a meter share what it allows. */
static int check_meters(struct clo_audit *audit)
{
	uint64_t seen[CLO_METERS / 64] = {0};

	for (size_t i = 0; i < audit->n_taps; i++) {
		uint32_t slot = audit->taps[i].port.slot;
		uint64_t bit = 1ULL << (slot % 64);

		if (!audit->taps[i].has_port || slot == 0 || slot >= CLO_METERS)
			continue;
		if (seen[slot / 64] & bit) {
			audit->repair |= CLO_REPAIR_PORTS;
			return clo_problem_everyone(clo_problem_add(
				&audit->problems, "net.flow-matrix",
				"two port entries share meter %u", slot));
		}
		seen[slot / 64] |= bit;
	}
	return 0;
}

static int check_missing(struct clo_node *node, struct clo_audit *audit)
{
	for (size_t i = 0; i < audit->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];
		int r;

		if (!clo_tap_bound(tap) || audit->taps[i].has_port)
			continue;
		audit->repair |= CLO_REPAIR_PORTS;
		r = clo_audit_note(audit, tap, "env.label-integrity",
				   "its port entry is missing");
		if (r < 0)
			return r;
	}
	return check_meters(audit);
}

int clo_audit_ports(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	int r;

	audit->n_taps = node->inventory->n_taps;
	audit->taps = calloc(audit->n_taps + 1, sizeof(*audit->taps));
	if (!audit->taps)
		return -ENOMEM;
	r = clo_bpf_ports_read(node->bpf, &ports, &n);
	if (r < 0)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "env.label-integrity",
			"the ports cannot be read: %s", strerrordesc_np(-r)));

	for (size_t i = 0; i < n; i++) {
		const struct clo_tap *tap =
			clo_inventory_find(node->inventory, ports[i].ifindex);

		if (tap) {
			r = check_port(node, audit, tap, &ports[i]);
		} else if (node->inventory->domains_known) {
			audit->repair |= CLO_REPAIR_PORTS;
			r = clo_problem_everyone(clo_problem_add(
				&audit->problems, "env.label-integrity",
				"port entry of ifindex %u belongs to no tap",
				ports[i].ifindex));
		}
		if (r < 0)
			return r;
	}
	return check_missing(node, audit);
}

static int note_quota(struct clo_audit *audit, uint64_t key, const char *text)
{
	audit->repair |= CLO_REPAIR_QUOTAS;
	return clo_problem_everyone(clo_problem_add(
		&audit->problems, "net.flow-matrix", "account %llx %s",
		(unsigned long long)key, text));
}

int clo_audit_quotas(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO_MEM struct clo_bpf_account *accounts = NULL;
	const struct clo_force *force = node->force;
	size_t found = 0;
	size_t n = 0;
	int r;

	if (!force)
		return 0;
	r = clo_bpf_accounts_read(node->bpf, &accounts, &n);
	if (r < 0)
		return clo_problem_everyone(
			clo_problem_add(&audit->problems, "net.flow-matrix",
					"the accounts cannot be read: %s",
					strerrordesc_np(-r)));

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct clo_quota *want = clo_quotas_find(
			force->quotas, force->n_quotas, accounts[i].key);

		if (!want)
			continue; /* goes when its last flow has ended */
		found++;
		if (accounts[i].account.parent != want->parent ||
		    accounts[i].account.limit != want->limit)
			r = note_quota(audit, want->key,
				       "is not as the policy says");
	}
	if (r == 0 && found < force->n_quotas) {
		audit->repair |= CLO_REPAIR_QUOTAS;
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.flow-matrix",
			"%zu accounts are missing", force->n_quotas - found));
	}
	return r;
}
