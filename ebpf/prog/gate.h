/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The gates of ebpf/lib/gate.h as global functions: the verifier looks at each
 * once, whatever was known where it is called. All they share lies in the
 * scratch; pointers cannot lie there, so each finds them again.
 */

#include "ebpf/lib/datagram.h"
#include "ebpf/lib/link.h"
#include "ebpf/lib/open.h"
#include "ebpf/lib/wire.h"
#include "ebpf/prog/packet.h"
#include "ebpf/prog/view.h"

/* Where a global function stands: what the decision had in its arguments. */
struct inside {
	struct clo_view view;
	struct clo_hook hook;
	struct slot *slot;
};

CLO_INLINE int enter(struct __sk_buff *skb, struct inside *ret)
{
	__u32 zero = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&clo_scratch, &zero);
	struct slot *slot;

	if (!scratch)
		return 0;
	slot = &scratch->of[(scratch->depth - 1) & 1];
	ret->slot = slot;
	ret->view.slot = slot->epoch & 1;
	ret->view.skb = skb;
	ret->view.scratch = slot;
	ret->hook.view = &ret->view;
	ret->hook.work = &slot->work;
	ret->hook.epoch = slot->epoch;
	ret->hook.pickup = slot->pickup;
	ret->hook.now = slot->now;
	ret->hook.ifindex = skb->ifindex;
	ret->hook.port = clo_view_port(&ret->view, skb->ifindex);
	return 1;
}

#define GLOBAL __attribute__((noinline)) int

GLOBAL gate_parse(struct __sk_buff *skb)
{
	struct clo_packet packet;
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	look(skb, &packet);
	return (int)clo_frame_parse(&packet, &in.slot->frame);
}

GLOBAL gate_link(struct __sk_buff *skb)
{
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	return (int)clo_link(&in.hook, &in.slot->frame, in.slot->to_guest,
			     &in.slot->outcome);
}

GLOBAL gate_before(struct __sk_buff *skb)
{
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	return (int)clo_datagram_before(&in.hook, &in.slot->frame,
					in.slot->to_guest);
}

GLOBAL gate_after(struct __sk_buff *skb)
{
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	return (int)clo_datagram_after(&in.hook, &in.slot->frame,
				       in.slot->to_guest, in.slot->drop);
}

GLOBAL gate_open(struct __sk_buff *skb)
{
	struct clo_passage passage = {.len = skb->len};
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	passage.to_guest = in.slot->to_guest;
	if (in.slot->tracked)
		passage.conn = clo_view_conn(&in.view, &in.slot->work.flow);
	return (int)clo_open(&in.hook, &in.slot->frame, &passage,
			     &in.slot->outcome);
}

GLOBAL gate_error(struct __sk_buff *skb)
{
	struct clo_packet packet;
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	look(skb, &packet);
	return (int)clo_open_error(&in.hook, &packet, &in.slot->frame,
				   in.slot->to_guest, &in.slot->outcome);
}

GLOBAL gate_wire(struct __sk_buff *skb)
{
	struct clo_packet packet;
	struct inside in;

	if (!enter(skb, &in) || !in.hook.port)
		return CLO_DROP_NO_ENDPOINT;
	look(skb, &packet);
	return (int)clo_wire_to(&in.hook, &packet, &in.slot->frame, skb->mark);
}

/* Leave behind what a global function needs. */
CLO_INLINE struct __sk_buff *leave(const struct clo_hook *hook, int to_guest)
{
	struct slot *slot = hook->view->scratch;

	slot->epoch = hook->epoch;
	slot->pickup = hook->pickup;
	slot->now = hook->now;
	slot->to_guest = to_guest;
	return hook->view->skb;
}

CLO_INLINE enum clo_drop clo_gate_parse(const struct clo_hook *hook,
					const struct clo_packet *packet,
					struct clo_frame *frame)
{
	(void)packet;
	(void)frame;
	return (enum clo_drop)gate_parse(leave(hook, 0));
}

CLO_INLINE enum clo_drop clo_gate_link(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       int to_guest, struct clo_outcome *ret)
{
	(void)frame;
	(void)ret;
	return (enum clo_drop)gate_link(leave(hook, to_guest));
}

CLO_INLINE enum clo_drop clo_gate_before(const struct clo_hook *hook,
					 struct clo_frame *frame, int to_guest)
{
	(void)frame;
	return (enum clo_drop)gate_before(leave(hook, to_guest));
}

CLO_INLINE enum clo_drop clo_gate_after(const struct clo_hook *hook,
					const struct clo_frame *frame,
					int to_guest, enum clo_drop drop)
{
	(void)frame;
	hook->view->scratch->drop = drop;
	return (enum clo_drop)gate_after(leave(hook, to_guest));
}

CLO_INLINE enum clo_drop clo_gate_open(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       const struct clo_passage *passage,
				       struct clo_outcome *ret)
{
	(void)frame;
	(void)ret;
	hook->view->scratch->tracked = passage->conn != NULL;
	return (enum clo_drop)gate_open(leave(hook, passage->to_guest));
}

CLO_INLINE enum clo_drop clo_gate_error(const struct clo_hook *hook,
					const struct clo_packet *packet,
					const struct clo_frame *frame,
					int to_guest, struct clo_outcome *ret)
{
	(void)packet;
	(void)frame;
	(void)ret;
	return (enum clo_drop)gate_error(leave(hook, to_guest));
}

CLO_INLINE enum clo_drop clo_gate_wire(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       struct clo_frame *frame, __u32 mark)
{
	(void)packet;
	(void)frame;
	(void)mark;
	return (enum clo_drop)gate_wire(leave(hook, 1));
}
