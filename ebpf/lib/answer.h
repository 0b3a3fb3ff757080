/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The frame by which the guard answers for a neighbour. Whole, without the
 * padding that a short frame needs on a wire: a tap's queue takes it as it
 * is. Pure; builds for BPF and for the host. Byte by byte, because the buffers
 * may lie anywhere on a BPF stack.
 */

#include "ebpf/lib/bind.h"

enum {
	CLO_ANSWER_ARP_LEN = CLO_ARP_END,
	CLO_ANSWER_ND_LEN =
		CLO_ETH_LEN + CLO_IP6_LEN + CLO_ND_LEN + CLO_ND_OPTION_LEN,
};

CLO_INLINE void clo_answer_put16(__u8 *to, __u16 value)
{
	to[0] = (__u8)(value >> 8);
	to[1] = (__u8)value;
}

CLO_INLINE void clo_answer_put_mac(__u8 *to, __u64 mac)
{
	to[0] = (__u8)mac;
	to[1] = (__u8)(mac >> 8);
	to[2] = (__u8)(mac >> 16);
	to[3] = (__u8)(mac >> 24);
	to[4] = (__u8)(mac >> 32);
	to[5] = (__u8)(mac >> 40);
}

CLO_INLINE void clo_answer_eth(const struct clo_frame *frame, const __u8 mac[6],
			       __u16 type, __u8 *ret)
{
	clo_answer_put_mac(ret, frame->src_mac);
	__builtin_memcpy(ret + 6, mac, 6);
	clo_answer_put16(ret + 12, type);
}

/* The reply of the request's target, whose MAC is given. */
CLO_NOINLINE void clo_answer_arp(const struct clo_frame *request,
				 const __u8 mac[6],
				 __u8 ret[CLO_ANSWER_ARP_LEN])
{
	__u8 *arp = ret + CLO_ETH_LEN;

	clo_answer_eth(request, mac, 0x0806, ret);
	clo_answer_put16(arp, 1);
	clo_answer_put16(arp + 2, 0x0800);
	arp[4] = 6;
	arp[5] = 4;
	clo_answer_put16(arp + 6, 2);
	__builtin_memcpy(arp + 8, mac, 6);
	__builtin_memcpy(arp + 14, request->tuple.dst, 4);
	clo_answer_put_mac(arp + 18, request->src_mac);
	__builtin_memcpy(arp + 24, request->tuple.src, 4);
}

/*
 * ICMPv6 checksum. Addresses and message lie side by side; the pseudo header
 * adds the length and the protocol. No carry is lost: 34 words in 32 bits.
 */
CLO_INLINE __u16 clo_answer_sum(const __u8 *ret)
{
	__u32 sum = CLO_ND_LEN + CLO_ND_OPTION_LEN + IPPROTO_ICMPV6;

	for (int i = CLO_ETH_LEN + 8; i < CLO_ANSWER_ND_LEN; i += 2)
		sum += (__u32)ret[i] << 8 | ret[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The advertisement of the solicitation's target, whose MAC is given. */
CLO_NOINLINE void clo_answer_nd(const struct clo_frame *solicit,
				const __u8 mac[6], __u8 ret[CLO_ANSWER_ND_LEN])
{
	__u8 *ip = ret + CLO_ETH_LEN, *icmp = ip + CLO_IP6_LEN;

	clo_answer_eth(solicit, mac, 0x86dd, ret);
	__builtin_memset(ip, 0, CLO_ANSWER_ND_LEN - CLO_ETH_LEN);
	ip[0] = 0x60;
	ip[5] = CLO_ND_LEN + CLO_ND_OPTION_LEN;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	__builtin_memcpy(ip + 8, solicit->target, 16);
	__builtin_memcpy(ip + 24, solicit->tuple.src, 16);
	icmp[0] = 136;
	icmp[4] = 0x60; /* solicited, override */
	__builtin_memcpy(icmp + 8, solicit->target, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	__builtin_memcpy(icmp + 26, mac, 6);
	clo_answer_put16(icmp + 2, clo_answer_sum(ret));
}
