/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/import/translate.h"
#include "policy/read.h"

/*
 * Flows from and to the outside. A block in a rule of ours would also mean the
 * pods of its scope, whose flows have rules of their own: they are excepted.
 */

struct cidrs {
	struct clo_cidr *items; /* sorted, apart */
	size_t n;
};

/* What is judged for one scope and direction. */
struct beyond {
	struct clo_import *import;
	struct clo_import_plan *plan;
	uint32_t scope;
	enum clo_kube_direction direction;
	struct cidrs own; /* addresses of the scope's pods */
	struct clo_lists keys; /* port sets, by block */
	struct clo_edges classes; /* key -> class */
	uint32_t *key;
};

static int compare_cidrs(const void *a, const void *b)
{
	return clo_cidr_compare(a, b);
}

/* The block of two halves; false: they are none. */
static bool join(const struct clo_cidr *a, const struct clo_cidr *b,
		 struct clo_cidr *ret)
{
	struct clo_cidr whole = *a;

	if (a->family != b->family || a->bits != b->bits || a->bits == 0 ||
	    clo_cidr_compare(a, b) == 0)
		return false;
	whole.bits--;
	whole.addr[whole.bits / 8] &= (uint8_t) ~(0x80U >> whole.bits % 8);
	if (!clo_cidr_contains(&whole, a) || !clo_cidr_contains(&whole, b))
		return false;
	*ret = whole;
	return true;
}

static int find_own(struct beyond *beyond)
{
	const struct clo_kube *kube = beyond->import->kube;
	struct cidrs *own = &beyond->own;
	size_t n = 0;

	own->items = clo_arena_array(beyond->import->arena, 2 * kube->n_pods,
				     sizeof(*own->items));
	if (!own->items)
		return -ENOMEM;
	for (size_t i = 0; i < kube->n_pods; i++) {
		const struct clo_kube_pod *pod = &kube->pods[i];
		uint32_t class = beyond->import->pod_class[i];

		if (beyond->import->classes[class].scope != beyond->scope)
			continue;
		for (size_t a = 0; a < pod->n_addresses; a++)
			own->items[n++] = pod->addresses[a];
	}
	clo_sort(own->items, n, sizeof(*own->items), compare_cidrs);
	for (size_t i = 0; i < n; i++) {
		own->items[own->n++] = own->items[i];
		while (own->n > 1 &&
		       join(&own->items[own->n - 2], &own->items[own->n - 1],
			    &own->items[own->n - 2]))
			own->n--;
	}
	return 0;
}

static bool is_excepted(const struct clo_import_flow *flow,
			const struct clo_cidr *cidr)
{
	for (size_t i = 0; i < flow->n_except; i++)
		if (clo_cidr_contains(&flow->except[i], cidr))
			return true;
	return false;
}

/* False: nothing is left of the block. */
static bool except_own(const struct beyond *beyond,
		       struct clo_import_flow *flow)
{
	for (size_t i = 0; i < beyond->own.n; i++) {
		const struct clo_cidr *own = &beyond->own.items[i];

		if (clo_cidr_contains(own, &flow->cidr))
			return false;
		if (clo_cidr_contains(&flow->cidr, own) &&
		    !is_excepted(flow, own))
			flow->except[flow->n_except++] = *own;
	}
	return true;
}

/* The parts of the block where another port set holds. */
static void except_parts(const struct beyond *beyond, const uint32_t *sets,
			 uint32_t block, struct clo_import_flow *flow)
{
	const struct clo_blocks *blocks = &beyond->import->blocks;

	for (uint32_t b = block + 1; b < blocks->n; b++) {
		const struct clo_cidr *cidr = &blocks->blocks[b].cidr;
		const struct clo_cidr *last =
			flow->n_except ? &flow->except[flow->n_except - 1]
				       : NULL;

		if (!clo_cidr_contains(&flow->cidr, cidr))
			break;
		if (sets[b] != sets[block] &&
		    (!last || !clo_cidr_contains(last, cidr)))
			flow->except[flow->n_except++] = *cidr;
	}
}

