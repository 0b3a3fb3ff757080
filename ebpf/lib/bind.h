/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Who may speak for which address: anti-spoofing, ARP and neighbour discovery.
 * Pure; the includer defines struct clo_view as judge.h says.
 */

#include "ebpf/lib/frame.h"
#include "ebpf/lib/judge.h"

CLO_INLINE int clo_bind_is_multicast(const struct clo_tuple *tuple)
{
	if (tuple->family == 6)
		return tuple->dst[0] == 0xff;
	return tuple->dst[0] >> 4 == 14 ||
	       clo_load32(tuple->dst) == 0xffffffffU;
}

CLO_INLINE int clo_bind_is_zero(__u8 family, const __u8 *addr)
{
	__u32 any = clo_load32(addr);

	if (family == 6)
		any |= clo_load32(addr + 4) | clo_load32(addr + 8) |
		       clo_load32(addr + 12);
	return !any;
}

CLO_INLINE int clo_bind_is_equal(__u8 family, const __u8 *a, const __u8 *b)
{
	if (clo_load32(a) != clo_load32(b))
		return 0;
	if (family == 4)
		return 1;
	return clo_load32(a + 4) == clo_load32(b + 4) &&
	       clo_load32(a + 8) == clo_load32(b + 8) &&
	       clo_load32(a + 12) == clo_load32(b + 12);
}

/* Is this the multicast address on which the owner of target listens? */
CLO_INLINE int clo_bind_is_solicited(const __u8 *addr, const __u8 *target)
{
	/* ff02::1:ff00:0/104 */
	return clo_load32(addr) == __builtin_bswap32(0xff020000U) &&
	       !clo_load32(addr + 4) &&
	       clo_load32(addr + 8) == __builtin_bswap32(1) &&
	       addr[12] == 0xff && addr[13] == target[13] &&
	       clo_load16(addr + 14) == clo_load16(target + 14);
}

CLO_INLINE int clo_bind_is_all_nodes(const __u8 *addr)
{
	return clo_load32(addr) == __builtin_bswap32(0xff020000U) &&
	       !clo_load32(addr + 4) && !clo_load32(addr + 8) &&
	       clo_load32(addr + 12) == __builtin_bswap32(1);
}

/* Endpoint that has this address in the port's space; 0: none. */
CLO_INLINE __u32 clo_bind_owner(const struct clo_view *view,
				const struct clo_port *port, __u8 family,
				const __u8 *addr)
{
	const struct clo_addr *entry =
		clo_view_addr(view, port->space, family, addr);

	return entry ? entry->endpoint : 0;
}

