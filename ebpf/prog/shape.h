/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * For the agent: a frame of any length for a guard. BPF_PROG_TEST_RUN takes
 * none that is longer than a page (up to Linux 6.18 at least), and newer ones
 * none whose IP header is cut off. This program is given the beginning, makes
 * the length right and hands the frame on by a tail call.
 */

#include <linux/pkt_cls.h>

#include "cloison/shape.h"
#include "ebpf/prog/packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} clo_shaped SEC(".maps");

#define STEP 0xf00U /* bytes; one call adds no more than 0xfff */
#define STEPS 4 /* the kernel makes no frame of more than four pages */

_Static_assert(CLO_SHAPE_HEAD >= CLO_FRAME_HEADERS, "a guard reads no further");

/* In front of the IP header: behind the packet the MTU would be the limit. */
CLO_INLINE int lengthen(struct __sk_buff *skb, __u32 len)
{
	for (int i = 0; i < STEPS; i++) {
		__u32 more = len - skb->len;

		if (len <= skb->len)
			break;
		if (more > STEP)
			more = STEP;
		if (bpf_skb_adjust_room(skb, (__s32)more, BPF_ADJ_ROOM_MAC, 0))
			return 0;
	}
	return skb->len == len;
}

/* What was behind the Ethernet header is `moved` bytes further. */
CLO_INLINE int bring_back(struct __sk_buff *skb, __u32 moved)
{
	__u8 piece[CLO_SHAPE_PIECE];

	for (__u32 i = 0; i < CLO_SHAPE_PIECES; i++) {
		__u32 at = CLO_ETH_LEN + i * CLO_SHAPE_PIECE;

		if (bpf_skb_load_bytes(skb, at + moved, piece, sizeof(piece)) ||
		    bpf_skb_store_bytes(skb, at, piece, sizeof(piece), 0))
			return 0;
	}
	return 1;
}

SEC("tc")

int clo_shape(struct __sk_buff *skb)
{
	__u32 len = skb->cb[0];
	__u32 head = skb->len;

	if (len <= head) {
		if (bpf_skb_change_tail(skb, len, 0))
			return TC_ACT_UNSPEC;
	} else if (!lengthen(skb, len) || !bring_back(skb, len - head)) {
		return TC_ACT_UNSPEC;
	}
	skb->cb[0] = 0;
	/* a constant would be patched into the text at each change of the map */
	bpf_tail_call(skb, &clo_shaped, skb->cb[0]);
	return TC_ACT_UNSPEC; /* there is no program to hand it to */
}
