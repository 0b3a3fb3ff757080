/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The whole decision on one frame, for both hooks of a tap. Pure: tables,
 * connections and counters are behind struct clo_view, so the host runs
 * exactly what the kernel runs.
 */

#include "cloison/abi.h"
#include "ebpf/lib/bind.h"
#include "ebpf/lib/flow.h"
#include "ebpf/lib/frame.h"
#include "ebpf/lib/judge.h"

/*
 * Beyond judge.h the includer defines these. An entry that conn returns may
 * become another flow's while it is read (the kernel reuses entries at once):
 * that is why put replaces it whole, and why its endpoints are compared.
 */
CLO_INLINE struct clo_conn *clo_view_conn(const struct clo_view *view,
					  const struct clo_flow *flow);
/* Adds or, with replace, overwrites; 0 if an entry is there afterwards. */
CLO_INLINE int clo_view_conn_put(const struct clo_view *view,
				 const struct clo_flow *flow,
				 const struct clo_conn *conn, int replace);
CLO_INLINE void clo_view_conn_del(const struct clo_view *view,
				  const struct clo_flow *flow);
CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule,
			     int new_flow);

/* What a decision stands on besides the frame. */
struct clo_hook {
	const struct clo_view *view;
	const struct clo_port *port; /* NULL: the interface has none */
	__u64 epoch; /* read once; 0: no policy */
	__u64 now; /* nanoseconds */
};

/* One packet on its way through clo_decide_flow(). */
struct clo_passage {
	struct clo_flow flow;
	struct clo_side src;
	struct clo_side dst;
	struct clo_conn *conn; /* found and not timed out, or NULL */
	int to_guest;
};

CLO_INLINE __u32 clo_decide_mark(__u32 endpoint)
{
	return endpoint ? endpoint : CLO_MARK_OUTSIDE;
}

/* What the service class of a flow hangs on. */
CLO_INLINE __u16 clo_decide_number(const struct clo_tuple *tuple,
				   int by_initiator)
{
	switch (tuple->proto) {
	case IPPROTO_ICMP:
		return CLO_ICMP4_ECHO;
	case IPPROTO_ICMPV6:
		return CLO_ICMP6_ECHO;
	default:
		return __builtin_bswap16(by_initiator ? tuple->dport
						      : tuple->sport);
	}
}

/* Endpoints of an entry: [0] of the packet's source, [1] of the other side. */
CLO_INLINE void clo_decide_endpoints(const struct clo_conn *conn, __u8 src,
				     __u32 ret[2])
{
	__u64 both;

	/* one load, so that they belong together */
	__builtin_memcpy(&both,
			 __builtin_assume_aligned(conn->endpoint, sizeof(both)),
			 sizeof(both));
	ret[src ? 1 : 0] = (__u32)both;
	ret[src ? 0 : 1] = (__u32)(both >> 32);
}

CLO_INLINE void clo_decide_touch(const struct clo_hook *hook,
				 struct clo_conn *conn, __u8 state)
{
	if (conn->state != state)
		conn->state = state;
	/* A write per packet would bounce the cache line between CPUs. */
	if (conn->seen + CLO_SECOND / 2 < hook->now)
		conn->seen = hook->now;
}

/* Track the flow as allowed by this rule in this epoch. */
CLO_INLINE enum clo_drop clo_decide_track(const struct clo_hook *hook,
					  const struct clo_passage *passage,
					  __u8 initiator, __u8 state,
					  __u32 rule)
{
	__u8 src = passage->flow.src;
	struct clo_conn conn = {
		.epoch = hook->epoch,
		.seen = hook->now,
		.endpoint = {src ? passage->dst.endpoint
				 : passage->src.endpoint,
			     src ? passage->src.endpoint
				 : passage->dst.endpoint},
		.rule = rule,
		.initiator = initiator,
		.state = state,
	};

	if (clo_view_conn_put(hook->view, &passage->flow, &conn,
			      passage->conn != NULL))
		return CLO_DROP_CONNECTIONS;
	return CLO_DROP_NONE;
}

/* A flow that nothing tracks yet, or one that its packet begins anew. */
CLO_INLINE enum clo_drop clo_decide_fresh(const struct clo_hook *hook,
					  const struct clo_tuple *tuple,
					  const struct clo_passage *passage)
{
	struct clo_verdict verdict;
	enum clo_drop drop;

	if (!clo_flow_opens(tuple))
		return CLO_DROP_NO_FLOW;

	clo_judge_pair(hook->view, passage->src.identity, passage->dst.identity,
		       tuple->proto, clo_decide_number(tuple, 1), &verdict);
	if (verdict.drop)
		return verdict.drop;
	drop = clo_decide_track(hook, passage, passage->flow.src, CLO_CONN_NEW,
				verdict.rule);
	if (!drop)
		clo_view_hit(hook->view, verdict.rule, 1);
	return drop;
}

