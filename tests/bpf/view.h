/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* struct clo_view of the host: struct world and a small connection table. */

#include <errno.h>
#include <string.h>

#include "bpf/world.h"
#include "ebpf/lib/decide.h"

enum {
	HOST_CONNS = 8192
};

struct host_conn {
	struct clo_flow flow; /* key and family; src is 0 */
	struct clo_conn conn;
};

/* Mutable beside the tables. */
struct host_state {
	struct host_conn conns[HOST_CONNS];
	__u32 n_conns;
	__u32 max_conns; /* of the table: to make it refuse */
	struct clo_hits hits[WORLD_RULES];
};

struct clo_view {
	const struct world *world;
	struct host_state *state;
};

CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr)
{
	for (__u32 i = 0; i < view->world->n_addrs; i++) {
		const struct world_addr *a = &view->world->addrs[i];

		if (a->space == space && a->family == family &&
		    !memcmp(a->addr, addr, family == 4 ? 4 : 16))
			return &a->entry;
	}
	return NULL;
}

CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	for (__u32 i = 0; i < WORLD_CIDRS; i++) {
		const struct world_cidr *c = &view->world->cidrs[i];

		if (c->family == family && !memcmp(c->addr, addr, c->bits / 8))
			return &c->identity;
	}
	return NULL;
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	return slot < CLO_SLOTS
		       ? view->world->services[slot / 4].class[slot % 4]
		       : CLO_CLASS_NONE;
}

CLO_INLINE const __u32 *clo_view_row(const struct clo_view *view, __u32 src,
				     __u32 dst)
{
	for (__u32 i = 0; i < view->world->n_pairs; i++) {
		const struct world_pair *pair = &view->world->pairs[i];

		if (pair->key.src == src && pair->key.dst == dst)
			return &pair->row;
	}
	return NULL;
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return index < WORLD_ROWS * WORLD_WORDS ? &view->world->rows[index]
						: NULL;
}

CLO_INLINE __u32 clo_view_rule(const struct clo_view *view, __u32 index)
{
	return view->world->rules[index / 2].rule[index % 2];
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	return view->world->gen.words;
}

static inline struct host_conn *host_conn(const struct clo_view *view,
					  const struct clo_flow *flow)
{
	size_t len =
		flow->family == 4 ? sizeof(flow->key.v4) : sizeof(flow->key.v6);

	for (__u32 i = 0; i < view->state->n_conns; i++) {
		struct host_conn *conn = &view->state->conns[i];

		if (conn->flow.family == flow->family &&
		    !memcmp(&conn->flow.key, &flow->key, len))
			return conn;
	}
	return NULL;
}

CLO_INLINE struct clo_conn *clo_view_conn(const struct clo_view *view,
					  const struct clo_flow *flow)
{
	struct host_conn *found = host_conn(view, flow);

	return found ? &found->conn : NULL;
}

CLO_INLINE int clo_view_conn_put(const struct clo_view *view,
				 const struct clo_flow *flow,
				 const struct clo_conn *conn, int replace)
{
	struct host_conn *entry = host_conn(view, flow);

	if (entry && !replace)
		return 0;
	if (!entry) {
		if (view->state->n_conns >= view->state->max_conns)
			return -ENOMEM;
		entry = &view->state->conns[view->state->n_conns++];
	}
	entry->flow = *flow;
	entry->conn = *conn;
	return 0;
}

CLO_INLINE void clo_view_conn_del(const struct clo_view *view,
				  const struct clo_flow *flow)
{
	struct host_conn *entry = host_conn(view, flow);

	if (entry)
		*entry = view->state->conns[--view->state->n_conns];
}

CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule,
			     int new_flow)
{
	if (rule >= WORLD_RULES)
		return;
	view->state->hits[rule].packets++;
	if (new_flow)
		view->state->hits[rule].flows++;
}
