/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Who may speak for which address: ARP, neighbour discovery and both
 * ends of an IP packet. Three origins: _from the guest of a tap; _to that
 * guest, from no guarded interface; from the _wire, on an uplink. Pure; the
 * includer defines struct clo_view as judge.h says.
 */

#include "ebpf/lib/frame.h"
#include "ebpf/lib/hook.h"
#include "ebpf/lib/judge.h"

/* Beyond judge.h the includer defines these two. */

/* ifindex of the endpoint's guarded tap; 0: it has none on this node. */
CLO_INLINE __u32 clo_view_local(const struct clo_view *view, __u32 endpoint);
CLO_INLINE const struct clo_port *clo_view_port(const struct clo_view *view,
						__u32 ifindex);

#define CLO_BIND_BROADCAST 0xffffffffffffULL /* as struct clo_frame has MACs */

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

/* Is it ff02::high:low? All nodes: 0, 1; all routers: 0, 2. */
CLO_INLINE int clo_bind_is_all(const __u8 *addr, __u32 high, __u32 low)
{
	return clo_load32(addr) == __builtin_bswap32(0xff020000U) &&
	       !clo_load32(addr + 4) && !clo_load32(addr + 8) &&
	       clo_load32(addr + 12) == __builtin_bswap32(high << 16 | low);
}

CLO_NOINLINE const struct clo_addr *clo_bind_find(const struct clo_view *view,
						  __u32 space, __u8 family,
						  const __u8 *addr)
{
	return clo_view_addr(view, space, family, addr);
}

/* Endpoint that has this address in the port's space; 0: none. */
CLO_INLINE __u32 clo_bind_owner(const struct clo_view *view,
				const struct clo_port *port, __u8 family,
				const __u8 *addr)
{
	const struct clo_addr *entry =
		clo_bind_find(view, port->space, family, addr);

	return entry ? entry->endpoint : 0;
}

CLO_INLINE int clo_bind_is_own(const struct clo_hook *hook, __u8 family,
			       const __u8 *addr)
{
	return clo_bind_owner(hook->view, hook->port, family, addr) ==
	       hook->port->endpoint;
}

/* It goes to this endpoint and, where that is here, to nobody else. */
CLO_INLINE void clo_bind_redirect(const struct clo_hook *hook, __u32 endpoint,
				  struct clo_outcome *ret)
{
	ret->mark = CLO_MARK_ENDPOINT | endpoint;
	ret->ifindex = clo_view_local(hook->view, endpoint);
}

/* Where the guest's question or answer for this address may go. */
CLO_NOINLINE enum clo_drop clo_bind_neighbour(const struct clo_hook *hook,
					      __u8 family, const __u8 *addr,
					      struct clo_outcome *ret)
{
	const struct clo_port *port = hook->port;
	const struct clo_addr *entry =
		clo_bind_find(hook->view, port->space, family, addr);

	ret->mark = CLO_MARK_OUTSIDE | port->segment;
	if (!entry || !entry->endpoint || entry->endpoint == port->endpoint)
		return CLO_DROP_NONE;

	ret->endpoint[1] = entry->endpoint;
	if (entry->segment != port->segment)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	clo_bind_redirect(hook, entry->endpoint, ret);
	return CLO_DROP_NONE;
}

/* Instead of asking a guest that is here, answer with its MAC. */
CLO_INLINE void clo_bind_answer(const struct clo_hook *hook,
				enum clo_answer answer, struct clo_outcome *ret)
{
	const struct clo_port *port = hook->port, *there;

	if (!(port->flags & CLO_PORT_ANSWER) || !ret->ifindex)
		return;
	there = clo_view_port(hook->view, ret->ifindex);
	if (!there || there->endpoint != ret->endpoint[1])
		return;

	ret->answer = (__u8)answer;
	__builtin_memcpy(ret->answer_mac, there->mac, sizeof(there->mac));
	ret->mark = CLO_MARK_ENDPOINT | port->endpoint;
	ret->ifindex = hook->ifindex;
}

