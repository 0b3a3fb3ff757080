/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The slow path of an IP packet: it opens a flow, is a message of no flow, or
 * belongs to a flow that has to be judged anew: another policy came, or its
 * sender is seen on another interface. Pure.
 */

#include "ebpf/lib/conn.h"
#include "ebpf/lib/frame_quote.h"
#include "ebpf/lib/judge.h"

/* Flags of an identity, 0 if there is none of that number. */
CLO_INLINE __u8 clo_view_flags(const struct clo_view *view, __u32 identity);

/* What the service class hangs on. */
CLO_INLINE __u16 clo_open_number(const struct clo_frame *frame,
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

/* The verdict of the tables, and what the port's mode makes of it. */
CLO_INLINE enum clo_drop clo_open_judge(const struct clo_hook *hook,
					const struct clo_frame *frame,
					const struct clo_side *from,
					const struct clo_side *to,
					int by_initiator, __u32 *ret_rule)
{
	struct clo_verdict verdict;

	if (hook->port->mode == CLO_MODE_QUARANTINE) {
		*ret_rule = 0;
		return clo_view_flags(hook->view, from->identity) &
				       CLO_IDENTITY_FORENSICS
			       ? CLO_DROP_NONE
			       : CLO_DROP_QUARANTINE;
	}
	clo_judge_pair(hook->view, from->identity, to->identity,
		       frame->tuple.proto, clo_open_number(frame, by_initiator),
		       &verdict);
	*ret_rule = verdict.rule;
	return verdict.drop;
}

/* Put the entry of a new flow; whoever pays for it has room. */
CLO_INLINE enum clo_drop clo_open_track(const struct clo_hook *hook,
					const struct clo_frame *frame,
					struct clo_conn *conn)
{
	__u32 payer = clo_conn_payer(conn);
	struct clo_meter *meter = clo_view_meter(hook->view, hook->port);

	if (!meter ||
	    !clo_limit_take(&meter->bucket[CLO_BUCKET_FLOWS], 1, hook->now))
		return CLO_DROP_FLOW_RATE;
	if (!clo_limit_charge(hook->view, payer))
		return CLO_DROP_QUOTA;

	if (frame->tuple.proto == IPPROTO_TCP)
		clo_flow_advance(conn, frame, hook->work->flow.src);
	switch (clo_view_conn_put(hook->view, &hook->work->flow, conn, 0)) {
	case CLO_PUT_DONE:
		return CLO_DROP_NONE;
	case CLO_PUT_OTHER: /* what it tracks was allowed as well */
		clo_limit_release(hook->view, payer, CLO_ACCOUNT_LEVELS);
		return CLO_DROP_NONE;
	default:
		clo_limit_release(hook->view, payer, CLO_ACCOUNT_LEVELS);
		return CLO_DROP_CONNECTIONS;
	}
}

/* A flow that no entry stands for; it takes the place of `old`, if any. */
CLO_INLINE enum clo_drop
clo_open_new(const struct clo_hook *hook, const struct clo_frame *frame,
	     const struct clo_passage *passage, const struct clo_conn *old,
	     const struct clo_side side[2], struct clo_outcome *ret)
{
	__u8 src = hook->work->flow.src & 1;
	struct clo_conn *conn = &hook->work->conn;
	int opens = clo_flow_opens(frame);
	enum clo_drop drop;

	__builtin_memset(conn, 0, sizeof(*conn));
	conn->epoch = hook->epoch;
	conn->seen = hook->now;
	conn->opened = hook->now;
	conn->initiator = src;
	if (!opens && (frame->kind == CLO_FRAME_MESSAGE
			       ? 0
			       : frame->frag == CLO_FRAG_LATER ||
					 hook->now >= hook->pickup))
		return CLO_DROP_NO_FLOW;
	drop = clo_open_judge(hook, frame, &side[0], &side[1], 1, &ret->rule);
	if (frame->kind == CLO_FRAME_MESSAGE)
		return drop;
	if (!opens) {
		conn->picked = 1;
		conn->state = CLO_CONN_ESTABLISHED;
		if (drop) {
			conn->initiator = !src;
			drop = clo_open_judge(hook, frame, &side[1], &side[0],
					      0, &ret->rule);
		}
	}
	if (drop)
		return drop;

	conn->rule = ret->rule;
	conn->endpoint[src] = side[0].endpoint;
	conn->endpoint[!src] = side[1].endpoint;
	if (!passage->to_guest)
		conn->ifindex[src] = hook->ifindex;
	if (side[1].endpoint)
		conn->ifindex[!src] =
			clo_view_local(hook->view, side[1].endpoint);
	conn->packets[src] = 1;
	conn->bytes[src] = passage->len;
	if (old)
		clo_conn_drop(hook, clo_conn_payer(old));
	drop = clo_open_track(hook, frame, conn);
	if (drop)
		return drop;

	ret->opened = 1;
	if (ret->rule)
		clo_view_hit(hook->view, ret->rule);
	return CLO_DROP_NONE;
}

/*
 * A flow that an earlier policy allowed, or whose sender has moved to another
 * interface: judged in the direction of its initiator, it goes on as it was.
 */
CLO_INLINE enum clo_drop
clo_open_again(const struct clo_hook *hook, const struct clo_frame *frame,
	       const struct clo_passage *passage, const struct clo_side side[2],
	       struct clo_conn *old, struct clo_outcome *ret)
{
	__u8 src = hook->work->flow.src & 1;
	int by_initiator = old->initiator == src;
	const struct clo_side *from = by_initiator ? &side[0] : &side[1];
	const struct clo_side *to = by_initiator ? &side[1] : &side[0];
	struct clo_flow_change change;
	struct clo_conn *conn = &hook->work->conn;
	enum clo_flow_step step;
	enum clo_drop drop;

	*conn = *old;
	step = clo_flow_next(conn, frame, src, &change);
	drop = clo_open_judge(hook, frame, from, to, by_initiator, &ret->rule);
	if (drop) {
		/* not what a CPU ahead of this one has just allowed */
		if (conn->epoch <= hook->epoch)
			clo_conn_drop(hook, clo_conn_payer(conn));
		return drop == CLO_DROP_QUARANTINE ? drop : CLO_DROP_REVOKED;
	}
	if (step == CLO_FLOW_STRAY)
		return CLO_DROP_NO_FLOW;
	if (step == CLO_FLOW_WINDOW)
		return CLO_DROP_WINDOW;

	clo_conn_touch(hook, frame, passage->len, conn, src, &change);
	conn->epoch = hook->epoch;
	conn->rule = ret->rule;
	/* routed back by the wire: the sender's own tap stays what is known */
	if (!passage->to_guest && hook->port->segment == side[0].segment)
		conn->ifindex[src] = hook->ifindex;
	if (side[1].endpoint)
		conn->ifindex[!src] =
			clo_view_local(hook->view, side[1].endpoint);
	(void)clo_view_conn_put(hook->view, &hook->work->flow, conn, 1);
	/* back to the outside by the wire that it came from */
	if (!passage->to_guest && !side[1].endpoint)
		(void)clo_conn_direct(hook, frame->dst_mac, conn->ifindex[!src],
				      0, &ret->ifindex);
	return CLO_DROP_NONE;
}

/* May this packet go on as part of the flow that its entry stands for? */
CLO_INLINE int clo_open_continues(const struct clo_frame *frame,
				  const struct clo_conn *conn, __u8 src,
				  const struct clo_side side[2])
{
	struct clo_flow_change change;
	__u32 ends[2];

	clo_conn_ends(conn, src, ends);
	return ends[0] == side[0].endpoint && ends[1] == side[1].endpoint &&
	       clo_flow_next(conn, frame, src, &change) != CLO_FLOW_FRESH;
}

CLO_INLINE enum clo_drop clo_open(const struct clo_hook *hook,
				  const struct clo_frame *frame,
				  const struct clo_passage *passage,
				  struct clo_outcome *ret)
{
	struct clo_conn *conn = passage->conn;
	__u8 src = hook->work->flow.src & 1;
	struct clo_side side[2];
	enum clo_drop drop;

	drop = clo_bind_ends(hook, frame, passage->to_guest, side);
	if (drop)
		return drop;
	ret->endpoint[0] = side[0].endpoint;
	ret->endpoint[1] = side[1].endpoint;
	ret->mark = clo_conn_mark(hook->port, side[1].endpoint);
	if (!passage->to_guest && side[1].endpoint &&
	    !clo_conn_direct(hook, frame->dst_mac,
			     clo_view_local(hook->view, side[1].endpoint),
			     side[1].endpoint, &ret->ifindex))
		return CLO_DROP_NOT_FOR_ENDPOINT;

	if (conn && clo_flow_expired(conn, frame->tuple.proto, hook->now)) {
		clo_conn_drop(hook, clo_conn_payer(conn));
		conn = NULL;
	}
	if (conn && clo_open_continues(frame, conn, src, side))
		return clo_open_again(hook, frame, passage, side, conn, ret);
	/* From the wire, an address of this node's own was routed there. */
	if (hook->port->kind == CLO_PORT_UPLINK && side[0].endpoint &&
	    side[0].segment != hook->port->segment &&
	    clo_view_local(hook->view, side[0].endpoint))
		return CLO_DROP_SPOOFED_ADDRESS;
	return clo_open_new(hook, frame, passage, conn, side, ret);
}

/* Between two endpoints of one segment there is no router. */
CLO_INLINE int clo_open_is_inner(const struct clo_hook *hook, __u32 endpoint,
				 const struct clo_side *receiver)
{
	const struct clo_addr *other;

	if (!endpoint)
		return 0;
	other = clo_bind_find(hook->view, CLO_SPACE_SELF, 4,
			      (const __u8 *)&endpoint);
	return !other || other->segment == receiver->segment;
}

/*
 * An ICMP error passes only if it quotes a packet of a tracked flow that the
 * receiver of the error sent, for TCP one that is under way. From a guest, the
 * flow must be its own; from outside any router that can be on the way may be
 * the one that complains.
 */
CLO_INLINE enum clo_drop clo_open_error(const struct clo_hook *hook,
					const struct clo_packet *packet,
					const struct clo_frame *frame,
					int to_guest, struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	struct clo_frame_quote quoted;
	struct clo_side side[2];
	struct clo_conn *conn;
	enum clo_drop drop;
	__u32 ends[2];
	__u8 sender;

	drop = clo_bind_ends(hook, frame, to_guest, side);
	if (drop)
		return drop;
	if (hook->port->mode == CLO_MODE_QUARANTINE)
		return CLO_DROP_QUARANTINE;
	if (!clo_frame_quoted(packet, frame, &quoted) ||
	    !clo_bind_is_equal(tuple->family, quoted.tuple.src, tuple->dst))
		return CLO_DROP_NO_FLOW;

	clo_flow_init(&quoted.tuple, hook->port->space, &hook->work->flow);
	conn = clo_view_conn(hook->view, &hook->work->flow);
	if (!conn || conn->epoch != hook->epoch ||
	    clo_flow_expired(conn, quoted.tuple.proto, hook->now))
		return CLO_DROP_NO_FLOW;

	sender = hook->work->flow.src & 1;
	clo_conn_ends(conn, sender, ends);
	if (ends[0] != side[1].endpoint ||
	    (!to_guest && hook->port->kind == CLO_PORT_TAP &&
	     ends[1] != hook->port->endpoint))
		return CLO_DROP_NO_FLOW;
	if (!side[0].endpoint && clo_open_is_inner(hook, ends[1], &side[1]))
		return CLO_DROP_NO_FLOW;
	if (quoted.tuple.proto == IPPROTO_TCP && !conn->picked &&
	    !clo_flow_between(quoted.seq, conn->ack[!sender] - 1,
			      conn->next[sender]))
		return CLO_DROP_WINDOW;

	ret->mark = clo_conn_mark(hook->port, ends[0]);
	ret->rule = conn->rule;
	ret->endpoint[0] = side[0].endpoint;
	ret->endpoint[1] = ends[0];
	return to_guest || clo_conn_direct(hook, frame->dst_mac,
					   conn->ifindex[sender], ends[0],
					   &ret->ifindex)
		       ? CLO_DROP_NONE
		       : CLO_DROP_NOT_FOR_ENDPOINT;
}
