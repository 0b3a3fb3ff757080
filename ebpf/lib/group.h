/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Multicast: UDP to a group that the segment declared, and the reports by
 * which guests join one (CLO_FRAME_MEMBER). From no guarded interface none of
 * it reaches a guest. Pure; the includer defines struct clo_view as bind.h
 * says.
 */

#include "ebpf/lib/bind.h"

/* The MAC that belongs to a multicast address: RFC 1112, RFC 2464. */
CLO_INLINE __u64 clo_group_mac(const struct clo_tuple *tuple)
{
	const __u8 *addr = tuple->dst;

	if (tuple->family == 6)
		return 0x3333U | (__u64)clo_load32(addr + 12) << 16;
	return 0x5e0001U | (__u64)(addr[1] & 0x7f) << 24 |
	       (__u64)clo_load16(addr + 2) << 32;
}

/*
 * Did the port's segment declare where this goes? No port counts, so each
 * fragment of a datagram is judged alike.
 */
CLO_INLINE enum clo_drop clo_group_form(const struct clo_hook *hook,
					const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;
	__u32 segment = hook->port->segment;
	const struct clo_addr *group;

	if (!clo_bind_is_multicast(tuple) || tuple->proto != IPPROTO_UDP)
		return CLO_DROP_MULTICAST;
	group = clo_bind_find(hook->view, CLO_SPACE_GROUP | segment,
			      tuple->family, tuple->dst);
	if (!group || group->segment != segment)
		return CLO_DROP_MULTICAST;
	return frame->dst_mac == clo_group_mac(tuple) ? CLO_DROP_NONE
						      : CLO_DROP_MALFORMED;
}

CLO_NOINLINE enum clo_drop clo_group_from(const struct clo_hook *hook,
					  const struct clo_frame *frame,
					  struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	enum clo_drop drop = clo_group_form(hook, frame);

	ret->endpoint[0] = hook->port->endpoint;
	if (drop)
		return drop;
	if (!clo_bind_is_own(hook, tuple->family, tuple->src))
		return CLO_DROP_SPOOFED_ADDRESS;
	ret->mark = CLO_MARK_GROUP | hook->port->segment;
	return CLO_DROP_NONE;
}

/* Only endpoints of the segment share its groups, on whatever node. */
CLO_NOINLINE enum clo_drop clo_group_wire(const struct clo_hook *hook,
					  const struct clo_frame *frame,
					  struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;
	enum clo_drop drop = clo_group_form(hook, frame);

	if (drop)
		return drop;
	if (!clo_bind_is_remote(hook, tuple->family, tuple->src, ret))
		return CLO_DROP_SPOOFED_ADDRESS;
	if (!ret->endpoint[0])
		return CLO_DROP_MULTICAST;
	ret->mark = CLO_MARK_GROUP | hook->port->segment;
	return CLO_DROP_NONE;
}

/* Does a report go where reports go? Else it would carry data anywhere. */
CLO_INLINE int clo_group_is_report(const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (!clo_bind_is_multicast(tuple))
		return 0;
	if (clo_bind_is_equal(tuple->family, tuple->dst, frame->target))
		return 1;
	if (tuple->family == 6) /* MLDv1 done, MLDv2 */
		return clo_bind_is_all(tuple->dst, 0, 2) ||
		       clo_bind_is_all(tuple->dst, 0, 0x16);
	/* IGMPv2 leave, IGMPv3 */
	return clo_load32(tuple->dst) == __builtin_bswap32(0xe0000002U) ||
	       clo_load32(tuple->dst) == __builtin_bswap32(0xe0000016U);
}

/* A report from the guest: only beyond the segment's uplink it is heard. */
CLO_NOINLINE enum clo_drop clo_group_member(const struct clo_hook *hook,
					    const struct clo_frame *frame,
					    struct clo_outcome *ret)
{
	const struct clo_tuple *tuple = &frame->tuple;

	ret->endpoint[0] = hook->port->endpoint;
	if (!clo_group_is_report(frame))
		return CLO_DROP_MULTICAST;
	if (!clo_bind_is_zero(tuple->family, tuple->src) &&
	    !clo_bind_is_own(hook, tuple->family, tuple->src))
		return CLO_DROP_SPOOFED_ADDRESS;
	ret->mark = CLO_MARK_OUTSIDE | hook->port->segment;
	return CLO_DROP_NONE;
}
