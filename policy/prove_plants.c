/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_plants.h"

#include <errno.h>
#include <string.h>

/* Plants in what is allowed: pairs, rows, rules and who the identities are. */

const struct clo_identity *clo_plant_identity(const struct clo_tables *tables,
					      uint32_t index)
{
	return clo_tables_value(tables, CLO_TABLE_IDENTITIES, index);
}

void *clo_plant_entry(struct clo_planting *planting, enum clo_table t, size_t i)
{
	return planting->copy->table[t].entries +
	       i * clo_table_types[t].entry_size;
}

void clo_plant_add(struct clo_planting *planting, enum clo_table t,
		   const void *key, const void *value)
{
	const struct clo_table_type *type = &clo_table_types[t];
	uint8_t *entry =
		clo_plant_entry(planting, t, planting->copy->table[t].n++);

	memcpy(entry, key, type->key_size);
	memcpy(entry + type->key_size, value, type->value_size);
	clo_tables_sort(planting->copy);
}

uint32_t clo_plant_bits(const struct clo_tables *tables, uint32_t row)
{
	const uint64_t *bits = clo_tables_bits(tables, row);
	uint32_t n = 0;

	for (uint32_t w = 0; bits && w < tables->gen.words; w++)
		n += (uint32_t)__builtin_popcountll(bits[w]);
	return n;
}

/*
 * What each invariant forbids, told here once more and in other words: plants
 * that asked the prover would go where it looks.
 */
static bool two_tenants(const struct clo_identity *a,
			const struct clo_identity *b)
{
	return a->space && b->space && a->space != b->space;
}

static bool two_environments(const struct clo_identity *a,
			     const struct clo_identity *b)
{
	bool production = a->environment == CLO_ENV_PRODUCTION ||
			  b->environment == CLO_ENV_PRODUCTION;

	if (!a->space || a->space != b->space ||
	    a->environment == b->environment)
		return false;
	return production || !(a->flags & CLO_IDENTITY_TEST_DEV);
}

static bool guest_to_node(const struct clo_identity *a,
			  const struct clo_identity *b)
{
	return a->space && b->kind == CLO_IDENTITY_NODE;
}

static bool node_to_guest(const struct clo_identity *a,
			  const struct clo_identity *b)
{
	return guest_to_node(b, a);
}

static bool leaves_home(const struct clo_identity *a,
			const struct clo_identity *b)
{
	return a->flags & CLO_IDENTITY_LEVEL_2 && !b->space &&
	       b->kind != CLO_IDENTITY_NODE &&
	       !(b->flags & CLO_IDENTITY_NATIONAL);
}

bool clo_plant_crosses(const struct clo_tables *tables, struct clo_pair pair)
{
	static bool (*const borders[])(const struct clo_identity *a,
				       const struct clo_identity *b) = {
		two_tenants, two_environments, guest_to_node, node_to_guest,
		leaves_home};

	for (size_t i = 0; i < CLO_ARRAY_LEN(borders); i++)
		if (borders[i](clo_plant_identity(tables, pair.src),
			       clo_plant_identity(tables, pair.dst)))
			return true;
	return false;
}

/* Some packet can run between the two, in some class. */
static bool can_meet(const struct clo_tables *tables, struct clo_pair pair)
{
	struct clo_witness witness;

	for (uint32_t c = 0; c < tables->gen.classes; c++)
		if (clo_witness_find(tables, pair, c, &witness) == 0)
			return true;
	return false;
}

/* A pair over this border that has no row. */
static int find_crossing(const struct clo_tables *tables,
			 bool (*crosses)(const struct clo_identity *a,
					 const struct clo_identity *b),
			 struct clo_pair *ret_pair)
{
	struct clo_pair pair;

	for (pair.src = 1; pair.src < tables->gen.identities; pair.src++) {
		for (pair.dst = 1; pair.dst < tables->gen.identities;
		     pair.dst++) {
			if (!crosses(clo_plant_identity(tables, pair.src),
				     clo_plant_identity(tables, pair.dst)) ||
			    clo_tables_find(tables, CLO_TABLE_PAIRS, &pair) ||
			    !can_meet(tables, pair))
				continue;
			*ret_pair = pair;
			return 0;
		}
	}
	return -ENOENT;
}

