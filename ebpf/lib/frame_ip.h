/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * What may stand between an IP header and the transport: IPv4 options, IPv6
 * extension headers, fragments. While it is walked, frame->l4 is where the
 * header of kind frame->tuple.proto begins and frame->l4_len what is left of
 * the packet from there, as IP claims.
 */

#include "ebpf/lib/frame_type.h"

enum {
	CLO_IP4_OPTIONS_LEN = 40,
	CLO_IP6_OPTIONS_LEN = 64, /* of one extension header */
	CLO_IP6_OPTIONS_MAX = 8, /* in one extension header, padding too */
	CLO_FRAG_LEN = 8, /* of the IPv6 fragment header */
	CLO_FRAG_MIN = 256, /* payload of a fragment that is not the last */
	CLO_IP_MAX = 65535,
};

/* Extension headers of IPv6, by number. */
enum {
	CLO_IP6_HOP = 0,
	CLO_IP6_ROUTING = 43,
	CLO_IP6_FRAGMENT = 44,
	CLO_IP6_DESTINATION = 60,
};

/* A known IPv4 option with its length byte. */
CLO_INLINE enum clo_drop clo_frame_option4(__u8 kind, __u8 len)
{
	switch (kind) {
	case 7: /* record route: pointer, room for addresses */
		return len < 3 ? CLO_DROP_MALFORMED : CLO_DROP_NONE;
	case 68: /* timestamp */
		return len < 4 ? CLO_DROP_MALFORMED : CLO_DROP_NONE;
	case 148: /* router alert */
		return len != 4 ? CLO_DROP_MALFORMED : CLO_DROP_NONE;
	case 131: /* loose and strict source route */
	case 137:
		return CLO_DROP_SOURCE_ROUTE;
	default:
		return CLO_DROP_IP_OPTIONS;
	}
}

/* The options between the fixed IPv4 header and `end`, where frame->l4 ends. */
CLO_NOINLINE enum clo_drop clo_frame_options4(const struct clo_packet *packet,
					      struct clo_frame *frame,
					      __u32 end)
{
	clo_frame_move(frame, CLO_ETH_LEN + CLO_IP4_LEN);
	/* each option has one byte at least */
	for (int i = 0; i < CLO_IP4_OPTIONS_LEN; i++) {
		__u32 at = clo_frame_place(frame);
		const __u8 *option = clo_frame_at(packet, at, 1);
		enum clo_drop drop;

		if (at >= end)
			break;
		if (!option)
			return CLO_DROP_RUNT;
		if (option[0] == 0) /* end of list: nobody reads the rest */
			break;
		if (option[0] == 1) {
			clo_frame_move(frame, at + 1);
			continue;
		}
		if (at + 2 > end)
			return CLO_DROP_MALFORMED;
		option = clo_frame_at(packet, at, 2);
		if (!option)
			return CLO_DROP_RUNT;
		if (option[1] < 2 || at + option[1] > end)
			return CLO_DROP_MALFORMED;
		drop = clo_frame_option4(option[0], option[1]);
		if (drop)
			return drop;
		clo_frame_move(frame, at + option[1]);
	}
	clo_frame_move(frame, end);
	return CLO_DROP_NONE;
}

/*
 * A part of a datagram, from `offset` units of 8 bytes; `before` bytes of the
 * datagram are in front of what is cut into fragments.
 */
CLO_INLINE enum clo_drop clo_frame_fragment(struct clo_frame *frame,
					    __u32 offset, int more,
					    __u32 before)
{
	__u32 len = frame->l4_len;

	frame->frag = offset ? CLO_FRAG_LATER : CLO_FRAG_FIRST;
	frame->frag_from = (__u16)offset;
	frame->frag_to = (__u16)(offset + (len + 7) / 8);
	frame->frag_last = !more;
	if (!len || before + offset * 8 + len > CLO_IP_MAX || (more && len % 8))
		return CLO_DROP_MALFORMED;
	if (more && len < CLO_FRAG_MIN)
		return CLO_DROP_FRAGMENT_TINY;
	if (!offset)
		return CLO_DROP_NONE;

	/* would write over flags that the first fragment was judged by */
	if (frame->tuple.proto == IPPROTO_TCP && offset * 8 < CLO_TCP_LEN)
		return CLO_DROP_FRAGMENT_TINY;
	frame->l4 = 0;
	return CLO_DROP_NONE;
}

/* IPv4 with options or a fragment, after clo_frame_head4(). */
CLO_NOINLINE enum clo_drop clo_frame_rest4(const struct clo_packet *packet,
					   struct clo_frame *frame)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	enum clo_drop drop;
	__u16 field;

	if (ip + CLO_IP4_LEN > packet->end)
		return CLO_DROP_RUNT;
	field = clo_load16_host(ip + 6);
	if (field & 0x3fff)
		frame->frag_id = clo_load16(ip + 4);

	drop = clo_frame_options4(packet, frame, frame->l4);
	if (drop || !(field & 0x3fff))
		return drop;
	return clo_frame_fragment(frame, field & 0x1fff, !!(field & 0x2000),
				  (__u32)frame->l4 - CLO_ETH_LEN);
}

