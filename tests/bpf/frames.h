/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/types.h>

#include "bpf/world.h"

/* Frames for the tests of the datapath, described and then built. */

enum frame_kind {
	FRAME_IP,
	FRAME_ARP,
	FRAME_SOLICIT,
	FRAME_ADVERTISE,
	FRAME_ERROR, /* ICMP `type` from src to dst about proto dst > inner */
	FRAME_DHCP, /* type: v4: operation, v6: message; see reply, broadcast */
	FRAME_ROUTER, /* type 133 or 134, from link-local, to all */
	FRAME_MEMBER, /* type of IGMP or MLD, about a group */
};

struct frame_patch {
	__u16 at; /* 0: none; the first byte is set by to_mac */
	__u8 value;
};

/*
 * What stands between the IP header and the transport: IPv4 options, or IPv6
 * extension headers, of which the last begins at `last`; its next header is
 * filled in.
 */
struct frame_extra {
	__u8 first; /* number of the first extension header */
	__u8 last;
	__u8 len;
	__u8 bytes[80];
};

/* In the order in which one describes a frame. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct frame_spec {
	enum frame_kind kind;
	__u8 family; /* 4 or 6 */
	enum world_host src, dst;
	__u8 proto;
	__u16 sport, dport; /* ICMP: identifier in sport */
	__u8 flags; /* TCP */
	__u8 type; /* ICMP type; ARP operation; ND: 1 = DAD or all-nodes; SCTP
		      chunk */
	__u32 seq, ack; /* TCP; 0: what fits a flow without data */
	__u16 payload; /* bytes behind what the kind has anyway */
	__u8 reply; /* DHCP: the server's */
	/* A fragment: `offset` in units of 8 bytes, `more` to come. */
	__u8 fragment, more;
	__u16 offset;
	__u32 id;
	const struct frame_extra *extra; /* not of ARP and ND */
	const struct frame_extra *inner_extra; /* of what an error quotes */
	enum world_host inner;
	__u8 broadcast; /* destination MAC */
	__u16 cut; /* keep only this many bytes */
	struct frame_patch patch[4];
};

struct frame {
	__u8 data[1024];
	__u32 len;
};

void frame_build(const struct frame_spec *spec, struct frame *ret);

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

/* Short forms; more members may follow in the same initialiser. */
#define TCP(fam, from, to, sp, dp, fl)                                         \
	.family = (fam), .src = (from), .dst = (to), .proto = IPPROTO_TCP,     \
	.sport = (sp), .dport = (dp), .flags = (fl)
#define UDP(fam, from, to, sp, dp)                                             \
	.family = (fam), .src = (from), .dst = (to), .proto = IPPROTO_UDP,     \
	.sport = (sp), .dport = (dp)
#define PROTO(fam, from, to, number)                                           \
	.family = (fam), .src = (from), .dst = (to), .proto = (number)
#define PING4(from, to, ty, id)                                                \
	.family = 4, .src = (from), .dst = (to), .proto = IPPROTO_ICMP,        \
	.type = (ty), .sport = (id)
#define PING6(from, to, ty, id)                                                \
	.family = 6, .src = (from), .dst = (to), .proto = IPPROTO_ICMPV6,      \
	.type = (ty), .sport = (id)
#define ARP(from, to, op)                                                      \
	.kind = FRAME_ARP, .family = 4, .src = (from), .dst = (to),            \
	.type = (op), .broadcast = (op) == 1
#define SOLICIT(from, to, dad)                                                 \
	.kind = FRAME_SOLICIT, .family = 6, .src = (from), .dst = (to),        \
	.type = (dad), .broadcast = 1
#define ADVERTISE(from, to, all)                                               \
	.kind = FRAME_ADVERTISE, .family = 6, .src = (from), .dst = (to),      \
	.type = (all), .broadcast = (all)
#define QUOTE(fam, from, to, ty, about, pr, sp, dp)                            \
	.kind = FRAME_ERROR, .family = (fam), .src = (from), .dst = (to),      \
	.type = (ty), .inner = (about), .proto = (pr), .sport = (sp),          \
	.dport = (dp)
#define SCTP(fam, from, to, sp, dp, chunk)                                     \
	.family = (fam), .src = (from), .dst = (to), .proto = IPPROTO_SCTP,    \
	.sport = (sp), .dport = (dp), .type = (chunk)
/* A client's message to all (bcast) or to one, and a server's. */
#define DHCP_ASK(fam, from, to, ty, bcast)                                     \
	.kind = FRAME_DHCP, .family = (fam), .src = (from), .dst = (to),       \
	.type = (ty), .broadcast = (bcast)
#define DHCP_TELL(fam, from, to, ty, bcast)                                    \
	.kind = FRAME_DHCP, .family = (fam), .src = (from), .dst = (to),       \
	.type = (ty), .broadcast = (bcast), .reply = 1
#define ROUTER(from, ty)                                                       \
	.kind = FRAME_ROUTER, .family = 6, .src = (from), .type = (ty),        \
	.broadcast = 1
#define MEMBER(fam, from, ty)                                                  \
	.kind = FRAME_MEMBER, .family = (fam), .src = (from), .type = (ty),    \
	.broadcast = 1
#define PART(units, more_follow, number)                                       \
	.fragment = 1, .offset = (units), .more = (more_follow), .id = (number)
