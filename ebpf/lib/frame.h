/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * From bytes to struct clo_frame, or to the reason why not. TCP and UDP in
 * plain IP headers stay here, at constant offsets; all else goes through
 * functions of its own, which in BPF are subprograms. Nothing behind `end` is
 * read, and what lies between the claims of two headers is refused, never
 * guessed. Pure; builds for BPF and for the host.
 */

#include "ebpf/lib/frame_icmp.h"
#include "ebpf/lib/frame_ip.h"
#include "ebpf/lib/frame_l4.h"
#include "ebpf/lib/frame_quote.h"
#include "ebpf/lib/frame_type.h"

CLO_INLINE enum clo_drop clo_frame_arp(const struct clo_packet *packet,
				       struct clo_frame *frame)
{
	const __u8 *arp = packet->data + CLO_ETH_LEN;

	if (packet->data + CLO_ARP_END > packet->end)
		return CLO_DROP_RUNT;

	frame->arp_op = clo_load16_host(arp + 6);
	if (clo_load16_host(arp) != 1 || clo_load16_host(arp + 2) != 0x0800 ||
	    arp[4] != 6 || arp[5] != 4 ||
	    (frame->arp_op != 1 && frame->arp_op != 2))
		return CLO_DROP_ARP_KIND;

	frame->kind = CLO_FRAME_ARP;
	frame->tuple.family = 4;
	frame->lladdr_differs = clo_load_mac(arp + 8) != frame->src_mac;
	clo_copy_addr4(frame->tuple.src, arp + 14);
	clo_copy_addr4(frame->tuple.dst, arp + 24);
	return CLO_DROP_NONE;
}

/* ICMP and IGMP; a protocol of one family in the other is a lie. */
CLO_INLINE enum clo_drop clo_frame_control(const struct clo_packet *packet,
					   struct clo_frame *frame)
{
	const __u8 proto = frame->tuple.proto;
	const __u8 *l4;

	if ((proto == IPPROTO_ICMPV6) != (frame->tuple.family == 6))
		return CLO_DROP_MALFORMED;
	if (frame->frag == CLO_FRAG_LATER)
		return proto == IPPROTO_IGMP ? CLO_DROP_MALFORMED
					     : CLO_DROP_NONE;
	if (frame->l4_len < CLO_L4_LEN)
		return clo_frame_short(frame);
	l4 = clo_frame_at(packet, frame->l4, CLO_L4_LEN);
	if (!l4)
		return CLO_DROP_RUNT;
	if (proto == IPPROTO_IGMP)
		return clo_frame_igmp(packet, l4, frame);

	frame->tuple.type = l4[0];
	frame->tuple.sport = clo_load16(l4 + 4);
	frame->tuple.dport = frame->tuple.sport;
	return proto == IPPROTO_ICMP ? clo_frame_icmp4(frame)
				     : clo_frame_icmp6(packet, frame);
}

/* Transports with ports that are not plain, or not of TCP and UDP. */
CLO_INLINE enum clo_drop clo_frame_transport(const struct clo_packet *packet,
					     struct clo_frame *frame)
{
	const __u8 proto = frame->tuple.proto;
	__u32 need = CLO_SCTP_LEN + CLO_SCTP_CHUNK_LEN;
	const __u8 *l4;

	if (frame->frag == CLO_FRAG_LATER)
		return CLO_DROP_NONE;
	if (proto == IPPROTO_TCP)
		need = CLO_TCP_LEN;
	else if (proto == IPPROTO_UDP)
		need = CLO_L4_LEN;
	if (frame->l4_len < need)
		return clo_frame_short(frame);

	switch (proto) {
	case IPPROTO_TCP:
		l4 = clo_frame_at(packet, frame->l4, CLO_TCP_LEN);
		return l4 ? clo_frame_tcp(l4, frame) : CLO_DROP_RUNT;
	case IPPROTO_UDP:
		l4 = clo_frame_at(packet, frame->l4, CLO_L4_LEN);
		return l4 ? clo_frame_udp(packet, l4, frame) : CLO_DROP_RUNT;
	default:
		l4 = clo_frame_at(packet, frame->l4,
				  CLO_SCTP_LEN + CLO_SCTP_CHUNK_LEN);
		return l4 ? clo_frame_sctp(l4, frame) : CLO_DROP_RUNT;
	}
}

