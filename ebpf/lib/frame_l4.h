/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Transports with ports, and DHCP. `l4` is readable as far as the length that
 * is named with the function; frame->l4_len is at least as much.
 */

#include "ebpf/lib/frame_type.h"

CLO_INLINE void clo_frame_ports(const __u8 *l4, struct clo_tuple *tuple)
{
	tuple->sport = clo_load16(l4);
	tuple->dport = clo_load16(l4 + 2);
}

/* The header ends sooner than it must, as IP claims. */
CLO_INLINE enum clo_drop clo_frame_short(const struct clo_frame *frame)
{
	return frame->frag ? CLO_DROP_FRAGMENT_TINY : CLO_DROP_RUNT;
}

/* CLO_TCP_LEN. */
CLO_INLINE enum clo_drop clo_frame_tcp(const __u8 *l4, struct clo_frame *frame)
{
	__u32 header = (__u32)(l4[12] >> 4) * 4;
	__u8 flags = l4[13];

	clo_frame_ports(l4, &frame->tuple);
	frame->tuple.flags = flags;
	frame->seq = clo_load32_host(l4 + 4);
	frame->ack = clo_load32_host(l4 + 8);
	if (header < CLO_TCP_LEN || !frame->tuple.dport)
		return CLO_DROP_MALFORMED;
	if (header > frame->l4_len)
		return frame->frag ? CLO_DROP_FRAGMENT_TINY
				   : CLO_DROP_MALFORMED;

	frame->payload = frame->l4_len - header;
	if (flags & CLO_TCP_SYN)
		return flags & (CLO_TCP_FIN | CLO_TCP_RST) ? CLO_DROP_MALFORMED
							   : CLO_DROP_NONE;
	return flags & (CLO_TCP_FIN | CLO_TCP_RST | CLO_TCP_ACK)
		       ? CLO_DROP_NONE
		       : CLO_DROP_MALFORMED;
}

/*
 * DHCP: DHCPv4 names the client, DHCPv6 the kind of message. Behind a UDP
 * header that was accepted.
 */
CLO_NOINLINE enum clo_drop clo_frame_dhcp(const struct clo_packet *packet,
					  struct clo_frame *frame)
{
	const int v4 = frame->tuple.family == 4;
	const __u8 *udp = clo_frame_at(packet, frame->l4, CLO_L4_LEN + 1);
	__u32 need = CLO_L4_LEN + (v4 ? CLO_BOOTP_LEN : 4);
	const __u8 *bootp;

	frame->kind = CLO_FRAME_DHCP;
	if (frame->frag)
		return CLO_DROP_MALFORMED;
	if (!udp || clo_load16_host(udp + 4) < need)
		return CLO_DROP_RUNT;
	if (!v4) {
		frame->tuple.type = udp[CLO_L4_LEN];
		return CLO_DROP_NONE;
	}

	bootp = clo_frame_at(packet, frame->l4 + CLO_L4_LEN, CLO_BOOTP_LEN);
	if (!bootp)
		return CLO_DROP_RUNT;
	frame->dhcp_op = bootp[0];
	if ((bootp[0] != 1 && bootp[0] != 2) || bootp[1] != 1 ||
	    bootp[2] != 6 || clo_load32_host(bootp + 236) != 0x63825363U)
		return CLO_DROP_MALFORMED;
	clo_copy_addr4(frame->target, bootp + 16);
	frame->client_mac = clo_load_mac(bootp + 28);
	return CLO_DROP_NONE;
}

/*
 * CLO_L4_LEN of UDP. ret_dhcp: between a DHCP client and server; a client
 * takes answers from any port, here only from one.
 */
CLO_INLINE enum clo_drop
clo_frame_datagram(const __u8 *l4, struct clo_frame *frame, int *ret_dhcp)
{
	const __u16 client = frame->tuple.family == 4 ? 68 : 546;
	const __u16 server = frame->tuple.family == 4 ? 67 : 547;
	__u16 len = clo_load16_host(l4 + 4);
	__u16 sport, dport;

	clo_frame_ports(l4, &frame->tuple);
	sport = __builtin_bswap16(frame->tuple.sport);
	dport = __builtin_bswap16(frame->tuple.dport);
	*ret_dhcp = dport == client || (dport == server && sport == client);
	if (len < CLO_L4_LEN || (!frame->frag && len > frame->l4_len) || !dport)
		return CLO_DROP_MALFORMED;
	return dport == client && sport != server ? CLO_DROP_DHCP
						  : CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_frame_udp(const struct clo_packet *packet,
				       const __u8 *l4, struct clo_frame *frame)
{
	int dhcp;
	enum clo_drop drop = clo_frame_datagram(l4, frame, &dhcp);

	return drop || !dhcp ? drop : clo_frame_dhcp(packet, frame);
}

/* CLO_SCTP_LEN + CLO_SCTP_CHUNK_LEN. */
CLO_INLINE enum clo_drop clo_frame_sctp(const __u8 *l4, struct clo_frame *frame)
{
	__u32 tag = clo_load32(l4 + 4);
	__u32 chunk = clo_load16_host(l4 + CLO_SCTP_LEN + 2);
	__u8 type = l4[CLO_SCTP_LEN];

	clo_frame_ports(l4, &frame->tuple);
	frame->tuple.type = type;
	if (!frame->tuple.dport || chunk < CLO_SCTP_CHUNK_LEN ||
	    (!frame->frag && chunk > frame->l4_len - CLO_SCTP_LEN))
		return CLO_DROP_MALFORMED;

	switch (type) {
	case 1: /* INIT: the other side has given no tag yet */
		return tag ? CLO_DROP_MALFORMED : CLO_DROP_NONE;
	case 6: /* ABORT, SHUTDOWN COMPLETE: may reflect the other's tag */
	case 14:
		return CLO_DROP_NONE;
	default:
		return tag ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
	}
}
