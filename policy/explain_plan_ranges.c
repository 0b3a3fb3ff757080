/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/explain_plan_impl.h"

/* Which joint ranges of services the rows of a pair of joints allow. */

/* Joint ranges of each class of the side. */
static int index_side(struct side *side, const struct clo_ranges *ranges)
{
	const struct clo_gen *gen = &side->compiled->tables->gen;
	struct clo_edges edges = {0};
	int r = 0;

	side->classes = clo_ranges_classes(&side->ranges, ranges);
	if (!side->classes)
		return -ENOMEM;
	for (uint32_t i = 0; i < ranges->n && r == 0; i++)
		if (side->classes[i] < gen->words * 64)
			r = clo_edges_add(&edges, side->classes[i], i);
	if (r == 0)
		r = clo_index_init(&side->by_class, &edges, gen->words * 64);
	clo_edges_done(&edges);
	return r;
}

int clo_plan_ranges(struct plan *plan)
{
	const struct clo_ranges *ranges = &plan->ranges;
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++)
		r = index_side(&plan->sides[i], ranges);
	if (r < 0)
		return r;

	for (size_t i = 1; i < ranges->n; i++)
		if (!clo_range_is_encapsulation(&ranges->ranges[i]) &&
		    clo_range_is_mixed(&ranges->ranges[i]))
			plan->mixed = true;
	plan->open = calloc(ranges->n / 64 + 1, sizeof(*plan->open));
	return plan->open ? 0 : -ENOMEM;
}

/* Most rows allow little: what neither allows is not looked at. */
static void mark_open(struct plan *plan, const struct side *side,
		      uint32_t row_plus_1)
{
	const struct clo_tables *tables = side->compiled->tables;
	const uint64_t *bits =
		row_plus_1 ? clo_tables_bits(tables, row_plus_1 - 1) : NULL;

	for (uint32_t w = 0; bits && w < tables->gen.words; w++) {
		for (uint64_t word = bits[w]; word; word &= word - 1) {
			uint32_t class =
				w * 64 + (uint32_t)__builtin_ctzll(word);
			size_t n;
			const uint32_t *ranges =
				clo_index_get(&side->by_class, class, &n);

			for (size_t i = 0; i < n; i++)
				plan->open[ranges[i] / 64] |=
					1ULL << (ranges[i] % 64);
		}
	}
}

size_t clo_plan_next(const struct plan *plan, size_t range)
{
	while (range < plan->ranges.n) {
		uint64_t word = plan->open[range / 64] >> (range % 64);

		if (word)
			return range + (size_t)__builtin_ctzll(word);
		range = (range / 64 + 1) * 64;
	}
	return plan->ranges.n;
}

void clo_plan_open(struct plan *plan, const uint32_t rows[2])
{
	memset(plan->open, 0, (plan->ranges.n / 64 + 1) * sizeof(*plan->open));
	for (int side = 0; side < 2; side++)
		mark_open(plan, &plan->sides[side], rows[side]);
}
