/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"
#include "cloison/abi.h"

/*
 * The tables of one generation as one plain value: compiled from the
 * policy, read back from the kernel, compared, proven, explained. Entries of
 * HASH and LPM tables are key bytes then value bytes, sorted by key bytes;
 * entries of ARRAY tables are values, by index. Byte-identical for the same
 * policy on every host.
 */

enum clo_table_kind {
	CLO_TABLE_HASH,
	CLO_TABLE_LPM,
	CLO_TABLE_ARRAY,
};

struct clo_table_type {
	const char *name;
	enum clo_table_kind kind;
	uint32_t key_size; /* ARRAY: 4, and not part of an entry */
	uint32_t value_size;
	uint32_t entry_size;
};

extern const struct clo_table_type clo_table_types[CLO_TABLE_COUNT];

struct clo_table_data {
	uint8_t *entries; /* n * entry_size bytes */
	size_t n;
};

struct clo_tables {
	struct clo_gen gen; /* epoch is 0 in compiled tables */
	struct clo_table_data table[CLO_TABLE_COUNT];
};

void clo_tables_free(struct clo_tables *tables);
CLO_DEFINE_FREEP(clo_tables)

/* What an entry of table addr4 or addr6 is about: see abi.h. */
enum clo_addr_kind {
	CLO_ADDR_ENDPOINT, /* an address of an endpoint */
	CLO_ADDR_SELF,
	CLO_ADDR_GROUP,
	CLO_ADDR_SERVER,
};

enum clo_addr_kind clo_tables_addr_kind(const struct clo_tables *tables,
					enum clo_table t, size_t i);

/* Entry i of a table; key part (HASH, LPM only) and value part. */
const void *clo_tables_key(const struct clo_tables *tables, enum clo_table t,
			   size_t i);
const void *clo_tables_value(const struct clo_tables *tables, enum clo_table t,
			     size_t i);
/* Exact match by key bytes (HASH, LPM) or index (ARRAY); NULL if absent. */
const void *clo_tables_find(const struct clo_tables *tables, enum clo_table t,
			    const void *key);
/* The next slot with another service class than this one; CLO_SLOTS: none. */
uint32_t clo_tables_class_end(const struct clo_tables *tables, uint32_t slot);

/* Entries of table rules: of classes that are not the row's own rule's. */
struct clo_rule_entry {
	struct clo_rule_key key;
	uint32_t rule;
};

/* Those of one row, in no order of their classes. */
const struct clo_rule_entry *clo_tables_others(const struct clo_tables *tables,
					       uint32_t row, size_t *ret_n);
/* What a row allows: gen.words words; NULL: no such row, or no such set. */
const uint64_t *clo_tables_bits(const struct clo_tables *tables, uint32_t row);
/* The rule that allows the class in this row; 0: it is not, or no such row. */
uint32_t clo_tables_rule(const struct clo_tables *tables, uint32_t row,
			 uint32_t class);
/*
 * Of each class of a row the rule that allows it, or 0: ret_rules has
 * gen.words * 64. No such row: all 0.
 */
void clo_tables_row_rules(const struct clo_tables *tables, uint32_t row,
			  uint32_t *ret_rules);
/* Sort HASH and LPM entries; what a reader of kernel maps calls at the end. */
void clo_tables_sort(struct clo_tables *tables);

/*
 * SHA-256 over one table: its name, entry count and entries; and over all
 * those digests plus classes, words, identities and rules of gen.
 */
void clo_tables_digest(const struct clo_tables *tables, enum clo_table t,
		       uint8_t ret_digest[32]);
void clo_tables_digest_all(const struct clo_tables *tables,
			   uint8_t ret_digest[32]);

enum clo_difference_kind {
	CLO_DIFF_MISSING,
	CLO_DIFF_EXTRA,
	CLO_DIFF_CHANGED,
};

/* One place where observed tables differ from expected ones. */
struct clo_difference {
	enum clo_table table; /* CLO_TABLE_COUNT: gen, then CHANGED, index 0 */
	enum clo_difference_kind how;
	size_t index; /* into expected (MISSING, CHANGED) or observed */
	/*
	 * ROWS, WORDS and RULES: the first pair that uses the row, and the
	 * class, or CLO_CLASS_NONE.
	 * PAIRS: the pair, and CLO_CLASS_NONE.
	 */
	bool has_pair;
	struct clo_pair pair;
	uint32_t class;
};

/*
 * All differences counted, the first `max` stored in ret_differences; returns
 * their number. 0 means equal, bit for bit (gen.epoch is not compared).
 */
size_t clo_tables_compare(const struct clo_tables *expected,
			  const struct clo_tables *observed,
			  struct clo_difference *ret_differences, size_t max);