/* May the port's endpoint reach this class? Then by which rule. */
CLO_NOINLINE enum clo_drop clo_bind_reach(const struct clo_hook *hook,
					  __u32 class, __u8 proto, __u16 number,
					  struct clo_outcome *ret)
{
	__u32 endpoint = hook->port->endpoint;
	const struct clo_addr *self = clo_bind_find(hook->view, CLO_SPACE_SELF,
						    4, (const __u8 *)&endpoint);
	struct clo_verdict verdict;

	if (!self)
		return CLO_DROP_NO_CLASS;
	clo_judge_pair(hook->view, self->identity, class, proto, number,
		       &verdict);
	ret->rule = verdict.rule;
	return verdict.drop;
}

/* A multicast question to the server that the tenant declared under it. */
CLO_NOINLINE enum clo_drop clo_bind_ask(const struct clo_hook *hook,
					const struct clo_frame *frame,
					__u16 number, struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	const struct clo_addr *server = clo_bind_find(
		hook->view, hook->port->space, tuple->family, tuple->dst);

	if (!server)
		return CLO_DROP_MULTICAST;
	ret->mark = CLO_MARK_OUTSIDE | hook->port->segment;
	return clo_bind_reach(hook, server->identity, tuple->proto, number,
			      ret);
}

/* Is the sender outside, and one that this endpoint may ask? */
CLO_NOINLINE int clo_bind_is_server(const struct clo_hook *hook,
				    const struct clo_frame *frame, __u16 number,
				    struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	struct clo_side side;

	clo_judge_side(hook->view, hook->port->space, tuple->family, tuple->src,
		       &side);
	ret->endpoint[0] = side.endpoint;
	return !side.endpoint &&
	       !clo_bind_reach(hook, side.identity, tuple->proto, number, ret);
}

/*
 * From the wire: the address of an endpoint of this segment on another node,
 * or of nobody. One of an endpoint here cannot come from there.
 */
CLO_NOINLINE int clo_bind_is_remote(const struct clo_hook *hook, __u8 family,
				    const __u8 *addr, struct clo_outcome *ret)
{
	const struct clo_addr *entry =
		clo_bind_find(hook->view, hook->port->space, family, addr);

	if (!entry || !entry->endpoint)
		return 1;
	ret->endpoint[0] = entry->endpoint;
	return entry->segment == hook->port->segment &&
	       !clo_view_local(hook->view, entry->endpoint);
}

/* From the wire: to the endpoint here that has this address. */
CLO_NOINLINE enum clo_drop clo_bind_deliver(const struct clo_hook *hook,
					    __u8 family, const __u8 *addr,
					    struct clo_outcome *ret)
{
	const struct clo_addr *entry =
		clo_bind_find(hook->view, hook->port->space, family, addr);

	if (!entry || !entry->endpoint || entry->segment != hook->port->segment)
		return CLO_DROP_NOT_FOR_SEGMENT;
	ret->endpoint[1] = entry->endpoint;
	clo_bind_redirect(hook, entry->endpoint, ret);
	return ret->ifindex ? CLO_DROP_NONE : CLO_DROP_NOT_FOR_SEGMENT;
}

CLO_INLINE int clo_bind_arp_is_multicast(const struct clo_frame *frame)
{
	return frame->dst_group && frame->dst_mac != CLO_BIND_BROADCAST;
}

CLO_NOINLINE enum clo_drop clo_bind_arp_from(const struct clo_hook *hook,
					     const struct clo_frame *frame,
					     struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	const __u8 *own = tuple->src;
	enum clo_drop drop;

	ret->endpoint[0] = hook->port->endpoint;
	if (clo_bind_arp_is_multicast(frame))
		return CLO_DROP_MULTICAST;
	/* Only a probe has no sender; it asks for what is to be its own. */
	if (frame->arp_op == 1 && clo_bind_is_zero(4, own))
		own = tuple->dst;
	if (frame->lladdr_differs || !clo_bind_is_own(hook, 4, own))
		return CLO_DROP_SPOOFED_ARP;

	drop = clo_bind_neighbour(hook, 4, tuple->dst, ret);
	if (!drop && frame->arp_op == 1)
		clo_bind_answer(hook, CLO_ANSWER_ARP, ret);
	return drop;
}

