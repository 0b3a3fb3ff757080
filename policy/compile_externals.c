/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "policy/compile_build.h"

/* What a block's sets make of it: its kind and the sets that may mean it. */
struct meaning {
	enum clo_identity_kind kind;
	uint8_t flags; /* of struct clo_identity */
	uint32_t *sets;
	size_t n;
};

static bool node_service(const struct clo_build *build, uint32_t set)
{
	return clo_build_is_service(build, set) &&
	       build->policy->node.services[set - CLO_SET_SERVICE(0)].node;
}

static enum clo_identity_kind judge_kind(const struct clo_build *build,
					 const uint32_t *sets, size_t n)
{
	bool node = false;
	bool service = false;
	bool on_node = false;

	for (size_t i = 0; i < n; i++) {
		if (sets[i] == CLO_SET_NODE)
			node = true;
		else if (node_service(build, sets[i]))
			on_node = true;
		else if (clo_build_is_service(build, sets[i]))
			service = true;
	}
	if (on_node || (service && !node))
		return CLO_IDENTITY_SERVICE;
	return node ? CLO_IDENTITY_NODE : CLO_IDENTITY_EXTERNAL;
}

/*
 * A cidr never means the node or a service, however wide it is. An address of
 * the node is reached by services on the node alone: a provider whose block
 * happens to hold it does not open it.
 */
static void find_meaning(const struct clo_build *build, const uint32_t *sets,
			 size_t n, struct meaning *meaning)
{
	bool node = n > 0 && sets[0] == CLO_SET_NODE;

	meaning->kind = judge_kind(build, sets, n);
	meaning->n = 0;
	meaning->flags = 0;
	for (size_t i = 0; i < n; i++) {
		bool cidr = clo_build_is_cidr_set(build, sets[i]);
		bool mine = false;

		if (sets[i] == clo_build_forensics(build) &&
		    meaning->kind == CLO_IDENTITY_EXTERNAL)
			meaning->flags |= CLO_IDENTITY_FORENSICS;
		if (sets[i] == clo_build_national(build) &&
		    meaning->kind != CLO_IDENTITY_NODE)
			meaning->flags |= CLO_IDENTITY_NATIONAL;
		if (meaning->kind == CLO_IDENTITY_SERVICE &&
		    (node || node_service(build, sets[i])) &&
		    clo_build_has_level_2(build))
			meaning->flags |= CLO_IDENTITY_NATIONAL;

		if (meaning->kind == CLO_IDENTITY_EXTERNAL)
			mine = cidr;
		else if (meaning->kind == CLO_IDENTITY_SERVICE)
			mine = node ? node_service(build, sets[i])
				    : clo_build_is_service(build, sets[i]);
		if (mine)
			meaning->sets[meaning->n++] = sets[i];
	}
}

static int add_external(struct clo_build *build, const struct meaning *meaning,
			uint32_t key)
{
	struct clo_build_identity *moved =
		clo_array_room(build->identities, build->n_identities,
			       &build->cap_identities, sizeof(*moved));
	uint32_t sets;
	int r;

	if (!moved)
		return -ENOMEM;
	build->identities = moved;
	r = clo_lists_intern(&build->lists, meaning->sets, meaning->n, &sets);
	if (r < 0)
		return r;

	build->identities[build->n_identities++] = (struct clo_build_identity){
		.entry = {.kind = (uint8_t)meaning->kind,
			  .flags = meaning->flags},
		.key = key,
		.sets = sets,
	};
	return 0;
}

/* The identity of what has this meaning; made at its first sight. */
static int find_external(struct clo_build *build, const struct meaning *meaning,
			 uint32_t first, uint32_t *ret_identity)
{
	CLO_AUTO_MEM uint32_t *key = calloc(meaning->n + 1, sizeof(*key));
	size_t n_before = build->external_keys.n;
	uint32_t index;
	int r;

	if (!key)
		return -ENOMEM;
	key[0] = meaning->kind | (uint32_t)meaning->flags << 8;
	for (size_t i = 0; i < meaning->n; i++)
		key[i + 1] = meaning->sets[i];

	r = clo_lists_intern(&build->external_keys, key, meaning->n + 1,
			     &index);
	if (r == 0 && build->external_keys.n > n_before)
		r = add_external(build, meaning, index);
	if (r == 0)
		*ret_identity = first + index - 1;
	return r;
}

static int judge_block(struct clo_build *build, uint32_t index, uint32_t first)
{
	const struct clo_block *block = &build->blocks.blocks[index];
	struct meaning meaning = {0};
	const uint32_t *sets;
	size_t n;
	int r;

	sets = clo_lists_get(&build->lists, block->sets, &n);
	meaning.sets = calloc(n + 1, sizeof(*meaning.sets));
	if (!meaning.sets)
		return -ENOMEM;

	find_meaning(build, sets, n, &meaning);
	r = find_external(build, &meaning, first,
			  &build->block_identity[index]);
	free(meaning.sets);
	return r;
}

int clo_build_externals(struct clo_build *build)
{
	uint32_t first = build->n_identities;

	build->block_identity =
		calloc(build->blocks.n + 1, sizeof(*build->block_identity));
	if (!build->block_identity)
		return -ENOMEM;

	for (uint32_t i = 0; i < build->blocks.n; i++) {
		struct clo_cidr *lowest;
		int r = judge_block(build, i, first);

		if (r < 0)
			return r;
		lowest = &build->identities[build->block_identity[i]].lowest;
		if (!lowest->family)
			*lowest = build->blocks.blocks[i].cidr;
	}
	return 0;
}