CLO_NOINLINE enum clo_drop clo_frame_l4(const struct clo_packet *packet,
					struct clo_frame *frame)
{
	switch (frame->tuple.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return clo_frame_transport(packet, frame);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_IGMP:
		return clo_frame_control(packet, frame);
	default: /* tunnels and the like: not looked through */
		return CLO_DROP_NONE;
	}
}

/* TCP and UDP straight behind an IP header of `at` bytes, a constant. */
CLO_INLINE enum clo_drop clo_frame_plain(const struct clo_packet *packet,
					 __u32 at, struct clo_frame *frame,
					 int *ret_dhcp)
{
	const int tcp = frame->tuple.proto == IPPROTO_TCP;
	const __u8 *l4 = packet->data + at;

	*ret_dhcp = 0;
	if (frame->l4_len < (tcp ? CLO_TCP_LEN : CLO_L4_LEN) ||
	    l4 + CLO_L4_LEN > packet->end)
		return CLO_DROP_RUNT;
	if (!tcp)
		return clo_frame_datagram(l4, frame, ret_dhcp);
	if (l4 + CLO_TCP_LEN > packet->end)
		return CLO_DROP_RUNT;
	return clo_frame_tcp(l4, frame);
}

CLO_INLINE int clo_frame_is_plain(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* The fixed part of an IPv4 header. */
CLO_INLINE enum clo_drop clo_frame_head4(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	__u32 total, header;

	if (ip + CLO_IP4_LEN > packet->end)
		return CLO_DROP_RUNT;

	total = clo_load16_host(ip + 2);
	header = (ip[0] & 15) * 4U;
	if (ip[0] >> 4 != 4 || header < CLO_IP4_LEN || total < header ||
	    total > packet->len - CLO_ETH_LEN)
		return CLO_DROP_MALFORMED;

	frame->tuple.family = 4;
	frame->tuple.proto = ip[9];
	clo_copy_addr4(frame->tuple.src, ip + 12);
	clo_copy_addr4(frame->tuple.dst, ip + 16);
	frame->l4 = (__u16)(CLO_ETH_LEN + header);
	frame->l4_len = total - header;
	return CLO_DROP_NONE;
}

/* The IPv6 header. */
CLO_INLINE enum clo_drop clo_frame_head6(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	__u32 payload;

	if (ip + CLO_IP6_LEN > packet->end)
		return CLO_DROP_RUNT;

	payload = clo_load16_host(ip + 4);
	if (ip[0] >> 4 != 6 ||
	    payload + CLO_IP6_LEN + CLO_ETH_LEN > packet->len)
		return CLO_DROP_MALFORMED;

	frame->tuple.family = 6;
	frame->tuple.proto = ip[6];
	clo_copy_addr6(frame->tuple.src, ip + 8);
	clo_copy_addr6(frame->tuple.dst, ip + 24);
	frame->l4 = CLO_ETH_LEN + CLO_IP6_LEN;
	frame->l4_len = payload;
	return CLO_DROP_NONE;
}

CLO_INLINE int clo_frame_is_plain4(const struct clo_packet *packet)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;

	/* more fragments, or an offset */
	return ip + CLO_IP4_LEN <= packet->end && ip[0] == 0x45 &&
	       !(clo_load16(ip + 6) & 0xff3f) && clo_frame_is_plain(ip[9]);
}

CLO_INLINE int clo_frame_is_plain6(const struct clo_packet *packet)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;

	return ip + CLO_IP6_LEN <= packet->end && clo_frame_is_plain(ip[6]);
}

/*
 * TCP or UDP straight behind its IP header, at constant offsets, if it is
 * that: then 1 and the verdict. Else clo_frame_parse() must look.
 */
CLO_INLINE int clo_frame_quick(const struct clo_packet *packet,
			       struct clo_frame *frame, enum clo_drop *ret_drop)
{
	int dhcp = 0;

