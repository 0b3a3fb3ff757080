/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/partition.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

static void lists_are_interned(void **state)
{
	const uint32_t a[] = {1, 2, 3};
	const uint32_t b[] = {1, 2};
	struct clo_lists lists;
	uint32_t index;
	size_t n;

	(void)state;
	assert_int_equal(clo_lists_init(&lists, CLO_LISTS_MAX), 0);
	assert_int_equal(clo_lists_intern(&lists, NULL, 0, &index), 0);
	assert_int_equal(index, 0);
	assert_int_equal(clo_lists_intern(&lists, a, 3, &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(clo_lists_intern(&lists, b, 2, &index), 0);
	assert_int_equal(index, 2);
	assert_int_equal(clo_lists_intern(&lists, a, 3, &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(clo_lists_find(&lists, b, 2), 2);
	assert_int_equal(clo_lists_find(&lists, b, 1), 0);

	/* Enough to grow every array several times. */
	for (uint32_t i = 0; i < 10000; i++) {
		const uint32_t item[] = {7, i};

		assert_int_equal(clo_lists_intern(&lists, item, 2, &index), 0);
		assert_int_equal(index, i + 3);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		const uint32_t item[] = {7, i};

		assert_int_equal(clo_lists_find(&lists, item, 2), i + 3);
	}
	assert_memory_equal(clo_lists_get(&lists, 1, &n), a, sizeof(a));
	assert_int_equal(n, 3);
	clo_lists_done(&lists);
}

static void lists_are_bounded(void **state)
{
	const uint32_t items[] = {1, 2, 3};
	struct clo_lists lists;
	uint32_t index = 77;

	(void)state;
	assert_int_equal(clo_lists_init(&lists, 4), 0);
	assert_int_equal(clo_lists_intern(&lists, items, 3, &index), 0);
	assert_int_equal(clo_lists_intern(&lists, items, 2, &index), -E2BIG);
	assert_int_equal(clo_lists_intern(&lists, items, 1, &index), 0);
	assert_int_equal(index, 2);
	clo_lists_done(&lists);
}

static void index_keeps_order(void **state)
{
	struct clo_edges edges = {0};
	struct clo_index index;
	const uint32_t *items;
	size_t n;

	(void)state;
	assert_int_equal(clo_edges_add(&edges, 2, 9), 0);
	assert_int_equal(clo_edges_add(&edges, 0, 5), 0);
	assert_int_equal(clo_edges_add(&edges, 2, 1), 0);
	assert_int_equal(clo_index_init(&index, &edges, 4), 0);

	items = clo_index_get(&index, 2, &n);
	assert_int_equal(n, 2);
	assert_int_equal(items[0], 9);
	assert_int_equal(items[1], 1);
	(void)clo_index_get(&index, 1, &n);
	assert_int_equal(n, 0);
	(void)clo_index_get(&index, 3, &n);
	assert_int_equal(n, 0);
	clo_index_done(&index);
	clo_edges_done(&edges);
}

static struct clo_cidr cidr4(uint8_t a, uint8_t b, uint8_t c, uint8_t d,
			     uint8_t bits)
{
	return (struct clo_cidr){
		.family = 4, .bits = bits, .addr = {a, b, c, d}};
}

static void covers_by_bits(void **state)
{
	const struct clo_cidr block = cidr4(10, 0, 0, 160, 29);
	const uint8_t in[16] = {10, 0, 0, 167};
	const uint8_t out[16] = {10, 0, 0, 168};
	const struct clo_cidr all = cidr4(0, 0, 0, 0, 0);

	(void)state;
	assert_true(clo_cidr_covers(&block, 4, in, 32));
	assert_false(clo_cidr_covers(&block, 4, out, 32));
	assert_false(clo_cidr_covers(&block, 4, in, 28));
	assert_false(clo_cidr_covers(&block, 6, in, 128));
	assert_true(clo_cidr_covers(&all, 4, out, 32));
	assert_false(clo_cidr_covers(&all, 6, out, 128));
}

/* The sets of the block that the address belongs to, as a bit mask. */
static uint32_t sets_at(const struct clo_blocks *blocks, uint8_t a, uint8_t b,
			uint8_t c, uint8_t d)
{
	const uint8_t addr[16] = {a, b, c, d};
	uint32_t block = clo_blocks_find(blocks, 4, addr);
	const uint32_t *sets;
	uint32_t mask = 0;
	size_t n;

	if (block == CLO_BLOCK_NONE)
		return 0xffffffff;
	sets = clo_lists_get(blocks->lists, blocks->blocks[block].sets, &n);
	for (size_t i = 0; i < n; i++)
		mask |= 1U << sets[i];
	return mask;
}

static void blocks_nest_and_except(void **state)
{
	const struct clo_cidr ten = cidr4(10, 0, 0, 0, 8);
	const struct clo_cidr one = cidr4(10, 1, 0, 0, 16);
	const struct clo_cidr two = cidr4(10, 1, 2, 0, 24);
	const struct clo_cidr host = cidr4(10, 1, 2, 3, 32);
	struct clo_lists lists;
	struct clo_blocks blocks = {.lists = &lists};

	(void)state;
	assert_int_equal(clo_lists_init(&lists, CLO_LISTS_MAX), 0);
	assert_int_equal(clo_blocks_add(&blocks, 1, &ten, &one, 1), 0);
	assert_int_equal(clo_blocks_add(&blocks, 2, &two, NULL, 0), 0);
	assert_int_equal(clo_blocks_add(&blocks, 3, &one, &host, 1), 0);
	/* Wholly excepted; and an except that lies elsewhere. */
	assert_int_equal(clo_blocks_add(&blocks, 4, &two, &ten, 1), 0);
	assert_int_equal(clo_blocks_add(&blocks, 5, &host, &host, 1), 0);
	assert_int_equal(clo_blocks_build(&blocks), 0);

	assert_int_equal(sets_at(&blocks, 9, 255, 255, 255), 0xffffffff);
	assert_int_equal(sets_at(&blocks, 11, 0, 0, 0), 0xffffffff);
	assert_int_equal(sets_at(&blocks, 10, 0, 0, 0), 1 << 1);
	assert_int_equal(sets_at(&blocks, 10, 255, 255, 255), 1 << 1);
	assert_int_equal(sets_at(&blocks, 10, 1, 0, 0), 1 << 3);
	assert_int_equal(sets_at(&blocks, 10, 1, 1, 255), 1 << 3);
	assert_int_equal(sets_at(&blocks, 10, 1, 2, 0), 1 << 2 | 1 << 3);
	assert_int_equal(sets_at(&blocks, 10, 1, 2, 3), 1 << 2);
	assert_int_equal(sets_at(&blocks, 10, 1, 2, 4), 1 << 2 | 1 << 3);
	assert_int_equal(sets_at(&blocks, 10, 1, 3, 0), 1 << 3);
	assert_int_equal(sets_at(&blocks, 10, 2, 0, 0), 1 << 1);
	clo_blocks_done(&blocks);
	clo_lists_done(&lists);
}

static void no_block_at_all(void **state)
{
	const uint8_t addr[16] = {0};
	struct clo_lists lists;
	struct clo_blocks blocks = {.lists = &lists};

	(void)state;
	assert_int_equal(clo_lists_init(&lists, CLO_LISTS_MAX), 0);
	assert_int_equal(clo_blocks_build(&blocks), 0);
	assert_int_equal(clo_blocks_find(&blocks, 4, addr), CLO_BLOCK_NONE);
	assert_int_equal(clo_blocks_find(&blocks, 6, addr), CLO_BLOCK_NONE);
	clo_blocks_done(&blocks);
	clo_lists_done(&lists);
}

static uint32_t class_at(const struct clo_classes *classes, uint32_t slot)
{
	for (size_t i = 0; i < classes->n_ranges; i++) {
		if (classes->ranges[i].first <= slot &&
		    slot <= classes->ranges[i].last)
			return classes->ranges[i].class;
	}
	return CLO_CLASS_NONE;
}

static void classes_split_where_specs_do(void **state)
{
	static const struct clo_service_spec specs[] = {
		{.proto = IPPROTO_TCP, .first = 80, .last = 443},
		{.proto = IPPROTO_TCP, .first = 443, .last = 443},
		{.proto = IPPROTO_TCP, .first = 200, .last = 300},
		{.proto = IPPROTO_TCP, .first = 65535, .last = 65535},
		{.proto = IPPROTO_UDP, .first = 0, .last = 0},
		{.proto = IPPROTO_ICMP, .first = 0, .last = 255},
	};
	struct clo_classes classes;
	uint32_t spec[CLO_ARRAY_LEN(specs)];
	const uint32_t *of;
	size_t n;

	(void)state;
	assert_int_equal(clo_classes_init(&classes), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(specs); i++)
		assert_int_equal(clo_classes_add(&classes, &specs[i], &spec[i]),
				 0);
	assert_int_equal(clo_classes_build(&classes), 0);

	assert_int_equal(clo_classes_count(&classes), 7);
	assert_int_equal(class_at(&classes, CLO_SLOT_TCP + 79), 0);
	assert_int_equal(class_at(&classes, CLO_SLOT_TCP + 80),
			 class_at(&classes, CLO_SLOT_TCP + 301));
	assert_int_not_equal(class_at(&classes, CLO_SLOT_TCP + 199),
			     class_at(&classes, CLO_SLOT_TCP + 200));
	assert_int_equal(class_at(&classes, CLO_SLOT_TCP + 444), 0);
	assert_int_not_equal(class_at(&classes, CLO_SLOT_TCP + 65535), 0);
	assert_int_not_equal(class_at(&classes, CLO_SLOT_UDP), 0);
	assert_int_not_equal(class_at(&classes, CLO_SLOT_UDP),
			     class_at(&classes, CLO_SLOT_TCP + 65535));
	assert_int_equal(class_at(&classes, CLO_SLOT_UDP + 1), 0);
	assert_int_equal(class_at(&classes, CLO_SLOT_ICMP),
			 class_at(&classes, CLO_SLOT_ICMP + 255));
	assert_int_equal(class_at(&classes, CLO_SLOT_ICMPV6), 0);
	assert_int_equal(class_at(&classes, CLO_SLOTS - 1), 0);

	/* 80-199 with 301-442, 200-300, 443. */
	of = clo_index_get(&classes.by_spec, spec[0], &n);
	assert_int_equal(n, 3);
	assert_true(of[0] < of[1] && of[1] < of[2]);
	(void)clo_index_get(&classes.by_spec, spec[1], &n);
	assert_int_equal(n, 1);
	clo_classes_done(&classes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_interned),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(index_keeps_order),
		cmocka_unit_test(covers_by_bits),
		cmocka_unit_test(blocks_nest_and_except),
		cmocka_unit_test(no_block_at_all),
		cmocka_unit_test(classes_split_where_specs_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
