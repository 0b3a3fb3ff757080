/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_joint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/host_view.h"
#include "policy/partition.h"

struct joining {
	const struct clo_compiled *before, *after;
	struct clo_lists keys; /* {before, after}; joint = index - 1 */
	struct clo_joints joints;
	bool *known[2]; /* identities of before, after that are in a joint */
};

static void done(struct joining *joining)
{
	clo_lists_done(&joining->keys);
	clo_joints_done(&joining->joints);
	free(joining->known[0]);
	free(joining->known[1]);
}

/* `ret_fresh` is the joint if it was not there yet, else NULL. */
static int join(struct joining *joining, uint32_t before, uint32_t after,
		struct clo_joint **ret_fresh)
{
	const uint32_t key[] = {before, after};
	size_t n_before = joining->keys.n;
	struct clo_joint *moved;
	uint32_t index;
	int r;

	*ret_fresh = NULL;
	r = clo_lists_intern(&joining->keys, key, 2, &index);
	if (r < 0 || joining->keys.n == n_before)
		return r;
	moved = clo_array_room(joining->joints.joints, joining->joints.n,
			       &joining->joints.cap, sizeof(*moved));
	if (!moved)
		return -ENOMEM;

	joining->joints.joints = moved;
	moved += joining->joints.n++;
	*moved = (struct clo_joint){.before = before, .after = after};
	joining->known[0][before] = true;
	joining->known[1][after] = true;
	*ret_fresh = moved;
	return 0;
}

/* Equal names but for "#2". */
static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "#");

	return n == strcspn(b, "#") && !strncmp(a, b, n);
}

