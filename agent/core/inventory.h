/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"
#include "agent/sys/rtnl.h"
#include "agent/sys/virt.h"
#include "cloison/abi.h"
#include "policy/model.h"

/*
 * Which host interface is which endpoint, or the uplink of which segment: a
 * pure function of the policy, the kernel's links and libvirt's running
 * domains. Doubt binds nothing: a tap that two endpoints claim keeps a guard
 * without a port, which drops all.
 */

/* A tap that must carry a guard, or the uplink of a segment. */
struct clo_tap {
	uint32_t ifindex;
	char name[16];
	char bridge[16]; /* governed bridge, "" if on none */
	uint32_t master; /* its ifindex; 0: none, or an uplink */
	bool on_bridge; /* seen as a port of a governed bridge (rtnetlink) */
	bool in_domain; /* seen in a running domain's XML (libvirt) */
	bool confined; /* cut off by what was found of its sandbox */
	/* An endpoint's, an uplink, or undeclared: then the guard drops all. */
	const struct clo_workload_doc *workload; /* with interface, or NULL */
	const struct clo_interface_doc *interface;
	const struct clo_uplink_doc *uplink;
	/* Who claims it: UUID of the domain, "" if bound by device name. */
	char domain[37];
};

/* Something that contradicts the policy; `control` is the one it fails. */
struct clo_conflict {
	const char *control;
	const struct clo_workload_doc *workload; /* or NULL */
	const struct clo_uplink_doc *uplink; /* or NULL */
	char text[160];
};

struct clo_inventory {
	struct clo_tap *taps; /* by ifindex */
	size_t n_taps;
	struct clo_conflict *conflicts;
	size_t n_conflicts;
	uint32_t *others; /* ports of bridges that nobody governs */
	size_t n_others;
	bool domains_known; /* false: libvirt was asked and did not answer */
};

/*
 * policy may be NULL (nothing declared, nothing governed). n_domains is
 * ignored where domains_known is false.
 */
int clo_inventory_make(const struct clo_policy *policy,
		       const struct clo_link *links, size_t n_links,
		       const struct clo_virt_domain *domains, size_t n_domains,
		       bool domains_known,
		       struct clo_inventory **ret_inventory);
void clo_inventory_free(struct clo_inventory *inventory);
CLO_DEFINE_FREEP(clo_inventory)

/* It is an endpoint's or an uplink: the policy declares it. */
bool clo_tap_bound(const struct clo_tap *tap);
/* Its document's name: of the endpoint, of the uplink's interface; or NULL. */
const char *clo_tap_label(const struct clo_tap *tap);
const struct clo_tap *clo_inventory_find(const struct clo_inventory *inventory,
					 uint32_t ifindex);
/*
 * The workload that a running domain is, by UUID, name or metadata; NULL if
 * none. *ret_ambiguous: two documents claim it (then NULL).
 */
const struct clo_workload_doc *
clo_inventory_workload(const struct clo_policy *policy,
		       const struct clo_virt_domain *domain,
		       bool *ret_ambiguous);
