/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove_plants.h"

/* Plants in what a row allows, and in whose rules that is. */

/* No other row has its set. */
static bool is_alone(const struct clo_tables *tables, uint32_t row)
{
	const struct clo_row *rows =
		clo_tables_value(tables, CLO_TABLE_ROWS, 0);

	for (uint32_t i = 0; i < tables->table[CLO_TABLE_ROWS].n; i++)
		if (i != row && rows[i].set == rows[row].set)
			return false;
	return true;
}

/* In a row of one rule, a class that it denies and one that it allows. */
static int find_classes(const struct clo_tables *tables, uint32_t row,
			uint32_t *ret_denied, uint32_t *ret_allowed)
{
	const uint64_t *words = clo_tables_bits(tables, row);
	const struct clo_row *entry =
		clo_tables_value(tables, CLO_TABLE_ROWS, row);
	bool denied = false;
	bool allowed = false;

	if (!words || entry->others || !is_alone(tables, row))
		return -ENOENT;
	for (uint32_t c = 0; c < tables->gen.classes; c++) {
		if (words[c / 64] >> (c % 64) & 1) {
			*ret_allowed = c;
			allowed = true;
		} else {
			*ret_denied = c;
			denied = true;
		}
	}
	return denied && allowed ? 0 : -ENOENT;
}

/* Where something may be changed in a row, and who feels it. */
struct spot {
	struct clo_pair pair; /* the first that uses the row */
	uint32_t row, users, denied, allowed;
};

/* false: some pair that uses the row crosses a border as it is. */
static bool find_users(const struct clo_tables *tables, struct spot *spot)
{
	for (size_t i = tables->table[CLO_TABLE_PAIRS].n; i-- > 0;) {
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);

		if (*row != spot->row)
			continue;
		spot->users++;
		memcpy(&spot->pair, clo_tables_key(tables, CLO_TABLE_PAIRS, i),
		       sizeof(spot->pair));
		if (clo_plant_crosses(tables, spot->pair))
			return false;
	}
	return true;
}

static int find_spot(const struct clo_tables *tables, struct spot *ret_spot)
{
	/* From the last row on: an index must count, not only stand at 0. */
	for (size_t i = tables->table[CLO_TABLE_PAIRS].n; i-- > 0;) {
		struct spot spot = {.row = *(const uint32_t *)clo_tables_value(
					    tables, CLO_TABLE_PAIRS, i)};

		if (find_classes(tables, spot.row, &spot.denied,
				 &spot.allowed) < 0 ||
		    !find_users(tables, &spot))
			continue;
		*ret_spot = spot;
		return 0;
	}
	return -ENOENT;
}

static struct clo_row *row_at(struct clo_planting *planting, uint32_t row)
{
	return clo_plant_entry(planting, CLO_TABLE_ROWS, row);
}

static size_t word_of(const struct clo_tables *tables, uint32_t row,
		      uint32_t class)
{
	const struct clo_row *entry =
		clo_tables_value(tables, CLO_TABLE_ROWS, row);

	return (size_t)entry->set * tables->gen.words + class / 64;
}

static void set_bit(struct clo_planting *planting, uint32_t row, uint32_t class)
{
	uint64_t *word = clo_plant_entry(planting, CLO_TABLE_WORDS,
					 word_of(planting->tables, row, class));

	*word ^= 1ULL << (class % 64);
}

static struct clo_difference at(enum clo_table t, size_t index,
				const struct spot *spot, uint32_t class)
{
	return (struct clo_difference){.table = t,
				       .how = CLO_DIFF_CHANGED,
				       .index = index,
				       .has_pair = true,
				       .pair = spot->pair,
				       .class = class};
}

static struct clo_difference at_bit(const struct clo_planting *planting,
				    const struct spot *spot, uint32_t class)
{
	return at(CLO_TABLE_WORDS, word_of(planting->tables, spot->row, class),
		  spot, class);
}

/* The row's first class, which tells that its rule is another. */
static struct clo_difference at_rule(const struct clo_planting *planting,
				     const struct spot *spot)
{
	uint32_t class = 0;

	while (!clo_tables_rule(planting->tables, spot->row, class))
		class ++;
	return at(CLO_TABLE_ROWS, spot->row, spot, class);
}

/* The bit and its rule, as a compiler would have set them. */
static int widened_port(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	set_bit(planting, spot.row, spot.denied);
	row_at(planting, spot.row)->owned++;
	planting->expected.allowed = spot.users;
	planting->expected.differences = 2;
	planting->expected.first =
		at(CLO_TABLE_ROWS, spot.row, &spot, spot.denied);
	return 0;
}

static int narrowed_port(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	if (row_at(planting, spot.row)->owned == 1)
		row_at(planting, spot.row)->rule = 0;
	set_bit(planting, spot.row, spot.allowed);
	row_at(planting, spot.row)->owned--;
	planting->expected.allowed = -(int64_t)spot.users;
	planting->expected.differences = 2;
	planting->expected.first =
		at(CLO_TABLE_ROWS, spot.row, &spot, spot.allowed);
	return 0;
}

static int row_word(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	set_bit(planting, spot.row, spot.denied);
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_bit(planting, &spot, spot.denied);
	return 0;
}

