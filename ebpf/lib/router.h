/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Router discovery (CLO_FRAME_ROUTER). A guest may ask for a router, as a
 * message to the class that its tenant declared under ff02::2; it never is
 * one. Pure; the includer defines struct clo_view as bind.h says.
 */

#include "ebpf/lib/bind.h"

enum {
	CLO_ROUTER_SOLICIT = 133,
	CLO_ROUTER_ADVERTISE = 134,
};

/* A guest asks for a router; it never is one. */
CLO_NOINLINE enum clo_drop clo_router_from(const struct clo_hook *hook,
					   const struct clo_frame *frame,
					   struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[0] = hook->port->endpoint;
	if (tuple->type != CLO_ROUTER_SOLICIT)
		return CLO_DROP_ND_KIND;
	if (frame->lladdr_differs || (!clo_bind_is_zero(6, tuple->src) &&
				      !clo_bind_is_own(hook, 6, tuple->src)))
		return CLO_DROP_SPOOFED_ND;
	if (!clo_bind_is_all(tuple->dst, 0, 2))
		return CLO_DROP_MULTICAST;
	return clo_bind_ask(hook, frame, CLO_ROUTER_SOLICIT, ret);
}

/* Only of a router that the endpoint may ask, whether or not it did. */
CLO_NOINLINE enum clo_drop clo_router_to(const struct clo_hook *hook,
					 const struct clo_frame *frame,
					 struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[1] = hook->port->endpoint;
	if (tuple->type != CLO_ROUTER_ADVERTISE)
		return CLO_DROP_ND_KIND;
	if (clo_bind_is_mixed(frame))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_all(tuple->dst, 0, 1) &&
	    !clo_bind_is_own(hook, 6, tuple->dst))
		return CLO_DROP_ND_KIND;
	return clo_bind_is_server(hook, frame, CLO_ROUTER_SOLICIT, ret)
		       ? CLO_DROP_NONE
		       : CLO_DROP_ND_KIND;
}

/*
 * An advertisement may be for any endpoint of the segment: it passes without
 * a mark, so that each tap judges it as from outside.
 */
CLO_INLINE enum clo_drop clo_router_wire(const struct clo_hook *hook,
					 const struct clo_frame *frame,
					 struct clo_outcome *ret)
{
	(void)hook;
	(void)ret;
	return frame->tuple.type == CLO_ROUTER_ADVERTISE
		       ? CLO_DROP_NONE
		       : CLO_DROP_NOT_FOR_SEGMENT;
}
