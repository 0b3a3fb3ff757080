/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/audit_impl.h"

int clo_audit_note(struct clo_audit *audit, const struct clo_tap *tap,
		   const char *control, const char *fmt, ...)
{
	struct clo_problem *found;
	char scope[CLO_SCOPE_MAX];
	char text[256];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	found = clo_problem_add(&audit->problems, control, "%s (%s): %s",
				tap->name,
				tap->interface ? tap->interface->name
				: tap->uplink  ? "uplink"
					       : "undeclared",
				text);
	if (!found)
		return -ENOMEM;
	return clo_scope_of_tap(tap, scope)
		       ? clo_problem_scoped(found, scope, NULL, text)
		       : 0;
}

static int check_hook(struct clo_audit *audit, const struct clo_tap *tap,
		      const struct clo_bpf_hook *hook, const char *name)
{
	int r;

	if (!hook->ours) {
		audit->repair |= CLO_REPAIR_GUARDS;
		r = clo_audit_note(audit, tap, "net.default-deny",
				   "guard %s is not attached", name);
		if (r < 0)
			return r;
	}
	if (hook->others)
		return clo_audit_note(audit, tap, "net.no-bypass-path",
				      "%u foreign programs on the hook of %s",
				      hook->others, name);
	return 0;
}

static int check_probes(struct clo_audit *audit, const struct clo_tap *tap,
			const struct clo_tap_audit *result)
{
	for (size_t i = 0; i < clo_probes_count; i++) {
		const struct clo_probe *probe = &clo_probes[i];
		bool audited = result->port.mode == CLO_MODE_AUDIT;
		int r = 0;

		if (result->probes[i] == CLO_PROBE_WRONG)
			r = clo_audit_note(audit, tap, probe->control,
					   "probe \"%s\" was %s", probe->name,
					   probe->drop && !audited
						   ? "let through"
						   : "dropped");
		else if (result->probes[i] == CLO_PROBE_ERROR)
			r = clo_audit_note(audit, tap, probe->control,
					   "probe \"%s\" could not run",
					   probe->name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An endpoint of this node in the uplink's segment. */
static const struct clo_tap *local_of(const struct clo_inventory *inventory,
				      const struct clo_tap *uplink)
{
	for (size_t i = 0; i < inventory->n_taps; i++) {
		const struct clo_interface_doc *interface =
			inventory->taps[i].interface;

		if (uplink->uplink && interface &&
		    interface->segment == uplink->uplink->segment)
			return &inventory->taps[i];
	}
	return NULL;
}

static int check_tap(struct clo_node *node, struct clo_audit *audit,
		     const struct clo_tap *tap, struct clo_tap_audit *result)
{
	const struct clo_bpf_guard *guard = &result->guard;
	struct clo_probe_run run;
	int r;

	r = clo_bpf_guard_query(node->bpf, tap->ifindex, &result->guard);
	if (r < 0) {
		audit->repair |= CLO_REPAIR_GUARDS;
		return clo_audit_note(audit, tap, "net.default-deny",
				      "its hooks cannot be read: %s",
				      strerrordesc_np(-r));
	}

	r = check_hook(audit, tap, &guard->from_guest, "from_guest");
	if (r < 0)
		return r;
	r = check_hook(audit, tap, &guard->to_guest, "to_guest");
	if (r < 0)
		return r;

	result->guarded = guard->from_guest.ours && guard->to_guest.ours;
	if (!result->guarded)
		return 0;
	audit->n_guarded++;
	run = (struct clo_probe_run){
		.from_guest = guard->from_guest.prog_id,
		.to_guest = guard->to_guest.prog_id,
		.mode = (enum clo_mode)result->port.mode,
		.limited = result->port.flags & CLO_PORT_LIMIT_FROM,
		.lawful = node->force != NULL,
	};
	clo_probe_tap(node->bpf, tap, local_of(node->inventory, tap), &run,
		      result->probes);
	return check_probes(audit, tap, result);
}

int clo_audit_taps(struct clo_node *node, struct clo_audit *audit)
{
	for (size_t i = 0; i < audit->n_taps; i++) {
		int r = check_tap(node, audit, &node->inventory->taps[i],
				  &audit->taps[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

struct bridges {
	struct clo_link *links;
	size_t n_links;
	struct clo_fdb *fixed;
	size_t n_fixed;
};

static int check_flooding(struct clo_audit *audit, const struct clo_tap *tap,
			  const struct bridges *bridges)
{
	for (size_t i = 0; i < bridges->n_links; i++) {
		const struct clo_link *link = &bridges->links[i];

		if (link->ifindex != tap->ifindex ||
		    (!link->unicast_flood && link->group_flood))
			continue;
		audit->repair |= CLO_REPAIR_BRIDGES;
		return clo_audit_note(audit, tap, "net.default-deny",
				      link->unicast_flood
					      ? "its bridge floods it with "
						"frames for unknown MACs"
					      : "its bridge keeps broadcast or "
						"multicast from it");
	}
	return 0;
}

/* Its own MAC is fixed to it, and no other. */
static int check_fixed(struct clo_audit *audit, const struct clo_tap *tap,
		       const struct bridges *bridges)
{
	bool own = tap->interface == NULL;
	bool others = false;

	for (size_t i = 0; i < bridges->n_fixed; i++) {
		const struct clo_fdb *fixed = &bridges->fixed[i];

		if (fixed->ifindex != tap->ifindex)
			continue;
		if (tap->interface &&
		    memcmp(fixed->mac, tap->interface->mac, 6) == 0)
			own = true;
		else
			others = true;
	}
	if (own && !others)
		return 0;
	audit->repair |= CLO_REPAIR_BRIDGES;
	return clo_audit_note(audit, tap, "net.no-bypass-path",
			      own ? "its bridge sends it another's MAC"
				  : "its MAC is not fixed to it in its bridge");
}

static int read_bridges(struct clo_node *node, struct bridges *bridges)
{
	int r;

	r = clo_rtnl_list(node->rtnl, &bridges->links, &bridges->n_links);
	return r < 0 ? r
		     : clo_rtnl_fdb_list(&bridges->fixed, &bridges->n_fixed);
}

static int check_bridges(struct clo_node *node, struct clo_audit *audit,
			 const struct bridges *bridges)
{
	for (size_t i = 0; i < audit->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];
		int r;

		if (!tap->master)
			continue;
		r = check_flooding(audit, tap, bridges);
		if (r == 0)
			r = check_fixed(audit, tap, bridges);
		if (r < 0)
			return r;
	}
	return 0;
}

int clo_audit_bridges(struct clo_node *node, struct clo_audit *audit)
{
	struct bridges bridges = {0};
	int r;

	r = read_bridges(node, &bridges);
	if (r < 0)
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.no-bypass-path",
			"the bridges cannot be read: %s", strerrordesc_np(-r)));
	else
		r = check_bridges(node, audit, &bridges);
	free(bridges.links);
	free(bridges.fixed);
	return r;
}
