/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove_plants.h"

/* Plants in whose an address is. */

/* The last entry of that kind, and its value in the copy. */
static struct clo_addr *find_address(struct clo_planting *planting,
				     enum clo_table t, enum clo_addr_kind kind,
				     size_t *ret_index)
{
	const struct clo_table_type *type = &clo_table_types[t];

	for (size_t i = planting->tables->table[t].n; i-- > 0;) {
		uint8_t *entry = clo_plant_entry(planting, t, i);

		if (clo_tables_addr_kind(planting->tables, t, i) != kind)
			continue;
		*ret_index = i;
		return (struct clo_addr *)(void *)(entry + type->key_size);
	}
	return NULL;
}

static int foreign_identity_in(struct clo_planting *planting, enum clo_table t,
			       const char *by)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, t, CLO_ADDR_ENDPOINT, &i);
	uint32_t space;
	uint32_t other;

	if (!addr)
		return -ENOENT;
	space = clo_plant_identity(planting->tables, addr->identity)->space;
	other = clo_plant_endpoints(planting->tables, space, false, 0);
	if (!other)
		return -ENOENT;
	addr->identity = other;
	addr->segment = clo_plant_identity(planting->tables, other)->segment;
	clo_plant_refused(planting, by, t, i);
	return 0;
}

static int foreign_identity4(struct clo_planting *planting)
{
	return foreign_identity_in(planting, CLO_TABLE_ADDR4, "addr4: ");
}

static int foreign_identity6(struct clo_planting *planting)
{
	return foreign_identity_in(planting, CLO_TABLE_ADDR6, "addr6: ");
}

static int no_identity(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR4, CLO_ADDR_ENDPOINT, &i);

	if (!addr)
		return -ENOENT;
	addr->identity = planting->tables->gen.identities;
	clo_plant_refused(planting, "addr4: ", CLO_TABLE_ADDR4, i);
	return 0;
}

/* Of its space, and yet of another environment and segment. */
static int wrong_segment(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR4, CLO_ADDR_ENDPOINT, &i);

	if (!addr)
		return -ENOENT;
	addr->segment++;
	clo_plant_refused(planting, "addr4: ", CLO_TABLE_ADDR4, i);
	return 0;
}

static uint64_t count_addresses(const struct clo_tables *tables,
				enum clo_table t, uint32_t endpoint)
{
	uint64_t n = 0;

	for (size_t i = 0; i < tables->table[t].n; i++) {
		const struct clo_addr *addr = clo_tables_value(tables, t, i);

		n += addr->endpoint == endpoint &&
		     clo_tables_addr_kind(tables, t, i) == CLO_ADDR_ENDPOINT;
	}
	return n;
}

/* Bindings that break with one address: its own, and that of who has no other. */
static uint64_t bound_by_one(const struct clo_tables *tables, uint32_t endpoint)
{
	return count_addresses(tables, CLO_TABLE_ADDR4, endpoint) +
				       count_addresses(tables, CLO_TABLE_ADDR6,
						       endpoint) ==
			       1
		       ? 2
		       : 1;
}

/* The number of an endpoint of that scope and another segment, or 0. */
static uint32_t find_neighbour(const struct clo_tables *tables,
			       const struct clo_identity *own)
{
	for (size_t i = 0; i < tables->table[CLO_TABLE_ADDR4].n; i++) {
		const struct clo_addr *other =
			clo_tables_value(tables, CLO_TABLE_ADDR4, i);
		const struct clo_identity *its =
			clo_plant_identity(tables, other->identity);

		if (clo_tables_addr_kind(tables, CLO_TABLE_ADDR4, i) ==
			    CLO_ADDR_SELF &&
		    its->space == own->space &&
		    its->environment == own->environment &&
		    its->segment != own->segment)
			return other->endpoint;
	}
	return 0;
}

/* An address of one endpoint becomes another's of its scope. */
static int wrong_endpoint(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	size_t size = clo_table_types[CLO_TABLE_ADDR6].key_size;

	for (size_t i = tables->table[CLO_TABLE_ADDR6].n; i-- > 0;) {
		const struct clo_addr *addr =
			clo_tables_value(tables, CLO_TABLE_ADDR6, i);
		uint8_t *entry = clo_plant_entry(planting, CLO_TABLE_ADDR6, i);
		uint32_t other;

		if (clo_tables_addr_kind(tables, CLO_TABLE_ADDR6, i) !=
		    CLO_ADDR_ENDPOINT)
			continue;
		other = find_neighbour(
			tables, clo_plant_identity(tables, addr->identity));
		if (!other)
			continue;
		memcpy(entry + size + offsetof(struct clo_addr, endpoint),
		       &other, sizeof(other));
		planting->expected.broken[3] =
			bound_by_one(tables, addr->endpoint);
		clo_plant_changed(planting, CLO_TABLE_ADDR6, i);
		return 0;
	}
	return -ENOENT;
}

/* A number that stands nowhere. */
static int unknown_endpoint(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR6, CLO_ADDR_ENDPOINT, &i);
	uint32_t number[2] = {CLO_SPACE_SELF, 1};

	if (!addr)
		return -ENOENT;
	while (clo_tables_find(planting->tables, CLO_TABLE_ADDR4, number))
		number[1]++;
	planting->expected.broken[3] =
		bound_by_one(planting->tables, addr->endpoint);
	addr->endpoint = number[1];
	clo_plant_changed(planting, CLO_TABLE_ADDR6, i);
	return 0;
}

