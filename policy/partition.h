/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/address.h"
#include "policy/model.h"

/*
 * Partitions: what is covered by the same sets cannot be told apart. A set is a
 * number; a list of numbers is interned, so that equal lists are one index.
 * Everything here is deterministic and bounded: -E2BIG beyond the bounds.
 */

/* Room for element n of an array that may move: the array, or NULL. */
void *clo_array_room(void *array, size_t n, size_t *cap, size_t size);

struct clo_slot {
	uint32_t index; /* 0: free */
	uint32_t hash; /* of the list */
};

/* Interned lists in the order of their first sight; 0 is the empty list. */
struct clo_lists {
	uint32_t *pool; /* all lists, back to back */
	size_t n_pool, cap_pool, max_pool;
	size_t *starts; /* n + 1 */
	size_t n, cap;
	struct clo_slot *slots; /* open addressing */
	size_t n_slots;
};

#define CLO_LISTS_MAX ((size_t)1 << 26) /* numbers in one pool, by default */

int clo_lists_init(struct clo_lists *lists, size_t max_pool);
void clo_lists_done(struct clo_lists *lists);
int clo_lists_intern(struct clo_lists *lists, const uint32_t *items, size_t n,
		     uint32_t *ret_index);
/* The index, or 0 if the list was never interned. */
uint32_t clo_lists_find(const struct clo_lists *lists, const uint32_t *items,
			size_t n);
const uint32_t *clo_lists_get(const struct clo_lists *lists, uint32_t index,
			      size_t *ret_n);

/* A relation, then indexed by its left side; right sides keep their order. */
struct clo_edge {
	uint32_t from, to;
};

struct clo_edges {
	struct clo_edge *edges;
	size_t n, cap;
};

int clo_edges_add(struct clo_edges *edges, uint32_t from, uint32_t to);
void clo_edges_done(struct clo_edges *edges);

struct clo_index {
	size_t *starts; /* n_keys + 1 */
	uint32_t *items;
	uint32_t n_keys;
};

/* Every edge's `from` must be below n_keys. */
int clo_index_init(struct clo_index *index, const struct clo_edges *edges,
		   uint32_t n_keys);
void clo_index_done(struct clo_index *index);
const uint32_t *clo_index_get(const struct clo_index *index, uint32_t key,
			      size_t *ret_n);

/*
 * Addresses. A set is (one or more blocks) minus (excepted blocks). After
 * build, each distinct block stands once, sorted; an address belongs to the
 * deepest block that holds it, which knows all sets that cover it.
 */
struct clo_block {
	struct clo_cidr cidr;
	uint32_t parent; /* CLO_BLOCK_NONE: a root */
	uint32_t sets; /* list of set numbers, ascending */
};

#define CLO_BLOCK_NONE 0xffffffffU

struct clo_blocks {
	struct clo_mark *marks; /* where a set begins or ends */
	size_t n_marks, cap_marks;
	struct clo_block *blocks;
	size_t n;
	struct clo_lists *lists; /* of sets, borrowed */
};

int clo_blocks_add(struct clo_blocks *blocks, uint32_t set,
		   const struct clo_cidr *cidr, const struct clo_cidr *except,
		   size_t n_except);
int clo_blocks_build(struct clo_blocks *blocks);
void clo_blocks_done(struct clo_blocks *blocks);
/* Index of the block that the address belongs to, or CLO_BLOCK_NONE. */
uint32_t clo_blocks_find(const struct clo_blocks *blocks, uint8_t family,
			 const uint8_t addr[16]);
bool clo_cidr_covers(const struct clo_cidr *cidr, uint8_t family,
		     const uint8_t addr[16], uint8_t bits);

/*
 * Services. Specs are ranges of slots; a class is what the same specs cover.
 * Class 0 is what no spec covers.
 */
struct clo_slots {
	uint32_t first, last;
	uint32_t class;
};

struct clo_classes {
	struct clo_lists specs; /* {first slot, last slot}, once or more */
	struct clo_lists sets; /* of specs; index = class */
	struct clo_slots *ranges; /* ascending, all slots */
	size_t n_ranges, cap_ranges;
	struct clo_index by_spec; /* spec -> classes, ascending */
};

int clo_classes_init(struct clo_classes *classes);
void clo_classes_done(struct clo_classes *classes);
/* spec: its number for by_spec; not for "any". */
int clo_classes_add(struct clo_classes *classes,
		    const struct clo_service_spec *service, uint32_t *ret_spec);
/* A spec of all protocols that carry other packets, service_spec.h. */
int clo_classes_add_encapsulation(struct clo_classes *classes,
				  uint32_t *ret_spec);
int clo_classes_build(struct clo_classes *classes);
uint32_t clo_classes_count(const struct clo_classes *classes);