/* A flow that an earlier policy allowed: does this one, too? */
CLO_INLINE enum clo_drop clo_decide_again(const struct clo_hook *hook,
					  const struct clo_tuple *tuple,
					  const struct clo_passage *passage)
{
	__u8 initiator = passage->conn->initiator;
	int by_initiator = initiator == passage->flow.src;
	struct clo_verdict verdict;
	enum clo_flow_step step;
	enum clo_drop drop;
	__u8 state;

	step = clo_flow_next(passage->conn->state, tuple, by_initiator, &state);
	if (step == CLO_FLOW_FRESH)
		return clo_decide_fresh(hook, tuple, passage);

	clo_judge_pair(
		hook->view,
		by_initiator ? passage->src.identity : passage->dst.identity,
		by_initiator ? passage->dst.identity : passage->src.identity,
		tuple->proto, clo_decide_number(tuple, by_initiator), &verdict);
	if (verdict.drop) {
		/* not what a CPU ahead of this one has just allowed */
		if (passage->conn->epoch < hook->epoch)
			clo_view_conn_del(hook->view, &passage->flow);
		return CLO_DROP_REVOKED;
	}
	if (step == CLO_FLOW_STRAY)
		return CLO_DROP_NO_FLOW;

	drop = clo_decide_track(hook, passage, initiator, state, verdict.rule);
	if (!drop)
		clo_view_hit(hook->view, verdict.rule, 0);
	return drop;
}

/* Look both ends up and judge; the packet's own entry did not decide. */
CLO_INLINE enum clo_drop clo_decide_slow(const struct clo_hook *hook,
					 const struct clo_tuple *tuple,
					 struct clo_passage *passage,
					 __u32 *ret_mark)
{
	enum clo_drop drop;

	drop = clo_bind_ends(hook->view, hook->port, passage->to_guest, tuple,
			     &passage->src, &passage->dst);
	if (drop)
		return drop;

	*ret_mark = clo_decide_mark(passage->dst.endpoint);
	if (passage->conn && passage->conn->epoch != hook->epoch)
		return clo_decide_again(hook, tuple, passage);
	return clo_decide_fresh(hook, tuple, passage);
}

/*
 * An entry of this epoch, between the right endpoints, proves that the
 * addresses were looked up in these tables: the fast path looks up no more.
 */
CLO_INLINE enum clo_drop clo_decide_flow(const struct clo_hook *hook,
					 const struct clo_frame *frame,
					 int to_guest, __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;
	struct clo_passage passage = {.to_guest = to_guest};
	__u32 own = hook->port->endpoint;
	struct clo_conn *conn;
	enum clo_flow_step step;
	__u32 ends[2];
	__u8 state;

	clo_flow_init(tuple, hook->port->space, &passage.flow);
	conn = clo_view_conn(hook->view, &passage.flow);
	if (!conn || clo_flow_expired(conn, tuple->proto, hook->now))
		return clo_decide_slow(hook, tuple, &passage, ret_mark);

	passage.conn = conn;
	clo_decide_endpoints(conn, passage.flow.src, ends);
	if (conn->epoch != hook->epoch || ends[to_guest ? 1 : 0] != own ||
	    (to_guest && ends[0]))
		return clo_decide_slow(hook, tuple, &passage, ret_mark);

	step = clo_flow_next(conn->state, tuple,
			     conn->initiator == passage.flow.src, &state);
	if (step == CLO_FLOW_FRESH)
		return clo_decide_slow(hook, tuple, &passage, ret_mark);
	if (step == CLO_FLOW_STRAY)
		return CLO_DROP_NO_FLOW;

	*ret_mark = clo_decide_mark(ends[1]);
	clo_decide_touch(hook, conn, state);
	clo_view_hit(hook->view, conn->rule, 0);
	return CLO_DROP_NONE;
}

/*
 * An ICMP error passes only if it quotes a packet of a tracked flow that the
 * receiver of the error sent. From a guest, the flow must be its own; from
 * outside any router may be the one that complains.
 */
CLO_INLINE enum clo_drop clo_decide_error(const struct clo_hook *hook,
					  const struct clo_packet *packet,
					  const struct clo_frame *frame,
					  int to_guest, __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;
	struct clo_side src, dst;
	struct clo_tuple quoted;
	struct clo_flow flow;
	struct clo_conn *conn;
	enum clo_drop drop;
	__u32 ends[2];

	drop = clo_bind_ends(hook->view, hook->port, to_guest, tuple, &src,
			     &dst);
	if (drop)
		return drop;
	if (!clo_frame_quoted(packet, tuple->family, &quoted) ||
	    !clo_bind_is_equal(tuple->family, quoted.src, tuple->dst))
		return CLO_DROP_NO_FLOW;

	clo_flow_init(&quoted, hook->port->space, &flow);
	conn = clo_view_conn(hook->view, &flow);
	if (!conn || conn->epoch != hook->epoch ||
	    clo_flow_expired(conn, quoted.proto, hook->now))
		return CLO_DROP_NO_FLOW;

	clo_decide_endpoints(conn, flow.src, ends);
	if (ends[to_guest ? 0 : 1] != hook->port->endpoint)
		return CLO_DROP_NO_FLOW;

	*ret_mark = clo_decide_mark(ends[0]);
	clo_view_hit(hook->view, conn->rule, 0);
	return CLO_DROP_NONE;
}

