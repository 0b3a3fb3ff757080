/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/compile_build.h"

/* n zeroed entries of one table; fails only without memory. */
static int make(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n + 1, clo_table_types[t].entry_size);
	return data->entries ? 0 : -ENOMEM;
}

static int put_addresses(const struct clo_build *build,
			 struct clo_tables *tables)
{
	struct clo_table_data *v4 = &tables->table[CLO_TABLE_ADDR4];
	struct clo_table_data *v6 = &tables->table[CLO_TABLE_ADDR6];
	int r;

	r = make(tables, CLO_TABLE_ADDR4, build->n_addresses);
	if (r == 0)
		r = make(tables, CLO_TABLE_ADDR6, build->n_addresses);
	if (r < 0)
		return r;

	v4->n = 0;
	v6->n = 0;
	for (size_t i = 0; i < build->n_addresses; i++) {
		const struct clo_build_address *address = &build->addresses[i];
		size_t size = address->addr.family == 4 ? 4 : 16;
		struct clo_table_data *data = size == 4 ? v4 : v6;
		uint8_t *entry =
			data->entries +
			data->n++ * (4 + size + sizeof(struct clo_addr));

		memcpy(entry, &address->space, 4);
		memcpy(entry + 4, address->addr.addr, size);
		memcpy(entry + 4 + size, &address->value,
		       sizeof(address->value));
	}
	return 0;
}

/* A block whose parent says the same adds nothing to the longest match. */
static int put_cidrs(const struct clo_build *build, struct clo_tables *tables)
{
	struct clo_table_data *v4 = &tables->table[CLO_TABLE_CIDR4];
	struct clo_table_data *v6 = &tables->table[CLO_TABLE_CIDR6];
	int r;

	r = make(tables, CLO_TABLE_CIDR4, build->blocks.n);
	if (r == 0)
		r = make(tables, CLO_TABLE_CIDR6, build->blocks.n);
	if (r < 0)
		return r;

	v4->n = 0;
	v6->n = 0;
	for (size_t i = 0; i < build->blocks.n; i++) {
		const struct clo_block *block = &build->blocks.blocks[i];
		uint32_t identity = build->block_identity[i];
		uint32_t bits = block->cidr.bits;
		size_t size = block->cidr.family == 4 ? 4 : 16;
		struct clo_table_data *data = size == 4 ? v4 : v6;
		uint8_t *entry = data->entries + data->n * (size + 8);

		if (block->parent != CLO_BLOCK_NONE &&
		    build->block_identity[block->parent] == identity)
			continue;
		memcpy(entry, &bits, 4);
		memcpy(entry + 4, block->cidr.addr, size);
		memcpy(entry + 4 + size, &identity, 4);
		data->n++;
	}
	return 0;
}

/* By copies of what is filled already: most ranges are wide. */
static void fill(uint16_t *slots, size_t n, uint16_t class)
{
	size_t filled = 1;

	slots[0] = class;
	while (filled < n) {
		size_t more = filled < n - filled ? filled : n - filled;

		memcpy(slots + filled, slots, more * sizeof(*slots));
		filled += more;
	}
}

static int put_services(const struct clo_build *build,
			struct clo_tables *tables)
{
	const struct clo_classes *classes = &build->classes;
	uint16_t *slots;
	int r = make(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4);

	if (r < 0)
		return r;

	/* Four classes share an element; together they are one flat array. */
	slots = (uint16_t *)(void *)tables->table[CLO_TABLE_SERVICES].entries;
	for (size_t i = 0; i < classes->n_ranges; i++) {
		const struct clo_slots *range = &classes->ranges[i];

		fill(slots + range->first, range->last - range->first + 1,
		     (uint16_t)range->class);
	}
	return 0;
}

static int put_identities(const struct clo_build *build,
			  struct clo_tables *tables)
{
	struct clo_identity *entries;
	int r = make(tables, CLO_TABLE_IDENTITIES, build->n_identities);

	if (r < 0)
		return r;

	entries = (void *)tables->table[CLO_TABLE_IDENTITIES].entries;
	for (uint32_t i = 1; i < build->n_identities; i++)
		entries[i] = build->identities[i].entry;
	return 0;
}

/* Interned sets, back to back, are the words. */
static int put_words(const struct clo_build *build, struct clo_tables *tables)
{
	size_t n = (build->sets.n - 1) * build->words;
	int r = make(tables, CLO_TABLE_WORDS, n);

	if (r == 0 && n)
		memcpy(tables->table[CLO_TABLE_WORDS].entries, build->sets.pool,
		       n * sizeof(uint64_t));
	return r;
}

/* Others are what is left of the rows' numbers, two of each. */
static int make_rows(const struct clo_build *build, struct clo_tables *tables)
{
	size_t n = build->rows.n - 1;
	int r = make(tables, CLO_TABLE_ROWS, n);

	if (r == 0)
		r = make(tables, CLO_TABLE_RULES,
			 (build->rows.n_pool - n * CLO_ROW_OTHERS) / 2);
	return r;
}

static uint32_t count_bits(const struct clo_build *build, uint32_t set)
{
	uint32_t bits = 0;
	size_t n;
	const uint32_t *halves = clo_lists_get(&build->sets, set + 1, &n);

	for (size_t i = 0; i < n; i++)
		bits += (uint32_t)__builtin_popcount(halves[i]);
	return bits;
}

static int put_rows(const struct clo_build *build, struct clo_tables *tables)
{
	struct clo_rule_entry *other;
	struct clo_row *rows;
	int r = make_rows(build, tables);

	if (r < 0)
		return r;

	rows = (void *)tables->table[CLO_TABLE_ROWS].entries;
	other = (void *)tables->table[CLO_TABLE_RULES].entries;
	for (uint32_t row = 0; row < build->rows.n - 1; row++) {
		size_t n;
		const uint32_t *list = clo_lists_get(&build->rows, row + 1, &n);
		size_t others = (n - CLO_ROW_OTHERS) / 2;

		rows[row] = (struct clo_row){
			.set = list[0],
			.rule = list[1],
			.owned =
				(uint16_t)(count_bits(build, list[0]) - others),
			.others = (uint16_t)others};
		for (size_t i = CLO_ROW_OTHERS; i < n; i += 2)
			*other++ = (struct clo_rule_entry){{row, list[i]},
							   list[i + 1]};
	}
	return 0;
}

int clo_build_tables(struct clo_build *build)
{
	static int (*const puts[])(const struct clo_build *,
				   struct clo_tables *) = {
		put_addresses,  put_cidrs, put_services,
		put_identities, put_words, put_rows};
	struct clo_tables *tables = build->out->tables;
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(puts) && r == 0; i++)
		r = puts[i](build, tables);
	if (r < 0)
		return r;

	tables->table[CLO_TABLE_PAIRS].n = build->pairs.n;
	tables->table[CLO_TABLE_PAIRS].entries = CLO_TAKE(build->pairs.entries);
	clo_tables_sort(tables);
	tables->gen.classes = clo_classes_count(&build->classes);
	tables->gen.words = build->words;
	tables->gen.identities = build->n_identities;
	tables->gen.rules = build->n_rules;
	memcpy(tables->gen.policy_digest, build->policy->digest,
	       sizeof(tables->gen.policy_digest));
	clo_tables_digest_all(tables, tables->gen.tables_digest);
	return 0;
}
