/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * DHCPv4 and DHCPv6 (CLO_FRAME_DHCP): a guest is a client for itself, towards
 * the server that its tenant declared under 255.255.255.255 or ff02::1:2, and
 * hears only such a server. The parser takes no fragments of it. Pure; the
 * includer defines struct clo_view as bind.h says.
 */

#include "ebpf/lib/bind.h"

enum {
	CLO_DHCP4_CLIENT = 68,
	CLO_DHCP4_SERVER = 67,
	CLO_DHCP6_CLIENT = 546,
	CLO_DHCP6_SERVER = 547,
};

/*
 * DHCPv6 message types as bits. Client: solicit, request, confirm, renew,
 * rebind, release, decline, information-request. Server: advertise, reply;
 * not reconfigure, which nobody asked for.
 */
#define CLO_DHCP6_FROM_CLIENT 0x0b7aU
#define CLO_DHCP6_FROM_SERVER 0x0084U

CLO_INLINE int clo_dhcp_is_type(const struct clo_tuple *tuple, __u32 types)
{
	return tuple->type < 16 && types >> tuple->type & 1;
}

CLO_INLINE int clo_dhcp_is_between(const struct clo_tuple *tuple, __u16 sport,
				   __u16 dport)
{
	return tuple->sport == __builtin_bswap16(sport) &&
	       tuple->dport == __builtin_bswap16(dport);
}

CLO_INLINE int clo_dhcp_is_request(const struct clo_tuple *tuple)
{
	return tuple->family == 4 ? clo_dhcp_is_between(tuple, CLO_DHCP4_CLIENT,
							CLO_DHCP4_SERVER)
				  : clo_dhcp_is_between(tuple, CLO_DHCP6_CLIENT,
							CLO_DHCP6_SERVER);
}

CLO_INLINE int clo_dhcp_is_reply(const struct clo_tuple *tuple)
{
	return tuple->family == 4 ? clo_dhcp_is_between(tuple, CLO_DHCP4_SERVER,
							CLO_DHCP4_CLIENT)
				  : clo_dhcp_is_between(tuple, CLO_DHCP6_SERVER,
							CLO_DHCP6_CLIENT);
}

/* Is it about the port's own client? */
CLO_INLINE int clo_dhcp_is_own(const struct clo_hook *hook,
			       const struct clo_frame *frame)
{
	return frame->client_mac == clo_load_mac(hook->port->mac);
}

CLO_INLINE enum clo_drop clo_dhcp_from4(const struct clo_hook *hook,
					const struct clo_frame *frame,
					struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (clo_load32(tuple->dst) != 0xffffffffU)
		return CLO_DROP_MULTICAST;
	if (frame->dst_mac != CLO_BIND_BROADCAST)
		return CLO_DROP_MALFORMED;
	if (!clo_bind_is_zero(4, tuple->src) &&
	    !clo_bind_is_own(hook, 4, tuple->src))
		return CLO_DROP_SPOOFED_ADDRESS;
	return clo_bind_ask(hook, frame, CLO_DHCP4_SERVER, ret);
}

CLO_INLINE enum clo_drop clo_dhcp_from6(const struct clo_hook *hook,
					const struct clo_frame *frame,
					struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (!clo_bind_is_all(tuple->dst, 1, 2))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_own(hook, 6, tuple->src))
		return CLO_DROP_SPOOFED_ADDRESS;
	if (tuple->src[0] != 0xfe || (tuple->src[1] & 0xc0) != 0x80)
		return CLO_DROP_DHCP; /* not link-local: RFC 8415, 13.1 */
	return clo_bind_ask(hook, frame, CLO_DHCP6_SERVER, ret);
}

/*
 * A client's message to one address passes with CLO_MARK_NONE: the caller
 * judges it like any other flow. All else that passes has a mark.
 */
CLO_NOINLINE enum clo_drop clo_dhcp_from(const struct clo_hook *hook,
					 const struct clo_frame *frame,
					 struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[0] = hook->port->endpoint;
	if (!clo_dhcp_is_request(tuple))
		return CLO_DROP_DHCP;
	if (tuple->family == 4
		    ? frame->dhcp_op != 1 || !clo_dhcp_is_own(hook, frame)
		    : !clo_dhcp_is_type(tuple, CLO_DHCP6_FROM_CLIENT))
		return CLO_DROP_DHCP;
	if (!clo_bind_is_multicast(tuple))
		return frame->dst_group ? CLO_DROP_MULTICAST : CLO_DROP_NONE;
	return tuple->family == 4 ? clo_dhcp_from4(hook, frame, ret)
				  : clo_dhcp_from6(hook, frame, ret);
}

/* Does the reply offer and go to no address but the endpoint's own? */
CLO_INLINE int clo_dhcp_is_to(const struct clo_hook *hook,
			      const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (tuple->family == 6)
		return clo_dhcp_is_type(tuple, CLO_DHCP6_FROM_SERVER) &&
		       clo_bind_is_own(hook, 6, tuple->dst);
	return frame->dhcp_op == 2 && clo_dhcp_is_own(hook, frame) &&
	       (clo_bind_is_zero(4, frame->target) ||
		clo_bind_is_own(hook, 4, frame->target)) &&
	       (clo_load32(tuple->dst) == 0xffffffffU ||
		clo_bind_is_own(hook, 4, tuple->dst));
}

/* A reply, to one or to all, from outside. */
CLO_NOINLINE enum clo_drop clo_dhcp_to(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[1] = hook->port->endpoint;
	if (!clo_dhcp_is_reply(tuple) || !clo_dhcp_is_to(hook, frame))
		return CLO_DROP_DHCP;
	if (clo_bind_is_mixed(frame))
		return CLO_DROP_MULTICAST;
	return clo_bind_is_server(hook, frame,
				  tuple->family == 4 ? CLO_DHCP4_SERVER
						     : CLO_DHCP6_SERVER,
				  ret)
		       ? CLO_DROP_NONE
		       : CLO_DROP_DHCP;
}

/*
 * From the wire only the tap knows whether a reply is for its guest: it passes
 * without a mark, so that each tap judges it as from outside.
 */
CLO_INLINE enum clo_drop clo_dhcp_wire(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       struct clo_outcome *ret)
{
	(void)hook;
	(void)ret;
	return clo_dhcp_is_reply(&frame->tuple) ? CLO_DROP_NONE
						: CLO_DROP_NOT_FOR_SEGMENT;
}