	if (frame->ethertype == 0x0800 && clo_frame_is_plain4(packet)) {
		*ret_drop = clo_frame_head4(packet, frame);
		if (!*ret_drop)
			*ret_drop = clo_frame_plain(packet,
						    CLO_ETH_LEN + CLO_IP4_LEN,
						    frame, &dhcp);
		return !dhcp;
	}
	if (frame->ethertype == 0x86dd && clo_frame_is_plain6(packet)) {
		*ret_drop = clo_frame_head6(packet, frame);
		if (!*ret_drop)
			*ret_drop = clo_frame_plain(packet,
						    CLO_ETH_LEN + CLO_IP6_LEN,
						    frame, &dhcp);
		return !dhcp;
	}
	return 0;
}

CLO_INLINE enum clo_drop clo_frame_ip4(const struct clo_packet *packet,
				       struct clo_frame *frame)
{
	enum clo_drop drop = clo_frame_head4(packet, frame);

	if (!drop)
		drop = clo_frame_rest4(packet, frame);
	return drop ? drop : clo_frame_l4(packet, frame);
}

CLO_INLINE enum clo_drop clo_frame_ip6(const struct clo_packet *packet,
				       struct clo_frame *frame)
{
	enum clo_drop drop = clo_frame_head6(packet, frame);

	if (!drop)
		drop = clo_frame_rest6(packet, frame);
	return drop ? drop : clo_frame_l4(packet, frame);
}

/* The Ethernet header alone. ret_frame is zeroed first. */
CLO_INLINE enum clo_drop clo_frame_link(const struct clo_packet *packet,
					struct clo_frame *ret_frame)
{
	const __u8 *eth = packet->data;
	__u16 type;

	__builtin_memset(ret_frame, 0, sizeof(*ret_frame));
	if (eth + CLO_ETH_LEN > packet->end)
		return CLO_DROP_RUNT;

	ret_frame->dst_mac = clo_load_mac(eth);
	ret_frame->src_mac = clo_load_mac(eth + 6);
	ret_frame->dst_group = eth[0] & 1;
	type = clo_load16_host(eth + 12);
	ret_frame->ethertype = type;
	if (packet->vlan || type == 0x8100 || type == 0x88a8 || type == 0x9100)
		return CLO_DROP_VLAN;
	return CLO_DROP_NONE;
}

/* What follows an Ethernet header that clo_frame_link() accepted. */
CLO_INLINE enum clo_drop clo_frame_parse(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	switch (frame->ethertype) {
	case 0x0800:
		return clo_frame_ip4(packet, frame);
	case 0x86dd:
		return clo_frame_ip6(packet, frame);
	case 0x0806:
		return clo_frame_arp(packet, frame);
	default: /* below: a length, not a type */
		return frame->ethertype < 0x0600 ? CLO_DROP_LLC
						 : CLO_DROP_ETHERTYPE;
	}
}

/*
 * How many bytes of the frame clo_frame_parse() and clo_frame_quoted() will
 * read, as far as this much of it tells; the frame may be shorter. Little for
 * what is plain: to make more readable costs a copy.
 */
CLO_INLINE __u32 clo_frame_want(const __u8 *data, const __u8 *end)
{
	const __u32 ip4 = CLO_ETH_LEN + CLO_IP4_LEN + CLO_TCP_LEN;
	const __u32 ip6 = CLO_ETH_LEN + CLO_IP6_LEN + CLO_TCP_LEN;
	__u16 type, dport;

	if (data + ip4 > end)
		return CLO_FRAME_HEADERS;
	type = clo_load16_host(data + 12);
	if (type == 0x86dd && clo_frame_is_plain(data[20]))
		return ip6;
	if (type != 0x0800 || data[14] != 0x45)
		return CLO_FRAME_HEADERS;
	/* a later fragment has no header to read */
	if (data[23] == IPPROTO_TCP || clo_load16(data + 20) & 0xff1f)
		return ip4;
	dport = clo_load16_host(data + 36);
	return data[23] == IPPROTO_UDP && dport != 67 && dport != 68
		       ? ip4
		       : CLO_FRAME_HEADERS;
}
