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
};

struct frame_patch {
	__u16 at; /* 0: none; the first byte is set by to_mac */
	__u8 value;
};

struct frame_spec {
	enum frame_kind kind;
	__u8 family; /* 4 or 6 */
	enum world_host src, dst;
	__u8 proto;
	__u16 sport, dport; /* ICMP: identifier in sport */
	__u8 flags; /* TCP */
	__u8 type; /* ICMP type; ARP operation; ND: 1 = DAD or all-nodes */
	enum world_host inner;
	__u8 broadcast; /* destination MAC */
	__u16 cut; /* keep only this many bytes */
	struct frame_patch patch[4];
};

struct frame {
	__u8 data[160];
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
