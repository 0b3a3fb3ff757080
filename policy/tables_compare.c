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

/* The first class of which the two words, or two rules, say different. */
static uint32_t first_class(const struct comparison *comparison,
			    enum clo_table t, size_t index,
			    enum clo_difference_kind how)
{
	size_t classes = (size_t)comparison->expected->gen.words * 64;
	const void *expected = NULL;
	const void *observed = NULL;
	uint64_t words[2] = {0};
	struct clo_rules rules[2] = {0};
	size_t bit;

	if (how != CLO_DIFF_EXTRA)
		expected = clo_tables_value(comparison->expected, t, index);
	if (how != CLO_DIFF_MISSING)
		observed = clo_tables_value(comparison->observed, t, index);
	if (t == CLO_TABLE_ROWS) {
		memcpy(&words[0], expected ? expected : &words[0], 8);
		memcpy(&words[1], observed ? observed : &words[1], 8);
		words[0] ^= words[1];
		bit = index * 64;
		bit += words[0] ? (size_t)__builtin_ctzll(words[0]) : 0;
	} else {
		memcpy(&rules[0], expected ? expected : &rules[0], 8);
		memcpy(&rules[1], observed ? observed : &rules[1], 8);
		bit = index * 2 + (rules[0].rule[0] == rules[1].rule[0]);
	}
	return (uint32_t)(bit % classes);
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

static void add_indexed(struct comparison *comparison, enum clo_table t,
			enum clo_difference_kind how, size_t index)
{
	struct clo_difference difference = {
		.table = t, .how = how, .index = index};
	size_t words = comparison->expected->gen.words;
	size_t per_row = t == CLO_TABLE_ROWS ? words : words * 32;

	if ((t == CLO_TABLE_ROWS || t == CLO_TABLE_RULES) && per_row &&
	    comparison->n < comparison->max) {
		size_t row = index / per_row;

		difference.class = first_class(comparison, t, index, how);
		difference.has_pair =
			find_pair(comparison->expected, row,
				  &difference.pair) ||
			find_pair(comparison->observed, row, &difference.pair);
	}
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
