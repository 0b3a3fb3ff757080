/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "policy/prove_plants.h"

/* Plants in what identities and services are, and in what tables say of them. */

void clo_plant_refused(struct clo_planting *planting, const char *by,
		       enum clo_table t, size_t index)
{
	planting->expected.refused = by;
	planting->expected.differences = 1;
	planting->expected.first = (struct clo_difference){
		.table = t, .how = CLO_DIFF_CHANGED, .index = index};
}

void clo_plant_changed(struct clo_planting *planting, enum clo_table t,
		       size_t index)
{
	clo_plant_refused(planting, NULL, t, index);
}

uint32_t clo_plant_endpoints(const struct clo_tables *tables, uint32_t space,
			     bool same, uint32_t but)
{
	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = clo_plant_identity(tables, i);

		if (own->kind == CLO_IDENTITY_ENDPOINTS && i != but &&
		    (own->space == space) == same)
			return i;
	}
	return 0;
}

/* Rows that an identity's entries of pairs allow to, or from, some kind. */
static uint64_t allowed_from(const struct clo_tables *tables, uint32_t space,
			     uint32_t to)
{
	uint64_t n = 0;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const struct clo_identity *src =
			clo_plant_identity(tables, pair->src);
		const struct clo_identity *dst =
			clo_plant_identity(tables, pair->dst);

		if (space ? src->space == space && !dst->space &&
				    dst->kind != CLO_IDENTITY_NODE &&
				    !(dst->flags & CLO_IDENTITY_NATIONAL)
			  : pair->dst == to &&
				    src->flags & CLO_IDENTITY_LEVEL_2)
			n += clo_plant_bits(
				tables, *(const uint32_t *)clo_tables_value(
						tables, CLO_TABLE_PAIRS, i));
	}
	return n;
}

/* Where data of level 2 goes is no longer at home. */
static int national_flag(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		struct clo_identity *own =
			clo_plant_entry(planting, CLO_TABLE_IDENTITIES, i);
		uint64_t broken = allowed_from(tables, 0, i);

		if (own->kind != CLO_IDENTITY_EXTERNAL || !broken ||
		    !(own->flags & CLO_IDENTITY_NATIONAL))
			continue;
		own->flags &= (uint8_t)~CLO_IDENTITY_NATIONAL;
		planting->expected.broken[4] = broken;
		clo_plant_changed(planting, CLO_TABLE_IDENTITIES, i);
		return 0;
	}
	return -ENOENT;
}

/* All identities of a space get or lose a flag; returns how many. */
static size_t turn_flag(struct clo_planting *planting, uint32_t space,
			uint8_t flag, size_t *ret_first)
{
	size_t n = 0;

	for (uint32_t i = planting->tables->gen.identities; i-- > 1;) {
		struct clo_identity *own =
			clo_plant_entry(planting, CLO_TABLE_IDENTITIES, i);

		if (own->space != space)
			continue;
		own->flags ^= flag;
		*ret_first = i;
		n++;
	}
	return n;
}

/* Who reaches abroad is held to stay at home. */
static int level_flag(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = clo_plant_identity(tables, i);
		uint64_t broken = allowed_from(tables, own->space, 0);
		size_t first = 0;
		size_t n;

		if (!own->space || !broken || own->flags & CLO_IDENTITY_LEVEL_2)
			continue;
		n = turn_flag(planting, own->space, CLO_IDENTITY_LEVEL_2,
			      &first);
		clo_plant_changed(planting, CLO_TABLE_IDENTITIES, first);
		planting->expected.differences = n;
		planting->expected.broken[4] = broken;
		return 0;
	}
	return -ENOENT;
}

/* Where production is an end the flag says nothing. */
static bool crosses(const struct clo_identity *src,
		    const struct clo_identity *dst)
{
	return src->space && src->space == dst->space &&
	       src->environment != dst->environment &&
	       src->environment != CLO_ENV_PRODUCTION &&
	       dst->environment != CLO_ENV_PRODUCTION;
}

/* Verdicts that go from test to development of the space, or back. */
static uint64_t allowed_across(const struct clo_tables *tables, uint32_t space)
{
	uint64_t n = 0;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		const struct clo_identity *src =
			clo_plant_identity(tables, pair->src);

		if (src->space == space &&
		    crosses(src, clo_plant_identity(tables, pair->dst)))
			n += clo_plant_bits(tables, *row);
	}
	return n;
}

/* Its test and development meet, and may not any more. */
static int test_dev_flag(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = clo_plant_identity(tables, i);
		uint64_t broken = allowed_across(tables, own->space);
		size_t first = 0;
		size_t n;

		if (!broken || !(own->flags & CLO_IDENTITY_TEST_DEV))
			continue;
		n = turn_flag(planting, own->space, CLO_IDENTITY_TEST_DEV,
			      &first);
		clo_plant_changed(planting, CLO_TABLE_IDENTITIES, first);
		planting->expected.differences = n;
		planting->expected.broken[1] = broken;
		return 0;
	}
	return -ENOENT;
}

/* One of a tenant's identities says of it what the others do not. */
static int lone_flag(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (uint32_t i = tables->gen.identities; i-- > 1;) {
		struct clo_identity *own =
			clo_plant_entry(planting, CLO_TABLE_IDENTITIES, i);

		if (!own->space ||
		    !clo_plant_endpoints(tables, own->space, true, i))
			continue;
		own->flags ^= CLO_IDENTITY_TEST_DEV;
		clo_plant_refused(planting,
				  "identities: ", CLO_TABLE_IDENTITIES, i);
		return 0;
	}
	return -ENOENT;
}

