/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * A frame as the decisions see it. Every access lies between data and end and
 * at a constant offset: IPv4 options and IPv6 extension headers are refused
 * before anything behind them is read. Pure; builds for BPF and for the host.
 */

#include "cloison/abi.h"
#include "ebpf/lib/base.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

/* The bytes that a decision may need: an ICMPv6 error and what it quotes. */
#define CLO_FRAME_HEADERS 110U

struct clo_packet {
	const __u8 *data;
	const __u8 *end; /* of what is readable */
	__u32 len; /* of the whole frame: readable or not */
	__u8 vlan; /* the tag was taken off the frame already */
};

enum clo_frame_kind {
	CLO_FRAME_FLOW, /* IP: belongs to a tracked flow or opens one */
	CLO_FRAME_ERROR, /* ICMP error about a flow */
	CLO_FRAME_MESSAGE, /* any other ICMP message: judged one by one */
	CLO_FRAME_ARP, /* addresses of the tuple: sender, target */
	CLO_FRAME_SOLICIT, /* neighbour solicitation */
	CLO_FRAME_ADVERTISE, /* neighbour advertisement */
};

/* Both ends of one packet. IPv4 uses the first 4 bytes of an address. */
struct clo_tuple {
	__u8 src[16] __attribute__((aligned(8)));
	__u8 dst[16] __attribute__((aligned(8)));
	__u16 sport; /* network order; ICMP echo: the identifier, in both */
	__u16 dport;
	__u8 family; /* 4 or 6 */
	__u8 proto;
	__u8 type; /* ICMP type */
	__u8 flags; /* TCP flags */
};

struct clo_frame {
	struct clo_tuple tuple;
	__u8 target[16] __attribute__((aligned(8))); /* of ND */
	__u64 src_mac;
	__u64 dst_mac;
	__u32 kind; /* enum clo_frame_kind */
	__u16 arp_op; /* 1 request, 2 reply */
	__u8 dst_group; /* destination MAC is multicast or broadcast */
	__u8 lladdr_differs; /* ARP, ND: names a MAC that is not the source's */
};

#define CLO_TCP_FIN 0x01U
#define CLO_TCP_SYN 0x02U
#define CLO_TCP_RST 0x04U
#define CLO_TCP_ACK 0x10U

#define CLO_ICMP4_ECHO_REPLY 0U
#define CLO_ICMP4_ECHO 8U
#define CLO_ICMP6_ECHO 128U
#define CLO_ICMP6_ECHO_REPLY 129U

enum {
	CLO_ETH_LEN = 14,
	CLO_ARP_END = CLO_ETH_LEN + 28,
	CLO_IP4_LEN = 20,
	CLO_IP6_LEN = 40,
	CLO_L4_LEN = 8, /* of a header: ports, ICMP type and identifier */
	CLO_TCP_LEN = 20,
	CLO_SCTP_LEN = 12,
	CLO_ND_LEN = 24,
	CLO_ND_OPTION_LEN = 8,
	CLO_ND_OPTIONS_MAX = 2,
};

/*
 * Unaligned loads in memory order. The kernel's x86 JIT reads unaligned words;
 * clang for BPF would go byte by byte, so there the cast says what it may do.
 */
#ifdef __bpf__
typedef __u16 clo_u16_alias __attribute__((may_alias));
typedef __u32 clo_u32_alias __attribute__((may_alias));

CLO_INLINE __u16 clo_load16(const __u8 *p)
{
	return *(const clo_u16_alias *)p;
}