/* Nobody outside may claim an endpoint's address. */
CLO_NOINLINE enum clo_drop clo_bind_arp_to(const struct clo_hook *hook,
					   const struct clo_frame *frame,
					   struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[1] = hook->port->endpoint;
	if (clo_bind_arp_is_multicast(frame))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_own(hook, 4, tuple->dst))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	ret->endpoint[0] =
		clo_bind_owner(hook->view, hook->port, 4, tuple->src);
	return ret->endpoint[0] ? CLO_DROP_SPOOFED_ARP : CLO_DROP_NONE;
}

/* A gratuitous one asks for no endpoint here, so it ends here. */
CLO_NOINLINE enum clo_drop clo_bind_arp_wire(const struct clo_hook *hook,
					     const struct clo_frame *frame,
					     struct clo_outcome *ret)
{
	if (clo_bind_arp_is_multicast(frame))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_remote(hook, 4, frame->tuple.src, ret))
		return CLO_DROP_SPOOFED_ARP;
	return clo_bind_deliver(hook, 4, frame->tuple.dst, ret);
}

/* A unicast packet in a frame that all receive asks for trouble. */
CLO_INLINE int clo_bind_is_mixed(const struct clo_frame *frame)
{
	return frame->dst_group && !clo_bind_is_multicast(&frame->tuple);
}

/* A solicitation goes to its target, or to where the target listens. */
CLO_INLINE enum clo_drop clo_bind_solicit_form(const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (clo_bind_is_solicited(tuple->dst, frame->target))
		return CLO_DROP_NONE;
	if (clo_bind_is_multicast(tuple))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_equal(6, tuple->dst, frame->target))
		return CLO_DROP_MALFORMED;
	return frame->dst_group ? CLO_DROP_MULTICAST : CLO_DROP_NONE;
}

CLO_NOINLINE enum clo_drop clo_bind_solicit_from(const struct clo_hook *hook,
						 const struct clo_frame *frame,
						 struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	enum clo_drop drop = clo_bind_solicit_form(frame);
	int nobody = clo_bind_is_zero(6, tuple->src);

	ret->endpoint[0] = hook->port->endpoint;
	if (drop)
		return drop;
	/* From nobody: duplicate address detection, of its own address. */
	if (frame->lladdr_differs ||
	    !clo_bind_is_own(hook, 6, nobody ? frame->target : tuple->src))
		return CLO_DROP_SPOOFED_ND;

	drop = clo_bind_neighbour(hook, 6, frame->target, ret);
	/* With one option it is as long as the answer that takes its place. */
	if (!drop && !nobody && frame->l4_len == CLO_ND_LEN + CLO_ND_OPTION_LEN)
		clo_bind_answer(hook, CLO_ANSWER_ND, ret);
	return drop;
}

CLO_NOINLINE enum clo_drop clo_bind_solicit_to(const struct clo_hook *hook,
					       const struct clo_frame *frame,
					       struct clo_outcome *ret)
{
	enum clo_drop drop = clo_bind_solicit_form(frame);

	ret->endpoint[1] = hook->port->endpoint;
	if (drop)
		return drop;
	if (!clo_bind_is_own(hook, 6, frame->target))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	ret->endpoint[0] =
		clo_bind_owner(hook->view, hook->port, 6, frame->tuple.src);
	return ret->endpoint[0] ? CLO_DROP_SPOOFED_ND : CLO_DROP_NONE;
}

CLO_NOINLINE enum clo_drop clo_bind_solicit_wire(const struct clo_hook *hook,
						 const struct clo_frame *frame,
						 struct clo_outcome *ret)
{
	enum clo_drop drop = clo_bind_solicit_form(frame);

	if (drop)
		return drop;
	if (!clo_bind_is_remote(hook, 6, frame->tuple.src, ret))
		return CLO_DROP_SPOOFED_ND;
	return clo_bind_deliver(hook, 6, frame->target, ret);
}

