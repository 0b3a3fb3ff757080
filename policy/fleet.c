/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/fleet.h"

#include <errno.h>
#include <string.h>

#include "policy/fleet_impl.h"

void clo_fleet_conflict(struct clo_fleet *fleet,
			const struct clo_fleet_conflict *conflict)
{
	struct clo_fleet_proof *proof = fleet->proof;

	proof->conflicts[conflict->kind]++;
	if (proof->n_conflicts < CLO_FLEET_KEPT)
		proof->kept[proof->n_conflicts++] = *conflict;
}

/* Each pair once: its other order says the same. */
static bool is_first(const struct clo_fleet *fleet)
{
	return fleet->sides[0].member < fleet->sides[1].member;
}

static void two_owners(struct clo_fleet *fleet,
		       const struct clo_fleet_binding *a,
		       const struct clo_fleet_binding *b)
{
	if (!is_first(fleet) || !clo_fleet_connected(a, b) ||
	    strcmp(a->interface->name, b->interface->name) == 0)
		return;
	clo_fleet_conflict(fleet, &(struct clo_fleet_conflict){
					  .kind = CLO_FLEET_ADDRESS,
					  .members = {fleet->sides[0].member,
						      fleet->sides[1].member},
					  .what = a->interface->name,
					  .address = a->addr,
					  .owners = {a->interface->name,
						     b->interface->name},
				  });
}

/* Bindings of one address of one tenant, in both members. */
static void compare_address(struct clo_fleet *fleet, const size_t first[2],
			    const size_t end[2])
{
	struct clo_fleet_view *a = fleet->sides[0].view;
	struct clo_fleet_view *b = fleet->sides[1].view;

	for (size_t i = first[0]; i < end[0]; i++) {
		for (size_t j = first[1]; j < end[1]; j++) {
			if (clo_fleet_agree(&a->bindings[i], &b->bindings[j]))
				a->differs[i] = b->differs[j] = false;
			else
				two_owners(fleet, &a->bindings[i],
					   &b->bindings[j]);
		}
	}
}

/* The end of what begins at `first` and is one address of one tenant. */
static size_t end_of_address(const struct clo_fleet_view *view, size_t first)
{
	size_t end = first + 1;

	while (end < view->n && clo_fleet_order(&view->bindings[first],
						&view->bindings[end]) == 0)
		end++;
	return end;
}

/* Mark what the two do not agree about. */
static void compare(struct clo_fleet *fleet)
{
	struct clo_fleet_view *a = fleet->sides[0].view;
	struct clo_fleet_view *b = fleet->sides[1].view;
	size_t at[2] = {0, 0};

	memset(a->differs, true, a->n * sizeof(*a->differs));
	memset(b->differs, true, b->n * sizeof(*b->differs));
	while (at[0] < a->n && at[1] < b->n) {
		int order = clo_fleet_order(&a->bindings[at[0]],
					    &b->bindings[at[1]]);
		const size_t end[2] = {end_of_address(a, at[0]),
				       end_of_address(b, at[1])};

		if (order == 0)
			compare_address(fleet, at, end);
		if (order <= 0)
			at[0] = end[0];
		if (order >= 0)
			at[1] = end[1];
	}
	for (size_t i = 0; i < a->n; i++)
		fleet->proof->disagreements += a->differs[i];
}

/* The first binding of a tenant that does not come before `tenant`. */
static size_t skip_to(const struct clo_fleet_view *view, size_t i,
		      uint32_t tenant)
{
	while (i < view->n && view->bindings[i].label.space < tenant)
		i++;
	return i;
}

/* Flows of one tenant both ends of which the two members see differently. */
static int enumerate_tenant(struct clo_fleet *fleet, const size_t first[2],
			    const size_t end[2])
{
	const struct clo_fleet_view *a = fleet->sides[0].view;
	const struct clo_fleet_view *b = fleet->sides[1].view;
	int r = 0;

	for (size_t i = first[0]; i < end[0]; i++) {
		for (size_t j = first[1]; j < end[1] && r == 0; j++) {
			const struct clo_fleet_binding *src = &a->bindings[i];
			const struct clo_fleet_binding *dst = &b->bindings[j];

			if (!a->differs[i] || !b->differs[j] ||
			    src->addr.family != dst->addr.family ||
			    clo_fleet_order(src, dst) == 0 ||
			    !clo_fleet_connected(src, dst))
				continue;
			r = clo_fleet_flow(fleet, src, dst, NULL);
		}
	}
	return r;
}

static int enumerate_spaces(struct clo_fleet *fleet)
{
	const struct clo_fleet_view *a = fleet->sides[0].view;
	const struct clo_fleet_view *b = fleet->sides[1].view;
	size_t first[2] = {0, 0};
	int r = 0;

	if (a->group == b->group)
		return 0;
	compare(fleet);
	for (uint32_t t = 1; t <= fleet->tenants.n && r == 0; t++) {
		const size_t end[2] = {skip_to(a, first[0], t + 1),
				       skip_to(b, first[1], t + 1)};

		r = enumerate_tenant(fleet, first, end);
		first[0] = end[0];
		first[1] = end[1];
	}
	return r;
}

