/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/tend.h"

#include <errno.h>
#include <malloc.h>
#include <net/if.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/core/audit.h"
#include "agent/core/bridge.h"
#include "agent/core/fencing.h"
#include "agent/core/keep.h"
#include "agent/core/quotas.h"
#include "agent/core/record.h"
#include "agent/core/sandbox.h"
#include "agent/core/tagging.h"

static struct clo_known *known_of(struct clo_node *node, uint32_t ifindex)
{
	for (size_t i = 0; i < node->n_known; i++)
		if (node->known[i].ifindex == ifindex)
			return &node->known[i];
	return NULL;
}

static int remember(struct clo_node *node, const struct clo_tap *tap,
		    const struct clo_setting *setting)
{
	struct clo_known *known = known_of(node, tap->ifindex);
	struct clo_known *grown;

	if (!known) {
		grown = reallocarray(node->known, node->n_known + 1,
				     sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		node->known = grown;
		known = &grown[node->n_known++];
	}
	*known = (struct clo_known){tap->ifindex, tap->master, *setting};
	return 0;
}

/* Give up the MAC that was fixed to a tap, if one was. */
static void unfix(const struct clo_known *known)
{
	if (known->master && known->setting.port.kind == CLO_PORT_TAP)
		clo_bridge_unfix(known->ifindex, known->setting.port.mac);
}

/* Before the port, which then finds frames on their way to it. */
static int settle_bridge(struct clo_node *node, const struct clo_tap *tap,
			 const struct clo_setting *setting)
{
	const struct clo_known *known = known_of(node, tap->ifindex);

	if (known && (known->master != tap->master ||
		      memcmp(known->setting.port.mac, setting->port.mac,
			     sizeof(setting->port.mac)) != 0))
		unfix(known);
	if (known && known->master && !tap->master)
		clo_bridge_release(tap->ifindex);
	return clo_bridge_settle(tap);
}

/*
 * Guard first, port second: a tap passes nothing until both are there. While
 * libvirt is mute, a tap without a binding keeps the port that it has.
 */
static int settle(struct clo_node *node, const struct clo_tap *tap)
{
	const char *label = clo_tap_label(tap);
	struct clo_setting setting;
	int bridge;
	int r;

	clo_setting_make(tap, &setting);
	r = clo_bpf_guard_attach(node->bpf, tap->ifindex);
	if (r < 0)
		return r;
	bridge = settle_bridge(node, tap, &setting);
	if (label) {
		r = clo_bpf_port_set(node->bpf, tap->ifindex, &setting.port,
				     setting.limits);
	} else if (node->inventory->domains_known) {
		r = clo_bpf_port_del(node->bpf, tap->ifindex);
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return r;

	if (!label)
		label = node->inventory->domains_known ? "none, drops all"
						       : "as before";
	clo_log(CLO_LOG_INFO, "guarded iface=%s endpoint=%s mode=%s", tap->name,
		label, clo_setting_mode((enum clo_mode)setting.port.mode));
	r = remember(node, tap, &setting);
	return r < 0 ? r : bridge;
}

static bool exists(uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) != NULL;
}

/* Without a port the guard drops all. */
static void unbind(struct clo_node *node, uint32_t ifindex)
{
	int r = clo_bpf_port_del(node->bpf, ifindex);

	if (r < 0 && r != -ENOENT)
		(void)clo_log_errno(CLO_LOG_WARN, r, "port not removed");
}

/* The interface is gone, or the policy has released it. */
static void forget(struct clo_node *node, uint32_t ifindex)
{
	int r;

	unbind(node, ifindex);
	clo_bridge_release(ifindex);
	r = clo_bpf_guard_detach(node->bpf, ifindex);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		(void)clo_log_errno(CLO_LOG_WARN, r, "guard not removed");
}

bool clo_tend_guarded(struct clo_node *node, uint32_t ifindex)
{
	struct clo_bpf_guard guard;

	return clo_bpf_guard_query(node->bpf, ifindex, &guard) == 0 &&
	       guard.from_guest.ours && guard.to_guest.ours;
}

/* Ports that an earlier run, or another hand, left for no tap of ours. */
static int sweep_ports(struct clo_node *node)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	int r;

	/* with no policy or no libvirt nobody can say that a tap is not ours */
	if (!node->force || !node->inventory->domains_known)
		return 0;
	r = clo_bpf_ports_read(node->bpf, &ports, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		uint32_t ifindex = ports[i].ifindex;

		if (clo_inventory_find(node->inventory, ifindex))
			continue;
		if (exists(ifindex))
			unbind(node, ifindex);
		else
			forget(node, ifindex);
	}
	return r;
}

/*
 * Known taps that the inventory no longer has. One that still exists keeps its
 * guard and drops all: a domain may be missing from libvirt's list only for a
 * moment. Only a policy releases it.
 */
