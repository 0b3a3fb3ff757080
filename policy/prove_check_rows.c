/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove_impl.h"

/* Whether rows, their sets of classes and their rules fit together. */

/* Classes of a set; -EBADMSG if one is beyond the classes. */
static int count_set(const struct clo_tables *tables, size_t set,
		     uint32_t *ret_classes, char reterr_text[160])
{
	const struct clo_gen *gen = &tables->gen;
	const uint64_t *words =
		clo_tables_value(tables, CLO_TABLE_WORDS, set * gen->words);
	uint32_t n = 0;

	for (uint32_t w = 0; w < gen->words; w++)
		if (words[w])
			n += (uint32_t)__builtin_popcountll(words[w]);
	*ret_classes = n;
	if (gen->classes % 64 && words[gen->words - 1] >> (gen->classes % 64))
		return clo_check_bad(reterr_text,
				     "words: set %zu allows beyond class %u",
				     set, gen->classes - 1);
	return 0;
}

static size_t count_sets(const struct clo_tables *tables)
{
	return tables->table[CLO_TABLE_WORDS].n / tables->gen.words;
}

/* The rule of a class that is not the row's own rule's. */
static int check_other(const struct clo_tables *tables,
		       const struct clo_rule_entry *other,
		       char reterr_text[160])
{
	const struct clo_gen *gen = &tables->gen;
	uint32_t row = other->key.row;
	uint32_t class = other->key.class;
	const struct clo_row *entry =
		clo_tables_find(tables, CLO_TABLE_ROWS, &row);
	const uint64_t *bits = clo_tables_bits(tables, row);

	if (!bits || class >= gen->classes)
		return clo_check_bad(reterr_text,
				     "rules: row %u, class %u: there is none",
				     row, class);
	if (other->rule == 0 || other->rule >= gen->rules)
		return clo_check_bad(reterr_text,
				     "rules: row %u, class %u has rule %u of "
				     "%u",
				     row, class, other->rule, gen->rules);
	if (!(bits[class / 64] >> (class % 64) & 1))
		return clo_check_bad(
			reterr_text,
			"rules: row %u, class %u is denied and a rule has it",
			row, class);
	if (other->rule == entry->rule)
		return clo_check_bad(reterr_text,
				     "rules: row %u, class %u has the row's "
				     "own rule",
				     row, class);
	return 0;
}

/* Every class has one rule: its row's own, or the one of its own entry. */
static int check_row(const struct clo_tables *tables, uint32_t index,
		     uint32_t allowed, uint32_t n_others, char reterr_text[160])
{
	const struct clo_row *row =
		clo_tables_value(tables, CLO_TABLE_ROWS, index);

	if (row->set >= count_sets(tables))
		return clo_check_bad(reterr_text,
				     "rows: row %u has set %u of %zu", index,
				     row->set, count_sets(tables));
	if (row->rule >= tables->gen.rules ||
	    (row->rule == 0) != (allowed == 0))
		return clo_check_bad(reterr_text,
				     "rows: row %u has rule %u of %u", index,
				     row->rule, tables->gen.rules);
	if (allowed != (uint32_t)row->owned + row->others)
		return clo_check_bad(reterr_text,
				     "rows: row %u allows %u classes, rules "
				     "%u of them",
				     index, allowed,
				     (uint32_t)row->owned + row->others);
	if (n_others != row->others || (allowed && !row->owned))
		return clo_check_bad(
			reterr_text,
			"rows: row %u has %u classes of its rule and %u of "
			"others, table rules %u",
			index, row->owned, row->others, n_others);
	return 0;
}

/* The entries of table rules, counted by row. */
static int check_others(const struct clo_tables *tables, uint32_t *counts,
			char reterr_text[160])
{
	for (size_t i = 0; i < tables->table[CLO_TABLE_RULES].n; i++) {
		const struct clo_rule_entry *other =
			clo_tables_key(tables, CLO_TABLE_RULES, i);
		int r = check_other(tables, other, reterr_text);

		if (r < 0)
			return r;
		counts[other->key.row]++;
	}
	return 0;
}

static int check_all(const struct clo_tables *tables, uint32_t *allowed,
		     char reterr_text[160])
{
	size_t n = count_sets(tables);
	CLO_AUTO_MEM uint32_t *sets = calloc(n + 1, sizeof(*sets));
	CLO_AUTO_MEM uint32_t *others =
		calloc(tables->table[CLO_TABLE_ROWS].n + 1, sizeof(*others));
	int r = 0;

	if (!sets || !others)
		return -ENOMEM;

	for (size_t set = 0; set < n && r == 0; set++)
		r = count_set(tables, set, &sets[set], reterr_text);
	if (r == 0)
		r = check_others(tables, others, reterr_text);
	for (uint32_t i = 0; i < tables->table[CLO_TABLE_ROWS].n && r == 0;
	     i++) {
		const struct clo_row *row =
			clo_tables_value(tables, CLO_TABLE_ROWS, i);

		allowed[i] = row->set < n ? sets[row->set] : 0;
		r = check_row(tables, i, allowed[i], others[i], reterr_text);
	}
	return r;
}

/* Rows have the numbers that they had. */
static bool are_numbered_alike(const struct clo_tables *tables,
			       const struct clo_change *change)
{
	const struct clo_tables *before;

	if (!change->before || !change->same_classes)
		return false;
	before = change->before->tables;
	return before->gen.rules <= tables->gen.rules &&
	       before->table[CLO_TABLE_ROWS].n ==
		       tables->table[CLO_TABLE_ROWS].n;
}