static bool is_one_scope(const struct clo_uplink_doc *a,
			 const struct clo_uplink_doc *b)
{
	return a->environment == b->environment &&
	       strcmp(a->tenant->name, b->tenant->name) == 0;
}

/* Two uplinks that may be one wire: all that is behind the one to the other. */
static int enumerate_wire(struct clo_fleet *fleet,
			  const struct clo_uplink_doc *out,
			  const struct clo_uplink_doc *in)
{
	const struct clo_fleet_view *a = fleet->sides[0].view;
	const struct clo_fleet_view *b = fleet->sides[1].view;
	int r = 0;

	if (is_first(fleet))
		clo_fleet_conflict(
			fleet,
			&(struct clo_fleet_conflict){
				.kind = CLO_FLEET_WIRE,
				.members = {fleet->sides[0].member,
					    fleet->sides[1].member},
				.what = out->interface,
				.owners = {out->tenant->name, in->tenant->name},
				.environments = {out->environment,
						 in->environment},
			});
	for (size_t i = 0; i < a->n; i++) {
		if (a->bindings[i].interface->segment != out->segment)
			continue;
		for (size_t j = 0; j < b->n && r == 0; j++) {
			if (b->bindings[j].interface->segment == in->segment &&
			    a->bindings[i].addr.family ==
				    b->bindings[j].addr.family)
				r = clo_fleet_flow(fleet, &a->bindings[i],
						   &b->bindings[j],
						   out->interface);
		}
	}
	return r;
}

static int enumerate_wires(struct clo_fleet *fleet)
{
	const struct clo_node_doc *a =
		&fleet->sides[0].view->compiled->policy->node;
	const struct clo_node_doc *b =
		&fleet->sides[1].view->compiled->policy->node;
	int r = 0;

	for (size_t i = 0; i < a->n_uplinks; i++) {
		for (size_t j = 0; j < b->n_uplinks && r == 0; j++) {
			const struct clo_uplink_doc *out = &a->uplinks[i];
			const struct clo_uplink_doc *in = &b->uplinks[j];

			if (out->segment && in->segment &&
			    strcmp(out->interface, in->interface) == 0 &&
			    !is_one_scope(out, in))
				r = enumerate_wire(fleet, out, in);
		}
	}
	return r;
}

static int enumerate_pair(struct clo_fleet *fleet, size_t from, size_t to)
{
	int r;

	fleet->sides[0] = (struct clo_fleet_side){.member = from,
						  .view = &fleet->views[from]};
	fleet->sides[1] = (struct clo_fleet_side){.member = to,
						  .view = &fleet->views[to]};
	fleet->proof->pairs++;
	r = enumerate_spaces(fleet);
	if (r == 0)
		r = enumerate_wires(fleet);
	clo_fleet_sides_done(fleet);
	return r;
}

/* Views that bind alike are one group. */
static void group(struct clo_fleet *fleet, size_t i)
{
	struct clo_fleet_view *view = &fleet->views[i];

	for (size_t j = 0; j < i; j++) {
		/* the first of a group stands for it */
		if (fleet->views[j].group == j &&
		    clo_fleet_equal(view, &fleet->views[j])) {
			view->group = j;
			return;
		}
	}
	view->group = i;
	fleet->proof->views++;
}

static int prepare(struct clo_fleet *fleet)
{
	int r = clo_fleet_tenants_init(&fleet->tenants, fleet->members,
				       fleet->n);

	fleet->views = calloc(fleet->n + 1, sizeof(*fleet->views));
	if (!fleet->views)
		return -ENOMEM;
	for (size_t i = 0; i < fleet->n && r == 0; i++) {
		r = clo_fleet_view_init(&fleet->views[i], &fleet->tenants,
					fleet->members[i].compiled);
		if (r == 0)
			group(fleet, i);
		fleet->proof->addresses += fleet->views[i].n;
	}
	return r;
}

int clo_fleet_prove(const struct clo_fleet_member *members, size_t n,
		    struct clo_fleet_proof *ret_proof)
{
	struct clo_fleet fleet = {
		.members = members,
		.n = n,
		.proof = ret_proof,
	};
	int r;

	if (n > CLO_FLEET_MEMBERS_MAX)
		return -E2BIG;
	*ret_proof = (struct clo_fleet_proof){.members = n};
	r = prepare(&fleet);
	if (r == 0)
		r = clo_fleet_labels(&fleet);
	for (size_t i = 0; i < n && r == 0; i++) {
		for (size_t j = 0; j < n && r == 0; j++) {
			if (i != j)
				r = enumerate_pair(&fleet, i, j);
		}
	}

	for (size_t i = 0; fleet.views && i < n; i++)
		clo_fleet_view_done(&fleet.views[i]);
	free(fleet.views);
	clo_fleet_tenants_done(&fleet.tenants);
	return r;
}
