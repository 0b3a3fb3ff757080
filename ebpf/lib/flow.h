/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Connections: the key that both directions share, the state machine and the
 * timeouts. Pure; builds for BPF and for the host.
 */

#include "cloison/abi.h"
#include "ebpf/lib/frame.h"

#define CLO_SECOND 1000000000ULL

/* A packet's place in the connection table. */
struct clo_flow {
	union {
		struct clo_conn4_key v4;
		struct clo_conn6_key v6;
		__u64 words[5]; /* either, as a look-up reads it */
	} key;

	__u8 family;
	__u8 src; /* side of the packet's source: 0 lo, 1 hi */
};

enum clo_flow_step {
	CLO_FLOW_PASS, /* part of the flow */
	CLO_FLOW_FRESH, /* opens a flow of its own: judge it as new */
	CLO_FLOW_STRAY, /* cannot be part of it */
	CLO_FLOW_WINDOW, /* TCP: not within the connection's window */
	CLO_FLOW_ASTRAY, /* on its way to another than the flow's other side */
};

CLO_INLINE int clo_flow_is_icmp(__u8 proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

CLO_INLINE int clo_flow_is_request(const struct clo_tuple *tuple)
{
	return tuple->type ==
	       (tuple->proto == IPPROTO_ICMP ? CLO_ICMP4_ECHO : CLO_ICMP6_ECHO);
}

/* Bytes compare like big-endian numbers. <0, 0 or >0. */
CLO_INLINE int clo_flow_order(const struct clo_tuple *tuple)
{
	__u64 src[2], dst[2];

	if (tuple->family == 4) {
		src[0] = __builtin_bswap32(clo_load32(tuple->src));
		dst[0] = __builtin_bswap32(clo_load32(tuple->dst));
		src[1] = dst[1] = 0;
	} else {
		__builtin_memcpy(src, tuple->src, sizeof(src));
		__builtin_memcpy(dst, tuple->dst, sizeof(dst));
		src[0] = __builtin_bswap64(src[0]);
		src[1] = __builtin_bswap64(src[1]);
		dst[0] = __builtin_bswap64(dst[0]);
		dst[1] = __builtin_bswap64(dst[1]);
	}
	if (src[0] != dst[0])
		return src[0] < dst[0] ? -1 : 1;
	if (src[1] != dst[1])
		return src[1] < dst[1] ? -1 : 1;
	return (int)__builtin_bswap16(tuple->sport) -
	       (int)__builtin_bswap16(tuple->dport);
}

CLO_INLINE void clo_flow_init(const struct clo_tuple *tuple, __u32 space,
			      struct clo_flow *ret)
{
	__u32 space_proto = space << 8 | tuple->proto;
	__u8 src = clo_flow_order(tuple) > 0;
	const __u8 *lo = src ? tuple->dst : tuple->src;
	const __u8 *hi = src ? tuple->src : tuple->dst;
	__u16 port0 = src ? tuple->dport : tuple->sport;
	__u16 port1 = src ? tuple->sport : tuple->dport;

	if (clo_flow_is_icmp(tuple->proto)) /* is the requester lo? */
		port1 = clo_flow_is_request(tuple) ? !src : src;

	ret->family = tuple->family;
	ret->src = src;
	if (tuple->family == 4) {
		ret->key.v4.space_proto = space_proto;
		clo_copy_addr4(ret->key.v4.lo, lo);
		clo_copy_addr4(ret->key.v4.hi, hi);
		ret->key.v4.port[0] = port0;
		ret->key.v4.port[1] = port1;
	} else {
		ret->key.v6.space_proto = space_proto;
		clo_copy_addr6(ret->key.v6.lo, lo);
		clo_copy_addr6(ret->key.v6.hi, hi);
		ret->key.v6.port[0] = port0;
		ret->key.v6.port[1] = port1;
	}
}

CLO_INLINE __u64 clo_flow_timeout(__u8 proto, __u8 state)
{
	if (clo_flow_is_icmp(proto))
		return 30 * CLO_SECOND;
	switch (state) {
	case CLO_CONN_NEW:
		return 60 * CLO_SECOND;
	case CLO_CONN_HALF_CLOSED:
		return 300 * CLO_SECOND;
	case CLO_CONN_CLOSED:
		return 30 * CLO_SECOND;
	case CLO_CONN_RESET:
		return 10 * CLO_SECOND;
	default:
		break;
	}
	if (proto == IPPROTO_TCP || proto == IPPROTO_SCTP)
		return 7440 * CLO_SECOND; /* RFC 5382, section 5 */
	return (proto == IPPROTO_UDP ? 180 : 600) * CLO_SECOND;
}

CLO_INLINE int clo_flow_expired(const struct clo_conn *conn, __u8 proto,
				__u64 now)
{
	/* Signed: another CPU may have read a later clock than this one. */
	return (__s64)(now - conn->seen) >
	       (__s64)clo_flow_timeout(proto, conn->state);
}

#define CLO_SCTP_INIT 1U
#define CLO_SCTP_ABORT 6U
#define CLO_SCTP_SHUTDOWN 7U
#define CLO_SCTP_COMPLETE 14U

/* May this packet be the first of a flow? */
CLO_INLINE int clo_flow_opens(const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (frame->frag == CLO_FRAG_LATER)
		return 0;
	if (tuple->proto == IPPROTO_TCP)
		return (tuple->flags & (CLO_TCP_SYN | CLO_TCP_ACK |
					CLO_TCP_RST | CLO_TCP_FIN)) ==
		       CLO_TCP_SYN;
	if (tuple->proto == IPPROTO_SCTP)
		return tuple->type == CLO_SCTP_INIT;
	if (clo_flow_is_icmp(tuple->proto))
		return clo_flow_is_request(tuple);
	return 1;
}

/* Sequence numbers wrap: is `seq` in [from, to]? */
CLO_INLINE int clo_flow_between(__u32 seq, __u32 from, __u32 to)
{
	return seq - from <= to - from;
}

/* Behind the last byte that this TCP segment takes of the sequence. */
CLO_INLINE __u32 clo_flow_end(const struct clo_frame *frame)
{
	return frame->seq + frame->payload +
	       !!(frame->tuple.flags & CLO_TCP_SYN) +
	       !!(frame->tuple.flags & CLO_TCP_FIN);
}

/*
 * How far a segment may be from the last that was seen. No window is known
 * here; this is more than any sender has under way.
 */
#define CLO_FLOW_REACH (1U << 28)

CLO_INLINE int clo_flow_reaches(const struct clo_conn *conn, __u32 seq,
				__u8 src)
{
	return conn->picked ||
	       clo_flow_between(seq, conn->next[src & 1] - CLO_FLOW_REACH,
				conn->next[src & 1] + CLO_FLOW_REACH);
}

/* What a packet makes of its flow. */
struct clo_flow_change {
	__u8 state;
	__u8 fin;
};

/*
 * A reset counts only where the other side expects it, between what it has
 * acknowledged and what was sent (RFC 5961, section 3, from the middle).
 */
CLO_INLINE int clo_flow_reset_fits(const struct clo_conn *conn,
				   const struct clo_frame *frame, __u8 src,
				   int by_initiator)
{
	__u8 other = !src;

	if (conn->picked)
		return 1;
	if (conn->state == CLO_CONN_NEW && !by_initiator)
		return frame->tuple.flags & CLO_TCP_ACK &&
		       clo_flow_between(frame->ack, conn->ack[src & 1],
					conn->next[other & 1]);
	return clo_flow_between(frame->seq, conn->ack[other & 1],
				conn->next[src & 1]);
}

CLO_INLINE enum clo_flow_step clo_flow_syn(const struct clo_conn *conn,
					   const struct clo_frame *frame,
					   __u8 src, int by_initiator,
					   struct clo_flow_change *ret)
{
	if (!(frame->tuple.flags & CLO_TCP_ACK)) /* nobody may call back */
		return by_initiator && conn->state < CLO_CONN_CLOSED
			       ? CLO_FLOW_PASS
			       : CLO_FLOW_FRESH;
	if (by_initiator)
		return CLO_FLOW_STRAY;
	if (conn->state != CLO_CONN_NEW)
		return CLO_FLOW_PASS;
	if (!conn->picked &&
	    !clo_flow_between(frame->ack, conn->ack[src & 1], conn->next[!src]))
		return CLO_FLOW_WINDOW;
	ret->state = CLO_CONN_ESTABLISHED;
	return CLO_FLOW_PASS;
}

CLO_INLINE enum clo_flow_step clo_flow_tcp(const struct clo_conn *conn,
					   const struct clo_frame *frame,
					   __u8 src, int by_initiator,
					   struct clo_flow_change *ret)
{
	__u8 flags = frame->tuple.flags;

	if (flags & CLO_TCP_RST) {
		if (!clo_flow_reset_fits(conn, frame, src, by_initiator))
			return CLO_FLOW_WINDOW;
		ret->state = CLO_CONN_RESET;
		return CLO_FLOW_PASS;
	}
	if (flags & CLO_TCP_SYN)
		return clo_flow_syn(conn, frame, src, by_initiator, ret);
	if (conn->state == CLO_CONN_NEW)
		return by_initiator ? CLO_FLOW_PASS : CLO_FLOW_STRAY;
	if (!clo_flow_reaches(conn, frame->seq, src))
		return CLO_FLOW_WINDOW;

	/* Whoever still speaks did not take the reset for true. */
	if (conn->state == CLO_CONN_RESET)
		ret->state = CLO_CONN_ESTABLISHED;
	if (flags & CLO_TCP_FIN &&
	    (conn->picked || clo_flow_between(frame->seq, conn->ack[!src],
					      conn->next[src & 1])))
		ret->fin |= 1U << (src & 1);
	if (ret->fin && ret->state == CLO_CONN_ESTABLISHED)
		ret->state = CLO_CONN_HALF_CLOSED;
	if (ret->fin == 3)
		ret->state = CLO_CONN_CLOSED;
	return CLO_FLOW_PASS;
}

CLO_INLINE enum clo_flow_step clo_flow_sctp(const struct clo_conn *conn,
					    const struct clo_frame *frame,
					    int by_initiator,
					    struct clo_flow_change *ret)
{
	switch (frame->tuple.type) {
	case CLO_SCTP_INIT:
		return by_initiator && conn->state < CLO_CONN_CLOSED
			       ? CLO_FLOW_PASS
			       : CLO_FLOW_FRESH;
	case CLO_SCTP_ABORT:
		ret->state = CLO_CONN_RESET;
		break;
	case CLO_SCTP_SHUTDOWN:
		ret->state = CLO_CONN_HALF_CLOSED;
		break;
	case CLO_SCTP_COMPLETE:
		ret->state = CLO_CONN_CLOSED;
		break;
	default:
		if (!by_initiator || conn->state == CLO_CONN_RESET)
			ret->state = CLO_CONN_ESTABLISHED;
		break;
	}
	return CLO_FLOW_PASS;
}

/*
 * A packet of an existing flow. A bare SYN or INIT of the responder is a flow
 * of its own: being answered gives nobody the right to call back.
 */
CLO_INLINE enum clo_flow_step clo_flow_next(const struct clo_conn *conn,
					    const struct clo_frame *frame,
					    __u8 src,
					    struct clo_flow_change *ret)
{
	int by_initiator = conn->initiator == src;

	ret->state = conn->state;
	ret->fin = conn->fin;
	if (frame->frag == CLO_FRAG_LATER)
		return CLO_FLOW_PASS;
	if (frame->tuple.proto == IPPROTO_TCP)
		return clo_flow_tcp(conn, frame, src, by_initiator, ret);
	if (frame->tuple.proto == IPPROTO_SCTP)
		return clo_flow_sctp(conn, frame, by_initiator, ret);
	if (!by_initiator)
		ret->state = CLO_CONN_ESTABLISHED;
	return CLO_FLOW_PASS;
}

/* What a side has sent, up to `end`, and acknowledged: only ever more. */
CLO_INLINE void clo_flow_sent(struct clo_conn *conn, __u8 src, __u32 end)
{
	if (end - conn->next[src & 1] - 1 < 1U << 30)
		conn->next[src & 1] = end;
}

CLO_INLINE void clo_flow_acked(struct clo_conn *conn, __u8 src, __u32 ack)
{
	if (ack - conn->ack[src & 1] - 1 < 1U << 30)
		conn->ack[src & 1] = ack;
}

/* Where both sides stand after a TCP segment that may pass. */
CLO_INLINE void clo_flow_advance(struct clo_conn *conn,
				 const struct clo_frame *frame, __u8 src)
{
	__u8 flags = frame->tuple.flags;
	__u32 end = clo_flow_end(frame);
	__u8 other = !src;

	src &= 1;
	if (flags & CLO_TCP_RST)
		return;
	if (flags & CLO_TCP_SYN && conn->state == CLO_CONN_NEW) {
		conn->next[src] = end;
		/* what the other side will acknowledge at least */
		conn->ack[other] = frame->seq + 1;
		if (flags & CLO_TCP_ACK)
			conn->ack[src] = frame->ack;
		return;
	}
	clo_flow_sent(conn, src, end);
	if (flags & CLO_TCP_ACK)
		clo_flow_acked(conn, src, frame->ack);
}
