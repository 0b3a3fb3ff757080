/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/compile_build.h"

/* Of `sets`, those that rules of this scope mean addresses by. */
static int filter(struct clo_build *build, uint32_t tenant,
		  uint32_t environment, uint32_t sets, uint32_t *ret_filtered)
{
	const uint32_t key[] = {tenant, environment, sets};
	CLO_AUTO_MEM uint32_t *left = NULL;
	size_t n_before = build->filters.n;
	size_t n_left = 0;
	const uint32_t *items;
	uint32_t *moved;
	uint32_t index;
	size_t n;
	int r;

	moved = clo_array_room(build->filtered, n_before, &build->cap_filtered,
			       sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	build->filtered = moved;
	r = clo_lists_intern(&build->filters, key, CLO_ARRAY_LEN(key), &index);
	if (r < 0)
		return r;
	if (build->filters.n == n_before) {
		*ret_filtered = build->filtered[index];
		return 0;
	}

	items = clo_lists_get(&build->lists, sets, &n);
	left = calloc(n + 1, sizeof(*left));
	if (!left)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (clo_build_is_cidr_set(build, items[i]) &&
		    clo_build_peer(build, CLO_PEER_CIDR, tenant, environment,
				   items[i]))
			left[n_left++] = items[i];
	}
	r = clo_lists_intern(&build->lists, left, n_left, ret_filtered);
	if (r == 0)
		build->filtered[index] = *ret_filtered;
	return r;
}

/* Where an interface stands. */
struct place {
	const struct clo_interface_doc *interface;
	uint32_t space;
	uint32_t tenant, environment, segment;
};

static int add_identity(struct clo_build *build, const struct place *place,
			uint32_t key, uint32_t sets)
{
	struct clo_build_identity *moved =
		clo_array_room(build->identities, build->n_identities,
			       &build->cap_identities, sizeof(*moved));
	const struct clo_tenant_doc *tenant;

	if (!moved)
		return -ENOMEM;
	build->identities = moved;

	tenant = &build->policy->tenants[place->tenant];
	moved += build->n_identities++;
	*moved = (struct clo_build_identity){
		.entry = clo_scope_identity(tenant, place->environment),
		.tenant = place->tenant,
		.segment = place->segment,
		.key = key,
		.sets = sets,
	};
	moved->entry.space = place->space;
	moved->entry.segment = place->interface->segment->id;
	return 0;
}

#define KEY_FIXED 4 /* tenant, environment, segment, number of groups */

/*
 * The identity of an address: keys are numbered as they are met, and so are
 * the identities until all are known and can be sorted.
 */
static int find_key(struct clo_build *build, const struct place *place,
		    const struct clo_cidr *addr, uint32_t *ret_key)
{
	const struct clo_interface_doc *interface = place->interface;
	CLO_AUTO_MEM uint32_t *key = NULL;
	size_t n_before = build->keys.n;
	uint32_t block = CLO_BLOCK_NONE;
	uint32_t sets = 0;
	const uint32_t *items;
	size_t n_items;
	size_t n = KEY_FIXED;
	int r;

	if (addr)
		block = clo_blocks_find(&build->blocks, addr->family,
					addr->addr);
	if (block != CLO_BLOCK_NONE)
		sets = build->blocks.blocks[block].sets;
	r = filter(build, place->tenant, place->environment, sets, &sets);
	if (r < 0)
		return r;

	items = clo_lists_get(&build->lists, sets, &n_items);
	key = calloc(KEY_FIXED + interface->n_groups + n_items, sizeof(*key));
	if (!key)
		return -ENOMEM;
	key[0] = place->tenant;
	key[1] = place->environment;
	key[2] = place->segment;
	key[3] = (uint32_t)interface->n_groups;
	for (size_t i = 0; i < interface->n_groups; i++)
		key[n++] = (uint32_t)interface->groups[i];
	for (size_t i = 0; i < n_items; i++)
		key[n++] = items[i];

	r = clo_lists_intern(&build->keys, key, n, ret_key);
	if (r < 0 || build->keys.n == n_before)
		return r;
	return add_identity(build, place, *ret_key, sets);
}

int clo_build_add_address(struct clo_build *build,
			  const struct clo_build_address *address)
{
	struct clo_build_address *moved =
		clo_array_room(build->addresses, build->n_addresses,
			       &build->cap_addresses, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	build->addresses = moved;
	build->addresses[build->n_addresses++] = *address;
	return 0;
}

static int add_address(struct clo_build *build, const struct place *place,
		       uint32_t space, const struct clo_cidr *addr,
		       uint32_t key)
{
	return clo_build_add_address(
		build,
		&(struct clo_build_address){
			.space = space,
			.addr = *addr,
			.key = key,
			.value = {.endpoint = place->interface->endpoint,
				  .segment = place->interface->segment->id},
			.endpoint = place->interface->name,
		});
}

static void note_lowest(struct clo_build *build, uint32_t key,
			const struct clo_cidr *addr)
{
	struct clo_cidr *lowest = &build->identities[key].lowest;

	if (!lowest->family || clo_cidr_compare(addr, lowest) < 0)
		*lowest = *addr;
}

/* Under its own number: who the mark of a frame names. */
static struct clo_cidr self(const struct clo_interface_doc *interface)
{
	struct clo_cidr addr = {.family = 4, .bits = 32};

	memcpy(addr.addr, &interface->endpoint, sizeof(interface->endpoint));
	return addr;
}

/* fe80::/64 with the MAC as a modified EUI-64. */
static struct clo_cidr link_local(const uint8_t mac[6])
{
	return (struct clo_cidr){
		.family = 6,
		.bits = 128,
		.addr = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2U, mac[1],
			 mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]},
	};
}

