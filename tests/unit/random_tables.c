/* SPDX-License-Identifier: Apache-2.0 */
#include "random_tables.h"

#include <string.h>

#include "check.h"

#define CLASSES 192 /* bits in a row, at most */

static uint32_t dice; /* state of the generator */

void random_begin(uint32_t seed)
{
	dice = seed * 2654435761U;
}

uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return sides ? dice % sides : 0;
}

static void *room(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n + 1, clo_table_types[t].entry_size);
	assert_non_null(data->entries);
	return data->entries;
}

/* Adds an entry to a table that has room. */
static void put(struct clo_tables *tables, enum clo_table t, const void *key,
		const void *value)
{
	const struct clo_table_type *type = &clo_table_types[t];
	uint8_t *entry = tables->table[t].entries +
			 tables->table[t].n++ * type->entry_size;

	memcpy(entry, key, type->key_size);
	memcpy(entry + type->key_size, value, type->value_size);
}

static struct clo_identity random_identity(const uint8_t flags[4])
{
	struct clo_identity identity = {0};

	if (roll(3)) {
		identity.kind = CLO_IDENTITY_ENDPOINTS;
		identity.space = 1 + roll(3);
		identity.environment = (uint8_t)(1 + roll(3));
		identity.segment = identity.space * 16 + roll(3);
		identity.flags = flags[identity.space];
		return identity;
	}
	identity.kind = (uint8_t)(CLO_IDENTITY_EXTERNAL + roll(3));
	if (identity.kind == CLO_IDENTITY_EXTERNAL && roll(2))
		identity.flags = CLO_IDENTITY_FORENSICS;
	if (identity.kind != CLO_IDENTITY_NODE && roll(2))
		identity.flags |= CLO_IDENTITY_NATIONAL;
	return identity;
}

/* Two endpoints of an identity at most, each with two addresses at most. */
static void put_endpoints(struct clo_tables *tables, uint32_t index,
			  const struct clo_identity *identity)
{
	for (uint32_t n = 1 + roll(2); n > 0; n--) {
		struct clo_addr addr = {index, index * 4 + n,
					identity->segment};
		struct clo_addr6_key key = {
			.space = identity->space,
			.addr = {10, (uint8_t)index, (uint8_t)n}};
		const uint32_t self[2] = {CLO_SPACE_SELF, addr.endpoint};

		put(tables, CLO_TABLE_ADDR4, self, &addr);
		if (roll(2))
			put(tables, CLO_TABLE_ADDR4, &key, &addr);
		key.addr[0] = 0xfd;
		put(tables, CLO_TABLE_ADDR6, &key, &addr);
	}
}

static void put_external(struct clo_tables *tables, uint32_t index)
{
	struct clo_cidr6_key key = {.prefixlen = 16 + roll(17),
				    .addr = {172, (uint8_t)index}};

	put(tables, roll(2) ? CLO_TABLE_CIDR4 : CLO_TABLE_CIDR6, &key, &index);
}

static void put_identities(struct clo_tables *tables)
{
	uint32_t n = tables->gen.identities;
	struct clo_identity *all = room(tables, CLO_TABLE_IDENTITIES, n);
	uint8_t flags[4];

	for (size_t i = 0; i < 4; i++)
		flags[i] = (uint8_t)((roll(2) ? CLO_IDENTITY_TEST_DEV : 0U) |
				     (roll(2) ? CLO_IDENTITY_LEVEL_2 : 0U));
	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_CIDR6; t++) {
		(void)room(tables, (enum clo_table)t, (size_t)n * 6 + 2);
		tables->table[t].n = 0;
	}
	for (uint32_t i = 1; i < n; i++) {
		all[i] = random_identity(flags);
		if (all[i].kind == CLO_IDENTITY_ENDPOINTS)
			put_endpoints(tables, i, &all[i]);
		else
			put_external(tables, i);
		if (all[i].segment && !roll(4)) {
			const struct clo_addr4_key key = {
				CLO_SPACE_GROUP | all[i].segment,
				{239, (uint8_t)i}};
			const struct clo_addr addr = {.segment =
							      all[i].segment};

			put(tables, CLO_TABLE_ADDR4, &key, &addr);
		}
	}
}

