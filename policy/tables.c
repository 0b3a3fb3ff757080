/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tables.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

/* An ARRAY entry is its value alone; its key is its index. */
#define ENTRY_HASH(key, value) (sizeof(key) + sizeof(value))
#define ENTRY_LPM(key, value) (sizeof(key) + sizeof(value))
#define ENTRY_ARRAY(key, value) sizeof(value)

const struct clo_table_type clo_table_types[CLO_TABLE_COUNT] = {
#define X(NAME, text, type, key, value)                                        \
	[CLO_TABLE_##NAME] = {.name = #text,                                   \
			      .kind = CLO_TABLE_##type,                        \
			      .key_size = sizeof(key),                         \
			      .value_size = sizeof(value),                     \
			      .entry_size = ENTRY_##type(key, value)},
	CLO_TABLES(X)
#undef X
};

/* Entries are read in place, back to back, without copying. */
#define X(NAME, text, type, key, value)                                        \
	_Static_assert(ENTRY_##type(key, value) % _Alignof(value) == 0,        \
		       "table " #text ": a value would stand unaligned");
CLO_TABLES(X)
#undef X
_Static_assert(sizeof(struct clo_rule_entry) ==
		       ENTRY_HASH(struct clo_rule_key, __u32),
	       "an entry of table rules");

void clo_tables_free(struct clo_tables *tables)
{
	if (!tables)
		return;

	for (int t = 0; t < CLO_TABLE_COUNT; t++)
		free(tables->table[t].entries);
	free(tables);
}

static size_t key_part(enum clo_table t)
{
	return clo_table_types[t].entry_size - clo_table_types[t].value_size;
}

static const uint8_t *entry(const struct clo_tables *tables, enum clo_table t,
			    size_t i)
{
	assert(i < tables->table[t].n);
	return tables->table[t].entries + i * clo_table_types[t].entry_size;
}

const void *clo_tables_key(const struct clo_tables *tables, enum clo_table t,
			   size_t i)
{
	assert(clo_table_types[t].kind != CLO_TABLE_ARRAY);
	return entry(tables, t, i);
}

const void *clo_tables_value(const struct clo_tables *tables, enum clo_table t,
			     size_t i)
{
	return entry(tables, t, i) + key_part(t);
}

const void *clo_tables_find(const struct clo_tables *tables, enum clo_table t,
			    const void *key)
{
	size_t low = 0;
	size_t high = tables->table[t].n;
	uint32_t index;

	if (clo_table_types[t].kind == CLO_TABLE_ARRAY) {
		memcpy(&index, key, sizeof(index));
		return index < high ? clo_tables_value(tables, t, index) : NULL;
	}

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(entry(tables, t, middle), key, key_part(t));

		if (order == 0)
			return clo_tables_value(tables, t, middle);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The first entry of table rules that is of this row or a later one. */
static size_t first_other(const struct clo_tables *tables, uint32_t row)
{
	size_t low = 0;
	size_t high = tables->table[CLO_TABLE_RULES].n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(entry(tables, CLO_TABLE_RULES, middle), &row,
			   sizeof(row)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct clo_rule_entry *clo_tables_others(const struct clo_tables *tables,
					       uint32_t row, size_t *ret_n)
{
	size_t n = tables->table[CLO_TABLE_RULES].n;
	size_t first = first_other(tables, row);
	const struct clo_rule_entry *others;

	*ret_n = 0;
	if (first == n)
		return NULL;
	others = clo_tables_key(tables, CLO_TABLE_RULES, first);
	while (*ret_n < n - first && others[*ret_n].key.row == row)
		++*ret_n;
	return others;
}

const uint64_t *clo_tables_bits(const struct clo_tables *tables, uint32_t row)
{
	const struct clo_row *entry =
		clo_tables_find(tables, CLO_TABLE_ROWS, &row);
	size_t words = tables->gen.words;

	if (!entry ||
	    ((size_t)entry->set + 1) * words > tables->table[CLO_TABLE_WORDS].n)
		return NULL;
	return (const uint64_t *)(void *)tables->table[CLO_TABLE_WORDS]
		       .entries +
	       entry->set * words;
}

uint32_t clo_tables_rule(const struct clo_tables *tables, uint32_t row,
			 uint32_t class)
{
	const struct clo_rule_key key = {row, class};
	const uint64_t *bits = clo_tables_bits(tables, row);
	const uint32_t *other = NULL;
	const struct clo_row *entry;

	if (!bits || class >= tables->gen.words * 64 ||
	    !(bits[class / 64] >> (class % 64) & 1))
		return 0;
	entry = clo_tables_value(tables, CLO_TABLE_ROWS, row);
	if (entry->others)
		other = clo_tables_find(tables, CLO_TABLE_RULES, &key);
	return other ? *other : entry->rule;
}

void clo_tables_row_rules(const struct clo_tables *tables, uint32_t row,
			  uint32_t *ret_rules)
{
	const uint64_t *bits = clo_tables_bits(tables, row);
	uint32_t words = tables->gen.words;
	const struct clo_rule_entry *others;
	const struct clo_row *entry;
	size_t n;

	memset(ret_rules, 0, (size_t)words * 64 * sizeof(*ret_rules));
	if (!bits)
		return;
	entry = clo_tables_value(tables, CLO_TABLE_ROWS, row);
	for (uint32_t w = 0; w < words; w++)
		for (uint64_t word = bits[w]; word; word &= word - 1)
			ret_rules[w * 64 + (uint32_t)__builtin_ctzll(word)] =
				entry->rule;
	if (!entry->others)
		return;
	others = clo_tables_others(tables, row, &n);
	for (size_t i = 0; i < n; i++)
		if (others[i].key.class < words * 64)
			ret_rules[others[i].key.class] = others[i].rule;
}

enum clo_addr_kind clo_tables_addr_kind(const struct clo_tables *tables,
					enum clo_table t, size_t i)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};
	static const uint8_t dhcp6[16] = {0xff, 0x02, [13] = 1, [15] = 2};
	static const uint8_t routers[16] = {0xff, 0x02, [15] = 2};
	const uint8_t *key = clo_tables_key(tables, t, i);
	const uint8_t *addr = key + sizeof(uint32_t);
	uint32_t space;

	memcpy(&space, key, sizeof(space));
	if (space == CLO_SPACE_SELF)
		return CLO_ADDR_SELF;
	if (space & CLO_SPACE_GROUP)
		return CLO_ADDR_GROUP;
	if (t == CLO_TABLE_ADDR4
		    ? !memcmp(addr, broadcast, sizeof(broadcast))
		    : !memcmp(addr, dhcp6, sizeof(dhcp6)) ||
			      !memcmp(addr, routers, sizeof(routers)))
		return CLO_ADDR_SERVER;
	return CLO_ADDR_ENDPOINT;
}

/* Slots of one class are equal to themselves, one slot further on. */
uint32_t clo_tables_class_end(const struct clo_tables *tables, uint32_t slot)
{
	enum {
		AT_ONCE = 256
	};
	const struct clo_table_data *data = &tables->table[CLO_TABLE_SERVICES];
	const uint16_t *classes = (const void *)data->entries;
	uint32_t n =
		data->n < CLO_SLOTS / 4 ? (uint32_t)data->n * 4 : CLO_SLOTS;

	if (slot >= n)
		return CLO_SLOTS;
	while (slot + AT_ONCE < n && !memcmp(classes + slot, classes + slot + 1,
					     AT_ONCE * sizeof(*classes)))
		slot += AT_ONCE;
	while (slot + 1 < n && classes[slot] == classes[slot + 1])
		slot++;
	if (slot + 1 < n)
		return slot + 1;
	/* What is beyond the table has no class. */
	return classes[slot] == CLO_CLASS_NONE ? CLO_SLOTS : n;
}

static int order_keys(const void *a, const void *b, void *size)
{
	const size_t *n = size;

	return memcmp(a, b, *n);
}

void clo_tables_sort(struct clo_tables *tables)
{
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		struct clo_table_data *data = &tables->table[t];
		size_t size = clo_table_types[t].key_size;

		if (clo_table_types[t].kind != CLO_TABLE_ARRAY && data->n > 1)
			qsort_r(data->entries, data->n,
				clo_table_types[t].entry_size, order_keys,
				&size);
	}
}

/* libcrypto fails here only when it is out of memory or misbuilt. */
static void hash(EVP_MD_CTX *context, const void *bytes, size_t n)
{
	int ok = EVP_DigestUpdate(context, bytes, n);

	assert(ok == 1);
}

static EVP_MD_CTX *hash_begin(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);

	assert(ok == 1);
	return context;
}

static void hash_end(EVP_MD_CTX *context, uint8_t ret_digest[32])
{
	int ok = EVP_DigestFinal_ex(context, ret_digest, NULL);

	assert(ok == 1);
	EVP_MD_CTX_free(context);
}

void clo_tables_digest(const struct clo_tables *tables, enum clo_table t,
		       uint8_t ret_digest[32])
{
	const struct clo_table_type *type = &clo_table_types[t];
	const struct clo_table_data *data = &tables->table[t];
	EVP_MD_CTX *context = hash_begin();
	uint64_t n = data->n;

	hash(context, type->name, strlen(type->name) + 1);
	hash(context, &n, sizeof(n));
	if (n)
		hash(context, data->entries, data->n * type->entry_size);
	hash_end(context, ret_digest);
}

void clo_tables_digest_all(const struct clo_tables *tables,
			   uint8_t ret_digest[32])
{
	const struct clo_gen *gen = &tables->gen;
	const uint32_t counts[] = {gen->classes, gen->words, gen->identities,
				   gen->rules};
	EVP_MD_CTX *context = hash_begin();

	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		uint8_t digest[32];

		clo_tables_digest(tables, (enum clo_table)t, digest);
		hash(context, digest, sizeof(digest));
	}
	hash(context, counts, sizeof(counts));
	hash_end(context, ret_digest);
}