static int lost_bit(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	set_bit(planting, spot.row, spot.allowed);
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_bit(planting, &spot, spot.allowed);
	return 0;
}

/* With a rule, and yet of no class that a packet can have. */
static int beyond_classes(struct clo_planting *planting)
{
	const struct clo_gen *gen = &planting->tables->gen;
	struct spot spot;

	if (gen->classes % 64 == 0 || find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	set_bit(planting, spot.row, gen->classes);
	row_at(planting, spot.row)->owned++;
	planting->expected.refused = "words: ";
	planting->expected.differences = 2;
	planting->expected.first =
		at(CLO_TABLE_ROWS, spot.row, &spot, gen->classes);
	return 0;
}

static int row_rule(struct clo_planting *planting)
{
	struct spot spot;
	struct clo_row *row;

	if (planting->tables->gen.rules < 3 ||
	    find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	row = row_at(planting, spot.row);
	row->rule = row->rule == 1 ? 2 : 1;
	planting->expected.differences = 1;
	planting->expected.first = at_rule(planting, &spot);
	return 0;
}

static int rule_unknown(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	row_at(planting, spot.row)->rule = planting->tables->gen.rules;
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_rule(planting, &spot);
	return 0;
}

/* As many classes, and others. */
static int other_set(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	struct clo_row *row;
	struct spot spot;
	uint32_t class = 0;

	if (find_spot(tables, &spot) < 0)
		return -ENOENT;
	row = row_at(planting, spot.row);
	for (uint32_t i = 0; i < tables->table[CLO_TABLE_ROWS].n; i++) {
		if (i != spot.row && clo_plant_bits(tables, i) ==
					     clo_plant_bits(tables, spot.row))
			row->set = row_at(planting, i)->set;
	}
	while (class < tables->gen.classes &&
	       clo_tables_rule(tables, spot.row, class) ==
		       clo_tables_rule(planting->copy, spot.row, class))
		class ++;
	if (class == tables->gen.classes)
		return -ENOENT;
	planting->expected.differences = 1;
	planting->expected.first = at(CLO_TABLE_ROWS, spot.row, &spot, class);
	return 0;
}

static int set_of_none(struct clo_planting *planting)
{
	const struct clo_tables *tables = planting->tables;
	struct spot spot;

	if (find_spot(tables, &spot) < 0)
		return -ENOENT;
	row_at(planting, spot.row)->set =
		(uint32_t)(tables->table[CLO_TABLE_WORDS].n /
			   tables->gen.words);
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_rule(planting, &spot);
	return 0;
}

static int row_count(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	row_at(planting, spot.row)->others++;
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_rule(planting, &spot);
	planting->expected.first.class = CLO_CLASS_NONE;
	return 0;
}

/* A pair that uses the row of an entry of table rules; false: nobody does. */
static bool find_user(const struct clo_tables *tables, uint32_t row,
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

/* The last entry of table rules, to be changed. */
static struct clo_rule_entry *find_other(struct clo_planting *planting)
{
	size_t n = planting->tables->table[CLO_TABLE_RULES].n;
	struct clo_difference *first = &planting->expected.first;
	struct clo_rule_entry *other;

	if (n == 0)
		return NULL;
	other = clo_plant_entry(planting, CLO_TABLE_RULES, n - 1);
	*first = (struct clo_difference){.table = CLO_TABLE_RULES,
					 .how = CLO_DIFF_CHANGED,
					 .index = n - 1,
					 .class = other->key.class};
	first->has_pair =
		find_user(planting->tables, other->key.row, &first->pair);
	planting->expected.differences = 1;
	return other;
}

static int other_rule(struct clo_planting *planting)
{
	const struct clo_row *row;
	struct clo_rule_entry *other = find_other(planting);
	uint32_t rule = 1;

	if (!other)
		return -ENOENT;
	row = row_at(planting, other->key.row);
	while (rule == other->rule || rule == row->rule)
		rule++;
	if (rule >= planting->tables->gen.rules)
		return -ENOENT;
	other->rule = rule;
	return 0;
}

static int other_unknown(struct clo_planting *planting)
{
	struct clo_rule_entry *other = find_other(planting);

	if (!other)
		return -ENOENT;
	other->rule = planting->tables->gen.rules;
	planting->expected.refused = "rules: ";
	return 0;
}

static int other_lost(struct clo_planting *planting)
{
	if (!find_other(planting))
		return -ENOENT;
	planting->copy->table[CLO_TABLE_RULES].n--;
	planting->expected.refused = "rows: ";
	planting->expected.first.how = CLO_DIFF_MISSING;
	return 0;
}

const struct clo_plant clo_plants_rows[] = {
	{"widened port", widened_port},
	{"narrowed port", narrowed_port},
	{"word: a bit without a rule", row_word},
	{"word: a rule without its bit", lost_bit},
	{"word: a bit beyond the classes", beyond_classes},
	{"row: another rule", row_rule},
	{"row: no rule of the policy", rule_unknown},
	{"row: another set", other_set},
	{"row: no set", set_of_none},
	{"row: classes that no rule allows", row_count},
	{"rule of a class: another rule", other_rule},
	{"rule of a class: no rule of the policy", other_unknown},
	{"rule of a class: lost", other_lost},
};
const size_t clo_plants_rows_count = CLO_ARRAY_LEN(clo_plants_rows);