CLO_INLINE __u32 clo_load32(const __u8 *p)
{
	return *(const clo_u32_alias *)p;
}
#else
CLO_INLINE __u16 clo_load16(const __u8 *p)
{
	__u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

CLO_INLINE __u32 clo_load32(const __u8 *p)
{
	__u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}
#endif

CLO_INLINE __u16 clo_load16_host(const __u8 *p)
{
	return __builtin_bswap16(clo_load16(p));
}

CLO_INLINE __u64 clo_load_mac(const __u8 *p)
{
	return clo_load32(p) | (__u64)clo_load16(p + 4) << 32;
}

CLO_INLINE void clo_copy_addr4(__u8 *to, const __u8 *from)
{
	__u32 v = clo_load32(from);

	__builtin_memcpy(to, &v, sizeof(v));
}

CLO_INLINE void clo_copy_addr6(__u8 *to, const __u8 *from)
{
	clo_copy_addr4(to, from);
	clo_copy_addr4(to + 4, from + 4);
	clo_copy_addr4(to + 8, from + 8);
	clo_copy_addr4(to + 12, from + 12);
}

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

/* One ND option of one unit: a link-layer address or a nonce (RFC 7527). */
CLO_INLINE enum clo_drop clo_frame_nd_option(const struct clo_packet *packet,
					     const __u8 *option,
					     struct clo_frame *frame)
{
	if (option + CLO_ND_OPTION_LEN > packet->end)
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

CLO_INLINE enum clo_drop clo_frame_nd(const struct clo_packet *packet,
				      __u32 len, struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	const __u8 *icmp = ip + CLO_IP6_LEN;
	enum clo_drop drop = CLO_DROP_NONE;
	__u32 options;

	if (len < CLO_ND_LEN || icmp + CLO_ND_LEN > packet->end)
		return CLO_DROP_RUNT;

	options = (len - CLO_ND_LEN) / CLO_ND_OPTION_LEN;
	/* 255 shows that no router forwarded it. */
	if (ip[7] != 255 || icmp[1] != 0 || len % CLO_ND_OPTION_LEN ||
	    options > CLO_ND_OPTIONS_MAX)
		return CLO_DROP_MALFORMED;

	clo_copy_addr6(frame->target, icmp + 8);
	if (options > 0)
		drop = clo_frame_nd_option(packet, icmp + CLO_ND_LEN, frame);
	if (!drop && options > 1)
		drop = clo_frame_nd_option(
			packet, icmp + CLO_ND_LEN + CLO_ND_OPTION_LEN, frame);
	return drop;
}

CLO_INLINE enum clo_drop clo_frame_icmp4(struct clo_frame *frame)
{
	switch (frame->tuple.type) {
	case CLO_ICMP4_ECHO_REPLY:
	case CLO_ICMP4_ECHO:
		frame->kind = CLO_FRAME_FLOW;
		return CLO_DROP_NONE;
	case 3: /* unreachable */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		frame->kind = CLO_FRAME_ERROR;
		return CLO_DROP_NONE;
	case 5: /* redirect */
	case 9: /* router advertisement */
	case 10: /* router solicitation */
		return CLO_DROP_ND_KIND;
	default:
		frame->kind = CLO_FRAME_MESSAGE;
		return CLO_DROP_NONE;
	}
}

CLO_INLINE enum clo_drop clo_frame_icmp6(const struct clo_packet *packet,
					 __u32 len, struct clo_frame *frame)
{
	switch (frame->tuple.type) {
	case CLO_ICMP6_ECHO:
	case CLO_ICMP6_ECHO_REPLY:
		frame->kind = CLO_FRAME_FLOW;
		return CLO_DROP_NONE;
	case 135:
		frame->kind = CLO_FRAME_SOLICIT;
		return clo_frame_nd(packet, len, frame);
	case 136:
		frame->kind = CLO_FRAME_ADVERTISE;
		return clo_frame_nd(packet, len, frame);
	case 130: /* multicast listener query, report, done, report v2 */
	case 131:
	case 132:
	case 143:
		return CLO_DROP_MULTICAST;
	case 133: /* router solicitation, advertisement, redirect, renumbering */
	case 134:
	case 137:
	case 138:
	case 141: /* inverse ND */
	case 142:
	case 148: /* certification path, multicast router discovery */
	case 149:
	case 151:
	case 152:
	case 153:
		return CLO_DROP_ND_KIND;
	default:
		frame->kind = frame->tuple.type < 128 ? CLO_FRAME_ERROR
						      : CLO_FRAME_MESSAGE;
		return CLO_DROP_NONE;
	}
}

/* The ports, or what stands for them, of an L4 header of CLO_L4_LEN bytes. */
CLO_INLINE void clo_frame_ports(const __u8 *l4, struct clo_tuple *tuple)
{
	switch (tuple->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		tuple->sport = clo_load16(l4);
		tuple->dport = clo_load16(l4 + 2);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		tuple->type = l4[0];
		tuple->sport = clo_load16(l4 + 4);
		tuple->dport = tuple->sport;
		break;
	default:
		break;
	}
}

/* len: of the L4 header and its payload, as the IP header claims. */
CLO_INLINE enum clo_drop clo_frame_l4(const struct clo_packet *packet,
				      const __u8 *l4, __u32 len,
				      struct clo_frame *frame)
{
	__u8 proto = frame->tuple.proto;
	__u32 need;

	frame->kind = CLO_FRAME_FLOW;
	switch (proto) {
	case IPPROTO_TCP:
		need = CLO_TCP_LEN;
		break;
	case IPPROTO_SCTP:
		need = CLO_SCTP_LEN;
		break;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		need = CLO_L4_LEN;
		break;
	default:
		return CLO_DROP_NONE;
	}
	if (len < need || l4 + CLO_L4_LEN > packet->end)
		return CLO_DROP_RUNT;

	clo_frame_ports(l4, &frame->tuple);
	if (proto == IPPROTO_UDP && (clo_load16_host(l4 + 4) < CLO_L4_LEN ||
				     clo_load16_host(l4 + 4) > len))
		return CLO_DROP_MALFORMED;
	if (proto == IPPROTO_ICMP)
		return frame->tuple.family == 4 ? clo_frame_icmp4(frame)
						: CLO_DROP_MALFORMED;
	if (proto == IPPROTO_ICMPV6)
		return frame->tuple.family == 6
			       ? clo_frame_icmp6(packet, len, frame)
			       : CLO_DROP_MALFORMED;
	if (proto != IPPROTO_TCP)
		return CLO_DROP_NONE;

	if (l4 + CLO_TCP_LEN > packet->end)
		return CLO_DROP_RUNT;
	if (l4[12] >> 4 < 5 || (__u32)(l4[12] >> 4) * 4 > len)
		return CLO_DROP_MALFORMED;
	frame->tuple.flags = l4[13];
	return CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_frame_ip4(const struct clo_packet *packet,
				       struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	__u32 total;

	if (ip + CLO_IP4_LEN > packet->end)
		return CLO_DROP_RUNT;

	total = clo_load16_host(ip + 2);
	if (ip[0] >> 4 != 4 || (ip[0] & 15) < 5 || total < CLO_IP4_LEN ||
	    total > packet->len - CLO_ETH_LEN)
		return CLO_DROP_MALFORMED;
	if (ip[0] != 0x45)
		return CLO_DROP_IP_OPTIONS;
	if (clo_load16_host(ip + 6) & 0x3fff) /* more fragments, or an offset */
		return CLO_DROP_FRAGMENT;

	frame->tuple.family = 4;
	frame->tuple.proto = ip[9];
	clo_copy_addr4(frame->tuple.src, ip + 12);
	clo_copy_addr4(frame->tuple.dst, ip + 16);
	return clo_frame_l4(packet, ip + CLO_IP4_LEN, total - CLO_IP4_LEN,
			    frame);
}

/* Headers between IPv6 and the transport, by number. */
CLO_INLINE enum clo_drop clo_frame_extension(__u8 next)
{
	switch (next) {
	case 44:
		return CLO_DROP_FRAGMENT;
	case 0:
	case 43:
	case 51:
	case 60:
	case 135:
	case 139:
	case 140:
	case 253:
	case 254:
		return CLO_DROP_IP6_EXTENSION;
	default:
		return CLO_DROP_NONE;
	}
}

CLO_INLINE enum clo_drop clo_frame_ip6(const struct clo_packet *packet,
				       struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	enum clo_drop drop;
	__u32 payload;

	if (ip + CLO_IP6_LEN > packet->end)
		return CLO_DROP_RUNT;

	payload = clo_load16_host(ip + 4);
	if (ip[0] >> 4 != 6 ||
	    payload + CLO_IP6_LEN + CLO_ETH_LEN > packet->len)
		return CLO_DROP_MALFORMED;
	drop = clo_frame_extension(ip[6]);
	if (drop)
		return drop;

	frame->tuple.family = 6;
	frame->tuple.proto = ip[6];
	clo_copy_addr6(frame->tuple.src, ip + 8);
	clo_copy_addr6(frame->tuple.dst, ip + 24);
	return clo_frame_l4(packet, ip + CLO_IP6_LEN, payload, frame);
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
	if (packet->vlan || type == 0x8100 || type == 0x88a8)
		return CLO_DROP_VLAN;
	return CLO_DROP_NONE;
}

/* What follows an Ethernet header that clo_frame_link() accepted. */
CLO_INLINE enum clo_drop clo_frame_parse(const struct clo_packet *packet,
					 struct clo_frame *frame)
{
	if (packet->data + CLO_ETH_LEN > packet->end)
		return CLO_DROP_RUNT;

	switch (clo_load16_host(packet->data + 12)) {
	case 0x0800:
		return clo_frame_ip4(packet, frame);
	case 0x86dd:
		return clo_frame_ip6(packet, frame);
	case 0x0806:
		return clo_frame_arp(packet, frame);
	default:
		return CLO_DROP_ETHERTYPE;
	}
}

/* The packet that an ICMP error quotes; 0 if too little of it is there. */
CLO_INLINE int clo_frame_quoted(const struct clo_packet *packet, __u8 family,
				struct clo_tuple *ret_tuple)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN + CLO_L4_LEN +
			 (family == 4 ? CLO_IP4_LEN : CLO_IP6_LEN);
	const __u8 *l4 = ip + (family == 4 ? CLO_IP4_LEN : CLO_IP6_LEN);

	__builtin_memset(ret_tuple, 0, sizeof(*ret_tuple));
	if (l4 + CLO_L4_LEN > packet->end)
		return 0;

	ret_tuple->family = family;
	if (family == 4) {
		if (ip[0] != 0x45 || clo_load16_host(ip + 6) & 0x1fff)
			return 0;
		ret_tuple->proto = ip[9];
		clo_copy_addr4(ret_tuple->src, ip + 12);
		clo_copy_addr4(ret_tuple->dst, ip + 16);
	} else {
		if (ip[0] >> 4 != 6)
			return 0;
		ret_tuple->proto = ip[6];
		clo_copy_addr6(ret_tuple->src, ip + 8);
		clo_copy_addr6(ret_tuple->dst, ip + 24);
	}
	clo_frame_ports(l4, ret_tuple);
	return 1;
}
