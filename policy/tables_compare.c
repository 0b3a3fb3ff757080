/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/tables.h"

struct comparison {
	const struct clo_tables *expected, *observed;
	struct clo_difference *differences;
	size_t n, max;
};

static void add(struct comparison *comparison, struct clo_difference difference)
{
	if (comparison->n < comparison->max)
		comparison->differences[comparison->n] = difference;
	comparison->n++;
}

/* The first row that has the set; false if none does. */
static bool find_row(const struct clo_tables *tables, size_t set,
		     uint32_t *ret_row)
{
	for (uint32_t i = 0; i < tables->table[CLO_TABLE_ROWS].n; i++) {
		const struct clo_row *row =
			clo_tables_value(tables, CLO_TABLE_ROWS, i);

		if (row->set != set)
			continue;
		*ret_row = i;
		return true;
	}
	return false;
}

/* The first pair in table order that uses the row; false if none does. */
static bool find_pair(const struct clo_tables *tables, size_t row,
		      struct clo_pair *ret_pair)
{
	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const uint32_t *used =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);

		if (*used != row)
			continue;
		memcpy(ret_pair, clo_tables_key(tables, CLO_TABLE_PAIRS, i),
		       sizeof(*ret_pair));
		return true;
	}
	return false;
}

/* Whose row it is; false if it is nobody's. */
static bool find_user(const struct comparison *comparison, uint32_t row,
		      struct clo_pair *ret_pair)
{
	/* The rest is only counted: no pair is looked for. */
	return comparison->n < comparison->max &&
	       (find_pair(comparison->expected, row, ret_pair) ||
		find_pair(comparison->observed, row, ret_pair));
}

/* The difference at two entries that are not the same one. */
static void add_keyed(struct comparison *comparison, enum clo_table t,
		      enum clo_difference_kind how, size_t index)
{
	const struct clo_tables *tables = how == CLO_DIFF_EXTRA
						  ? comparison->observed
						  : comparison->expected;
	struct clo_difference difference = {
		.table = t, .how = how, .index = index};

	if (t == CLO_TABLE_PAIRS) {
		difference.has_pair = true;
		difference.class = CLO_CLASS_NONE;
		memcpy(&difference.pair, clo_tables_key(tables, t, index),
		       sizeof(difference.pair));
	}
	if (t == CLO_TABLE_RULES) {
		const struct clo_rule_key *key =
			clo_tables_key(tables, t, index);

		difference.class = key->class;
		difference.has_pair =
			find_user(comparison, key->row, &difference.pair);
	}
	add(comparison, difference);
}

static void compare_keyed(struct comparison *comparison, enum clo_table t)
{
	const struct clo_table_type *type = &clo_table_types[t];
	const struct clo_tables *expected = comparison->expected;
	const struct clo_tables *observed = comparison->observed;
	size_t n_expected = expected->table[t].n;
	size_t n_observed = observed->table[t].n;
	size_t i = 0;
	size_t j = 0;

	while (i < n_expected || j < n_observed) {
		int order = 0;

		if (j == n_observed)
			order = -1;
		else if (i == n_expected)
			order = 1;
		else
			order = memcmp(clo_tables_key(expected, t, i),
				       clo_tables_key(observed, t, j),
				       type->key_size);

		if (order < 0) {
			add_keyed(comparison, t, CLO_DIFF_MISSING, i++);
			continue;
		}
		if (order > 0) {
			add_keyed(comparison, t, CLO_DIFF_EXTRA, j++);
			continue;
		}
		if (memcmp(clo_tables_value(expected, t, i),
			   clo_tables_value(observed, t, j),
			   type->value_size) != 0)
			add_keyed(comparison, t, CLO_DIFF_CHANGED, i);
		i++;
		j++;
	}
}

