/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/inventory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What one run of clo_inventory_make() reads and fills. */
struct maker {
	const struct clo_policy *policy;
	const struct clo_link *links;
	size_t n_links;
	struct clo_inventory *inventory;
};

__attribute__((format(printf, 4, 5))) static int
conflict(struct maker *maker, const char *control,
	 const struct clo_workload_doc *workload, const char *fmt, ...)
{
	struct clo_inventory *inventory = maker->inventory;
	struct clo_conflict *grown;
	va_list args;

	grown = reallocarray(inventory->conflicts, inventory->n_conflicts + 1,
			     sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	inventory->conflicts = grown;
	grown += inventory->n_conflicts++;

	*grown =
		(struct clo_conflict){.control = control, .workload = workload};
	va_start(args, fmt);
	(void)vsnprintf(grown->text, sizeof(grown->text), fmt, args);
	va_end(args);
	return 0;
}

static const struct clo_link *link_by_name(const struct maker *maker,
					   const char *name)
{
	for (size_t i = 0; i < maker->n_links; i++)
		if (strcmp(maker->links[i].name, name) == 0)
			return &maker->links[i];
	return NULL;
}

static const struct clo_link *link_by_index(const struct maker *maker,
					    uint32_t ifindex)
{
	for (size_t i = 0; i < maker->n_links; i++)
		if (maker->links[i].ifindex == ifindex)
			return &maker->links[i];
	return NULL;
}

static bool listed(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_uplink(const struct clo_node_doc *node, const char *name)
{
	for (size_t i = 0; i < node->n_uplinks; i++)
		if (strcmp(node->uplinks[i].interface, name) == 0)
			return true;
	return false;
}

/* The governed bridge that this link is a port of; NULL if none. */
static const struct clo_link *governed_by(const struct maker *maker,
					  const struct clo_link *link)
{
	const struct clo_node_doc *node;
	const struct clo_link *bridge;

	if (!maker->policy || link->master == 0)
		return NULL;
	node = &maker->policy->node;
	bridge = link_by_index(maker, link->master);
	if (!bridge || !clo_node_governs(node, bridge->name) ||
	    is_uplink(node, link->name))
		return NULL;
	return bridge;
}

/* A port of a bridge that the policy does not govern. */
static bool is_other(const struct maker *maker, const struct clo_link *link)
{
	const struct clo_link *bridge =
		link->master ? link_by_index(maker, link->master) : NULL;

	return bridge && bridge->bridge && maker->policy &&
	       !clo_node_governs(&maker->policy->node, bridge->name);
}

static int add_others(struct maker *maker)
{
	struct clo_inventory *inventory = maker->inventory;

	inventory->others =
		calloc(maker->n_links + 1, sizeof(*inventory->others));
	if (!inventory->others)
		return -ENOMEM;
	for (size_t i = 0; i < maker->n_links; i++)
		if (is_other(maker, &maker->links[i]))
			inventory->others[inventory->n_others++] =
				maker->links[i].ifindex;
	return 0;
}

/* The tap entry of a link, made if there is none yet; NULL: no memory. */
static struct clo_tap *tap_of(struct maker *maker, const struct clo_link *link)
{
	struct clo_inventory *inventory = maker->inventory;
	const struct clo_link *bridge;
	struct clo_tap *grown;

	for (size_t i = 0; i < inventory->n_taps; i++)
		if (inventory->taps[i].ifindex == link->ifindex)
			return &inventory->taps[i];

	grown = reallocarray(inventory->taps, inventory->n_taps + 1,
			     sizeof(*grown));
	if (!grown)
		return NULL;
	inventory->taps = grown;
	grown += inventory->n_taps++;

	*grown = (struct clo_tap){.ifindex = link->ifindex};
	(void)snprintf(grown->name, sizeof(grown->name), "%s", link->name);
	bridge = governed_by(maker, link);
	if (bridge) {
		grown->on_bridge = true;
		grown->master = bridge->ifindex;
		(void)snprintf(grown->bridge, sizeof(grown->bridge), "%s",
			       bridge->name);
	}
	return grown;
}

static const struct clo_interface_doc *
interface_by_mac(const struct clo_workload_doc *workload, const uint8_t mac[6])
{
	for (size_t i = 0; i < workload->n_interfaces; i++)
		if (memcmp(workload->interfaces[i].mac, mac, 6) == 0)
			return &workload->interfaces[i];
	return NULL;
}

/* Bind a tap to an endpoint; a second, different claim unbinds it. */
static int claim(struct maker *maker, struct clo_tap *tap,
		 const struct clo_workload_doc *workload,
		 const struct clo_interface_doc *interface, const char *domain)
{
	if (tap->interface && tap->interface != interface) {
		int r = conflict(maker, "env.label-integrity", workload,
				 "%s is claimed by %s and by %s", tap->name,
				 tap->interface->name, interface->name);

		tap->workload = NULL;
		tap->interface = NULL;
		return r;
	}

	tap->workload = workload;
	tap->interface = interface;
	(void)snprintf(tap->domain, sizeof(tap->domain), "%s", domain);
	return 0;
}

/* NICs that reach the wire without a tap that a guard could sit on. */
static bool bypasses(const struct clo_virt_nic *nic)
{
	static const char *const with_tap[] = {"bridge", "network", "ethernet"};

	return !listed(with_tap, CLO_ARRAY_LEN(with_tap), nic->type);
}

static int add_nic(struct maker *maker, const struct clo_virt_domain *domain,
		   const struct clo_workload_doc *workload,
		   const struct clo_virt_nic *nic)
{
	const struct clo_interface_doc *interface = NULL;
	const struct clo_link *link = NULL;
	struct clo_tap *tap;

	if (workload && bypasses(nic))
		return conflict(maker, "net.no-bypass-path", workload,
				"interface of type %s has no tap to guard",
				nic->type);
	if (nic->device[0])
		link = link_by_name(maker, nic->device);
	if (!link)
		return 0; /* not made yet, or gone: netlink will tell */
	if (!workload && !governed_by(maker, link))
		return 0; /* neither declared nor governed: not ours */

	tap = tap_of(maker, link);
	if (!tap)
		return -ENOMEM;
	tap->in_domain = true;
	if (!workload)
		return 0;

	interface = interface_by_mac(workload, nic->mac);
	if (!interface)
		return conflict(maker, "env.label-integrity", workload,
				"%s carries a MAC that workload %s does not "
				"declare",
				tap->name, workload->name);
	return claim(maker, tap, workload, interface, domain->uuid);
}

/* Everything a workload document can be recognised by in a domain. */
static bool recognises(const struct clo_workload_doc *workload,
		       const struct clo_virt_domain *domain)
{
	if (workload->uuid && strcmp(workload->uuid, domain->uuid) == 0)
		return true;
	if (workload->domain && strcmp(workload->domain, domain->name) == 0)
		return true;
	return domain->workload &&
	       strcmp(workload->name, domain->workload) == 0;
}

const struct clo_workload_doc *
clo_inventory_workload(const struct clo_policy *policy,
		       const struct clo_virt_domain *domain,
		       bool *ret_ambiguous)
{
	const struct clo_workload_doc *found = NULL;

	*ret_ambiguous = false;
	if (!policy)
		return NULL;
	for (size_t i = 0; i < policy->n_workloads; i++) {
		const struct clo_workload_doc *workload = &policy->workloads[i];

		if (!recognises(workload, domain))
			continue;
		if (found) {
			*ret_ambiguous = true;
			return NULL;
		}
		found = workload;
	}
	return found;
}

static int add_domain(struct maker *maker, const struct clo_virt_domain *domain)
{
	const struct clo_workload_doc *workload;
	bool ambiguous;
	int r;

	workload = clo_inventory_workload(maker->policy, domain, &ambiguous);
	if (ambiguous) {
		r = conflict(maker, "env.label-integrity", NULL,
			     "domain %.60s is claimed by two workloads",
			     domain->name);
		if (r < 0)
			return r;
	}

	for (size_t i = 0; i < domain->n_nics; i++) {
		r = add_nic(maker, domain, workload, &domain->nics[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Endpoints whose host interface the policy names. */
static int add_devices(struct maker *maker)
{
	for (size_t i = 0; i < maker->policy->n_workloads; i++) {
		const struct clo_workload_doc *w = &maker->policy->workloads[i];

		for (size_t k = 0; k < w->n_interfaces; k++) {
			const struct clo_interface_doc *interface =
				&w->interfaces[k];
			const struct clo_link *link = NULL;
			struct clo_tap *tap;
			int r;

			if (interface->device)
				link = link_by_name(maker, interface->device);
			if (!link)
				continue;
			tap = tap_of(maker, link);
			if (!tap)
				return -ENOMEM;
			r = claim(maker, tap, w, interface, tap->domain);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/*
 * Uplinks of a segment carry a guard; those without one stay as they are,
 * their traffic is judged at the taps.
 */
static int add_uplinks(struct maker *maker)
{
	const struct clo_node_doc *node = &maker->policy->node;

	for (size_t i = 0; i < node->n_uplinks; i++) {
		const struct clo_uplink_doc *uplink = &node->uplinks[i];
		const struct clo_link *link =
			link_by_name(maker, uplink->interface);
		struct clo_tap *tap;
		int r = 0;

		if (!uplink->segment)
			continue;
		tap = link ? tap_of(maker, link) : NULL;
		if (link && !tap)
			return -ENOMEM;
		if (tap && !tap->interface) {
			tap->uplink = uplink;
			continue;
		}
		r = tap ? conflict(maker, "env.label-integrity", tap->workload,
				   "%s is claimed by %s and is an uplink",
				   tap->name, tap->interface->name)
			: conflict(maker, "net.no-bypass-path", NULL,
				   "uplink %s of segment %s is missing",
				   uplink->interface, uplink->segment->name);
		if (r < 0)
			return r;
		maker->inventory->conflicts[maker->inventory->n_conflicts - 1]
			.uplink = uplink;
		if (tap) {
			tap->workload = NULL;
			tap->interface = NULL;
		}
	}
	return 0;
}

/* Two taps that say they are one endpoint: neither is believed. */
static int unbind_twins(struct maker *maker)
{
	struct clo_inventory *inventory = maker->inventory;

	for (size_t i = 0; i < inventory->n_taps; i++) {
		struct clo_tap *tap = &inventory->taps[i];
		bool twin = false;
		int r;

		for (size_t k = i + 1; tap->interface && k < inventory->n_taps;
		     k++) {
			struct clo_tap *other = &inventory->taps[k];

			if (other->interface != tap->interface)
				continue;
			twin = true;
			other->workload = NULL;
			other->interface = NULL;
		}
		if (!twin)
			continue;
		r = conflict(maker, "env.label-integrity", tap->workload,
			     "endpoint %s is on more than one interface",
			     tap->interface->name);
		if (r < 0)
			return r;
		tap->workload = NULL;
		tap->interface = NULL;
	}
	return 0;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct clo_tap *x = a;
	const struct clo_tap *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static int fill(struct maker *maker, const struct clo_virt_domain *domains,
		size_t n_domains)
{
	int r;

	for (size_t i = 0; i < maker->n_links; i++)
		if (governed_by(maker, &maker->links[i]) &&
		    !tap_of(maker, &maker->links[i]))
			return -ENOMEM;

	for (size_t i = 0; i < n_domains; i++) {
		r = add_domain(maker, &domains[i]);
		if (r < 0)
			return r;
	}

	if (maker->policy) {
		r = add_devices(maker);
		if (r < 0)
			return r;
	}
	r = add_others(maker);
	if (r < 0)
		return r;
	r = unbind_twins(maker);
	return r < 0 || !maker->policy ? r : add_uplinks(maker);
}

int clo_inventory_make(const struct clo_policy *policy,
		       const struct clo_link *links, size_t n_links,
		       const struct clo_virt_domain *domains, size_t n_domains,
		       bool domains_known, struct clo_inventory **ret_inventory)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct maker maker = {
		.policy = policy, .links = links, .n_links = n_links};
	int r;

	inventory = calloc(1, sizeof(*inventory));
	if (!inventory)
		return -ENOMEM;
	inventory->domains_known = domains_known;
	maker.inventory = inventory;

	r = fill(&maker, domains, domains_known ? n_domains : 0);
	if (r < 0)
		return r;
	if (inventory->n_taps)
		qsort(inventory->taps, inventory->n_taps,
		      sizeof(*inventory->taps), by_ifindex);

	*ret_inventory = CLO_TAKE(inventory);
	return 0;
}

void clo_inventory_free(struct clo_inventory *inventory)
{
	if (!inventory)
		return;

	free(inventory->taps);
	free(inventory->conflicts);
	free(inventory->others);
	free(inventory);
}

bool clo_tap_bound(const struct clo_tap *tap)
{
	return tap->interface || tap->uplink;
}

const char *clo_tap_label(const struct clo_tap *tap)
{
	if (tap->interface)
		return tap->interface->name;
	return tap->uplink ? tap->uplink->interface : NULL;
}

const struct clo_tap *clo_inventory_find(const struct clo_inventory *inventory,
					 uint32_t ifindex)
{
	const struct clo_tap key = {.ifindex = ifindex};

	if (inventory->n_taps == 0)
		return NULL;
	return bsearch(&key, inventory->taps, inventory->n_taps, sizeof(key),
		       by_ifindex);
}
