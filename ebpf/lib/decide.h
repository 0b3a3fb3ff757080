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

/* One IP packet on its way through clo_decide_ip(). */
struct clo_passage {
	const struct clo_frame *frame;
	int to_guest;
	struct clo_flow flow; /* of a CLO_FRAME_FLOW */
	struct clo_conn *conn; /* its entry: there and not timed out, or NULL */
	struct clo_side src;
	struct clo_side dst;
};

CLO_INLINE __u32 clo_decide_mark(__u32 endpoint)
{
	return endpoint ? endpoint : CLO_MARK_OUTSIDE;
}

/* What the service class hangs on. */
CLO_INLINE __u16 clo_decide_number(const struct clo_frame *frame,
				   int by_initiator)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (frame->kind == CLO_FRAME_MESSAGE)
		return tuple->type;
	if (tuple->proto == IPPROTO_ICMP)
		return CLO_ICMP4_ECHO;
	if (tuple->proto == IPPROTO_ICMPV6)
		return CLO_ICMP6_ECHO;
	return __builtin_bswap16(by_initiator ? tuple->dport : tuple->sport);
}

/* Endpoints of an entry: [0] of the packet's source, [1] of the other side. */
CLO_INLINE void clo_decide_endpoints(const struct clo_conn *conn, __u8 src,
				     __u32 ret[2])
{
	__u64 both;

	/* one load, so that they belong together */
	__builtin_memcpy(&both, conn->endpoint, sizeof(both));
	ret[0] = (__u32)(src ? both >> 32 : both);
	ret[1] = (__u32)(src ? both : both >> 32);
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

/*
 * An entry of this epoch, between the right endpoints, proves that the
 * addresses were looked up in these tables: no more look-ups are needed.
 */
CLO_INLINE enum clo_flow_step clo_decide_fast(const struct clo_hook *hook,
					      const struct clo_passage *passage,
					      __u32 *ret_mark)
{
	struct clo_conn *conn = passage->conn;
	enum clo_flow_step step;
	__u32 ends[2];
	__u8 state;

	if (!conn || conn->epoch != hook->epoch)
		return CLO_FLOW_FRESH;
	clo_decide_endpoints(conn, passage->flow.src, ends);
	if (passage->to_guest ? ends[1] != hook->port->endpoint || ends[0]
			      : ends[0] != hook->port->endpoint)
		return CLO_FLOW_FRESH;

	step = clo_flow_next(conn->state, &passage->frame->tuple,
			     conn->initiator == passage->flow.src, &state);
	if (step != CLO_FLOW_PASS)
		return step;

	*ret_mark = clo_decide_mark(ends[1]);
	clo_decide_touch(hook, conn, state);
	clo_view_hit(hook->view, conn->rule, 0);
	return CLO_FLOW_PASS;
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
		.rule = rule,
		.initiator = initiator,
		.state = state,
	};

	conn.endpoint[0] = src ? passage->dst.endpoint : passage->src.endpoint;
	conn.endpoint[1] = src ? passage->src.endpoint : passage->dst.endpoint;
	if (clo_view_conn_put(hook->view, &passage->flow, &conn,
			      passage->conn != NULL))
		return CLO_DROP_CONNECTIONS;
	return CLO_DROP_NONE;
}

/*
 * Judge by the tables: a packet that opens a flow, a message of no flow, or a
 * packet of a flow that an earlier policy allowed. The last is judged in the
 * direction of its initiator and goes on as it was.
 */