static int unknown_flag(struct clo_planting *planting)
{
	uint32_t i = planting->tables->gen.identities - 1;
	struct clo_identity *own;

	if (i == 0)
		return -ENOENT;
	own = clo_plant_entry(planting, CLO_TABLE_IDENTITIES, i);
	own->flags |= 128;
	clo_plant_refused(planting, "identities: ", CLO_TABLE_IDENTITIES, i);
	return 0;
}

/* One more identity, which no address has. */
static int uninhabited(struct clo_planting *planting)
{
	struct clo_tables *copy = planting->copy;
	struct clo_identity *own = clo_plant_entry(
		planting, CLO_TABLE_IDENTITIES, copy->gen.identities);

	*own = (struct clo_identity){.kind = CLO_IDENTITY_EXTERNAL};
	copy->table[CLO_TABLE_IDENTITIES].n = ++copy->gen.identities;
	clo_plant_refused(planting, "identities: ", CLO_TABLE_COUNT, 0);
	planting->expected.differences = 2; /* and what is said of them */
	return 0;
}

static uint16_t class_at(const struct clo_tables *tables, uint32_t slot)
{
	const struct clo_services *services =
		clo_tables_value(tables, CLO_TABLE_SERVICES, slot / 4);

	return services->class[slot % 4];
}

/* A packet of one class is judged as one of its neighbour's. */
static int slot_moved(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;

	for (uint32_t slot = CLO_SLOTS - 1; slot > 1; slot--) {
		uint16_t class = class_at(tables, slot);
		uint16_t next = class_at(tables, slot - 1);
		struct clo_services *changed;

		/* The class keeps a slot: the one before. */
		if (class == CLO_CLASS_NONE || next == CLO_CLASS_NONE ||
		    class == next || class_at(tables, slot - 2) != next)
			continue;
		slot--;
		changed =
			clo_plant_entry(planting, CLO_TABLE_SERVICES, slot / 4);
		changed->class[slot % 4] = class;
		clo_plant_changed(planting, CLO_TABLE_SERVICES, slot / 4);
		return 0;
	}
	return -ENOENT;
}

static int slot_unknown(struct clo_planting *planting)
{
	struct clo_services *services = clo_plant_entry(
		planting, CLO_TABLE_SERVICES, CLO_SLOTS / 4 - 1);

	services->class[3] = (uint16_t)planting->tables->gen.classes;
	clo_plant_refused(planting, "services: ", CLO_TABLE_SERVICES,
			  CLO_SLOTS / 4 - 1);
	return 0;
}

static int class_unreached(struct clo_planting *planting)
{
	struct clo_gen *gen = &planting->copy->gen;

	if (gen->classes % 64 == 0)
		return -ENOENT;
	gen->classes++;
	clo_plant_refused(planting, "services: ", CLO_TABLE_COUNT, 0);
	return 0;
}

static int pair_of_none(struct clo_planting *planting)
{
	const struct clo_pair pair = {planting->tables->gen.identities, 1};
	const uint32_t row = 0;

	if (planting->tables->table[CLO_TABLE_ROWS].n == 0)
		return -ENOENT;
	clo_plant_add(planting, CLO_TABLE_PAIRS, &pair, &row);
	clo_plant_refused(planting, "pairs: ", CLO_TABLE_PAIRS, CLO_INDEX_ANY);
	planting->expected.first.how = CLO_DIFF_EXTRA;
	planting->expected.first.has_pair = true;
	planting->expected.first.pair = pair;
	planting->expected.first.class = CLO_CLASS_NONE;
	return 0;
}

static int row_of_none(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	size_t n = tables->table[CLO_TABLE_PAIRS].n;
	struct clo_pair *pair;
	uint32_t *row;

	if (n == 0)
		return -ENOENT;
	pair = clo_plant_entry(planting, CLO_TABLE_PAIRS, n - 1);
	row = (uint32_t *)(pair + 1);
	*row = (uint32_t)tables->table[CLO_TABLE_ROWS].n;
	clo_plant_refused(planting, "pairs: ", CLO_TABLE_PAIRS, n - 1);
	planting->expected.first.has_pair = true;
	planting->expected.first.pair = *pair;
	planting->expected.first.class = CLO_CLASS_NONE;
	return 0;
}

/* No verdict changes by it, but it is not what was compiled. */
static int said_otherwise(struct clo_planting *planting)
{
	planting->copy->gen.rules++;
	clo_plant_changed(planting, CLO_TABLE_COUNT, 0);
	return 0;
}

const struct clo_plant clo_plants_classes[] = {
	{"national flag", national_flag},
	{"level flag", level_flag},
	{"test and development flag", test_dev_flag},
	{"flag of one identity alone", lone_flag},
	{"flag that is none", unknown_flag},
	{"identity without an address", uninhabited},
	{"class map slot: another class", slot_moved},
	{"class map slot: no class", slot_unknown},
	{"class without a slot", class_unreached},
	{"pair of no identity", pair_of_none},
	{"pair of no row", row_of_none},
	{"description of the tables", said_otherwise},
};
const size_t clo_plants_classes_count = CLO_ARRAY_LEN(clo_plants_classes);