static bool let_go(struct clo_node *node, bool released)
{
	bool changed = false;

	for (size_t i = node->n_known; i-- > 0;) {
		struct clo_known *known = &node->known[i];

		if (clo_inventory_find(node->inventory, known->ifindex))
			continue;
		unfix(known);
		if (!released && exists(known->ifindex)) {
			changed |= known->setting.port.kind != CLO_PORT_NONE;
			known->setting = (struct clo_setting){0};
			unbind(node, known->ifindex);
			continue;
		}
		forget(node, known->ifindex);
		*known = node->known[--node->n_known];
		changed = true;
	}
	return changed;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct clo_bpf_port *x = a;
	const struct clo_bpf_port *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

/* What the kernel holds of a known tap is what was put there. */
static bool in_place(struct clo_node *node, const struct clo_known *known,
		     const struct clo_bpf_port *ports, size_t n)
{
	const struct clo_bpf_port key = {.ifindex = known->ifindex};
	const struct clo_bpf_port *port =
		n ? bsearch(&key, ports, n, sizeof(key), by_ifindex) : NULL;

	if (!clo_tend_guarded(node, known->ifindex))
		return false;
	if (known->setting.port.kind == CLO_PORT_NONE)
		return true; /* a port that it should not have: the audit's */
	return port &&
	       clo_setting_compare(&known->setting, port) == CLO_SETTING_SAME;
}

/*
 * Settle every tap that is new, or that the policy wants otherwise than it was
 * settled. `look`: also notice what was undone meanwhile; it is attested
 * before it is repaired.
 */
static int settle_taps(struct clo_node *node, bool look, bool *changed)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	int worst = 0;

	if (look && clo_bpf_ports_read(node->bpf, &ports, &n) == 0 && n)
		qsort(ports, n, sizeof(*ports), by_ifindex);
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];
		const struct clo_known *known = known_of(node, tap->ifindex);
		struct clo_setting want;
		int r;

		clo_setting_make(tap, &want);
		if (known && known->master == tap->master &&
		    clo_setting_equal(&known->setting, &want)) {
			*changed |= look && !in_place(node, known, ports, n);
			continue;
		}
		*changed = true;
		r = settle(node, tap);
		if (r < 0 && r != -ENODEV) /* else it went away meanwhile */
			worst = clo_log_errno(CLO_LOG_ERR, r,
					      "no guard iface=%s", tap->name);
	}
	return worst;
}

/* What an earlier run, or another hand, left. */
static int sweep(struct clo_node *node)
{
	int r = sweep_ports(node);

	return r < 0 || !node->inventory->domains_known
		       ? r
		       : clo_bridge_sweep(node->inventory);
}

static int reconcile(struct clo_node *node, bool released, bool look,
		     bool *ret_changed)
{
	bool changed;
	int worst = 0;
	int r;

	r = clo_node_look(node);
	if (r < 0)
		return r;
	if (node->n_known == 0)
		worst = sweep(node);
	if (node->force && !node->quotas_settled) {
		r = clo_quotas_settle(node);
		if (r < 0)
			worst = clo_log_errno(CLO_LOG_ERR, r, "accounts");
	}

	changed = let_go(node, released);
	r = settle_taps(node, look, &changed);
	if (r < 0)
		worst = r;
	/* behind the guards: what it lets through has one */
	r = clo_fencing_settle(node);
	if (r < 0)
		worst = clo_log_errno(CLO_LOG_ERR, r, "fence");
	clo_tagging_settle(node);
	*ret_changed = changed;
	return worst;
}

int clo_tend_reconcile(struct clo_node *node, bool *ret_changed)
{
	return reconcile(node, false, true, ret_changed);
}

static int restore_pins(struct clo_node *node)
{
	return clo_bpf_pins_restore(node->bpf);
}

static int restore_programs(struct clo_node *node)
{
	return clo_bpf_programs_restore(node->bpf);
}

static int restore_tables(struct clo_node *node)
{
	uint64_t epoch;

	return node->force ? clo_bpf_tables_write(node->bpf,
						  node->force->compiled->tables,
						  &epoch)
			   : 0;
}

static int restore_quotas(struct clo_node *node)
{
	return node->force ? clo_quotas_settle(node) : 0;
}

static int restore_fence(struct clo_node *node)
{
	clo_fencing_renew(node);
	return clo_fencing_settle(node);
}

static int restore_guards(struct clo_node *node)
{
	int worst = 0;

	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];
		int r = settle(node, tap);

		if (r < 0)
			worst = clo_log_errno(CLO_LOG_ERR, r,
					      "no guard iface=%s", tap->name);
	}
	return worst;
}

