/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* What becomes visible of a verdict: the drop counters and the event ring. */

#include "ebpf/prog/gate.h"

/*
 * What was decided, in one number, which skb->cb[0] shows (abi.h): the drop,
 * whether it was on its way to the guest, whether it passes all the same. Each function returns what the guard
 * shall return: the compiler leaves garbage where nobody uses a result, and
 * the verifier may refuse it.
 */
#define WHAT(drop, to_guest, passes)                                           \
	((__u32)(drop) | (__u32)(to_guest) << 16 | (__u32)(passes) << 17)
#define WHAT_DROP(what) ((enum clo_drop)((what)&0xffff))
#define WHAT_TO_GUEST(what) ((__u8)((what) >> 16 & 1))
#define WHAT_PASSES(what) ((__u8)((what) >> 17 & 1))

CLO_INLINE int action(__u32 what)
{
	return WHAT_PASSES(what) ? TC_ACT_OK : TC_ACT_SHOT;
}

CLO_INLINE __u64 *drop_counter(const struct clo_drop_key *key)
{
	__u64 *count = bpf_map_lookup_elem(&clo_drops, key);
	__u64 none = 0;

	if (count)
		return count;
	bpf_map_update_elem(&clo_drops, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&clo_drops, key);
}

CLO_INLINE void count_drop(__u32 ifindex, __u32 what)
{
	struct clo_drop_key key = {
		.ifindex = ifindex,
		.reason = (__u16)WHAT_DROP(what),
		.to_guest = WHAT_TO_GUEST(what),
		.passed = WHAT_PASSES(what),
	};
	__u64 *count = drop_counter(&key);

	if (!count) {
		key.ifindex = 0;
		count = drop_counter(&key);
	}
	if (count)
		*count += 1;
}

CLO_INLINE void fill_event(struct clo_event *event, const struct inside *in,
			   __u32 len)
{
	const struct clo_outcome *outcome = &in->slot->outcome;
	const struct clo_frame *frame = &in->slot->frame;
	__u32 what = in->slot->what;
	enum clo_drop drop = WHAT_DROP(what);

	__builtin_memset(event, 0, sizeof(*event));
	event->time = in->hook.now;
	event->epoch = in->hook.epoch;
	event->ifindex = in->hook.ifindex;
	event->endpoint[0] = outcome->endpoint[0];
	event->endpoint[1] = outcome->endpoint[1];
	event->rule = outcome->rule;
	event->kind = drop ? CLO_EVENT_DENIED : CLO_EVENT_NEW;
	event->reason = (__u16)drop;
	event->to_guest = WHAT_TO_GUEST(what);
	event->passed = drop && WHAT_PASSES(what);
	event->len = len;
	__builtin_memcpy(event->src_mac, &frame->src_mac, 6);
	__builtin_memcpy(event->dst_mac, &frame->dst_mac, 6);
	event->ethertype = frame->ethertype;
	event->family = frame->tuple.family;
	event->proto = frame->tuple.proto;
	event->type = frame->tuple.type;
	event->sport = frame->tuple.sport;
	event->dport = frame->tuple.dport;
	clo_copy_addr6(event->src, frame->tuple.src);
	clo_copy_addr6(event->dst, frame->tuple.dst);
}

/* An event with the frame's beginning behind it. */
struct captured {
	struct clo_event event;
	__u8 data[CLO_CAPTURE_MAX];
};

/* Room for an event within the endpoint's limit, or NULL. */
CLO_INLINE void *reserve(struct clo_meter *meter, __u64 now, __u64 size)
{
	void *event = NULL;

	if (clo_limit_take(&meter->bucket[CLO_BUCKET_EVENTS], 1, now))
		event = bpf_ringbuf_reserve(&clo_events, size, 0);
	if (!event)
		__sync_fetch_and_add(&meter->unsent, 1);
	return event;
}

CLO_INLINE struct clo_meter *meter_of(const struct clo_port *port)
{
	__u32 slot = port ? port->slot : 0;

	return bpf_map_lookup_elem(&clo_meters, &slot);
}

/* The beginning of the frame, as far as somebody asked for it. */
CLO_INLINE void capture(struct __sk_buff *skb, struct captured *captured)
{
	__u32 zero = 0;
	const struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);
	__u32 len = live ? live->capture : 0, last;

	if (len > skb->len)
		len = skb->len;
	/* a length that older verifiers see to be neither 0 nor too large */
	last = len - 1;
	CLO_OPAQUE(last);
	if (last < CLO_CAPTURE_MAX &&
	    !bpf_skb_load_bytes(skb, 0, captured->data, last + 1))
		captured->event.captured = (__u16)len;
}

/* Inlined with a constant `with_frame`, which decides on the size. */
CLO_INLINE int put_event(struct __sk_buff *skb, int with_frame)
{
	struct captured *captured;
	struct clo_meter *meter;
	struct inside in;
	__u32 what;

	if (!enter(skb, &in))
		return TC_ACT_SHOT;
	what = in.slot->what;
	meter = meter_of(in.hook.port);
	if (!meter)
		return action(what);
	captured = reserve(meter, in.hook.now,
			   with_frame ? sizeof(*captured)
				      : sizeof(captured->event));
	if (!captured)
		return action(what);
	fill_event(&captured->event, &in, skb->len);
	if (with_frame)
		capture(skb, captured);
	bpf_ringbuf_submit(captured, 0);
	return action(what);
}

/* Global like the gates, so that nothing of the decision must stay alive. */
GLOBAL gate_tell(struct __sk_buff *skb)
{
	return put_event(skb, 0);
}

GLOBAL gate_capture(struct __sk_buff *skb)
{
	return put_event(skb, 1);
}

/* What the guard returns, after the event was told as far as there is room. */
CLO_INLINE int tell(const struct clo_hook *hook, __u32 what)
{
	hook->view->scratch->what = what;
	return gate_tell(leave(hook, WHAT_TO_GUEST(what)));
}

/* Count and tell a drop; what the guard returns. */
CLO_INLINE int refuse(const struct clo_hook *hook, enum clo_drop drop,
		      int to_guest, __u32 capture)
{
	__u32 what = WHAT(drop, to_guest,
			  hook->port && hook->port->mode == CLO_MODE_AUDIT);

	count_drop(hook->ifindex, what);
	hook->view->skb->cb[0] = what;
	if (!capture)
		return tell(hook, what);
	hook->view->scratch->what = what;
	return gate_capture(leave(hook, to_guest));
}