/* Where a question or answer for this address may go: the mark. */
CLO_INLINE enum clo_drop clo_bind_neighbour(const struct clo_view *view,
					    const struct clo_port *port,
					    __u8 family, const __u8 *addr,
					    __u32 *ret_mark)
{
	const struct clo_addr *entry =
		clo_view_addr(view, port->space, family, addr);

	*ret_mark = CLO_MARK_OUTSIDE;
	if (!entry || entry->endpoint == port->endpoint)
		return CLO_DROP_NONE;
	if (entry->segment != port->segment)
		return CLO_DROP_NOT_FOR_ENDPOINT;

	*ret_mark = entry->endpoint;
	return CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_bind_arp_from(const struct clo_view *view,
					   const struct clo_port *port,
					   const struct clo_frame *frame,
					   __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (frame->lladdr_differs)
		return CLO_DROP_SPOOFED_ARP;
	if (clo_bind_is_zero(4, tuple->src)) {
		if (frame->arp_op != 1) /* only a probe has no sender */
			return CLO_DROP_SPOOFED_ARP;
	} else if (clo_bind_owner(view, port, 4, tuple->src) !=
		   port->endpoint) {
		return CLO_DROP_SPOOFED_ARP;
	}
	return clo_bind_neighbour(view, port, 4, tuple->dst, ret_mark);
}

/* From outside: nobody there may claim an endpoint's address. */
CLO_INLINE enum clo_drop clo_bind_arp_to(const struct clo_view *view,
					 const struct clo_port *port,
					 const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (clo_bind_owner(view, port, 4, tuple->dst) != port->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (clo_bind_owner(view, port, 4, tuple->src))
		return CLO_DROP_SPOOFED_ARP;
	return CLO_DROP_NONE;
}

/* A solicitation goes to its target, or to where the target listens. */
CLO_INLINE enum clo_drop clo_bind_solicit_form(const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (clo_bind_is_solicited(tuple->dst, frame->target))
		return CLO_DROP_NONE;
	if (clo_bind_is_multicast(tuple))
		return CLO_DROP_MULTICAST;
	return clo_bind_is_equal(6, tuple->dst, frame->target)
		       ? CLO_DROP_NONE
		       : CLO_DROP_MALFORMED;
}

CLO_INLINE enum clo_drop clo_bind_solicit_from(const struct clo_view *view,
					       const struct clo_port *port,
					       const struct clo_frame *frame,
					       __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;
	enum clo_drop drop = clo_bind_solicit_form(frame);
	const __u8 *own = tuple->src;

	if (drop)
		return drop;
	if (clo_bind_is_zero(6, own)) /* duplicate address detection */
		own = frame->target;
	if (frame->lladdr_differs ||
	    clo_bind_owner(view, port, 6, own) != port->endpoint)
		return CLO_DROP_SPOOFED_ND;
	return clo_bind_neighbour(view, port, 6, frame->target, ret_mark);
}

CLO_INLINE enum clo_drop clo_bind_solicit_to(const struct clo_view *view,
					     const struct clo_port *port,
					     const struct clo_frame *frame)
{
	enum clo_drop drop = clo_bind_solicit_form(frame);

	if (drop)
		return drop;
	if (clo_bind_owner(view, port, 6, frame->target) != port->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (clo_bind_owner(view, port, 6, frame->tuple.src))
		return CLO_DROP_SPOOFED_ND;
	return CLO_DROP_NONE;
}

CLO_INLINE enum clo_drop clo_bind_advertise_from(const struct clo_view *view,
						 const struct clo_port *port,
						 const struct clo_frame *frame,
						 __u32 *ret_mark)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (frame->lladdr_differs ||
	    clo_bind_owner(view, port, 6, tuple->src) != port->endpoint ||
	    clo_bind_owner(view, port, 6, frame->target) != port->endpoint)
		return CLO_DROP_SPOOFED_ND;
	if (clo_bind_is_multicast(tuple)) {
		*ret_mark = CLO_MARK_OUTSIDE;
		return clo_bind_is_all_nodes(tuple->dst) ? CLO_DROP_NONE
							 : CLO_DROP_MULTICAST;
	}
	return clo_bind_neighbour(view, port, 6, tuple->dst, ret_mark);
}

CLO_INLINE enum clo_drop clo_bind_advertise_to(const struct clo_view *view,
					       const struct clo_port *port,
					       const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (clo_bind_is_multicast(tuple))
		return CLO_DROP_MULTICAST;
	if (clo_bind_owner(view, port, 6, tuple->dst) != port->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (clo_bind_owner(view, port, 6, tuple->src) ||
	    clo_bind_owner(view, port, 6, frame->target))
		return CLO_DROP_SPOOFED_ND;
	return CLO_DROP_NONE;
}

/*
 * Both ends of an IP packet, looked up; then whether this port may send it
 * (to_guest 0) or receive it from outside (1).
 */
CLO_INLINE enum clo_drop
clo_bind_ends(const struct clo_view *view, const struct clo_port *port,
	      int to_guest, const struct clo_tuple *tuple,
	      struct clo_side *ret_src, struct clo_side *ret_dst)
{
	clo_judge_side(view, port->space, tuple->family, tuple->src, ret_src);
	clo_judge_side(view, port->space, tuple->family, tuple->dst, ret_dst);
	if (!to_guest)
		return ret_src->endpoint == port->endpoint
			       ? CLO_DROP_NONE
			       : CLO_DROP_SPOOFED_ADDRESS;
	if (ret_dst->endpoint != port->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	return ret_src->endpoint ? CLO_DROP_SPOOFED_ADDRESS : CLO_DROP_NONE;
}
