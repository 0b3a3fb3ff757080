/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * One IP packet against the connection table: the fast path for a flow that
 * this epoch's tables allowed, and what both paths share. Pure.
 */

#include "ebpf/lib/bind.h"
#include "ebpf/lib/flow.h"
#include "ebpf/lib/frag.h"
#include "ebpf/lib/hook.h"
#include "ebpf/lib/limit.h"

enum clo_put {
	CLO_PUT_DONE,
	CLO_PUT_OTHER, /* another CPU was faster to add or to remove it */
	CLO_PUT_FULL,
};

/*
 * The includer defines these. An entry that conn returns may become another
 * flow's while it is read (the kernel reuses entries at once): that is why put
 * writes it whole, and why its endpoints are compared.
 */
CLO_INLINE struct clo_conn *clo_view_conn(const struct clo_view *view,
					  const struct clo_flow *flow);
CLO_INLINE enum clo_put clo_view_conn_put(const struct clo_view *view,
					  const struct clo_flow *flow,
					  const struct clo_conn *conn,
					  int replace);
/* Whether it was there. */
CLO_INLINE int clo_view_conn_del(const struct clo_view *view,
				 const struct clo_flow *flow);
/* A flow began by this rule. */
CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule);

/* Too large for the stack of a BPF program. */
struct clo_work {
	struct clo_flow flow; /* of the packet, or of what it quotes */
	struct clo_conn conn; /* an entry on its way into the table */
	/* a struct clo_frag, without its type: a per-CPU map takes no lock */
	__u8 frag[sizeof(struct clo_frag)] __attribute__((aligned(8)));
};

/* One IP packet on its way through the decision. */
struct clo_passage {
	struct clo_conn *conn; /* its entry: there and not timed out, or NULL */
	__u32 len; /* of the frame */
	int to_guest;
};

CLO_INLINE __u32 clo_conn_mark(const struct clo_port *port, __u32 endpoint)
{
	return endpoint ? CLO_MARK_ENDPOINT | endpoint
			: CLO_MARK_OUTSIDE | port->segment;
}

/* Endpoints of an entry: [0] of the packet's source, [1] of the other side. */
CLO_INLINE void clo_conn_ends(const struct clo_conn *conn, __u8 src,
			      __u32 ret[2])
{
	__u64 both;

	/* one load, so that they belong together */
	__builtin_memcpy(&both, conn->endpoint, sizeof(both));
	ret[0] = (__u32)(src ? both >> 32 : both);
	ret[1] = (__u32)(src ? both : both >> 32);
}

/* Whose account it is: who opened it, from outside whom it reached. */
CLO_INLINE __u32 clo_conn_payer(const struct clo_conn *conn)
{
	__u32 ends[2];

	clo_conn_ends(conn, conn->initiator, ends);
	return ends[0] ? ends[0] : ends[1];
}

CLO_INLINE void clo_conn_count(const struct clo_hook *hook,
			       struct clo_conn *conn, __u8 src, __u32 len)
{
	/* A write per packet would bounce the cache line between CPUs. */
	if (conn->seen + CLO_SECOND / 2 < hook->now)
		conn->seen = hook->now;
	conn->packets[src & 1]++;
	conn->bytes[src & 1] += len;
}

CLO_INLINE void clo_conn_touch(const struct clo_hook *hook,
			       const struct clo_frame *frame, __u32 len,
			       struct clo_conn *conn, __u8 src,
			       const struct clo_flow_change *change)
{
	if (frame->tuple.proto == IPPROTO_TCP && frame->frag != CLO_FRAG_LATER)
		clo_flow_advance(conn, frame, src);
	if (conn->state != change->state)
		conn->state = change->state;
	if (conn->fin != change->fin)
		conn->fin = change->fin;
	clo_conn_count(hook, conn, src, len);
}

/* Is this hook where the entry's sender was seen, and its tap's own? */
CLO_INLINE int clo_conn_is_from(const struct clo_hook *hook,
				const struct clo_conn *conn, __u8 src,
				const __u32 ends[2])
{
	return conn->ifindex[src & 1] == hook->ifindex &&
	       (hook->port->kind != CLO_PORT_TAP ||
		ends[0] == hook->port->endpoint);
}

/*
 * Send the frame straight out of the interface where the receiver is, if that
 * is still a guarded one of the same segment. 0: the frame is for another MAC
 * than the receiver's, and no router is on the way to it.
 */
CLO_INLINE int clo_conn_direct(const struct clo_hook *hook, __u64 dst_mac,
			       __u32 ifindex, __u32 endpoint,
			       __u32 *ret_ifindex)
{
	const struct clo_port *peer;

	if (!ifindex)
		return 1;
	peer = clo_view_port(hook->view, ifindex);
	if (!peer || peer->segment != hook->port->segment)
		return 1;
	if (peer->kind == CLO_PORT_UPLINK) {
		*ret_ifindex = ifindex;
	} else if (peer->kind == CLO_PORT_TAP && peer->endpoint == endpoint) {
		if (clo_load_mac(peer->mac) != dst_mac)
			return 0;
		*ret_ifindex = ifindex;
	}
	return 1;
}

/*
 * An entry of this epoch, between the right endpoints, whose sender was seen
 * on this interface, proves that the addresses were looked up in these tables:
 * no more look-ups are needed.
 */
CLO_INLINE enum clo_flow_step clo_conn_fast(const struct clo_hook *hook,
					    const struct clo_frame *frame,
					    const struct clo_passage *passage,
					    struct clo_outcome *ret)
{
	const struct clo_port *port = hook->port;
	struct clo_conn *conn = passage->conn;
	__u8 src = hook->work->flow.src & 1;
	struct clo_flow_change change;
	enum clo_flow_step step;
	__u32 ends[2];

	if (!conn || conn->epoch != hook->epoch ||
	    port->mode == CLO_MODE_QUARANTINE ||
	    clo_flow_expired(conn, frame->tuple.proto, hook->now))
		return CLO_FLOW_FRESH;
	clo_conn_ends(conn, src, ends);
	if (passage->to_guest ? ends[1] != port->endpoint || ends[0]
			      : !clo_conn_is_from(hook, conn, src, ends))
		return CLO_FLOW_FRESH;

	step = clo_flow_next(conn, frame, src, &change);
	if (step != CLO_FLOW_PASS)
		return step;

	ret->mark = clo_conn_mark(port, ends[1]);
	ret->rule = conn->rule;
	ret->endpoint[0] = ends[0];
	ret->endpoint[1] = ends[1];
	if (!passage->to_guest &&
	    !clo_conn_direct(hook, frame->dst_mac, conn->ifindex[!src], ends[1],
			     &ret->ifindex))
		return CLO_FLOW_ASTRAY;
	clo_conn_touch(hook, frame, passage->len, conn, src, &change);
	return CLO_FLOW_PASS;
}

/* Forget the flow and give back what it was charged. */
CLO_INLINE void clo_conn_drop(const struct clo_hook *hook, __u32 payer)
{
	if (clo_view_conn_del(hook->view, &hook->work->flow))
		clo_limit_release(hook->view, payer, CLO_ACCOUNT_LEVELS);
}