/*
 * Rows of entries of table rules that came or went are marked, from *first to
 * before *end at most; false: there is one of no row.
 */
static bool touch_others(const struct clo_tables *tables,
			 const struct clo_change *change, bool *touched,
			 size_t *first, size_t *end)
{
	size_t n = tables->table[CLO_TABLE_RULES].n -
		   change->tail[CLO_TABLE_RULES];

	for (size_t i = change->head[CLO_TABLE_RULES]; i < n; i++) {
		const struct clo_rule_key *key =
			clo_tables_key(tables, CLO_TABLE_RULES, i);

		if (key->row >= tables->table[CLO_TABLE_ROWS].n)
			return false;
		touched[key->row] = true;
		if (key->row < *first)
			*first = key->row;
		if (key->row >= *end)
			*end = key->row + 1;
	}
	return true;
}

/* Two sets whose words stand before, or behind, all that differs. */
static bool is_same_set(const struct clo_tables *tables,
			const struct clo_change *change, uint32_t was,
			uint32_t is)
{
	const struct clo_tables *before = change->before->tables;
	size_t words = tables->gen.words;
	size_t n_was = before->table[CLO_TABLE_WORDS].n;
	size_t n = tables->table[CLO_TABLE_WORDS].n;
	size_t first = (size_t)is * words;

	if (was == is && first + words <= change->head[CLO_TABLE_WORDS])
		return true;
	return first + n_was == (size_t)was * words + n && first < n &&
	       first >= n - change->tail[CLO_TABLE_WORDS];
}

/* Rows that may say something else than they said: from *ret_first. */
static void find_rows(const struct clo_tables *tables,
		      const struct clo_change *change, size_t *ret_first,
		      size_t *ret_end)
{
	size_t n = tables->table[CLO_TABLE_ROWS].n;
	/* With all sets as they were, a row that stands there is the same. */
	bool same = change->same[CLO_TABLE_WORDS];

	*ret_first = same ? change->head[CLO_TABLE_ROWS] : 0;
	*ret_end = same ? n - change->tail[CLO_TABLE_ROWS] : n;
}

/* The row says what it said, of the same classes whatever their set's number. */
static bool is_same_row(const struct clo_tables *tables,
			const struct clo_change *change, uint32_t index)
{
	const struct clo_tables *before = change->before->tables;
	const struct clo_row *was =
		clo_tables_value(before, CLO_TABLE_ROWS, index);
	const struct clo_row *is =
		clo_tables_value(tables, CLO_TABLE_ROWS, index);
	size_t size = tables->gen.words * sizeof(uint64_t);
	const uint64_t *bits;

	if (was->rule != is->rule || was->owned != is->owned ||
	    was->others != is->others)
		return false;
	if (is_same_set(tables, change, was->set, is->set))
		return true;
	bits = clo_tables_bits(tables, index);
	return bits && !memcmp(bits, clo_tables_bits(before, index), size);
}

static int check_touched(const struct clo_tables *tables, uint32_t index,
			 uint32_t *ret_allowed, char reterr_text[160])
{
	const struct clo_row *row =
		clo_tables_value(tables, CLO_TABLE_ROWS, index);
	const struct clo_rule_entry *others;
	size_t n;
	int r = 0;

	if (row->set < count_sets(tables))
		r = count_set(tables, row->set, ret_allowed, reterr_text);
	others = clo_tables_others(tables, index, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_other(tables, &others[i], reterr_text);
	return r < 0 ? r
		     : check_row(tables, index, *ret_allowed, (uint32_t)n,
				 reterr_text);
}

/* Sets that are not as they were; no row may have them. */
static int check_sets(const struct clo_tables *tables,
		      const struct clo_change *change, char reterr_text[160])
{
	size_t words = tables->gen.words;
	size_t end = tables->table[CLO_TABLE_WORDS].n -
		     change->tail[CLO_TABLE_WORDS];
	uint32_t classes;
	int r = 0;

	for (size_t set = change->head[CLO_TABLE_WORDS] / words;
	     set * words < end && r == 0; set++)
		r = count_set(tables, set, &classes, reterr_text);
	return r;
}

static int check_change(const struct clo_tables *tables,
			const struct clo_change *change, uint32_t *allowed,
			char reterr_text[160])
{
	size_t n = tables->table[CLO_TABLE_ROWS].n;
	CLO_AUTO_MEM bool *touched = calloc(n + 1, sizeof(*touched));
	size_t first;
	size_t end;
	int r;

	if (!touched)
		return -ENOMEM;
	if (n)
		memcpy(allowed, change->before->allowed, n * sizeof(*allowed));
	/* Entries of a row are found by their order. */
	r = clo_check_order(tables, CLO_TABLE_RULES, change, reterr_text);
	if (r == 0)
		r = check_sets(tables, change, reterr_text);
	if (r < 0)
		return r;

	find_rows(tables, change, &first, &end);
	if (!touch_others(tables, change, touched, &first, &end) ||
	    !touch_others(change->before->tables, change, touched, &first,
			  &end))
		return clo_check_bad(reterr_text, "rules: of no row");
	for (size_t i = first; i < end && r == 0; i++)
		if (touched[i] || !is_same_row(tables, change, (uint32_t)i))
			r = check_touched(tables, (uint32_t)i, &allowed[i],
					  reterr_text);
	return r;
}

int clo_check_rows(const struct clo_tables *tables,
		   const struct clo_change *change, uint32_t *allowed,
		   char reterr_text[160])
{
	return are_numbered_alike(tables, change)
		       ? check_change(tables, change, allowed, reterr_text)
		       : check_all(tables, allowed, reterr_text);
}