static int wrong_number(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR4, CLO_ADDR_SELF, &i);

	if (!addr)
		return -ENOENT;
	addr->endpoint = addr->endpoint == 1 ? 2 : 1;
	clo_plant_refused(planting, "addr4: ", CLO_TABLE_ADDR4, i);
	return 0;
}

/* A tenant's own address, once more under another's space. */
static int two_spaces(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	struct clo_addr6_key key;
	size_t i;
	const struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR6, CLO_ADDR_ENDPOINT, &i);
	struct clo_addr value;
	uint32_t other;

	if (!addr)
		return -ENOENT;
	value = *addr;
	memcpy(&key, clo_tables_key(tables, CLO_TABLE_ADDR6, i), sizeof(key));
	other = clo_plant_endpoints(tables, key.space, false, 0);
	if (!other)
		return -ENOENT;
	key.space = clo_plant_identity(tables, other)->space;
	if (clo_tables_find(tables, CLO_TABLE_ADDR6, &key))
		return -ENOENT;
	clo_plant_add(planting, CLO_TABLE_ADDR6, &key, &value);
	clo_plant_refused(planting, "addr6: ", CLO_TABLE_ADDR6, CLO_INDEX_ANY);
	planting->expected.first.how = CLO_DIFF_EXTRA;
	return 0;
}

static int twice(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	size_t n = tables->table[CLO_TABLE_ADDR6].n;

	if (n == 0)
		return -ENOENT;
	clo_plant_add(planting, CLO_TABLE_ADDR6,
		      clo_tables_key(tables, CLO_TABLE_ADDR6, n - 1),
		      clo_tables_value(tables, CLO_TABLE_ADDR6, n - 1));
	clo_plant_refused(planting, "addr6: ", CLO_TABLE_ADDR6, n);
	planting->expected.first.how = CLO_DIFF_EXTRA;
	return 0;
}

static int foreign_group(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR4, CLO_ADDR_GROUP, &i);

	if (!addr)
		return -ENOENT;
	addr->segment++;
	clo_plant_refused(planting, "addr4: ", CLO_TABLE_ADDR4, i);
	return 0;
}

static int foreign_server(struct clo_planting *planting)
{
	size_t i;
	struct clo_addr *addr =
		find_address(planting, CLO_TABLE_ADDR4, CLO_ADDR_SERVER, &i);

	if (!addr)
		return -ENOENT;
	addr->identity = clo_plant_endpoints(planting->tables, 0, false, 0);
	clo_plant_refused(planting, "addr4: ", CLO_TABLE_ADDR4, i);
	return 0;
}

/* The block is twice as large: what was beside it is taken for its own. */
static int short_cidr(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (size_t i = 0; i < tables->table[CLO_TABLE_CIDR4].n; i++) {
		struct clo_cidr4_key *key =
			clo_plant_entry(planting, CLO_TABLE_CIDR4, i);
		struct clo_cidr4_key shorter = *key;

		if (key->prefixlen == 0)
			continue;
		shorter.prefixlen--;
		shorter.addr[shorter.prefixlen / 8] &=
			(uint8_t)(0xff00U >> shorter.prefixlen % 8);
		if (clo_tables_find(tables, CLO_TABLE_CIDR4, &shorter))
			continue;
		*key = shorter;
		clo_tables_sort(planting->copy);
		clo_plant_changed(planting, CLO_TABLE_CIDR4, CLO_INDEX_ANY);
		planting->expected.differences = 2;
		planting->expected.first.how =
			memcmp(&shorter,
			       clo_tables_key(tables, CLO_TABLE_CIDR4, i),
			       sizeof(shorter)) < 0
				? CLO_DIFF_EXTRA
				: CLO_DIFF_MISSING;
		return 0;
	}
	return -ENOENT;
}

static int inner_cidr(struct clo_planting *planting)
{
	uint32_t other = clo_plant_endpoints(planting->tables, 0, false, 0);
	uint32_t *class;

	if (planting->tables->table[CLO_TABLE_CIDR4].n == 0 || !other)
		return -ENOENT;
	class = (uint32_t *)((struct clo_cidr4_key *)clo_plant_entry(
				     planting, CLO_TABLE_CIDR4, 0) +
			     1);
	*class = other;
	clo_plant_refused(planting, "cidr4: ", CLO_TABLE_CIDR4, 0);
	return 0;
}

const struct clo_plant clo_plants_tables[] = {
	{"wrong identity: of another tenant (IPv4)", foreign_identity4},
	{"wrong identity: of another tenant (IPv6)", foreign_identity6},
	{"wrong identity: none of the policy", no_identity},
	{"wrong segment", wrong_segment},
	{"wrong endpoint: of another segment", wrong_endpoint},
	{"wrong endpoint: none of the policy", unknown_endpoint},
	{"wrong number of an endpoint", wrong_number},
	{"address in two spaces", two_spaces},
	{"address twice", twice},
	{"multicast group of another segment", foreign_group},
	{"server that is an endpoint", foreign_server},
	{"CIDR one bit short", short_cidr},
	{"CIDR of an endpoint", inner_cidr},
};
const size_t clo_plants_tables_count = CLO_ARRAY_LEN(clo_plants_tables);