/* ICMP messages that belong to no flow: each is judged by its type. */
CLO_INLINE enum clo_drop clo_decide_message(const struct clo_hook *hook,
					    const struct clo_frame *frame,
					    int to_guest, __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;
	struct clo_verdict verdict;
	struct clo_side src, dst;
	enum clo_drop drop;

	drop = clo_bind_ends(hook->view, hook->port, to_guest, tuple, &src,
			     &dst);
	if (drop)
		return drop;

	clo_judge_pair(hook->view, src.identity, dst.identity, tuple->proto,
		       tuple->type, &verdict);
	if (verdict.drop)
		return verdict.drop;

	*ret_mark = clo_decide_mark(dst.endpoint);
	clo_view_hit(hook->view, verdict.rule, 1);
	return CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_decide_ip(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       const struct clo_frame *frame,
				       int to_guest, __u32 *ret_mark)
{
	if (frame->dst_group || clo_bind_is_multicast(&frame->tuple))
		return CLO_DROP_MULTICAST;

	switch (frame->kind) {
	case CLO_FRAME_FLOW:
		return clo_decide_flow(hook, frame, to_guest, ret_mark);
	case CLO_FRAME_ERROR:
		return clo_decide_error(hook, packet, frame, to_guest,
					ret_mark);
	default:
		return clo_decide_message(hook, frame, to_guest, ret_mark);
	}
}

/* A frame that the guest sent. ret_mark is set only if it may pass. */
CLO_INLINE enum clo_drop clo_decide_from_guest(const struct clo_hook *hook,
					       const struct clo_packet *packet,
					       __u32 *ret_mark)
{
	struct clo_frame frame;
	enum clo_drop drop;

	if (!hook->port || !hook->port->endpoint)
		return CLO_DROP_NO_ENDPOINT;
	if (!hook->epoch)
		return CLO_DROP_NO_POLICY;

	drop = clo_frame_link(packet, &frame);
	if (drop)
		return drop;
	if (frame.src_mac != clo_load_mac(hook->port->mac))
		return CLO_DROP_SPOOFED_MAC;
	drop = clo_frame_parse(packet, &frame);
	if (drop)
		return drop;

	switch (frame.kind) {
	case CLO_FRAME_ARP:
		return clo_bind_arp_from(hook->view, hook->port, &frame,
					 ret_mark);
	case CLO_FRAME_SOLICIT:
		return clo_bind_solicit_from(hook->view, hook->port, &frame,
					     ret_mark);
	case CLO_FRAME_ADVERTISE:
		return clo_bind_advertise_from(hook->view, hook->port, &frame,
					       ret_mark);
	default:
		return clo_decide_ip(hook, packet, &frame, 0, ret_mark);
	}
}

/* A frame of unguarded origin, the uplink or the node, for this endpoint. */
CLO_INLINE enum clo_drop clo_decide_outside(const struct clo_hook *hook,
					    const struct clo_packet *packet,
					    struct clo_frame *frame)
{
	enum clo_drop drop = clo_frame_parse(packet, frame);
	__u32 mark;

	if (drop)
		return drop;

	switch (frame->kind) {
	case CLO_FRAME_ARP:
		return clo_bind_arp_to(hook->view, hook->port, frame);
	case CLO_FRAME_SOLICIT:
		return clo_bind_solicit_to(hook->view, hook->port, frame);
	case CLO_FRAME_ADVERTISE:
		return clo_bind_advertise_to(hook->view, hook->port, frame);
	default:
		return clo_decide_ip(hook, packet, frame, 1, &mark);
	}
}

/* A frame on its way to the guest, with the mark that it carries. */
CLO_INLINE enum clo_drop clo_decide_to_guest(const struct clo_hook *hook,
					     const struct clo_packet *packet,
					     __u32 mark)
{
	struct clo_frame frame;
	enum clo_drop drop;

	if (!hook->port || !hook->port->endpoint)
		return CLO_DROP_NO_ENDPOINT;
	if (!hook->epoch)
		return CLO_DROP_NO_POLICY;

	drop = clo_frame_link(packet, &frame);
	if (drop)
		return drop;
	if ((mark != CLO_MARK_NONE && mark != hook->port->endpoint) ||
	    (!frame.dst_group &&
	     frame.dst_mac != clo_load_mac(hook->port->mac)))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (mark != CLO_MARK_NONE)
		return CLO_DROP_NONE;
	return clo_decide_outside(hook, packet, &frame);
}
