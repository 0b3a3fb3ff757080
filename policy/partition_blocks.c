/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "policy/partition.h"

/* At this block the set begins, or (an except) ends. */
struct clo_mark {
	struct clo_cidr cidr;
	uint32_t set;
	bool ends;
};

bool clo_cidr_covers(const struct clo_cidr *cidr, uint8_t family,
		     const uint8_t addr[16], uint8_t bits)
{
	size_t bytes = cidr->bits / 8U;
	unsigned int rest = cidr->bits % 8U;

	if (cidr->family != family || cidr->bits > bits ||
	    memcmp(cidr->addr, addr, bytes) != 0)
		return false;
	return !rest || !((cidr->addr[bytes] ^ addr[bytes]) >> (8 - rest));
}

static int mark(struct clo_blocks *blocks, const struct clo_cidr *cidr,
		uint32_t set, bool ends)
{
	struct clo_mark *moved =
		clo_array_room(blocks->marks, blocks->n_marks,
			       &blocks->cap_marks, sizeof(*moved));

	if (!moved)
		return -ENOMEM;

	blocks->marks = moved;
	blocks->marks[blocks->n_marks++] = (struct clo_mark){*cidr, set, ends};
	return 0;
}

int clo_blocks_add(struct clo_blocks *blocks, uint32_t set,
		   const struct clo_cidr *cidr, const struct clo_cidr *except,
		   size_t n_except)
{
	int r;

	/* Nothing is left of the set: its begin must not undo its end. */
	for (size_t i = 0; i < n_except; i++) {
		if (clo_cidr_covers(&except[i], cidr->family, cidr->addr,
				    cidr->bits))
			return 0;
	}

	r = mark(blocks, cidr, set, false);
	for (size_t i = 0; r == 0 && i < n_except; i++) {
		if (clo_cidr_covers(cidr, except[i].family, except[i].addr,
				    except[i].bits))
			r = mark(blocks, &except[i], set, true);
	}
	return r;
}

static int order_marks(const void *left, const void *right)
{
	const struct clo_mark *a = left;
	const struct clo_mark *b = right;
	int order = clo_cidr_compare(&a->cidr, &b->cidr);

	if (order != 0)
		return order;
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	return (int)a->ends - (int)b->ends;
}

/*
 * The parent's sets, with marks applied: both are ascending by set. A set that
 * begins where it already holds is there once.
 */
static int apply_marks(struct clo_blocks *blocks, uint32_t parent_sets,
		       const struct clo_mark *marks, size_t n,
		       uint32_t *ret_sets)
{
	CLO_AUTO_MEM uint32_t *sets = NULL;
	size_t n_parent;
	size_t n_sets = 0;
	size_t i = 0;
	const uint32_t *parent =
		clo_lists_get(blocks->lists, parent_sets, &n_parent);

	sets = calloc(n_parent + n, sizeof(*sets));
	if (!sets)
		return -ENOMEM;

	for (size_t m = 0; m < n; m++) {
		while (i < n_parent && parent[i] < marks[m].set)
			sets[n_sets++] = parent[i++];
		if (i < n_parent && parent[i] == marks[m].set)
			i++;
		if (!marks[m].ends &&
		    (n_sets == 0 || sets[n_sets - 1] != marks[m].set))
			sets[n_sets++] = marks[m].set;
	}
	while (i < n_parent)
		sets[n_sets++] = parent[i++];
	return clo_lists_intern(blocks->lists, sets, n_sets, ret_sets);
}

/* The nearest block before `cidr` that holds it; `from` = the one before. */
static uint32_t enclosing(const struct clo_blocks *blocks, uint32_t from,
			  uint8_t family, const uint8_t addr[16], uint8_t bits)
{
	while (from != CLO_BLOCK_NONE &&
	       !clo_cidr_covers(&blocks->blocks[from].cidr, family, addr, bits))
		from = blocks->blocks[from].parent;
	return from;
}

static int append(struct clo_blocks *blocks, const struct clo_mark *marks,
		  size_t n)
{
	const struct clo_cidr *cidr = &marks[0].cidr;
	uint32_t last = blocks->n ? (uint32_t)blocks->n - 1 : CLO_BLOCK_NONE;
	struct clo_block *block = &blocks->blocks[blocks->n];
	int r;

	block->cidr = *cidr;
	block->parent =
		enclosing(blocks, last, cidr->family, cidr->addr, cidr->bits);
	r = apply_marks(blocks,
			block->parent == CLO_BLOCK_NONE
				? 0
				: blocks->blocks[block->parent].sets,
			marks, n, &block->sets);
	if (r < 0)
		return r;

	blocks->n++;
	return 0;
}

int clo_blocks_build(struct clo_blocks *blocks)
{
	size_t i = 0;

	assert(!blocks->blocks);
	if (blocks->n_marks >= CLO_BLOCK_NONE)
		return -E2BIG;
	blocks->blocks = calloc(blocks->n_marks + 1, sizeof(*blocks->blocks));
	if (!blocks->blocks)
		return -ENOMEM;
	if (blocks->n_marks)
		qsort(blocks->marks, blocks->n_marks, sizeof(*blocks->marks),
		      order_marks);

	while (i < blocks->n_marks) {
		const struct clo_mark *first = &blocks->marks[i];
		size_t n = 1;
		int r;

		while (i + n < blocks->n_marks &&
		       !clo_cidr_compare(&first->cidr, &first[n].cidr))
			n++;
		r = append(blocks, first, n);
		if (r < 0)
			return r;
		i += n;
	}
	return 0;
}

void clo_blocks_done(struct clo_blocks *blocks)
{
	free(blocks->marks);
	free(blocks->blocks);
	*blocks = (struct clo_blocks){0};
}

uint32_t clo_blocks_find(const struct clo_blocks *blocks, uint8_t family,
			 const uint8_t addr[16])
{
	struct clo_cidr key = {.family = family, .bits = 128};
	size_t low = 0;
	size_t high = blocks->n;

	/* The last block not after the address is in it or next to it. */
	memcpy(key.addr, addr, family == 4 ? 4 : 16);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (clo_cidr_compare(&blocks->blocks[middle].cidr, &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return enclosing(blocks, low ? (uint32_t)low - 1 : CLO_BLOCK_NONE,
			 family, addr, family == 4 ? 32 : 128);
}