static int repair(struct clo_node *node, unsigned int what)
{
	enum {
		taps = CLO_REPAIR_PORTS | CLO_REPAIR_BRIDGES
	};

	static const struct {
		unsigned int what;
		const char *name;
		int (*restore)(struct clo_node *node);
	} repairs[] = {
		{CLO_REPAIR_PINS, "pins", restore_pins},
		{CLO_REPAIR_PROGRAMS, "programs", restore_programs},
		{CLO_REPAIR_TABLES, "tables", restore_tables},
		{CLO_REPAIR_QUOTAS, "accounts", restore_quotas},
		{CLO_REPAIR_TAGS, "tags", clo_tagging_restore},
		{CLO_REPAIR_FENCE, "fence", restore_fence},
		{taps, "ports and bridges", sweep},
		{taps | CLO_REPAIR_GUARDS, "guards", restore_guards},
		{taps | CLO_REPAIR_LIVE, "clock and places",
		 clo_audit_live_restore},
	};

	int worst = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(repairs); i++) {
		int r = what & repairs[i].what ? repairs[i].restore(node) : 0;

		if (r < 0)
			worst = clo_log_errno(CLO_LOG_ERR, r,
					      "not restored: %s",
					      repairs[i].name);
	}
	return worst;
}

/* One audit into the log; *ret_repair: what it found to be put right. */
static int audit_once(struct clo_node *node, const char *trigger,
		      const struct clo_challenge *challenge,
		      unsigned int *ret_repair)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	int r;

	r = clo_audit_run(node, &audit);
	if (r < 0)
		return r;
	for (size_t i = 0; i < audit->problems.n; i++)
		clo_log(CLO_LOG_WARN, "finding control=%s %s",
			audit->problems.list[i].control,
			audit->problems.list[i].text);

	node->ms_readback = audit->ms_read;
	*ret_repair = audit->repair;
	r = clo_record_audit(node, audit, trigger, challenge);
	/* it is told before anything is done about it */
	for (size_t i = 0; i < audit->n_sandboxes; i++) {
		const struct clo_sandboxed *one = &audit->sandboxes[i];
		int bad = clo_sandbox_respond(node, one->sandbox, one->domain);

		r = r < 0 ? r : bad;
	}
	return r;
}

int clo_tend_prove(struct clo_node *node, const char *trigger,
		   const struct clo_challenge *challenge)
{
	unsigned int wrong = 0;
	bool changed;
	int worst;
	int r;

	/* the audit looks at every hook and port itself */
	worst = reconcile(node, false, false, &changed);
	if (worst < 0 && !node->inventory)
		return worst;
	r = audit_once(node, trigger, challenge, &wrong);
	if (wrong) {
		(void)repair(node, wrong);
		r = audit_once(node, "repair", challenge, &wrong);
	}
	/* tables and statements come and go; give back what they leave */
	(void)malloc_trim(0);
	if (r < 0) {
		strcpy(node->verdict, "INCONCLUSIVE");
		return clo_log_errno(CLO_LOG_ERR, r, "not attested");
	}
	return worst;
}

int clo_tend_apply(struct clo_node *node, struct clo_force *force)
{
	CLO_AUTO(clo_force) struct clo_force *taken = force;
	const char *state_dir = node->options->state_dir;
	uint64_t epoch;
	bool changed;
	int r;

	r = clo_force_save(force, state_dir);
	if (r < 0)
		return r;
	r = clo_bpf_tables_write(node->bpf, force->compiled->tables, &epoch);
	if (r < 0) {
		clo_force_put_back(node->force, state_dir);
		return r;
	}
	clo_keep_sweep(state_dir);

	/* the inventory points into the old policy */
	clo_inventory_free(node->inventory);
	node->inventory = NULL;
	clo_decisions_forget(node);
	clo_force_free(node->force);
	node->force = CLO_TAKE(taken);
	node->quotas_settled = false;
	node->n_confined = 0;
	clo_fencing_renew(node);
	clo_log(CLO_LOG_INFO, "policy in force epoch=%llu",
		(unsigned long long)epoch);
	(void)clo_sandbox_settle(node); /* the hook makes what is missing */
	r = reconcile(node, true, false, &changed);
	if (r < 0) /* the policy is in force all the same */
		(void)clo_log_errno(CLO_LOG_ERR, r, "reconciling");
	return 0;
}

int clo_tend_exceptions(struct clo_node *node)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	int r;

	if (!node->force || !clo_force_outdated(node->force, time(NULL)))
		return 0;
	r = clo_flaws_new(&flaws);
	if (r < 0)
		return r;
	r = clo_force_make(node->force, node->force->documents,
			   node->force->accepted, time(NULL), &force, flaws);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r,
				     "policy without the ended exception");
	clo_log(CLO_LOG_WARN, "an exception began or ended: policy renewed");
	return clo_tend_apply(node, CLO_TAKE(force));
}

int clo_tend_sweep(struct clo_node *node)
{
	struct clo_bpf_swept swept;
	int r;

	r = clo_bpf_sweep(node->bpf, &swept);
	if (r < 0)
		return r;
	node->flows_live = swept.live;
	node->flows_ended += swept.ended;
	return clo_quotas_drop(node);
}
