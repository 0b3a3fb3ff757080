/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/explain_service.h"
#include "policy/fleet.h"
#include "policy/fleet_view.h"

/* A proof of a fleet under way; only fleet*.c sees it. */

/* One ordered pair of members. */
struct clo_fleet_side {
	size_t member;
	struct clo_fleet_view *view;
	struct clo_ranges own;
	uint32_t *classes; /* by joint range */
};

struct clo_fleet {
	const struct clo_fleet_member *members;
	size_t n;
	struct clo_fleet_tenants tenants;
	struct clo_fleet_view *views; /* by member */
	struct clo_fleet_side sides[2]; /* the source's, the destination's */
	struct clo_ranges ranges; /* of both; made when first asked for */
	struct clo_fleet_proof *proof;
};

/* Judge what runs from a binding of sides[0] to one of sides[1]. */
int clo_fleet_flow(struct clo_fleet *fleet, const struct clo_fleet_binding *src,
		   const struct clo_fleet_binding *dst, const char *wire);
/* What clo_fleet_flow() made for these two sides. */
void clo_fleet_sides_done(struct clo_fleet *fleet);

void clo_fleet_conflict(struct clo_fleet *fleet,
			const struct clo_fleet_conflict *conflict);
/* Workloads of one UUID and two scopes, of all members. */
int clo_fleet_labels(struct clo_fleet *fleet);