CLO_INLINE enum clo_drop clo_decide_slow(const struct clo_hook *hook,
					 const struct clo_passage *passage)
{
	const struct clo_frame *frame = passage->frame;
	const struct clo_conn *conn = passage->conn;
	enum clo_flow_step step = CLO_FLOW_FRESH;
	__u8 state = CLO_CONN_NEW, initiator = passage->flow.src;
	struct clo_verdict verdict;
	int by_initiator = 1;
	enum clo_drop drop = CLO_DROP_NONE;

	if (conn && conn->epoch != hook->epoch) {
		by_initiator = conn->initiator == passage->flow.src;
		step = clo_flow_next(conn->state, &frame->tuple, by_initiator,
				     &state);
	}
	if (step == CLO_FLOW_FRESH) {
		by_initiator = 1;
		state = CLO_CONN_NEW;
		if (frame->kind == CLO_FRAME_FLOW &&
		    !clo_flow_opens(&frame->tuple))
			return CLO_DROP_NO_FLOW;
	}
	if (!by_initiator)
		initiator = !initiator;

	clo_judge_pair(
		hook->view,
		by_initiator ? passage->src.identity : passage->dst.identity,
		by_initiator ? passage->dst.identity : passage->src.identity,
		frame->tuple.proto, clo_decide_number(frame, by_initiator),
		&verdict);
	if (verdict.drop && step == CLO_FLOW_FRESH)
		return verdict.drop;
	if (verdict.drop) {
		/* not what a CPU ahead of this one has just allowed */
		if (conn->epoch < hook->epoch)
			clo_view_conn_del(hook->view, &passage->flow);
		return CLO_DROP_REVOKED;
	}
	if (step == CLO_FLOW_STRAY)
		return CLO_DROP_NO_FLOW;

	if (frame->kind == CLO_FRAME_FLOW)
		drop = clo_decide_track(hook, passage, initiator, state,
					verdict.rule);
	if (!drop)
		clo_view_hit(hook->view, verdict.rule, step == CLO_FLOW_FRESH);
	return drop;
}

/*
 * An ICMP error passes only if it quotes a packet of a tracked flow that the
 * receiver of the error sent. From a guest, the flow must be its own; from
 * outside any router may be the one that complains.
 */
CLO_INLINE enum clo_drop clo_decide_error(const struct clo_hook *hook,
					  const struct clo_packet *packet,
					  const struct clo_passage *passage,
					  __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &passage->frame->tuple;
	struct clo_tuple quoted;
	struct clo_flow flow;
	struct clo_conn *conn;
	__u32 ends[2];

	if (!clo_frame_quoted(packet, tuple->family, &quoted) ||
	    !clo_bind_is_equal(tuple->family, quoted.src, tuple->dst))
		return CLO_DROP_NO_FLOW;

	clo_flow_init(&quoted, hook->port->space, &flow);
	conn = clo_view_conn(hook->view, &flow);
	if (!conn || conn->epoch != hook->epoch ||
	    clo_flow_expired(conn, quoted.proto, hook->now))
		return CLO_DROP_NO_FLOW;

	clo_decide_endpoints(conn, flow.src, ends);
	if (ends[passage->to_guest ? 0 : 1] != hook->port->endpoint)
		return CLO_DROP_NO_FLOW;

	*ret_mark = clo_decide_mark(ends[0]);
	clo_view_hit(hook->view, conn->rule, 0);
	return CLO_DROP_NONE;
}

/* Find the entry of a CLO_FRAME_FLOW. */
CLO_INLINE void clo_decide_find(const struct clo_hook *hook,
				struct clo_passage *passage)
{
	const struct clo_tuple *tuple = &passage->frame->tuple;

	clo_flow_init(tuple, hook->port->space, &passage->flow);
	passage->conn = clo_view_conn(hook->view, &passage->flow);
	if (passage->conn &&
	    clo_flow_expired(passage->conn, tuple->proto, hook->now))
		passage->conn = NULL;
}

CLO_INLINE enum clo_drop clo_decide_ip(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       const struct clo_frame *frame,
				       int to_guest, __u32 *ret_mark)
{
	struct clo_passage passage = {.frame = frame, .to_guest = to_guest};
	enum clo_flow_step step;
	enum clo_drop drop;

	if (frame->dst_group || clo_bind_is_multicast(&frame->tuple))
		return CLO_DROP_MULTICAST;
	if (frame->kind == CLO_FRAME_FLOW) {
		clo_decide_find(hook, &passage);
		step = clo_decide_fast(hook, &passage, ret_mark);
		if (step != CLO_FLOW_FRESH)
			return step == CLO_FLOW_PASS ? CLO_DROP_NONE
						     : CLO_DROP_NO_FLOW;
	}

	drop = clo_bind_ends(hook->view, hook->port, to_guest, &frame->tuple,
			     &passage.src, &passage.dst);
	if (drop)
		return drop;
	if (frame->kind == CLO_FRAME_ERROR)
		return clo_decide_error(hook, packet, &passage, ret_mark);

	*ret_mark = clo_decide_mark(passage.dst.endpoint);
	return clo_decide_slow(hook, &passage);
}

/* A frame that the guest sent. ret_mark counts only if it may pass. */
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
