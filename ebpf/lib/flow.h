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
	} key;

	__u8 family;
	__u8 src; /* side of the packet's source: 0 lo, 1 hi */
};

enum clo_flow_step {
	CLO_FLOW_PASS, /* part of the flow */
	CLO_FLOW_FRESH, /* opens a flow of its own: judge it as new */
	CLO_FLOW_STRAY, /* cannot be part of it */
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
	if (state == CLO_CONN_NEW)
		return 60 * CLO_SECOND;
	if (state == CLO_CONN_CLOSING)
		return 10 * CLO_SECOND;
	if (proto == IPPROTO_TCP)
		return 7200 * CLO_SECOND;
	if (proto == IPPROTO_UDP)
		return 180 * CLO_SECOND;
	return 600 * CLO_SECOND;
}

CLO_INLINE int clo_flow_expired(const struct clo_conn *conn, __u8 proto,
				__u64 now)
{
	/* Signed: another CPU may have read a later clock than this one. */
	return (__s64)(now - conn->seen) >
	       (__s64)clo_flow_timeout(proto, conn->state);
}

/* May this packet be the first of a flow? */
CLO_INLINE int clo_flow_opens(const struct clo_tuple *tuple)
{
	if (tuple->proto == IPPROTO_TCP)
		return (tuple->flags & (CLO_TCP_SYN | CLO_TCP_ACK |
					CLO_TCP_RST | CLO_TCP_FIN)) ==
		       CLO_TCP_SYN;
	if (clo_flow_is_icmp(tuple->proto))
		return clo_flow_is_request(tuple);
	return 1;
}

/*
 * A packet of an existing flow. A bare SYN of the responder is a flow of its
 * own: being answered gives nobody the right to call back.
 */
CLO_INLINE enum clo_flow_step clo_flow_next(__u8 state,
					    const struct clo_tuple *tuple,
					    int by_initiator, __u8 *ret_state)
{
	*ret_state = by_initiator ? state : CLO_CONN_ESTABLISHED;
	if (tuple->proto != IPPROTO_TCP)
		return CLO_FLOW_PASS;

	if (clo_flow_opens(tuple))
		return by_initiator && state != CLO_CONN_CLOSING
			       ? CLO_FLOW_PASS
			       : CLO_FLOW_FRESH;
	if (!by_initiator && state == CLO_CONN_NEW &&
	    !(tuple->flags & CLO_TCP_RST) &&
	    (tuple->flags & (CLO_TCP_SYN | CLO_TCP_ACK)) !=
		    (CLO_TCP_SYN | CLO_TCP_ACK))
		return CLO_FLOW_STRAY;
	if (state == CLO_CONN_CLOSING ||
	    tuple->flags & (CLO_TCP_FIN | CLO_TCP_RST))
		*ret_state = CLO_CONN_CLOSING;
	return CLO_FLOW_PASS;
}