/* An address that both policies give to identities of one name joins them. */
static int join_addresses(struct joining *joining, enum clo_table t)
{
	const struct clo_tables *before = joining->before->tables;
	const struct clo_tables *after = joining->after->tables;

	for (size_t i = 0; i < after->table[t].n; i++) {
		const struct clo_addr *new = clo_tables_value(after, t, i);
		const struct clo_addr *old =
			clo_tables_find(before, t, clo_tables_key(after, t, i));
		struct clo_joint *joint;
		int r;

		if (!old ||
		    clo_tables_addr_kind(after, t, i) != CLO_ADDR_ENDPOINT ||
		    !same_name(joining->before->identities[old->identity].name,
			       joining->after->identities[new->identity].name))
			continue;
		r = join(joining, old->identity, new->identity, &joint);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_endpoints(const struct clo_compiled *compiled, uint32_t identity)
{
	const struct clo_identity *entry = clo_tables_find(
		compiled->tables, CLO_TABLE_IDENTITIES, &identity);

	return entry && entry->kind == CLO_IDENTITY_ENDPOINTS;
}

/* The identity of this name that no address has joined, or 0. */
static uint32_t find_alone(const struct joining *joining, const char *name)
{
	const struct clo_compiled *before = joining->before;

	for (uint32_t i = 1; i < before->tables->gen.identities; i++) {
		if (!joining->known[0][i] && is_endpoints(before, i) &&
		    !strcmp(before->identities[i].name, name))
			return i;
	}
	return 0;
}

/* All members of an identity were replaced, or it came, or it went. */
static int join_rest(struct joining *joining)
{
	const struct clo_compiled *after = joining->after;
	struct clo_joint *joint;
	int r = 0;

	for (uint32_t i = 1; i < after->tables->gen.identities && r == 0; i++) {
		if (!joining->known[1][i] && is_endpoints(after, i))
			r = join(joining,
				 find_alone(joining, after->identities[i].name),
				 i, &joint);
	}
	for (uint32_t i = 1;
	     i < joining->before->tables->gen.identities && r == 0; i++) {
		if (!joining->known[0][i] && is_endpoints(joining->before, i))
			r = join(joining, i, 0, &joint);
	}
	return r;
}

/* A block of either policy, in the order that puts outer before inner. */
struct block {
	struct clo_cidr cidr;
	uint32_t before, after;
};

static int order_blocks(const void *left, const void *right)
{
	const struct block *a = left;
	const struct block *b = right;

	return clo_cidr_compare(&a->cidr, &b->cidr);
}

static void add_blocks(const struct clo_tables *tables, enum clo_table t,
		       struct block *blocks, size_t *n)
{
	for (size_t i = 0; i < tables->table[t].n; i++) {
		const uint8_t *key = clo_tables_key(tables, t, i);
		struct clo_cidr *cidr = &blocks[(*n)++].cidr;
		uint32_t prefixlen;

		memcpy(&prefixlen, key, sizeof(prefixlen));
		cidr->bits = (uint8_t)prefixlen;
		cidr->family = t == CLO_TABLE_CIDR4 ? 4 : 6;
		memcpy(cidr->addr, key + 4, t == CLO_TABLE_CIDR4 ? 4 : 16);
	}
}

static size_t unite(struct block *blocks, size_t n)
{
	size_t n_distinct = 0;

	qsort(blocks, n, sizeof(*blocks), order_blocks);
	for (size_t i = 0; i < n; i++) {
		if (n_distinct == 0 ||
		    order_blocks(&blocks[n_distinct - 1], &blocks[i]) != 0)
			blocks[n_distinct++] = blocks[i];
	}
	return n_distinct;
}

/* Number of addresses, modulo 2^128. */
static unsigned __int128 size_of(const struct clo_cidr *cidr)
{
	unsigned int host =
		(cidr->family == 4 ? 32U : 128U) - (unsigned int)cidr->bits;

	return host == 128 ? 0 : (unsigned __int128)1 << host;
}

/* Whether the blocks inside block i leave no address of it. */
static bool is_hidden(const struct block *blocks, size_t n, size_t i)
{
	const struct clo_cidr *outer = &blocks[i].cidr;
	unsigned __int128 inside = 0;
	size_t j = i + 1;
	bool any = false;

	while (j < n &&
	       clo_cidr_covers(outer, blocks[j].cidr.family,
			       blocks[j].cidr.addr, blocks[j].cidr.bits)) {
		const struct clo_cidr *inner = &blocks[j].cidr;

		any = true;
		inside += size_of(inner);
		for (j++; j < n && clo_cidr_covers(inner, blocks[j].cidr.family,
						   blocks[j].cidr.addr,
						   blocks[j].cidr.bits);)
			j++;
	}
	return any && inside == size_of(outer);
}

static int name_block(const struct clo_cidr *cidr, char **ret_name)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(cidr->family == 4 ? AF_INET : AF_INET6, cidr->addr,
			text, sizeof(text));
	if (asprintf(ret_name, "external %s/%u", text, cidr->bits) < 0) {
		*ret_name = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int join_blocks(struct joining *joining, struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct clo_cidr *cidr = &blocks[i].cidr;
		enum clo_table t =
			cidr->family == 4 ? CLO_TABLE_CIDR4 : CLO_TABLE_CIDR6;
		const uint32_t *old = clo_tables_longest(
			joining->before->tables, t, cidr->addr, cidr->bits);
		const uint32_t *new = clo_tables_longest(
			joining->after->tables, t, cidr->addr, cidr->bits);
		struct clo_joint *joint;
		int r;

		if (is_hidden(blocks, n, i))
			continue;
		r = join(joining, old ? *old : 0, new ? *new : 0, &joint);
		if (r == 0 && joint) {
			joint->external = true;
			r = name_block(cidr, &joint->name);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int join_externals(struct joining *joining)
{
	CLO_AUTO_MEM struct block *blocks = NULL;
	const struct clo_tables *both[] = {joining->before->tables,
					   joining->after->tables};
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		n += both[i]->table[CLO_TABLE_CIDR4].n +
		     both[i]->table[CLO_TABLE_CIDR6].n;
	blocks = calloc(n + 1, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;

	n = 0;
	for (size_t i = 0; i < 2; i++) {
		add_blocks(both[i], CLO_TABLE_CIDR4, blocks, &n);
		add_blocks(both[i], CLO_TABLE_CIDR6, blocks, &n);
	}
	return join_blocks(joining, blocks, unite(blocks, n));
}

/*
 * A joint has the name of the identity that it is the whole of. Parts of a
 * split class outside go by their block.
 */
static const char *name_of(const struct joining *joining,
			   const struct clo_joint *joint,
			   const uint32_t *parts_before,
			   const uint32_t *parts_after)
{
	const char *before = joining->before->identities[joint->before].name;
	const char *after = joining->after->identities[joint->after].name;

	if (joint->after && parts_after[joint->after] == 1)
		return after;
	if (joint->before && parts_before[joint->before] == 1)
		return before;
	if (joint->external)
		return joint->name;
	return joint->after ? after : before;
}

static int name_joints(struct joining *joining)
{
	CLO_AUTO_MEM uint32_t *before = NULL;
	CLO_AUTO_MEM uint32_t *after = NULL;
	struct clo_joints *joints = &joining->joints;

	before = calloc(joining->before->tables->gen.identities,
			sizeof(*before));
	after = calloc(joining->after->tables->gen.identities, sizeof(*after));
	if (!before || !after)
		return -ENOMEM;
	for (size_t i = 0; i < joints->n; i++) {
		before[joints->joints[i].before]++;
		after[joints->joints[i].after]++;
	}

	for (size_t i = 0; i < joints->n; i++) {
		struct clo_joint *joint = &joints->joints[i];
		char *name = strdup(name_of(joining, joint, before, after));

		if (!name)
			return -ENOMEM;
		free(joint->name);
		joint->name = name;
	}
	return 0;
}

int clo_joints_init(struct clo_joints *joints,
		    const struct clo_compiled *before,
		    const struct clo_compiled *after)
{
	struct joining joining = {.before = before, .after = after};
	int r;

	r = clo_lists_init(&joining.keys, CLO_LISTS_MAX);
	joining.known[0] = calloc(before->tables->gen.identities, sizeof(bool));
	joining.known[1] = calloc(after->tables->gen.identities, sizeof(bool));
	if (r == 0 && (!joining.known[0] || !joining.known[1]))
		r = -ENOMEM;
	if (r == 0)
		r = join_addresses(&joining, CLO_TABLE_ADDR4);
	if (r == 0)
		r = join_addresses(&joining, CLO_TABLE_ADDR6);
	if (r == 0)
		r = join_rest(&joining);
	if (r == 0)
		r = join_externals(&joining);
	if (r == 0)
		r = name_joints(&joining);
	if (r == 0) {
		*joints = joining.joints;
		joining.joints = (struct clo_joints){0};
	}
	done(&joining);
	return r;
}

void clo_joints_done(struct clo_joints *joints)
{
	for (size_t i = 0; i < joints->n; i++)
		free(joints->joints[i].name);
	free(joints->joints);
	*joints = (struct clo_joints){0};
}
