/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Every frame that is no unicast packet of IP, by its kind: what the guest of
 * a tap sends (_from), what reaches it from no guarded interface (_to), what an
 * uplink's wire brings (_wire). Pure.
 */

#include "ebpf/lib/bind.h"
#include "ebpf/lib/dhcp.h"
#include "ebpf/lib/group.h"
#include "ebpf/lib/limit.h"
#include "ebpf/lib/router.h"

/* DHCP to one address passes without a mark: a flow, which the caller judges */
CLO_INLINE enum clo_drop clo_link_from(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       struct clo_outcome *ret)
{
	switch (frame->kind) {
	case CLO_FRAME_ARP:
		return clo_bind_arp_from(hook, frame, ret);
	case CLO_FRAME_SOLICIT:
		return clo_bind_solicit_from(hook, frame, ret);
	case CLO_FRAME_ADVERTISE:
		return clo_bind_advertise_from(hook, frame, ret);
	case CLO_FRAME_ROUTER:
		return clo_router_from(hook, frame, ret);
	case CLO_FRAME_DHCP:
		return clo_dhcp_from(hook, frame, ret);
	case CLO_FRAME_MEMBER:
		return clo_group_member(hook, frame, ret);
	default:
		return clo_group_from(hook, frame, ret);
	}
}

/* Of multicast, nothing that is not named here. */
CLO_INLINE enum clo_drop clo_link_to(const struct clo_hook *hook,
				     const struct clo_frame *frame,
				     struct clo_outcome *ret)
{
	switch (frame->kind) {
	case CLO_FRAME_ARP:
		return clo_bind_arp_to(hook, frame, ret);
	case CLO_FRAME_SOLICIT:
		return clo_bind_solicit_to(hook, frame, ret);
	case CLO_FRAME_ADVERTISE:
		return clo_bind_advertise_to(hook, frame, ret);
	case CLO_FRAME_ROUTER:
		return clo_router_to(hook, frame, ret);
	case CLO_FRAME_DHCP:
		return clo_dhcp_to(hook, frame, ret);
	default:
		return CLO_DROP_MULTICAST;
	}
}

/* Router advertisements and DHCP replies pass without a mark. */
CLO_INLINE enum clo_drop clo_link_wire(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       struct clo_outcome *ret)
{
	switch (frame->kind) {
	case CLO_FRAME_ARP:
		return clo_bind_arp_wire(hook, frame, ret);
	case CLO_FRAME_SOLICIT:
		return clo_bind_solicit_wire(hook, frame, ret);
	case CLO_FRAME_ADVERTISE:
		return clo_bind_advertise_wire(hook, frame, ret);
	case CLO_FRAME_ROUTER:
		return clo_router_wire(hook, frame, ret);
	case CLO_FRAME_DHCP:
		return clo_dhcp_wire(hook, frame, ret);
	case CLO_FRAME_MEMBER:
		return CLO_DROP_MULTICAST;
	default:
		return clo_group_wire(hook, frame, ret);
	}
}

/* Multicast and broadcast from the guest against its limit. */
CLO_INLINE int clo_link_rate(const struct clo_hook *hook)
{
	struct clo_meter *meter = clo_view_meter(hook->view, hook->port);

	return meter && clo_limit_take(&meter->bucket[CLO_BUCKET_MULTICAST], 1,
				       hook->now);
}

/* In quarantine only what makes a forensic host and the guest meet. */
CLO_INLINE int clo_link_is_needed(const struct clo_frame *frame)
{
	return frame->kind == CLO_FRAME_ARP ||
	       frame->kind == CLO_FRAME_SOLICIT ||
	       frame->kind == CLO_FRAME_ADVERTISE;
}

/* What is no unicast packet of a flow. */
CLO_INLINE enum clo_drop clo_link(const struct clo_hook *hook,
				  const struct clo_frame *frame, int to_guest,
				  struct clo_outcome *ret)
{
	if (hook->port->mode == CLO_MODE_QUARANTINE &&
	    !clo_link_is_needed(frame))
		return CLO_DROP_QUARANTINE;
	if (to_guest)
		return clo_link_to(hook, frame, ret);
	if (frame->dst_group && !clo_link_rate(hook))
		return CLO_DROP_MULTICAST_RATE;
	if (hook->port->kind == CLO_PORT_UPLINK)
		return clo_link_wire(hook, frame, ret);
	return clo_link_from(hook, frame, ret);
}
