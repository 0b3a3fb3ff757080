/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* struct clo_view of the host: struct world and a small connection table. */

#include <errno.h>
#include <string.h>

#include "bpf/world.h"
#include "ebpf/lib/decide.h"
#include "ebpf/lib/gate.h"
#include "ebpf/lib/quick.h"

enum {
	HOST_CONNS = 8192,
	HOST_FRAGS = 512,
	HOST_ACCOUNTS = 16,
	HOST_PORTS = 8
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

	struct {
		struct clo_frag_key key;
		struct clo_frag frag;
	} frags[HOST_FRAGS];

	__u32 n_frags;

	struct {
		__u64 key;
		struct clo_account account;
	} accounts[HOST_ACCOUNTS];

	__u32 n_accounts; /* 0: every endpoint has room, nothing is counted */
	struct clo_meter meter; /* of every port */
	const struct clo_port *ports[HOST_PORTS]; /* by ifindex */
	struct clo_work work;
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

CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst)
{
	for (__u32 i = 0; i < view->world->n_pairs; i++) {
		const struct world_pair *pair = &view->world->pairs[i];

		if (pair->key.src == src && pair->key.dst == dst)
			return &pair->row;
	}
	return NULL;
}

CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row)
{
	return row < WORLD_ROWS ? &view->world->rows[row] : NULL;
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return index < WORLD_ROWS * WORLD_WORDS ? &view->world->words[index]
						: NULL;
}

CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class)
{
	const __u32 *rule = &view->world->rules[row][class];

	return *rule && *rule != view->world->rows[row].rule ? rule : NULL;
}

CLO_INLINE __u8 clo_view_flags(const struct clo_view *view, __u32 identity)
{
	return identity < WORLD_IDENTITIES
		       ? view->world->identities[identity].flags
		       : 0;
}

CLO_INLINE const struct clo_port *clo_view_port(const struct clo_view *view,
						__u32 ifindex)
{
	return ifindex < HOST_PORTS ? view->state->ports[ifindex] : NULL;
}

CLO_INLINE __u32 clo_view_local(const struct clo_view *view, __u32 endpoint)
{
	/* port 1 is whichever the test runs on, as in the rig */
	for (__u32 i = 2; i < HOST_PORTS; i++)
		if (view->state->ports[i] &&
		    view->state->ports[i]->endpoint == endpoint)
			return i;
	return 0;
}

CLO_INLINE struct clo_meter *clo_view_meter(const struct clo_view *view,
					    const struct clo_port *port)
{
	(void)port;
	return &view->state->meter;
}

CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key)
{
	static struct clo_account plenty;

	for (__u32 i = 0; i < view->state->n_accounts; i++)
		if (view->state->accounts[i].key == key)
			return &view->state->accounts[i].account;
	plenty = (struct clo_account){.limit = 0x7fffffff};
	return view->state->n_accounts ? NULL : &plenty;
}

CLO_INLINE struct clo_frag *clo_view_frag(const struct clo_view *view,
					  const struct clo_frag_key *key)
{
	for (__u32 i = 0; i < view->state->n_frags; i++)
		if (!memcmp(&view->state->frags[i].key, key, sizeof(*key)))
			return &view->state->frags[i].frag;
	return NULL;
}

CLO_INLINE int clo_view_frag_put(const struct clo_view *view,
				 const struct clo_frag_key *key,
				 const struct clo_frag *frag)
{
	struct clo_frag *entry = clo_view_frag(view, key);

	if (!entry) {
		if (view->state->n_frags >= HOST_FRAGS)
			return -ENOMEM;
		view->state->frags[view->state->n_frags].key = *key;
		entry = &view->state->frags[view->state->n_frags++].frag;
	}
	*entry = *frag;
	return 0;
}

CLO_INLINE void clo_view_frag_lock(struct clo_frag *frag)
{
	(void)frag;
}

CLO_INLINE void clo_view_frag_unlock(struct clo_frag *frag)
{
	(void)frag;
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

CLO_INLINE enum clo_put clo_view_conn_put(const struct clo_view *view,
					  const struct clo_flow *flow,
					  const struct clo_conn *conn,
					  int replace)
{
	struct host_conn *entry = host_conn(view, flow);

	if (!!entry != !!replace)
		return CLO_PUT_OTHER;
	if (!entry) {
		if (view->state->n_conns >= view->state->max_conns)
			return CLO_PUT_FULL;
		entry = &view->state->conns[view->state->n_conns++];
	}
	entry->flow = *flow;
	entry->conn = *conn;
	return CLO_PUT_DONE;
}

CLO_INLINE int clo_view_conn_del(const struct clo_view *view,
				 const struct clo_flow *flow)
{
	struct host_conn *entry = host_conn(view, flow);

	if (!entry)
		return 0;
	*entry = view->state->conns[--view->state->n_conns];
	return 1;
}

CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule)
{
	if (rule < WORLD_RULES)
		view->state->hits[rule].flows++;
}

/* Port 1 is whichever the test runs on. */
static inline struct clo_hook host_hook(const struct clo_view *view,
					const struct clo_port *port,
					__u64 epoch, __u64 now)
{
	return (struct clo_hook){
		.view = view,
		.work = &view->state->work,
		.port = port,
		.epoch = epoch,
		.now = now,
		.ifindex = 1,
	};
}

/* One frame through one hook, by the whole decision. */
static inline enum clo_drop host_decide(const struct clo_view *view,
					const struct clo_port *port, int to,
					__u32 mark, const __u8 *data, __u32 len,
					__u64 epoch, __u64 now,
					struct clo_outcome *ret)
{
	struct clo_hook hook = host_hook(view, port, epoch, now);
	struct clo_packet packet = {data, data + len, len, 0};
	struct clo_frame frame;
	enum clo_drop drop;

	memset(ret, 0, sizeof(*ret));
	view->state->ports[1] = port;
	drop = to ? clo_decide_to(&hook, &packet, mark, &frame, ret)
		  : clo_decide_from(&hook, &packet, &frame, ret);
	view->state->ports[1] = NULL;
	return drop;
}

/*
 * The same by the short way alone, which the kernel's programs try first: 1 if
 * it lets the frame pass, with its mark and ifindex.
 */
static inline int host_quick(const struct clo_view *view,
			     const struct clo_port *port, int to, __u32 mark,
			     const __u8 *data, __u32 len, __u64 epoch,
			     __u64 now, struct clo_outcome *ret)
{
	struct clo_hook hook = host_hook(view, port, epoch, now);
	struct clo_packet packet = {data, data + len, len, 0};
	int passes;

	memset(ret, 0, sizeof(*ret));
	if (!port)
		return 0;
	view->state->ports[1] = port;
	passes = to ? clo_quick_to(&hook, &packet, mark)
		    : clo_quick_from(&hook, &packet, &ret->mark, &ret->ifindex);
	view->state->ports[1] = NULL;
	return passes;
}
