/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The fragments of one datagram: which bytes were seen, so that none is sent
 * twice with other content (RFC 5722). Pure; nothing here calls a function,
 * for the datapath holds a lock around it.
 */

#include "ebpf/lib/frame_type.h"

/*
 * Map clo_frags: datagrams of which fragments were seen. Each sender (from
 * outside: each receiver) has CLO_FRAG_SLOTS of them, so nobody can push out
 * another's.
 */
#define CLO_FRAG_SLOTS 32U
#define CLO_FRAG_RECEIVED 32U /* slot + this: of a receiver */
#define CLO_FRAG_PAIRS 64U /* slot + this: last head between two addresses */
#define CLO_FRAG_SECONDS 30U
#define CLO_FRAG_RANGES 4

struct clo_frag_key {
	__u32 endpoint;
	__u32 slot;
};

/* The datagram: what its fragments have in common. IPv4 in the first bytes. */
struct clo_frag_id {
	__u8 src[16];
	__u8 dst[16];
	__u32 id;
	__u8 family;
	__u8 proto; /* IPv6: of the transport, as the first fragment says; 0 */
	__u16 reserved;
};

enum clo_frag_end {
	CLO_FRAG_OPEN,
	CLO_FRAG_OVERLAPPED, /* once is enough */
	CLO_FRAG_REFUSED, /* its first fragment was */
};

/* Offsets in units of 8 bytes; [from, to) is there, from == to: unused. */
struct clo_frag_ranges {
	__u16 from[CLO_FRAG_RANGES];
	__u16 to[CLO_FRAG_RANGES];
	__u16 end; /* where the last fragment ended, rounded up; 0: not seen */
	__u8 dead; /* nothing more passes; enum clo_frag_end */
	__u8 reserved;
};

/* What stands for the ports in a first fragment, as struct clo_tuple. */
struct clo_frag_head {
	__u16 sport;
	__u16 dport;
	__u8 proto; /* 0: not known */
	__u8 type;
	__u8 first; /* the datagram's own; else an earlier datagram's */
	__u8 reserved;
};

struct clo_frag {
#ifdef __bpf__
	struct bpf_spin_lock lock; /* of the ranges */
#else
	__u32 lock;
#endif
	struct clo_frag_ranges ranges;
	struct clo_frag_head head;
	struct clo_frag_id id;
	__u64 begun; /* coarse monotonic nanoseconds */
};

_Static_assert(sizeof(struct clo_frag) == 80, "struct clo_frag is ABI");

/* The key of the datagram that a fragment belongs to. */
CLO_INLINE void clo_frag_id_init(const struct clo_frame *frame,
				 struct clo_frag_id *ret_id)
{
	__builtin_memset(ret_id, 0, sizeof(*ret_id));
	clo_copy_addr6(ret_id->src, frame->tuple.src);
	clo_copy_addr6(ret_id->dst, frame->tuple.dst);
	ret_id->id = frame->frag_id;
	ret_id->family = frame->tuple.family;
	/* in IPv6 only the first fragment tells it (RFC 8200, 4.5) */
	if (frame->tuple.family == 4)
		ret_id->proto = frame->tuple.proto;
}

CLO_INLINE int clo_frag_same(const struct clo_frag_id *a,
			     const struct clo_frag_id *b)
{
	const __u8 *x = (const __u8 *)a, *y = (const __u8 *)b;
	__u32 differ = 0;

	CLO_UNROLL
	for (__u32 i = 0; i < sizeof(*a); i += 4)
		differ |= clo_load32(x + i) ^ clo_load32(y + i);
	return !differ;
}

/* 0 to CLO_FRAG_SLOTS - 1. Nobody gains by a collision but with himself. */
CLO_INLINE __u32 clo_frag_slot(const struct clo_frag_id *id)
{
	const __u8 *p = (const __u8 *)id;
	__u32 mix = 0;

	CLO_UNROLL
	for (__u32 i = 0; i < sizeof(*id); i += 4)
		mix = (mix ^ clo_load32(p + i)) * 0x9e3779b1U;
	mix ^= mix >> 16;
	mix *= 0x85ebca6bU;
	return mix >> 16 & (CLO_FRAG_SLOTS - 1);
}

/* Does [from, to) contradict what was seen? */
CLO_INLINE int clo_frag_overlaps(const struct clo_frag_ranges *ranges,
				 __u16 from, __u16 to, int last)
{
	int overlaps = from >= to || (ranges->end && to > ranges->end) ||
		       (ranges->end && last);

	CLO_UNROLL
	for (__u32 i = 0; i < CLO_FRAG_RANGES; i++) {
		if (ranges->from[i] == ranges->to[i])
			continue;
		if ((from < ranges->to[i] && ranges->from[i] < to) ||
		    (last && ranges->to[i] > to))
			overlaps = 1;
	}
	return overlaps;
}

/*
 * One more fragment, [from, to) in units of 8 bytes; `last` is the end of the
 * datagram. NONE: it may pass and is noted. OVERLAP: neither it nor any later
 * one passes. FRAGMENT: its first fragment was refused; or too many holes to
 * keep book of, then only this one is refused and nothing is noted.
 */
CLO_INLINE enum clo_drop clo_frag_add(struct clo_frag_ranges *ranges,
				      __u16 from, __u16 to, int last)
{
	const __u16 end = to;
	int placed = 0;

	if (ranges->dead)
		return ranges->dead == CLO_FRAG_REFUSED
			       ? CLO_DROP_FRAGMENT
			       : CLO_DROP_FRAGMENT_OVERLAP;
	if (clo_frag_overlaps(ranges, from, to, last)) {
		ranges->dead = CLO_FRAG_OVERLAPPED;
		return CLO_DROP_FRAGMENT_OVERLAP;
	}

	CLO_UNROLL
	for (__u32 i = 0; i < CLO_FRAG_RANGES; i++) {
		if (ranges->from[i] == ranges->to[i])
			continue;
		/* a neighbour: take it in, its place is free */
		if (ranges->to[i] == from)
			from = ranges->from[i];
		else if (ranges->from[i] == to)
			to = ranges->to[i];
		else
			continue;
		ranges->from[i] = 0;
		ranges->to[i] = 0;
	}
	CLO_UNROLL
	for (__u32 i = 0; i < CLO_FRAG_RANGES; i++) {
		if (placed || ranges->from[i] != ranges->to[i])
			continue;
		ranges->from[i] = from;
		ranges->to[i] = to;
		placed = 1;
	}
	if (!placed)
		return CLO_DROP_FRAGMENT;
	if (last)
		ranges->end = end;
	return CLO_DROP_NONE;
}
