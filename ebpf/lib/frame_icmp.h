/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * ICMP and what runs on it: errors, neighbour and router discovery, multicast
 * listeners (IGMP too). Each `icmp` has CLO_L4_LEN readable bytes.
 */

#include "ebpf/lib/frame_type.h"

enum {
	CLO_ICMP6_AT = CLO_ETH_LEN + CLO_IP6_LEN, /* without extensions */
	CLO_RS_LEN = 8, /* router solicitation and advertisement */
	CLO_RA_LEN = 16,
	CLO_RA_OPTIONS_MAX = 8,
};

/* One ND option of one unit: a link-layer address or a nonce (RFC 7527). */
CLO_INLINE enum clo_drop clo_frame_nd_option(const struct clo_packet *packet,
					     __u32 at, struct clo_frame *frame)
{
	const __u8 *option = clo_frame_at(packet, at, CLO_ND_OPTION_LEN);

	if (!option)
		return CLO_DROP_RUNT;
	if (option[1] != 1)
		return CLO_DROP_MALFORMED;
	if (option[0] == 14)
		return CLO_DROP_NONE;
	if (option[0] != 1 && option[0] != 2)
		return CLO_DROP_MALFORMED;

	if (clo_load_mac(option + 2) != frame->src_mac)
		frame->lladdr_differs = 1;
	return CLO_DROP_NONE;
}

/*
 * What ND and router discovery have in common: hop limit 255 shows that no
 * router forwarded it; extension headers hide it from switches (RFC 6980).
 */
CLO_INLINE enum clo_drop clo_frame_nd_check(const struct clo_packet *packet,
					    const struct clo_frame *frame,
					    __u32 need)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;

	if (frame->l4 != CLO_ICMP6_AT || frame->frag)
		return CLO_DROP_MALFORMED;
	if (frame->l4_len < need || ip + CLO_IP6_LEN + CLO_L4_LEN > packet->end)
		return CLO_DROP_RUNT;
	if (ip[7] != 255 || ip[CLO_IP6_LEN + 1] != 0 ||
	    frame->l4_len % CLO_ND_OPTION_LEN)
		return CLO_DROP_MALFORMED;
	return CLO_DROP_NONE;
}

/* Neighbour solicitation and advertisement. */
CLO_NOINLINE enum clo_drop clo_frame_nd(const struct clo_packet *packet,
					struct clo_frame *frame)
{
	const __u8 *icmp = packet->data + CLO_ICMP6_AT;
	__u32 end = CLO_ICMP6_AT + frame->l4_len;
	enum clo_drop drop = clo_frame_nd_check(packet, frame, CLO_ND_LEN);

	if (drop)
		return drop;
	if (icmp + CLO_ND_LEN > packet->end)
		return CLO_DROP_RUNT;
	if (frame->l4_len > CLO_ND_LEN + CLO_ND_OPTIONS_MAX * CLO_ND_OPTION_LEN)
		return CLO_DROP_MALFORMED;

	clo_copy_addr6(frame->target, icmp + 8);
	for (__u32 i = 0, at = CLO_ICMP6_AT + CLO_ND_LEN;
	     i < CLO_ND_OPTIONS_MAX && at < end && !drop;
	     i++, at += CLO_ND_OPTION_LEN)
		drop = clo_frame_nd_option(packet, at, frame);
	return drop;
}

/* May the option stand in a message of this type with this many units? */
CLO_INLINE int clo_frame_is_router_option(__u8 type, __u8 option, __u8 units)
{
	if (option == 1) /* source link-layer address */
		return units == 1;
	if (type == 133)
		return 0;
	switch (option) {
	case 3: /* prefix */
		return units == 4;
	case 5: /* MTU */
		return units == 1;
	case 24: /* route */
		return units >= 1 && units <= 3;
	case 25: /* name servers */
		return units >= 3 && units % 2;
	case 31: /* search list */
		return units >= 2;
	case 37: /* captive portal */
		return units >= 1;
	default:
		return 0;
	}
}

/* Router solicitation and advertisement. */
CLO_NOINLINE enum clo_drop clo_frame_router(const struct clo_packet *packet,
					    struct clo_frame *frame)
{
	const __u8 type = frame->tuple.type;
	__u32 at = type == 133 ? CLO_RS_LEN : CLO_RA_LEN;
	enum clo_drop drop = clo_frame_nd_check(packet, frame, at);
	__u32 end = CLO_ICMP6_AT + frame->l4_len;

	frame->kind = CLO_FRAME_ROUTER;
	if (drop)
		return drop;
	if (end > CLO_FRAME_HEADERS)
		return CLO_DROP_MALFORMED;
	at += CLO_ICMP6_AT;
	if (!clo_frame_at(packet, at - 1, 1))
		return CLO_DROP_RUNT;

	clo_frame_move(frame, at);
	for (int i = 0; i < CLO_RA_OPTIONS_MAX; i++) {
		const __u8 *option;

		at = clo_frame_place(frame);
		if (at >= end)
			break;
		option = clo_frame_at(packet, at, CLO_ND_OPTION_LEN);
		if (!option)
			return CLO_DROP_RUNT;
		if (!clo_frame_is_router_option(type, option[0], option[1]))
			return CLO_DROP_MALFORMED;
		if (option[0] == 1 &&
		    clo_load_mac(option + 2) != frame->src_mac)
			frame->lladdr_differs = 1;
		clo_frame_move(frame, at + option[1] * 8U);
	}
	at = clo_frame_place(frame);
	clo_frame_move(frame, CLO_ICMP6_AT);
	return at == end ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
}

