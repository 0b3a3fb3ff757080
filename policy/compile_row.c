/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/compile_build.h"

/* One row: which classes a list of rules allows, and by which of them. */
#define ROWS_MAX ((size_t)1 << 27) /* numbers in all rows, or sets */

int clo_build_row_init(struct clo_build *build, struct clo_build_row *row)
{
	size_t n;
	int r;

	build->words = (clo_classes_count(&build->classes) + 63) / 64;
	n = (size_t)build->words * 64;
	row->scratch = calloc(n, sizeof(*row->scratch));
	row->shared = calloc(n, sizeof(*row->shared));
	row->touched = calloc(n, sizeof(*row->touched));
	row->bits = calloc(n / 32, sizeof(*row->bits));
	row->list = calloc(CLO_ROW_OTHERS + 2 * n, sizeof(*row->list));
	row->owned = calloc(build->n_rules, sizeof(*row->owned));
	if (!row->scratch || !row->shared || !row->touched || !row->bits ||
	    !row->list || !row->owned)
		return -ENOMEM;

	r = clo_lists_init(&build->sets, ROWS_MAX);
	return r < 0 ? r : clo_lists_init(&build->rows, ROWS_MAX);
}

void clo_build_row_done(struct clo_build_row *row)
{
	free(row->scratch);
	free(row->shared);
	free(row->touched);
	free(row->owned);
	free(row->bits);
	free(row->list);
}

/* In the scratch row, the rule owns its classes that no earlier one owns. */
static void set_class(struct clo_build_row *row, uint32_t class, uint32_t rule)
{
	uint32_t *owner = &row->scratch[class];

	if (!*owner)
		row->touched[row->n_touched++] = class;
	else if (*owner != rule)
		row->shared[class] = true;
	if (!*owner || rule < *owner)
		*owner = rule;
}

/* "any": every class but those that carry other packets. */
static void set_any(const struct clo_build *build, struct clo_build_row *row,
		    uint32_t rule)
{
	size_t n_classes = clo_classes_count(&build->classes);
	size_t n, i = 0;
	const uint32_t *left_out = clo_index_get(&build->classes.by_spec,
						 build->encapsulation, &n);

	for (uint32_t class = 0; class < n_classes; class ++) {
		if (i < n && left_out[i] == class)
			i++;
		else
			set_class(row, class, rule);
	}
}

void clo_build_row_add(const struct clo_build *build, struct clo_build_row *row,
		       uint32_t rule)
{
	size_t n_specs;
	const uint32_t *specs = clo_lists_get(
		&build->ports, build->rules[rule].ports, &n_specs);

	for (size_t s = 0; s < n_specs; s++) {
		const uint32_t *classes;
		size_t n;

		if (specs[s] == CLO_PORTS_ANY) {
			set_any(build, row, rule);
			continue;
		}
		classes = clo_index_get(&build->classes.by_spec, specs[s], &n);
		for (size_t c = 0; c < n; c++)
			set_class(row, classes[c], rule);
	}
	build->out->uses[rule] |= CLO_RULE_MET;
}

/* The row under way shows what its rules are for. */
static void note_uses(uint8_t *uses, const struct clo_build_row *row)
{
	for (size_t i = 0; i < row->n_touched; i++) {
		uint32_t class = row->touched[i];

		uses[row->scratch[class]] |= CLO_RULE_OWNS;
		if (!row->shared[class])
			uses[row->scratch[class]] |= CLO_RULE_NEEDED;
	}
}

void clo_build_row_clear(struct clo_build_row *row)
{
	for (size_t i = 0; i < row->n_touched; i++) {
		row->scratch[row->touched[i]] = 0;
		row->shared[row->touched[i]] = false;
	}
	row->n_touched = 0;
}

/* The rule that owns most classes of the row; of equals, the first. */
static uint32_t find_owner(struct clo_build_row *row)
{
	uint32_t *owned = row->owned;
	uint32_t owner = row->scratch[row->touched[0]];

	for (size_t i = 0; i < row->n_touched; i++) {
		uint32_t rule = row->scratch[row->touched[i]];

		owned[rule]++;
		if (owned[rule] > owned[owner] ||
		    (owned[rule] == owned[owner] && rule < owner))
			owner = rule;
	}
	for (size_t i = 0; i < row->n_touched; i++)
		owned[row->scratch[row->touched[i]]] = 0;
	return owner;
}

/* Which classes the row has, whoever allows them. */
static int intern_set(struct clo_build *build, struct clo_build_row *row)
{
	uint32_t *bits = row->bits;
	uint32_t set = 0;
	int r;

	memset(bits, 0, build->words * sizeof(uint64_t));
	for (size_t i = 0; i < row->n_touched; i++)
		bits[row->touched[i] / 32] |= 1U << row->touched[i] % 32;
	r = clo_lists_intern(&build->sets, bits, (size_t)build->words * 2,
			     &set);
	row->list[0] = set - 1;
	return r;
}

static int intern_row(struct clo_build *build, struct clo_build_row *row,
		      uint32_t *ret_row)
{
	uint32_t owner = find_owner(row);
	uint32_t *list = row->list;
	size_t n = CLO_ROW_OTHERS;
	int r = intern_set(build, row);

	if (r < 0)
		return r;
	list[1] = owner;
	for (uint32_t w = 0; w < build->words * 2; w++) {
		for (uint32_t word = row->bits[w]; word; word &= word - 1) {
			uint32_t class = w * 32 + (uint32_t)__builtin_ctz(word);

			if (row->scratch[class] == owner)
				continue;
			list[n++] = class;
			list[n++] = row->scratch[class];
		}
	}
	return clo_lists_intern(&build->rows, list, n, ret_row);
}

int clo_build_row_end(struct clo_build *build, struct clo_build_row *row,
		      uint32_t *ret_row)
{
	note_uses(build->out->uses, row);
	if (row->n_touched)
		return intern_row(build, row, ret_row);
	*ret_row = 0;
	return 0;
}
