/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/fleet_impl.h"
#include "policy/host_view.h"

void clo_fleet_sides_done(struct clo_fleet *fleet)
{
	for (int i = 0; i < 2; i++) {
		clo_ranges_done(&fleet->sides[i].own);
		free(fleet->sides[i].classes);
		fleet->sides[i].own = (struct clo_ranges){0};
		fleet->sides[i].classes = NULL;
	}
	clo_ranges_done(&fleet->ranges);
	fleet->ranges = (struct clo_ranges){0};
}

/* Service classes that the two members can both tell apart. */
static int join_services(struct clo_fleet *fleet)
{
	struct clo_fleet_side *sides = fleet->sides;
	int r = 0;

	if (fleet->ranges.n)
		return 0;
	for (int i = 0; i < 2 && r == 0; i++)
		r = clo_ranges_init(&sides[i].own,
				    sides[i].view->compiled->tables);
	if (r == 0)
		r = clo_ranges_init_both(&fleet->ranges, &sides[0].own,
					 &sides[1].own);
	for (int i = 0; i < 2 && r == 0; i++) {
		sides[i].classes =
			clo_ranges_classes(&sides[i].own, &fleet->ranges);
		r = sides[i].classes ? 0 : -ENOMEM;
	}
	return r;
}

/* A packet between two bindings, as one member's tables judge it. */
struct judged {
	uint32_t row; /* CLO_ROW_NONE: nothing is allowed */
	struct clo_side ends[2];
};

static struct judged judge(const struct clo_compiled *compiled, uint32_t space,
			   const struct clo_cidr *src,
			   const struct clo_cidr *dst)
{
	const struct clo_view view = {compiled->tables};
	struct judged judged = {.row = CLO_ROW_NONE};
	const uint32_t *row;

	clo_judge_side(&view, space, src->family, src->addr, &judged.ends[0]);
	clo_judge_side(&view, space, dst->family, dst->addr, &judged.ends[1]);
	row = clo_view_pair(&view, judged.ends[0].identity,
			    judged.ends[1].identity);
	if (row)
		judged.row = *row;
	return judged;
}

static bool is_excepted(const struct clo_fleet *fleet, const uint32_t rules[2])
{
	for (int i = 0; i < 2; i++) {
		if (!fleet->sides[i].view->compiled->excepted[rules[i]])
			return false;
	}
	return true;
}

static void keep(struct clo_fleet *fleet, const struct clo_fleet_breach *breach)
{
	struct clo_fleet_proof *proof = fleet->proof;

	if (proof->n_breaches == CLO_FLEET_KEPT)
		return;
	for (size_t i = 0; i < proof->n_breaches; i++) {
		const struct clo_fleet_breach *kept = &proof->breaches[i];

		if (kept->invariant == breach->invariant &&
		    kept->from == breach->from && kept->to == breach->to &&
		    kept->rules[0] == breach->rules[0] &&
		    kept->rules[1] == breach->rules[1])
			return;
	}
	proof->breaches[proof->n_breaches++] = *breach;
}

/* A range in which both members let packets of this family through. */
static bool find_open(const struct clo_fleet *fleet,
		      const struct judged judged[2],
		      struct clo_fleet_breach *breach)
{
	struct clo_witness *witness = &breach->witness;
	const uint8_t alien =
		witness->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	for (size_t i = 0; i < fleet->ranges.n; i++) {
		bool open = true;

		for (int s = 0; s < 2 && open; s++) {
			const struct clo_fleet_side *side = &fleet->sides[s];

			breach->rules[s] = clo_tables_rule(
				side->view->compiled->tables, judged[s].row,
				side->classes[i]);
			open = breach->rules[s] != 0;
		}
		clo_slot_decode(fleet->ranges.ranges[i].first, &witness->proto,
				&witness->number);
		if (open && witness->proto != alien)
			return true;
	}
	return false;
}

int clo_fleet_flow(struct clo_fleet *fleet, const struct clo_fleet_binding *src,
		   const struct clo_fleet_binding *dst, const char *wire)
{
	struct clo_fleet_breach breach = {
		.from = fleet->sides[0].member,
		.to = fleet->sides[1].member,
		.src = src->interface,
		.dst = dst->interface,
		.wire = wire,
		.witness = {.family = src->addr.family,
			    .src_endpoint = src->interface->endpoint,
			    .dst_endpoint = dst->interface->endpoint},
	};
	struct judged judged[2];
	int r;

	fleet->proof->flows++;
	for (size_t i = 0; i < clo_invariants_count && !breach.invariant; i++) {
		if (clo_invariants[i].forbids(&src->label, &dst->label))
			breach.invariant = &clo_invariants[i];
	}
	if (!breach.invariant)
		return 0;

	fleet->proof->forbidden++;
	judged[0] = judge(fleet->sides[0].view->compiled, src->space,
			  &src->addr, &dst->addr);
	judged[1] = judge(fleet->sides[1].view->compiled, dst->space,
			  &src->addr, &dst->addr);
	if (judged[0].row == CLO_ROW_NONE || judged[1].row == CLO_ROW_NONE)
		return 0;
	r = join_services(fleet);
	if (r < 0)
		return r;
	if (!find_open(fleet, judged, &breach))
		return 0;

	memcpy(breach.witness.src, src->addr.addr, sizeof(breach.witness.src));
	memcpy(breach.witness.dst, dst->addr.addr, sizeof(breach.witness.dst));
	breach.excepted = is_excepted(fleet, breach.rules);
	fleet->proof->breached++;
	fleet->proof->excepted += breach.excepted;
	keep(fleet, &breach);
	return 0;
}