/* Router alert for MLD, as the option stands in the header of options. */
CLO_INLINE int clo_frame_is_alert(const __u8 *option)
{
	return clo_load32_host(option) == 0x05020000U;
}

/*
 * Multicast listener report or done: from the link itself, for routers to see,
 * hence behind one short hop-by-hop header with a router alert.
 */
CLO_NOINLINE enum clo_drop clo_frame_mld(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	const __u8 *icmp = ip + CLO_IP6_LEN + 8;
	const int v2 = frame->tuple.type == 143;
	__u32 need = v2 ? CLO_L4_LEN : CLO_ND_LEN;

	frame->kind = CLO_FRAME_MEMBER;
	if (frame->frag || frame->l4 != CLO_ICMP6_AT + 8)
		return CLO_DROP_MALFORMED;
	if (frame->l4_len < need || icmp + CLO_L4_LEN > packet->end)
		return CLO_DROP_RUNT;
	if (ip[6] != 0 || ip[7] != 1 || icmp[1] != 0 ||
	    !(clo_frame_is_alert(ip + 42) || clo_frame_is_alert(ip + 44)))
		return CLO_DROP_MALFORMED;

	if (v2) /* records of 20 bytes at least */
		return CLO_L4_LEN + clo_load16_host(icmp + 6) * 20U >
				       frame->l4_len
			       ? CLO_DROP_MALFORMED
			       : CLO_DROP_NONE;
	if (icmp + CLO_ND_LEN > packet->end)
		return CLO_DROP_RUNT;
	clo_copy_addr6(frame->target, icmp + 8);
	return icmp[8] == 0xff ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
}

CLO_INLINE enum clo_drop clo_frame_igmp(const struct clo_packet *packet,
					const __u8 *igmp,
					struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;

	frame->kind = CLO_FRAME_MEMBER;
	frame->tuple.type = igmp[0];
	if (frame->frag || ip + CLO_IP4_LEN > packet->end || ip[8] != 1)
		return CLO_DROP_MALFORMED;
	switch (igmp[0]) {
	case 0x12: /* reports, leave */
	case 0x16:
	case 0x17:
		clo_copy_addr4(frame->target, igmp + 4);
		return igmp[4] >> 4 == 14 ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
	case 0x22: /* version 3: records of 8 bytes at least */
		return CLO_L4_LEN + clo_load16_host(igmp + 6) * 8U >
				       frame->l4_len
			       ? CLO_DROP_MALFORMED
			       : CLO_DROP_NONE;
	default: /* queries, and what routers tell each other */
		return CLO_DROP_ND_KIND;
	}
}

/* Errors are short: a router quotes no more than fits one packet. */
CLO_INLINE enum clo_drop clo_frame_error(struct clo_frame *frame)
{
	frame->kind = CLO_FRAME_ERROR;
	return frame->frag ? CLO_DROP_FRAGMENT : CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_frame_icmp4(struct clo_frame *frame)
{
	switch (frame->tuple.type) {
	case CLO_ICMP4_ECHO_REPLY:
	case CLO_ICMP4_ECHO:
		return CLO_DROP_NONE;
	case 3: /* unreachable */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return clo_frame_error(frame);
	case 5: /* redirect */
	case 9: /* router advertisement */
	case 10: /* router solicitation */
		return CLO_DROP_ND_KIND;
	default:
		frame->kind = CLO_FRAME_MESSAGE;
		return CLO_DROP_NONE;
	}
}

/* Messages of hosts that have no flow, or that only routers send. */
CLO_INLINE enum clo_drop clo_frame_icmp6_other(struct clo_frame *frame)
{
	switch (frame->tuple.type) {
	case 130: /* multicast listener query */
	case 137: /* redirect, renumbering */
	case 138:
	case 141: /* inverse ND */
	case 142:
	case 147: /* mobile prefix advertisement */
	case 148: /* certification path, multicast router discovery */
	case 149:
	case 151:
	case 152:
	case 153:
	case 154: /* fast handover, RPL, duplicate address for 6LoWPAN */
	case 155:
	case 157:
	case 158:
		return CLO_DROP_ND_KIND;
	default:
		frame->kind = CLO_FRAME_MESSAGE;
		return frame->tuple.type < 128 ? CLO_DROP_MALFORMED
					       : CLO_DROP_NONE;
	}
}

CLO_INLINE enum clo_drop clo_frame_icmp6(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	switch (frame->tuple.type) {
	case 1: /* unreachable, too big, time exceeded, parameter problem */
	case 2:
	case 3:
	case 4:
		return clo_frame_error(frame);
	case CLO_ICMP6_ECHO:
	case CLO_ICMP6_ECHO_REPLY:
		return CLO_DROP_NONE;
	case 131: /* multicast listener report, done, report of version 2 */
	case 132:
	case 143:
		return clo_frame_mld(packet, frame);
	case 133:
	case 134:
		return clo_frame_router(packet, frame);
	case 135:
		frame->kind = CLO_FRAME_SOLICIT;
		return clo_frame_nd(packet, frame);
	case 136:
		frame->kind = CLO_FRAME_ADVERTISE;
		return clo_frame_nd(packet, frame);
	default:
		return clo_frame_icmp6_other(frame);
	}
}
