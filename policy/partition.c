/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/partition.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"

void *clo_array_room(void *array, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : 16;
	void *moved;

	if (n < *cap)
		return array;

	moved = reallocarray(array, want, size);
	if (moved)
		*cap = want;
	return moved;
}

int clo_lists_init(struct clo_lists *lists, size_t max_pool)
{
	struct clo_lists fresh = {.max_pool = max_pool, .n_slots = 64};

	fresh.starts = calloc(2, sizeof(*fresh.starts));
	fresh.slots = calloc(fresh.n_slots, sizeof(*fresh.slots));
	if (!fresh.starts || !fresh.slots) {
		clo_lists_done(&fresh);
		return -ENOMEM;
	}

	fresh.n = 1;
	fresh.cap = 1;
	*lists = fresh;
	return 0;
}

void clo_lists_done(struct clo_lists *lists)
{
	free(lists->pool);
	free(lists->starts);
	free(lists->slots);
	*lists = (struct clo_lists){0};
}

/*
 * Multiply and fold; only spreads, the comparison decides. Four lanes: a row of
 * the matrix has some thousand numbers, and a multiplication waits for the last.
 */
static uint32_t hash(const uint32_t *items, size_t n)
{
	const uint64_t prime = 0xff51afd7ed558ccdU;
	uint64_t lanes[4] = {0x9e3779b97f4a7c15U ^ n, 1, 2, 3};
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		for (size_t lane = 0; lane < 4; lane++) {
			lanes[lane] = (lanes[lane] ^ items[i + lane]) * prime;
			lanes[lane] ^= lanes[lane] >> 32;
		}
	}
	for (; i < n; i++) {
		lanes[0] = (lanes[0] ^ items[i]) * prime;
		lanes[0] ^= lanes[0] >> 32;
	}
	for (size_t lane = 1; lane < 4; lane++)
		lanes[0] = (lanes[0] ^ lanes[lane]) * prime;
	return (uint32_t)(lanes[0] ^ lanes[0] >> 32);
}

const uint32_t *clo_lists_get(const struct clo_lists *lists, uint32_t index,
			      size_t *ret_n)
{
	static const uint32_t none;

	assert(index < lists->n);
	*ret_n = lists->starts[index + 1] - lists->starts[index];
	return lists->pool ? lists->pool + lists->starts[index] : &none;
}

/* The slot that holds the list, or the free one where it would go. */
static size_t probe(const struct clo_lists *lists, const uint32_t *items,
		    size_t n, uint32_t hashed)
{
	size_t slot = hashed & (lists->n_slots - 1);

	for (; lists->slots[slot].index;
	     slot = (slot + 1) & (lists->n_slots - 1)) {
		const uint32_t *list;
		size_t have;

		if (lists->slots[slot].hash != hashed)
			continue;
		list = clo_lists_get(lists, lists->slots[slot].index, &have);
		if (have == n && !memcmp(list, items, n * sizeof(*items)))
			break;
	}
	return slot;
}

static int rehash(struct clo_lists *lists)
{
	size_t n_slots = lists->n_slots * 2;
	struct clo_slot *slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return -ENOMEM;

	for (size_t i = 0; i < lists->n_slots; i++) {
		size_t slot = lists->slots[i].hash & (n_slots - 1);

		if (!lists->slots[i].index)
			continue;
		while (slots[slot].index)
			slot = (slot + 1) & (n_slots - 1);
		slots[slot] = lists->slots[i];
	}
	free(lists->slots);
	lists->slots = slots;
	lists->n_slots = n_slots;
	return 0;
}

static int reserve(struct clo_lists *lists, size_t n)
{
	size_t want = lists->cap_pool ? lists->cap_pool : 256;
	size_t *starts;
	size_t cap = lists->cap;
	uint32_t *pool;

	if (n > lists->max_pool - lists->n_pool || lists->n >= UINT32_MAX)
		return -E2BIG;
	while (want < lists->n_pool + n)
		want *= 2;
	if (want > lists->cap_pool) {
		pool = reallocarray(lists->pool, want, sizeof(*pool));
		if (!pool)
			return -ENOMEM;
		lists->pool = pool;
		lists->cap_pool = want;
	}

	if (lists->n < cap)
		return 0;
	starts = reallocarray(lists->starts, cap * 2 + 1, sizeof(*starts));
	if (!starts)
		return -ENOMEM;
	lists->starts = starts;
	lists->cap = cap * 2;
	return 0;
}

int clo_lists_intern(struct clo_lists *lists, const uint32_t *items, size_t n,
		     uint32_t *ret_index)
{
	uint32_t hashed;
	size_t slot;
	int r;

	if (n == 0) {
		*ret_index = 0;
		return 0;
	}

	hashed = hash(items, n);
	slot = probe(lists, items, n, hashed);
	if (lists->slots[slot].index) {
		*ret_index = lists->slots[slot].index;
		return 0;
	}

	r = reserve(lists, n);
	if (r < 0)
		return r;
	if (lists->n * 2 > lists->n_slots) {
		r = rehash(lists);
		if (r < 0)
			return r;
		slot = probe(lists, items, n, hashed);
	}

	memcpy(lists->pool + lists->n_pool, items, n * sizeof(*items));
	lists->n_pool += n;
	lists->slots[slot] = (struct clo_slot){(uint32_t)lists->n, hashed};
	*ret_index = (uint32_t)lists->n;
	lists->n++;
	lists->starts[lists->n] = lists->n_pool;
	return 0;
}

uint32_t clo_lists_find(const struct clo_lists *lists, const uint32_t *items,
			size_t n)
{
	return n ? lists->slots[probe(lists, items, n, hash(items, n))].index
		 : 0;
}

int clo_edges_add(struct clo_edges *edges, uint32_t from, uint32_t to)
{
	struct clo_edge *moved = clo_array_room(edges->edges, edges->n,
						&edges->cap, sizeof(*moved));

	if (!moved)
		return -ENOMEM;

	edges->edges = moved;
	edges->edges[edges->n++] = (struct clo_edge){from, to};
	return 0;
}

void clo_edges_done(struct clo_edges *edges)
{
	free(edges->edges);
	*edges = (struct clo_edges){0};
}

int clo_index_init(struct clo_index *index, const struct clo_edges *edges,
		   uint32_t n_keys)
{
	CLO_AUTO_MEM size_t *starts = NULL;
	CLO_AUTO_MEM uint32_t *items = NULL;

	/* One more than the keys and one ahead: filling shifts it back. */
	starts = calloc((size_t)n_keys + 2, sizeof(*starts));
	items = calloc(edges->n + 1, sizeof(*items));
	if (!starts || !items)
		return -ENOMEM;

	for (size_t i = 0; i < edges->n; i++) {
		assert(edges->edges[i].from < n_keys);
		starts[edges->edges[i].from + 2]++;
	}
	for (size_t key = 2; key < (size_t)n_keys + 2; key++)
		starts[key] += starts[key - 1];
	for (size_t i = 0; i < edges->n; i++)
		items[starts[edges->edges[i].from + 1]++] = edges->edges[i].to;

	*index = (struct clo_index){CLO_TAKE(starts), CLO_TAKE(items), n_keys};
	return 0;
}

void clo_index_done(struct clo_index *index)
{
	free(index->starts);
	free(index->items);
	*index = (struct clo_index){0};
}

const uint32_t *clo_index_get(const struct clo_index *index, uint32_t key,
			      size_t *ret_n)
{
	assert(key < index->n_keys);
	*ret_n = index->starts[key + 1] - index->starts[key];
	return index->items + index->starts[key];
}
