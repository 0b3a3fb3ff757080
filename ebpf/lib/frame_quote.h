/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* The packet that an ICMP error is about. */

#include "ebpf/lib/frame_ip.h"
#include "ebpf/lib/frame_l4.h"

struct clo_frame_quote {
	struct clo_tuple tuple; /* without flags; SCTP: without type */
	__u32 seq; /* TCP, host order */
	__u32 reserved;
};

/* Each returns the offset of the L4 header, 0 if it cannot be told. */
CLO_INLINE __u32 clo_frame_quoted4(const __u8 *ip, __u32 at,
				   struct clo_tuple *ret_tuple)
{
	if (ip[0] >> 4 != 4 || (ip[0] & 15) < 5 ||
	    clo_load16_host(ip + 6) & 0x1fff)
		return 0;
	ret_tuple->proto = ip[9];
	clo_copy_addr4(ret_tuple->src, ip + 12);
	clo_copy_addr4(ret_tuple->dst, ip + 16);
	return at + (ip[0] & 15) * 4U;
}

/* One extension header of a whole packet or a first fragment at most. */
CLO_INLINE __u32 clo_frame_quoted6(const struct clo_packet *packet,
				   const __u8 *ip, __u32 at,
				   struct clo_tuple *ret_tuple)
{
	__u8 next = ip[6];
	const __u8 *header;

	if (ip[0] >> 4 != 6)
		return 0;
	clo_copy_addr6(ret_tuple->src, ip + 8);
	clo_copy_addr6(ret_tuple->dst, ip + 24);
	at += CLO_IP6_LEN;
	if (next == CLO_IP6_HOP || next == CLO_IP6_DESTINATION ||
	    next == CLO_IP6_FRAGMENT) {
		header = clo_frame_at(packet, at, 4);
		if (!header)
			return 0;
		if (next == CLO_IP6_FRAGMENT &&
		    clo_load16_host(header + 2) >> 3)
			return 0;
		if (next == CLO_IP6_FRAGMENT)
			at += CLO_FRAG_LEN;
		else if (header[1] < CLO_IP6_OPTIONS_LEN / 8)
			at += (header[1] + 1U) * 8;
		else
			return 0;
		next = header[0];
	}
	ret_tuple->proto = next;
	return clo_frame_extension(next) ? 0 : at;
}

/* What identifies the flow; 0: it is of none. */
CLO_INLINE int clo_frame_quoted_l4(const __u8 *l4,
				   struct clo_frame_quote *quote)
{
	struct clo_tuple *tuple = &quote->tuple;
	const int v4 = tuple->family == 4;

	switch (tuple->proto) {
	case IPPROTO_TCP:
		quote->seq = clo_load32_host(l4 + 4);
		clo_frame_ports(l4, tuple);
		return 1;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		clo_frame_ports(l4, tuple);
		return 1;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		tuple->type = l4[0];
		tuple->sport = clo_load16(l4 + 4);
		tuple->dport = tuple->sport;
		if (v4)
			return tuple->proto == IPPROTO_ICMP &&
			       (l4[0] == CLO_ICMP4_ECHO ||
				l4[0] == CLO_ICMP4_ECHO_REPLY);
		return tuple->proto == IPPROTO_ICMPV6 &&
		       (l4[0] == CLO_ICMP6_ECHO ||
			l4[0] == CLO_ICMP6_ECHO_REPLY);
	default:
		return 1;
	}
}

/*
 * The packet that a CLO_FRAME_ERROR quotes; 0 if too little of it is there or
 * it is none that opens or belongs to a flow.
 */
CLO_NOINLINE int clo_frame_quoted(const struct clo_packet *packet,
				  const struct clo_frame *frame,
				  struct clo_frame_quote *ret_quote)
{
	__u32 at = frame->l4 + (__u32)CLO_L4_LEN;
	const int v4 = frame->tuple.family == 4;
	const __u8 *p;

	__builtin_memset(ret_quote, 0, sizeof(*ret_quote));
	ret_quote->tuple.family = frame->tuple.family;
	if (v4) {
		p = clo_frame_at(packet, at, CLO_IP4_LEN);
		at = p ? clo_frame_quoted4(p, at, &ret_quote->tuple) : 0;
	} else {
		p = clo_frame_at(packet, at, CLO_IP6_LEN);
		at = p ? clo_frame_quoted6(packet, p, at, &ret_quote->tuple)
		       : 0;
	}
	/* inside what the error itself claims, not in a frame's padding */
	if (!at || at + CLO_L4_LEN > frame->l4 + frame->l4_len)
		return 0;
	p = clo_frame_at(packet, at, CLO_L4_LEN);
	return p ? clo_frame_quoted_l4(p, ret_quote) : 0;
}