static void put_services(struct clo_tables *tables)
{
	struct clo_services *services =
		room(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4);

	memset(services, 0xff, CLO_SLOTS / 4 * sizeof(*services));
	for (uint32_t c = 0; c < tables->gen.classes; c++)
		services[c * 3 + roll(3)].class[roll(4)] = (uint16_t)c;
}

/* Any rule of the row may be its own: only a compiler takes the greatest. */
static void put_rules(struct clo_tables *tables, uint32_t index,
		      const uint32_t rules[CLASSES])
{
	struct clo_row *row =
		(struct clo_row *)(void *)tables->table[CLO_TABLE_ROWS]
			.entries +
		index;
	struct clo_rule_key key = {.row = index};

	for (; key.class < CLASSES; key.class ++) {
		const uint32_t *rule = &rules[key.class];

		if (!*rule)
			continue;
		if (!row->rule)
			row->rule = *rule;
		if (*rule == row->rule) {
			row->owned++;
			continue;
		}
		row->others++;
		put(tables, CLO_TABLE_RULES, &key, rule);
	}
}

/* A few rows to each set. */
static void put_rows(struct clo_tables *tables)
{
	uint32_t words = tables->gen.words;
	uint32_t n_rows = roll(6);
	uint32_t n_sets = n_rows ? 1 + roll(n_rows) : 0;
	uint64_t *bits = room(tables, CLO_TABLE_WORDS, (size_t)n_sets * words);
	struct clo_row *rows = room(tables, CLO_TABLE_ROWS, n_rows);
	uint32_t n = tables->gen.identities;

	for (uint32_t set = 0; set < n_sets; set++)
		for (uint32_t k = roll(5); k > 0; k--) {
			uint32_t class = roll(tables->gen.classes);

			bits[set * words + class / 64] |= 1ULL << class % 64;
		}
	(void)room(tables, CLO_TABLE_RULES, (size_t)n_rows * 5);
	tables->table[CLO_TABLE_RULES].n = 0;
	for (uint32_t row = 0; row < n_rows; row++) {
		uint32_t rules[CLASSES] = {0};

		rows[row].set = roll(n_sets);
		for (uint32_t class = 0; class < words * 64; class ++)
			if (bits[rows[row].set * words + class / 64] >>
				    class % 64 &
			    1)
				rules[class] = 1 + roll(RANDOM_RULES - 1);
		put_rules(tables, row, rules);
	}
	(void)room(tables, CLO_TABLE_PAIRS, (size_t)n * n);
	tables->table[CLO_TABLE_PAIRS].n = 0;
	for (uint32_t src = 1; src < n && n_rows; src++)
		for (uint32_t dst = 1; dst < n; dst++) {
			const struct clo_pair pair = {src, dst};
			uint32_t row = roll(n_rows);

			if (!roll(4))
				put(tables, CLO_TABLE_PAIRS, &pair, &row);
		}
}

struct clo_tables *random_tables(void)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	assert_non_null(tables);
	tables->gen.classes = 1 + roll(130);
	tables->gen.words = (tables->gen.classes + 63) / 64;
	tables->gen.identities = 1 + roll(12);
	tables->gen.rules = RANDOM_RULES;
	put_identities(tables);
	put_services(tables);
	put_rows(tables);
	clo_tables_sort(tables);
	return tables;
}

/* An address becomes that of another endpoint. */
static void rebind(struct clo_tables *tables)
{
	struct clo_table_data *data = &tables->table[CLO_TABLE_ADDR6];
	size_t size = clo_table_types[CLO_TABLE_ADDR6].entry_size;
	size_t at = size - sizeof(struct clo_addr) +
		    offsetof(struct clo_addr, endpoint);

	if (data->n)
		memcpy(data->entries + roll((uint32_t)data->n) * size + at,
		       data->entries + roll((uint32_t)data->n) * size + at,
		       sizeof(uint32_t));
}

/* A few bytes of one entry; more often small numbers than any. */
void corrupt_tables(struct clo_tables *tables)
{
	int t = (int)roll(CLO_TABLE_COUNT);
	const struct clo_table_type *type = &clo_table_types[t];
	size_t n = tables->table[t].n;
	uint8_t *at;

	if (!roll(5)) {
		rebind(tables);
		return;
	}
	if (!n) {
		tables->gen.identities += roll(2);
		return;
	}
	if (t == CLO_TABLE_SERVICES)
		n = 512;
	at = tables->table[t].entries +
	     (size_t)roll((uint32_t)n) * type->entry_size +
	     roll(type->entry_size);
	if (roll(3))
		*at = (uint8_t)(*at ^ 1U << roll(8));
	else
		*at = (uint8_t)roll(roll(2) ? 4 : 256);
	if (roll(4))
		clo_tables_sort(tables);
}