static int add_interface(struct clo_build *build, const struct place *place)
{
	const struct clo_interface_doc *interface = place->interface;
	const struct clo_cidr own = link_local(interface->mac);
	const struct clo_cidr number = self(interface);
	const struct clo_cidr *like = NULL; /* whose identity `own` takes */
	bool declared = false;
	uint32_t key;
	int r;

	for (size_t i = 0; i < interface->n_addresses; i++) {
		const struct clo_cidr *addr = &interface->addresses[i];

		if (!like || (like->family == 4 && addr->family == 6))
			like = addr;
		declared = declared || clo_cidr_compare(addr, &own) == 0;
		r = find_key(build, place, addr, &key);
		if (r == 0)
			r = add_address(build, place, place->space, addr, key);
		if (r < 0)
			return r;
		note_lowest(build, key, addr);
	}

	r = find_key(build, place, like, &key);
	if (r == 0 && !declared)
		r = add_address(build, place, place->space, &own, key);
	return r < 0 ? r
		     : add_address(build, place, CLO_SPACE_SELF, &number, key);
}

static int add_interfaces(struct clo_build *build)
{
	const struct clo_policy *policy = build->policy;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];
		const struct clo_scope_doc *scope =
			&workload->tenant->scopes[workload->environment];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			const struct clo_interface_doc *interface =
				&workload->interfaces[i];
			const struct place place = {
				.interface = interface,
				.space = interface->segment->space,
				.tenant = (uint32_t)(workload->tenant -
						     policy->tenants),
				.environment = workload->environment,
				.segment = (uint32_t)(interface->segment -
						      scope->segments),
			};
			int r;

			assert(place.segment < scope->n_segments);
			r = add_interface(build, &place);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* By scope, segment and groups; then by the lowest address of each. */
static int order_identities(const void *left, const void *right, void *lists)
{
	const struct clo_build_identity *a = left;
	const struct clo_build_identity *b = right;
	size_t n_a;
	size_t n_b;
	const uint32_t *key_a = clo_lists_get(lists, a->key, &n_a);
	const uint32_t *key_b = clo_lists_get(lists, b->key, &n_b);
	size_t n = KEY_FIXED + key_a[3];
	int order;

	for (size_t i = 0; i < n; i++) {
		if (key_a[i] != key_b[i])
			return key_a[i] < key_b[i] ? -1 : 1;
	}
	order = clo_cidr_compare(&a->lowest, &b->lowest);
	/* Two without an address have the same sets: none. */
	assert(order != 0 || a->key == b->key);
	return order;
}

static int order_addresses(const void *left, const void *right)
{
	const struct clo_build_address *a = left;
	const struct clo_build_address *b = right;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return clo_cidr_compare(&a->addr, &b->addr);
}

/* Inside a space an address is one endpoint's. */
static int check_addresses(struct clo_build *build)
{
	const struct clo_build_address *all = build->addresses;
	int r = 0;

	if (build->n_addresses)
		qsort(build->addresses, build->n_addresses, sizeof(*all),
		      order_addresses);
	for (size_t i = 1; i < build->n_addresses; i++) {
		if (order_addresses(&all[i - 1], &all[i]) != 0)
			continue;
		clo_flaws_add(build->flaws, "", 0, "$",
			      all[i].space == CLO_SPACE_SELF
				      ? "%s and %s get the same number; rename "
					"one"
				      : "%s and %s have an address in common; "
					"a link-local one follows from the MAC",
			      all[i - 1].endpoint, all[i].endpoint);
		r = -EINVAL;
	}
	return r;
}

int clo_build_identities(struct clo_build *build)
{
	static const struct clo_build_identity none;
	CLO_AUTO_MEM uint32_t *numbers = NULL;
	int r;

	build->identities = calloc(1, sizeof(none));
	if (!build->identities)
		return -ENOMEM;
	build->n_identities = 1;
	build->cap_identities = 1;

	r = add_interfaces(build);
	if (r == 0)
		r = check_addresses(build);
	if (r < 0)
		return r;

	qsort_r(build->identities + 1, build->n_identities - 1,
		sizeof(*build->identities), order_identities, &build->keys);
	numbers = calloc(build->keys.n, sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	for (uint32_t i = 1; i < build->n_identities; i++)
		numbers[build->identities[i].key] = i;
	for (size_t i = 0; i < build->n_addresses; i++)
		build->addresses[i].value.identity =
			numbers[build->addresses[i].key];
	return 0;
}
