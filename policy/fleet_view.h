/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/fleet.h"

/* Which address of which space is whose, as one member sees it. */

struct clo_fleet_binding {
	const char *tenant;
	/* Of an environment with addresses of its own; else NONE. */
	enum clo_environment apart;
	uint32_t space; /* the member's number of it */
	struct clo_cidr addr;
	const struct clo_workload_doc *workload;
	const struct clo_interface_doc *interface;
	struct clo_identity label; /* space: one number for each tenant */
};

struct clo_fleet_view {
	const struct clo_compiled *compiled;
	struct clo_fleet_binding *bindings; /* by tenant, then address */
	bool *differs; /* by binding, from the other member of a pair */
	size_t n;
	size_t group; /* equal in all members that bind alike */
};

/* The members' tenants by name: number = index + 1. */
struct clo_fleet_tenants {
	const char **names; /* sorted */
	size_t n;
};

int clo_fleet_tenants_init(struct clo_fleet_tenants *tenants,
			   const struct clo_fleet_member *members, size_t n);
void clo_fleet_tenants_done(struct clo_fleet_tenants *tenants);

int clo_fleet_view_init(struct clo_fleet_view *view,
			const struct clo_fleet_tenants *tenants,
			const struct clo_compiled *compiled);
void clo_fleet_view_done(struct clo_fleet_view *view);

/* Order of the bindings; 0: the same address of the same tenant. */
int clo_fleet_order(const struct clo_fleet_binding *a,
		    const struct clo_fleet_binding *b);
/*
 * Packets lead from one to the other: they are in one space. A member that
 * keeps a tenant's environments in one space meets all of them.
 */
bool clo_fleet_connected(const struct clo_fleet_binding *a,
			 const struct clo_fleet_binding *b);
/* Both say the same of the address: space, endpoint, scope and segment. */
bool clo_fleet_agree(const struct clo_fleet_binding *a,
		     const struct clo_fleet_binding *b);
bool clo_fleet_equal(const struct clo_fleet_view *a,
		     const struct clo_fleet_view *b);