/* The rule for a block whose port set is not that of the block around it. */
static int add_block(struct beyond *beyond, const uint32_t *sets,
		     uint32_t block, uint32_t group)
{
	struct clo_import *import = beyond->import;
	const struct clo_block *entry = &import->blocks.blocks[block];
	struct clo_import_flow flow = {
		.scope = beyond->scope,
		.from = group,
		.to = CLO_IMPORT_NONE,
		.cidr = entry->cidr,
		.set = sets[block],
	};
	size_t room = import->blocks.n + beyond->own.n;

	if (!sets[block] || (entry->parent != CLO_BLOCK_NONE &&
			     sets[entry->parent] == sets[block]))
		return 0;
	if (beyond->direction == CLO_KUBE_INGRESS) {
		flow.from = CLO_IMPORT_NONE;
		flow.to = group;
	}
	flow.except = calloc(room + 1, sizeof(*flow.except));
	if (!flow.except)
		return -ENOMEM;
	except_parts(beyond, sets, block, &flow);
	if (except_own(beyond, &flow)) {
		struct clo_cidr *kept = clo_arena_array(
			import->arena, flow.n_except, sizeof(*kept));

		if (kept)
			memcpy(kept, flow.except,
			       flow.n_except * sizeof(*kept));
		free(flow.except);
		flow.except = kept;
		return kept ? clo_import_add_flow(import, beyond->plan, &flow)
			    : -ENOMEM;
	}
	free(flow.except);
	return 0;
}

static int add_flows(struct beyond *beyond)
{
	struct clo_import *import = beyond->import;
	struct clo_index classes = {0};
	int r;

	r = clo_index_init(&classes, &beyond->classes,
			   (uint32_t)beyond->keys.n);
	for (uint32_t k = 1; k < beyond->keys.n && r == 0; k++) {
		size_t n, n_sets;
		const uint32_t *members = clo_index_get(&classes, k, &n);
		const uint32_t *sets = clo_lists_get(&beyond->keys, k, &n_sets);
		uint32_t group;
		bool any = false;

		for (size_t b = 0; b < n_sets; b++)
			any |= sets[b] != 0;
		if (!any)
			continue;
		r = clo_import_group(import, beyond->plan, beyond->scope,
				     members, n, &group);
		for (uint32_t b = 0; b < n_sets && r == 0; b++)
			r = add_block(beyond, sets, b, group);
	}
	clo_index_done(&classes);
	return r;
}

static int judge_class(struct beyond *beyond, uint32_t class)
{
	struct clo_import *import = beyond->import;
	uint32_t index;
	int r;

	for (uint32_t b = 0; b < import->blocks.n; b++) {
		size_t family =
			import->blocks.blocks[b].cidr.family == 4 ? 0 : 1;

		beyond->key[b] = 0;
		if (import->classes[class].block[family] == CLO_IMPORT_NONE)
			continue;
		r = clo_import_outside(import, beyond->direction, class, b,
				       &beyond->key[b]);
		if (r < 0)
			return r;
	}
	r = clo_lists_intern(&beyond->keys, beyond->key, import->blocks.n,
			     &index);
	return r < 0 ? r : clo_edges_add(&beyond->classes, index, class);
}

static int judge_all(struct beyond *beyond)
{
	struct clo_import *import = beyond->import;
	int r;

	r = clo_lists_init(&beyond->keys, CLO_LISTS_MAX);
	for (uint32_t c = 0; c < import->n_classes && r == 0; c++)
		if (import->classes[c].scope == beyond->scope)
			r = judge_class(beyond, c);
	if (r == 0)
		r = add_flows(beyond);
	clo_lists_done(&beyond->keys);
	clo_edges_done(&beyond->classes);
	beyond->keys = (struct clo_lists){0};
	return r;
}

int clo_import_beyond(struct clo_import *import, struct clo_import_plan *plan)
{
	int r = 0;

	for (uint32_t s = 0; s < import->n_scopes && r == 0; s++) {
		struct beyond beyond = {
			.import = import, .plan = plan, .scope = s};

		beyond.key = calloc(import->blocks.n + 1, sizeof(*beyond.key));
		if (!beyond.key)
			return -ENOMEM;
		r = find_own(&beyond);
		for (size_t d = 0; d < CLO_KUBE_DIRECTIONS && r == 0; d++) {
			beyond.direction = (enum clo_kube_direction)d;
			r = judge_all(&beyond);
		}
		free(beyond.key);
	}
	return r;
}