/* An option of an extension header, with its length byte. */
CLO_INLINE enum clo_drop clo_frame_option6(__u8 header, __u8 kind, __u8 len)
{
	if (kind == 1) /* padding */
		return CLO_DROP_NONE;
	if (kind == 5 && header == CLO_IP6_HOP) /* router alert */
		return len == 2 ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
	/* tunnel encapsulation limit */
	if (kind == 4 && header == CLO_IP6_DESTINATION)
		return len == 1 ? CLO_DROP_NONE : CLO_DROP_MALFORMED;
	return CLO_DROP_IP6_EXTENSION;
}

/* The options from frame->l4, which moves, up to `end`. */
CLO_INLINE enum clo_drop clo_frame_options6(const struct clo_packet *packet,
					    struct clo_frame *frame, __u32 end)
{
	for (int i = 0; i < CLO_IP6_OPTIONS_MAX; i++) {
		__u32 at = clo_frame_place(frame);
		const __u8 *option = clo_frame_at(packet, at, 1);
		enum clo_drop drop;

		if (at >= end)
			return CLO_DROP_NONE;
		if (!option)
			return CLO_DROP_RUNT;
		if (option[0] == 0) { /* one byte of padding */
			clo_frame_move(frame, at + 1);
			continue;
		}
		if (at + 2 > end)
			return CLO_DROP_MALFORMED;
		option = clo_frame_at(packet, at, 2);
		if (!option)
			return CLO_DROP_RUNT;
		if (at + 2 + option[1] > end)
			return CLO_DROP_MALFORMED;
		drop = clo_frame_option6(frame->tuple.proto, option[0],
					 option[1]);
		if (drop)
			return drop;
		clo_frame_move(frame, at + 2 + option[1]);
	}
	return clo_frame_place(frame) < end ? CLO_DROP_IP6_EXTENSION
					    : CLO_DROP_NONE;
}

/* Steps over a header of options. */
CLO_NOINLINE enum clo_drop clo_frame_step6(const struct clo_packet *packet,
					   struct clo_frame *frame)
{
	__u32 at = frame->l4, len;
	const __u8 *header = clo_frame_at(packet, at, 2);
	enum clo_drop drop;
	__u8 next;

	if (!header)
		return CLO_DROP_RUNT;
	next = header[0];
	len = (header[1] + 1U) * 8;
	if (len > frame->l4_len)
		return CLO_DROP_MALFORMED;
	if (len > CLO_IP6_OPTIONS_LEN)
		return CLO_DROP_IP6_EXTENSION;

	clo_frame_move(frame, at + 2);
	drop = clo_frame_options6(packet, frame, at + len);
	if (drop)
		return drop;
	frame->tuple.proto = next;
	frame->l4_len -= len;
	return CLO_DROP_NONE;
}

/*
 * Steps over the fragment header. One that holds a whole datagram says nothing
 * (RFC 6946).
 */
CLO_INLINE enum clo_drop clo_frame_fragment6(const struct clo_packet *packet,
					     struct clo_frame *frame)
{
	const __u8 *header = clo_frame_at(packet, frame->l4, CLO_FRAG_LEN);
	__u32 before = (__u32)frame->l4 - CLO_ETH_LEN - CLO_IP6_LEN;
	__u16 field;

	if (!header)
		return CLO_DROP_RUNT;
	if (frame->l4_len < CLO_FRAG_LEN)
		return CLO_DROP_MALFORMED;

	frame->tuple.proto = header[0];
	frame->l4 += CLO_FRAG_LEN;
	frame->l4_len -= CLO_FRAG_LEN;
	field = clo_load16_host(header + 2);
	if (!(field & 0xfff9))
		return CLO_DROP_NONE;
	frame->frag_id = clo_load32(header + 4);
	return clo_frame_fragment(frame, field >> 3, field & 1, before);
}

/* Is there nothing left to walk through before the transport? */
CLO_INLINE enum clo_drop clo_frame_extension(__u8 next)
{
	switch (next) {
	case CLO_IP6_ROUTING:
		return CLO_DROP_SOURCE_ROUTE;
	case CLO_IP6_HOP:
	case CLO_IP6_FRAGMENT:
	case CLO_IP6_DESTINATION:
	case 135: /* mobility, HIP, shim6, experiments */
	case 139:
	case 140:
	case 253:
	case 254:
		return CLO_DROP_IP6_EXTENSION;
	default:
		return CLO_DROP_NONE;
	}
}

/*
 * IPv6 extension headers, after clo_frame_head6(): each at most once and in
 * the order of RFC 8200, so there is nothing to loop over. Behind a fragment
 * header they are found in whole datagrams only: the later fragments would not
 * tell what the transport is.
 */
CLO_NOINLINE enum clo_drop clo_frame_rest6(const struct clo_packet *packet,
					   struct clo_frame *frame)
{
	enum clo_drop drop = CLO_DROP_NONE;

	if (frame->tuple.proto == CLO_IP6_HOP)
		drop = clo_frame_step6(packet, frame);
	if (!drop && frame->tuple.proto == CLO_IP6_DESTINATION)
		drop = clo_frame_step6(packet, frame);
	if (!drop && frame->tuple.proto == CLO_IP6_FRAGMENT) {
		drop = clo_frame_fragment6(packet, frame);
		if (!drop && !frame->frag &&
		    frame->tuple.proto == CLO_IP6_DESTINATION)
			drop = clo_frame_step6(packet, frame);
	}
	return drop ? drop : clo_frame_extension(frame->tuple.proto);
}