/* The first class of which the two words say different. */
static uint32_t changed_bit(const struct comparison *comparison, size_t index)
{
	const uint32_t at = (uint32_t)index;
	const uint64_t *expected =
		clo_tables_find(comparison->expected, CLO_TABLE_WORDS, &at);
	const uint64_t *observed =
		clo_tables_find(comparison->observed, CLO_TABLE_WORDS, &at);
	uint64_t changed =
		(expected ? *expected : 0) ^ (observed ? *observed : 0);
	size_t bit = changed ? (size_t)__builtin_ctzll(changed) : 0;

	return (uint32_t)(index % comparison->expected->gen.words * 64 + bit);
}

/* The first class that the row has by another rule. */
static uint32_t changed_rule(const struct comparison *comparison, uint32_t row)
{
	uint32_t words = comparison->expected->gen.words;

	for (uint32_t class = 0; class < words * 64; class ++) {
		if (clo_tables_rule(comparison->expected, row, class) !=
		    clo_tables_rule(comparison->observed, row, class))
			return class;
	}
	return CLO_CLASS_NONE;
}

/* Whose a word is, or a row: the first pair, and the class it is about. */
static void find_place(const struct comparison *comparison,
		       struct clo_difference *difference)
{
	size_t words = comparison->expected->gen.words;
	uint32_t row = (uint32_t)difference->index;

	if (difference->table == CLO_TABLE_ROWS) {
		difference->class = changed_rule(comparison, row);
	} else {
		size_t set = difference->index / words;

		difference->class = changed_bit(comparison, difference->index);
		if (!find_row(comparison->expected, set, &row) &&
		    !find_row(comparison->observed, set, &row))
			return;
	}
	difference->has_pair = find_user(comparison, row, &difference->pair);
}

static void add_indexed(struct comparison *comparison, enum clo_table t,
			enum clo_difference_kind how, size_t index)
{
	struct clo_difference difference = {
		.table = t, .how = how, .index = index};

	if (comparison->n < comparison->max &&
	    comparison->expected->gen.words &&
	    (t == CLO_TABLE_WORDS || t == CLO_TABLE_ROWS))
		find_place(comparison, &difference);
	add(comparison, difference);
}

static void compare_indexed(struct comparison *comparison, enum clo_table t)
{
	size_t size = clo_table_types[t].value_size;
	size_t n_expected = comparison->expected->table[t].n;
	size_t n_observed = comparison->observed->table[t].n;
	size_t n_both = n_expected < n_observed ? n_expected : n_observed;

	/* Equal as a rule: one look at the whole before one at each. */
	if (n_both && memcmp(clo_tables_value(comparison->expected, t, 0),
			     clo_tables_value(comparison->observed, t, 0),
			     n_both * size) != 0) {
		for (size_t i = 0; i < n_both; i++) {
			if (memcmp(clo_tables_value(comparison->expected, t, i),
				   clo_tables_value(comparison->observed, t, i),
				   size) != 0)
				add_indexed(comparison, t, CLO_DIFF_CHANGED, i);
		}
	}
	for (size_t i = n_both; i < n_expected; i++)
		add_indexed(comparison, t, CLO_DIFF_MISSING, i);
	for (size_t i = n_both; i < n_observed; i++)
		add_indexed(comparison, t, CLO_DIFF_EXTRA, i);
}

size_t clo_tables_compare(const struct clo_tables *expected,
			  const struct clo_tables *observed,
			  struct clo_difference *ret_differences, size_t max)
{
	struct comparison comparison = {.expected = expected,
					.observed = observed,
					.differences = ret_differences,
					.max = max};
	struct clo_gen gen = observed->gen;

	gen.epoch = expected->gen.epoch;
	if (memcmp(&gen, &expected->gen, sizeof(gen)) != 0)
		add(&comparison,
		    (struct clo_difference){.table = CLO_TABLE_COUNT,
					    .how = CLO_DIFF_CHANGED});
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		if (clo_table_types[t].kind == CLO_TABLE_ARRAY)
			compare_indexed(&comparison, (enum clo_table)t);
		else
			compare_keyed(&comparison, (enum clo_table)t);
	}
	return comparison.n;
}