CLO_NOINLINE enum clo_drop
clo_bind_advertise_from(const struct clo_hook *hook,
			const struct clo_frame *frame, struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[0] = hook->port->endpoint;
	if (frame->lladdr_differs || !clo_bind_is_own(hook, 6, tuple->src) ||
	    !clo_bind_is_own(hook, 6, frame->target))
		return CLO_DROP_SPOOFED_ND;
	if (clo_bind_is_mixed(frame))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_multicast(tuple))
		return clo_bind_neighbour(hook, 6, tuple->dst, ret);

	ret->mark = CLO_MARK_OUTSIDE | hook->port->segment;
	return clo_bind_is_all(tuple->dst, 0, 1) ? CLO_DROP_NONE
						 : CLO_DROP_MULTICAST;
}

CLO_NOINLINE enum clo_drop clo_bind_advertise_to(const struct clo_hook *hook,
						 const struct clo_frame *frame,
						 struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[1] = hook->port->endpoint;
	if (frame->dst_group || clo_bind_is_multicast(tuple))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_own(hook, 6, tuple->dst))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	ret->endpoint[0] =
		clo_bind_owner(hook->view, hook->port, 6, tuple->src);
	if (ret->endpoint[0] ||
	    clo_bind_owner(hook->view, hook->port, 6, frame->target))
		return CLO_DROP_SPOOFED_ND;
	return CLO_DROP_NONE;
}

CLO_NOINLINE enum clo_drop
clo_bind_advertise_wire(const struct clo_hook *hook,
			const struct clo_frame *frame, struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (!clo_bind_is_remote(hook, 6, frame->target, ret) ||
	    !clo_bind_is_remote(hook, 6, tuple->src, ret))
		return CLO_DROP_SPOOFED_ND;
	/* Sent to all it answers nobody here. */
	if (clo_bind_is_multicast(tuple))
		return CLO_DROP_NOT_FOR_SEGMENT;
	if (frame->dst_group)
		return CLO_DROP_MULTICAST;
	return clo_bind_deliver(hook, 6, tuple->dst, ret);
}

/*
 * From the wire: to an endpoint here, from outside or from an endpoint that is
 * not here. One of another segment may be here: the wire routed its packet,
 * and the caller knows whether it was ever sent.
 */
CLO_INLINE enum clo_drop clo_bind_ends_wire(const struct clo_hook *hook,
					    const struct clo_side side[2])
{
	__u32 segment = hook->port->segment;

	if (side[0].endpoint && side[0].segment == segment &&
	    clo_view_local(hook->view, side[0].endpoint))
		return CLO_DROP_SPOOFED_ADDRESS;
	if (!side[1].endpoint || side[1].segment != segment ||
	    !clo_view_local(hook->view, side[1].endpoint))
		return CLO_DROP_NOT_FOR_SEGMENT;
	return CLO_DROP_NONE;
}

/*
 * Both ends of an IP packet, looked up: [0] its source, [1] its destination.
 * Then whether this port's guest may send it (to_guest 0) or receive it from
 * outside (1), or the port's wire may bring it.
 */
CLO_INLINE enum clo_drop clo_bind_ends(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       int to_guest, struct clo_side ret[2])
{
	const struct clo_port *port = hook->port;
	const struct clo_tuple *tuple = &frame->tuple;

	clo_judge_side(hook->view, port->space, tuple->family, tuple->src,
		       &ret[0]);
	clo_judge_side(hook->view, port->space, tuple->family, tuple->dst,
		       &ret[1]);
	if (port->kind == CLO_PORT_UPLINK)
		return clo_bind_ends_wire(hook, ret);
	if (!to_guest)
		return ret[0].endpoint == port->endpoint
			       ? CLO_DROP_NONE
			       : CLO_DROP_SPOOFED_ADDRESS;
	if (ret[1].endpoint != port->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (!ret[0].endpoint)
		return CLO_DROP_NONE;
	/* in quarantine also what a neighbour's guard approved is judged */
	return port->mode == CLO_MODE_QUARANTINE ? CLO_DROP_QUARANTINE
						 : CLO_DROP_SPOOFED_ADDRESS;
}
