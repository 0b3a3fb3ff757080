/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* What a frame is to the decisions, and how its bytes are read. */

#include "cloison/abi.h"
#include "ebpf/lib/base.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

/*
 * No decision reads a byte behind these, readable or not: so much holds DHCPv4
 * behind IPv4 options, an ICMPv6 error behind extension headers with what it
 * quotes, and a router advertisement of a sane size.
 */
#define CLO_FRAME_HEADERS 512U
#define CLO_FRAME_MASK 1023U

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
	CLO_FRAME_ROUTER, /* ICMPv6 router solicitation or advertisement */
	CLO_FRAME_DHCP, /* UDP between the DHCPv4 or DHCPv6 ports */
	CLO_FRAME_MEMBER, /* IGMP or MLD report, done or leave */
};

/* Both ends of one packet. IPv4 uses the first 4 bytes of an address. */
struct clo_tuple {
	__u8 src[16] __attribute__((aligned(8)));
	__u8 dst[16] __attribute__((aligned(8)));
	__u16 sport; /* network order; ICMP echo: the identifier, in both */
	__u16 dport;
	__u8 family; /* 4 or 6 */
	__u8 proto;
	__u8 type; /* ICMP type; SCTP: type of the first chunk; DHCPv6 type */
	__u8 flags; /* TCP flags */
};

enum clo_frame_frag {
	CLO_FRAG_NONE, /* a whole packet */
	CLO_FRAG_FIRST, /* offset 0, more to come; has its L4 header whole */
	CLO_FRAG_LATER, /* no L4 header: only addresses and proto are known */
};

struct clo_frame {
	struct clo_tuple tuple;
	/* ND: target. IGMP, MLD: group. DHCPv4: yiaddr in the first bytes */
	__u8 target[16] __attribute__((aligned(8)));
	__u64 src_mac;
	__u64 dst_mac;
	__u64 client_mac; /* DHCPv4: chaddr */
	__u32 kind; /* enum clo_frame_kind; of a later fragment: FLOW */
	__u32 seq; /* TCP, host order */
	__u32 ack;
	__u32 payload; /* TCP: bytes behind its header, as IP claims */
	__u32 frag_id; /* as it stands in the header */
	__u16 frag_from; /* units of 8 bytes */
	__u16 frag_to; /* behind it, rounded up */
	__u8 frag; /* enum clo_frame_frag */
	__u8 frag_last; /* no more fragments follow in the datagram */
	__u8 dhcp_op; /* DHCPv4: 1 request, 2 reply */
	__u8 dst_group; /* destination MAC is multicast or broadcast */
	__u8 lladdr_differs; /* ARP, ND: names a MAC that is not the source's */
	__u8 reserved;
	__u16 arp_op; /* 1 request, 2 reply */
	__u16 ethertype; /* host order */
	__u16 l4; /* offset of the L4 header in the frame; 0: none read */
	__u32 l4_len; /* L4 header and payload, as IP claims */
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
	CLO_SCTP_CHUNK_LEN = 4,
	CLO_ND_LEN = 24,
	CLO_ND_OPTION_LEN = 8,
	CLO_ND_OPTIONS_MAX = 2,
	CLO_BOOTP_LEN = 240, /* with the cookie of DHCP */
};

/*
 * Unaligned loads in memory order. The kernel's x86 JIT reads unaligned words;
 * clang for BPF would go byte by byte, so there the cast says what it may do.
 */
#ifdef __bpf__
typedef __u16 clo_u16_alias __attribute__((may_alias));
typedef __u32 clo_u32_alias __attribute__((may_alias));
typedef __u64 clo_u64_alias __attribute__((may_alias));

CLO_INLINE __u16 clo_load16(const __u8 *p)
{
	return *(const clo_u16_alias *)p;
}

CLO_INLINE __u32 clo_load32(const __u8 *p)
{
	return *(const clo_u32_alias *)p;
}

CLO_INLINE __u64 clo_load64(const __u8 *p)
{
	return *(const clo_u64_alias *)p;
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

CLO_INLINE __u64 clo_load64(const __u8 *p)
{
	__u64 v;

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

CLO_INLINE __u32 clo_load32_host(const __u8 *p)
{
	return __builtin_bswap32(clo_load32(p));
}

/*
 * `len` bytes at an offset that the frame itself told, NULL if they are not
 * readable. The pointer is opaque, so that the kernel's verifier sees the
 * register that was compared be the one that is read through. The mask never
 * changes an offset, all are below CLO_FRAME_HEADERS: it is the verifier's
 * bound.
 */
CLO_INLINE const __u8 *clo_frame_at(const struct clo_packet *packet, __u64 off,
				    __u64 len)
{
	const __u8 *p;

	CLO_OPAQUE(off);
	p = packet->data + (off & CLO_FRAME_MASK);
	CLO_OPAQUE(p);
	return p + len > packet->end ? NULL : p;
}

/*
 * A walk keeps its place in memory: in a register, the verifier would follow
 * each sum of lengths as a case of its own.
 */
CLO_INLINE __u32 clo_frame_place(const struct clo_frame *frame)
{
	return *(const volatile __u16 *)&frame->l4;
}

CLO_INLINE void clo_frame_move(struct clo_frame *frame, __u32 to)
{
	*(volatile __u16 *)&frame->l4 = (__u16)to;
}