struct clo_tables *copy_tables(const struct clo_tables *tables)
{
	struct clo_tables *copy = calloc(1, sizeof(*copy));

	assert_non_null(copy);
	copy->gen = tables->gen;
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		size_t n = tables->table[t].n;

		/* with room for a few more entries */
		(void)room(copy, (enum clo_table)t, n + 4);
		copy->table[t].n = n;
		if (n)
			memcpy(copy->table[t].entries, tables->table[t].entries,
			       n * clo_table_types[t].entry_size);
	}
	return copy;
}

static uint32_t n_rows(const struct clo_tables *tables)
{
	return (uint32_t)tables->table[CLO_TABLE_ROWS].n;
}

static void add_pair(struct clo_tables *tables)
{
	const struct clo_pair pair = {1 + roll(tables->gen.identities - 1),
				      1 + roll(tables->gen.identities - 1)};
	uint32_t row = roll(n_rows(tables));

	if (clo_tables_find(tables, CLO_TABLE_PAIRS, &pair))
		return;
	put(tables, CLO_TABLE_PAIRS, &pair, &row);
	clo_tables_sort(tables);
}

static void remove_pair(struct clo_tables *tables)
{
	struct clo_table_data *data = &tables->table[CLO_TABLE_PAIRS];
	size_t size = clo_table_types[CLO_TABLE_PAIRS].entry_size;
	size_t at = roll((uint32_t)data->n);

	memmove(data->entries + at * size, data->entries + (at + 1) * size,
		(--data->n - at) * size);
}

static void move_pair(struct clo_tables *tables)
{
	struct clo_table_data *data = &tables->table[CLO_TABLE_PAIRS];
	size_t size = clo_table_types[CLO_TABLE_PAIRS].entry_size;
	uint32_t row = roll(n_rows(tables));

	memcpy(data->entries + roll((uint32_t)data->n) * size +
		       sizeof(struct clo_pair),
	       &row, sizeof(row));
}

/* It has another rule, or is another row; of rows that have one rule. */
static void change_row(struct clo_tables *tables)
{
	struct clo_row *rows =
		(struct clo_row *)(void *)tables->table[CLO_TABLE_ROWS].entries;
	struct clo_row *row = &rows[roll(n_rows(tables))];
	const struct clo_row *other = &rows[roll(n_rows(tables))];

	if (row->others || other->others)
		return;
	if (row->rule && roll(2))
		row->rule = 1 + roll(RANDOM_RULES - 1);
	else
		*row = *other;
}

/* The same sets under other numbers. */
static void swap_sets(struct clo_tables *tables)
{
	uint64_t *words =
		(uint64_t *)(void *)tables->table[CLO_TABLE_WORDS].entries;
	struct clo_row *rows =
		(struct clo_row *)(void *)tables->table[CLO_TABLE_ROWS].entries;
	size_t n = tables->gen.words;
	uint32_t sets = (uint32_t)(tables->table[CLO_TABLE_WORDS].n / n);
	uint32_t a = roll(sets);
	uint32_t b = roll(sets);

	for (size_t w = 0; w < n; w++) {
		uint64_t kept = words[a * n + w];

		words[a * n + w] = words[b * n + w];
		words[b * n + w] = kept;
	}
	for (uint32_t i = 0; i < n_rows(tables); i++) {
		if (rows[i].set == a)
			rows[i].set = b;
		else if (rows[i].set == b)
			rows[i].set = a;
	}
}

void change_tables(struct clo_tables *tables)
{
	static void (*const changes[])(struct clo_tables *) = {
		add_pair, remove_pair, move_pair, change_row, swap_sets};
	size_t which = roll(CLO_ARRAY_LEN(changes));

	if (!n_rows(tables) || tables->gen.identities < 2 ||
	    (which > 0 && tables->table[CLO_TABLE_PAIRS].n == 0))
		return;
	changes[which](tables);
}
