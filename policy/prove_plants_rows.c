/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove_plants.h"

/* Plants in what a row allows, and in whose rules that is. */

/* In a row of one rule, a class that it denies and one that it allows. */
static int find_classes(const struct clo_tables *tables, uint32_t row,
			uint32_t *ret_denied, uint32_t *ret_allowed)
{
	const uint64_t *words = clo_tables_value(
		tables, CLO_TABLE_ROWS, (size_t)row * tables->gen.words);
	const struct clo_owner *owner =
		clo_tables_value(tables, CLO_TABLE_OWNERS, row);
	bool denied = false;
	bool allowed = false;

	if (owner->others)
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

static struct clo_owner *owner_at(struct clo_planting *planting, uint32_t row)
{
	return clo_plant_entry(planting, CLO_TABLE_OWNERS, row);
}

static uint64_t *word_at(struct clo_planting *planting, uint32_t row,
			 uint32_t class)
{
	return clo_plant_entry(planting, CLO_TABLE_ROWS,
			       (size_t)row * planting->tables->gen.words +
				       class / 64);
}

static struct clo_difference at_bit(const struct clo_planting *planting,
				    const struct spot *spot, uint32_t class)
{
	uint32_t words = planting->tables->gen.words;

	return (struct clo_difference){.table = CLO_TABLE_ROWS,
				       .how = CLO_DIFF_CHANGED,
				       .index = (size_t)spot->row * words +
						class / 64,
				       .has_pair = true,
				       .pair = spot->pair,
				       .class = class};
}

/* Of the row's owner, who owns all of it: its first class tells. */
static struct clo_difference at_owner(const struct clo_planting *planting,
				      const struct spot *spot)
{
	uint32_t class = 0;

	while (!clo_tables_rule(planting->tables, spot->row, class))
		class ++;
	return (struct clo_difference){.table = CLO_TABLE_OWNERS,
				       .how = CLO_DIFF_CHANGED,
				       .index = spot->row,
				       .has_pair = true,
				       .pair = spot->pair,
				       .class = class};
}

/* The bit and its rule, as a compiler would have set them. */
static int widened_port(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	*word_at(planting, spot.row, spot.denied) |= 1ULL << spot.denied % 64;
	owner_at(planting, spot.row)->owned++;
	planting->expected.allowed = spot.users;
	planting->expected.differences = 2;
	planting->expected.first = at_bit(planting, &spot, spot.denied);
	return 0;
}

static int narrowed_port(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	if (owner_at(planting, spot.row)->owned == 1)
		owner_at(planting, spot.row)->rule = 0;
	*word_at(planting, spot.row, spot.allowed) &=
		~(1ULL << spot.allowed % 64);
	owner_at(planting, spot.row)->owned--;
	planting->expected.allowed = -(int64_t)spot.users;
	planting->expected.differences = 2;
	planting->expected.first = at_bit(planting, &spot, spot.allowed);
	return 0;
}

static int row_word(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	*word_at(planting, spot.row, spot.denied) |= 1ULL << spot.denied % 64;
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
	*word_at(planting, spot.row, spot.allowed) &=
		~(1ULL << spot.allowed % 64);
	/* With its last bit a row loses the right to an owner first. */
	planting->expected.refused =
		clo_plant_bits(planting->tables, spot.row) == 1 ? "owners: "
								: "rows: ";
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
	*word_at(planting, spot.row, gen->classes) |= 1ULL << gen->classes % 64;
	owner_at(planting, spot.row)->owned++;
	planting->expected.refused = "rows: ";
	planting->expected.differences = 2;
	planting->expected.first = at_bit(planting, &spot, gen->classes);
	return 0;
}

static int rule_owner(struct clo_planting *planting)
{
	struct spot spot;
	struct clo_owner *owner;

	if (planting->tables->gen.rules < 3 ||
	    find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	owner = owner_at(planting, spot.row);
	owner->rule = owner->rule == 1 ? 2 : 1;
	planting->expected.differences = 1;
	planting->expected.first = at_owner(planting, &spot);
	return 0;
}

static int rule_unknown(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	owner_at(planting, spot.row)->rule = planting->tables->gen.rules;
	planting->expected.refused = "owners: ";
	planting->expected.differences = 1;
	planting->expected.first = at_owner(planting, &spot);
	return 0;
}

static int owner_count(struct clo_planting *planting)
{
	struct spot spot;

	if (find_spot(planting->tables, &spot) < 0)
		return -ENOENT;
	owner_at(planting, spot.row)->others++;
	planting->expected.refused = "rows: ";
	planting->expected.differences = 1;
	planting->expected.first = at_owner(planting, &spot);
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
	const struct clo_owner *owner;
	struct clo_rule_entry *other = find_other(planting);
	uint32_t rule = 1;

	if (!other)
		return -ENOENT;
	owner = owner_at(planting, other->key.row);
	while (rule == other->rule || rule == owner->rule)
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
	planting->expected.refused = "owners: ";
	planting->expected.first.how = CLO_DIFF_MISSING;
	return 0;
}

const struct clo_plant clo_plants_rows[] = {
	{"widened port", widened_port},
	{"narrowed port", narrowed_port},
	{"row word: a bit without a rule", row_word},
	{"row word: a rule without its bit", lost_bit},
	{"row word: a bit beyond the classes", beyond_classes},
	{"rule owner: another rule", rule_owner},
	{"rule owner: no rule of the policy", rule_unknown},
	{"rule owner: classes that nobody owns", owner_count},
	{"rule of a class: another rule", other_rule},
	{"rule of a class: no rule of the policy", other_unknown},
	{"rule of a class: lost", other_lost},
};
const size_t clo_plants_rows_count = CLO_ARRAY_LEN(clo_plants_rows);