static struct clo_difference at_pair(enum clo_difference_kind how,
				     struct clo_pair pair)
{
	return (struct clo_difference){.table = CLO_TABLE_PAIRS,
				       .how = how,
				       .index = CLO_INDEX_ANY,
				       .has_pair = true,
				       .pair = pair,
				       .class = CLO_CLASS_NONE};
}

/* What some pair may do, one more may do, over a border. */
static int plant_crossing(struct clo_planting *planting, size_t invariant,
			  bool (*crosses)(const struct clo_identity *a,
					  const struct clo_identity *b))
{
	const struct clo_tables *tables = planting->tables;
	const uint32_t *row;
	struct clo_pair pair;

	if (tables->table[CLO_TABLE_PAIRS].n == 0 ||
	    find_crossing(tables, crosses, &pair) < 0)
		return -ENOENT;
	row = clo_tables_value(tables, CLO_TABLE_PAIRS, 0);
	clo_plant_add(planting, CLO_TABLE_PAIRS, &pair, row);
	planting->expected.broken[invariant] = clo_plant_bits(tables, *row);
	planting->expected.allowed = clo_plant_bits(tables, *row);
	planting->expected.differences = 1;
	planting->expected.first = at_pair(CLO_DIFF_EXTRA, pair);
	return 0;
}

static int other_tenant(struct clo_planting *planting)
{
	return plant_crossing(planting, 0, two_tenants);
}

static int other_environment(struct clo_planting *planting)
{
	return plant_crossing(planting, 1, two_environments);
}

static int to_node(struct clo_planting *planting)
{
	return plant_crossing(planting, 2, guest_to_node);
}

static int from_node(struct clo_planting *planting)
{
	return plant_crossing(planting, 2, node_to_guest);
}

static int abroad(struct clo_planting *planting)
{
	return plant_crossing(planting, 4, leaves_home);
}

static int admitted(struct clo_planting *planting)
{
	planting->expected.admitted = true;
	return plant_crossing(planting, 1, two_environments);
}

static int missing_side(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	struct clo_table_data *pairs = &planting->copy->table[CLO_TABLE_PAIRS];
	size_t size = clo_table_types[CLO_TABLE_PAIRS].entry_size;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		uint8_t *entry = pairs->entries + i * size;
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		struct clo_pair pair;

		memcpy(&pair, entry, sizeof(pair));
		if (clo_plant_crosses(tables, pair))
			continue;
		memmove(entry, entry + size, (--pairs->n - i) * size);
		planting->expected.allowed =
			-(int64_t)clo_plant_bits(tables, *row);
		planting->expected.differences = 1;
		planting->expected.first = at_pair(CLO_DIFF_MISSING, pair);
		return 0;
	}
	return -ENOENT;
}

static int swapped_direction(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		struct clo_pair *pair =
			clo_plant_entry(planting, CLO_TABLE_PAIRS, i);
		const struct clo_pair was = *pair;
		const struct clo_pair turned = {was.dst, was.src};
		int order = memcmp(&was, &turned, sizeof(was));

		if (was.src == was.dst || clo_plant_crosses(tables, was) ||
		    clo_plant_crosses(tables, turned) ||
		    clo_tables_find(tables, CLO_TABLE_PAIRS, &turned))
			continue;
		*pair = turned;
		clo_tables_sort(planting->copy);
		planting->expected.differences = 2;
		planting->expected.first =
			order < 0 ? at_pair(CLO_DIFF_MISSING, was)
				  : at_pair(CLO_DIFF_EXTRA, turned);
		return 0;
	}
	return -ENOENT;
}

const struct clo_plant clo_plants[] = {
	{"extra allow to another tenant", other_tenant},
	{"extra allow to another environment", other_environment},
	{"extra allow to the node", to_node},
	{"extra allow from the node", from_node},
	{"extra allow abroad", abroad},
	{"extra allow that an exception admits", admitted},
	{"missing side", missing_side},
	{"swapped direction", swapped_direction},
};
const size_t clo_plants_count = CLO_ARRAY_LEN(clo_plants);
