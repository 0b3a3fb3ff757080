/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/lib/frag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	UNITS = 24, /* of the datagrams that are tried */
	ROUNDS = 200000,
	NONE = CLO_DROP_NONE,
	OVERLAP = CLO_DROP_FRAGMENT_OVERLAP,
	HOLES = CLO_DROP_FRAGMENT,
};

struct part {
	__u16 from, to;
	int last;
	int expect;
};

/* Every accepted byte as a bit, and what must follow from them. */
struct model {
	__u64 seen;
	__u16 end;
	int dead;
};

static int bits_holes(__u64 seen)
{
	/* beginnings of runs of ones */
	return __builtin_popcountll(seen & ~(seen << 1));
}

static int model_add(struct model *model, const struct part *part)
{
	__u64 bits = ((1ULL << part->to) - 1) & ~((1ULL << part->from) - 1);
	__u64 beyond = ~((1ULL << part->to) - 1);

	if (model->dead)
		return OVERLAP;
	if (!bits || bits & model->seen ||
	    (model->end && (part->to > model->end || part->last)) ||
	    (part->last && model->seen & beyond)) {
		model->dead = 1;
		return OVERLAP;
	}
	if (bits_holes(model->seen | bits) > CLO_FRAG_RANGES)
		return HOLES;
	model->seen |= bits;
	if (part->last)
		model->end = part->to;
	return NONE;
}

static __u32 seed = 1;

static __u32 roll(__u32 below)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % below;
}

static void check_ranges(const struct clo_frag_ranges *ranges,
			 const struct model *model)
{
	__u64 seen = 0;

	for (size_t i = 0; i < CLO_FRAG_RANGES; i++)
		for (__u16 at = ranges->from[i]; at < ranges->to[i]; at++) {
			assert_false(seen >> at & 1);
			seen |= 1ULL << at;
		}
	assert_int_equal(seen, model->seen);
	assert_int_equal(ranges->end, model->end);
	assert_int_equal(ranges->dead, model->dead);
}

/* Arbitrary fragments, overlapping as often as not. */
static void test_random_parts(void **state)
{
	size_t counts[CLO_DROP_COUNT] = {0};

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct clo_frag_ranges ranges = {0};
		struct model model = {0};

		for (size_t i = 0; i < 8; i++) {
			struct part part = {.from = (__u16)roll(UNITS)};
			int drop;

			part.to = (__u16)(part.from + roll(4));
			part.last = roll(8) == 0;
			drop = (int)clo_frag_add(&ranges, part.from, part.to,
						 part.last);
			counts[drop]++;
			assert_int_equal(drop, model_add(&model, &part));
			check_ranges(&ranges, &model);
		}
	}
	assert_true(counts[NONE] && counts[OVERLAP] && counts[HOLES]);
}

/* A datagram cut at random and sent in random order, holes or not. */
static void test_random_orders(void **state)
{
	size_t complete = 0;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		struct clo_frag_ranges ranges = {0};
		struct model model = {0};
		struct part parts[UNITS];
		size_t n = 0;

		for (unsigned int at = 0; at < UNITS; at = parts[n - 1].to) {
			__u16 to = (__u16)(at + 1 + roll(8));

			to = to < UNITS ? to : UNITS;
			parts[n++] =
				(struct part){(__u16)at, to, to == UNITS, NONE};
		}
		while (n) {
			size_t i = roll((__u32)n);
			int drop =
				(int)clo_frag_add(&ranges, parts[i].from,
						  parts[i].to, parts[i].last);

			assert_int_equal(drop, model_add(&model, &parts[i]));
			assert_int_not_equal(drop, OVERLAP);
			parts[i] = parts[--n];
		}
		complete += model.seen == (1ULL << UNITS) - 1;
	}
	assert_true(complete > ROUNDS / 2);
}

static void run(const struct part *parts, size_t n)
{
	struct clo_frag_ranges ranges = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(clo_frag_add(&ranges, parts[i].from,
					      parts[i].to, parts[i].last),
				 parts[i].expect);
}

#define RUN(...)                                                               \
	do {                                                                   \
		static const struct part parts[] = {__VA_ARGS__};              \
		run(parts, sizeof(parts) / sizeof(parts[0]));                  \
	} while (0)

static void test_named(void **state)
{
	(void)state;
	/* in order and reversed, up to the largest datagram there is */
	RUN({0, 185, 0, NONE}, {185, 370, 0, NONE}, {370, 8192, 1, NONE});
	RUN({370, 8192, 1, NONE}, {185, 370, 0, NONE}, {0, 185, 0, NONE});
	/* the same again; a part of it; around it */
	RUN({0, 4, 0, NONE}, {0, 4, 0, OVERLAP}, {4, 8, 0, OVERLAP});
	RUN({0, 4, 0, NONE}, {1, 2, 0, OVERLAP});
	RUN({2, 4, 0, NONE}, {0, 8, 0, OVERLAP});
	RUN({2, 4, 0, NONE}, {0, 3, 0, OVERLAP});
	/* behind the end; a second end; an end before what was seen */
	RUN({4, 8, 1, NONE}, {8, 9, 0, OVERLAP});
	RUN({4, 8, 1, NONE}, {2, 4, 1, OVERLAP});
	RUN({4, 8, 0, NONE}, {2, 4, 1, OVERLAP});
	/* a hole too many refuses one fragment, not the datagram */
	RUN({2, 3, 0, NONE}, {4, 5, 0, NONE}, {6, 7, 0, NONE}, {8, 9, 0, NONE},
	    {10, 11, 1, HOLES}, {3, 4, 0, NONE}, {10, 11, 1, NONE},
	    {5, 6, 0, NONE}, {7, 8, 0, NONE}, {9, 10, 0, NONE}, {0, 2, 0, NONE},
	    {0, 2, 0, OVERLAP});
	RUN({3, 3, 0, OVERLAP});
}

static void test_ids(void **state)
{
	struct clo_frame frame = {.frag_id = 7};
	struct clo_frag_id a, b;
	__u32 slots = 0;

	(void)state;
	frame.tuple.family = 4;
	frame.tuple.proto = 17;
	frame.tuple.src[3] = 1;
	clo_frag_id_init(&frame, &a);
	assert_int_equal(a.id, 7);
	assert_int_equal(a.proto, 17);
	clo_frag_id_init(&frame, &b);
	assert_true(clo_frag_same(&a, &b));

	/* each byte that identifies makes another datagram */
	for (size_t i = 0; i < offsetof(struct clo_frag_id, reserved); i++) {
		b = a;
		((__u8 *)&b)[i] ^= 1;
		assert_false(clo_frag_same(&a, &b));
	}
	for (__u32 id = 0; id < 256; id++) {
		a.id = id;
		assert_true(clo_frag_slot(&a) < CLO_FRAG_SLOTS);
		slots |= 1U << clo_frag_slot(&a);
	}
	assert_int_equal(slots, 0xffffffffU); /* counting up spreads */

	frame.tuple.family = 6;
	clo_frag_id_init(&frame, &a);
	assert_int_equal(a.proto, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_parts),
		cmocka_unit_test(test_random_orders),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
