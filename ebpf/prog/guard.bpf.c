/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/*
 * The guard of a tap or uplink: clo_from_guest on its ingress hook,
 * clo_to_guest on its egress hook. Read the context, ask ebpf/lib, count,
 * tell, send on. The rest are programs for the agent: upkeep.h, enumerate.h,
 * shape.h.
 */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/lib/answer.h"
#include "ebpf/lib/quick.h"
#include "ebpf/prog/enumerate.h"
#include "ebpf/prog/gate.h"
#include "ebpf/prog/shape.h"
#include "ebpf/prog/tell.h"
#include "ebpf/prog/upkeep.h"

/* Make the request its answer; it goes back to where it came from. */
GLOBAL answer(struct __sk_buff *skb)
{
	__u8 reply[CLO_ANSWER_ND_LEN];
	struct inside in;

	if (!enter(skb, &in))
		return 0;
	if (in.slot->outcome.answer == CLO_ANSWER_ARP) {
		clo_answer_arp(&in.slot->frame, in.slot->outcome.answer_mac,
			       reply);
		return !bpf_skb_store_bytes(skb, 0, reply, CLO_ANSWER_ARP_LEN,
					    0);
	}
	clo_answer_nd(&in.slot->frame, in.slot->outcome.answer_mac, reply);
	return !bpf_skb_store_bytes(skb, 0, reply, CLO_ANSWER_ND_LEN, 0);
}

/* Approved: mark it, and send it straight to its receiver if that is known. */
CLO_INLINE int pass(struct __sk_buff *skb, const struct clo_hook *hook,
		    const struct clo_outcome *outcome)
{
	if (outcome->opened)
		(void)tell(hook, WHAT(CLO_DROP_NONE, 0, 1));
	skb->mark = outcome->mark;
	if (!outcome->ifindex)
		return TC_ACT_OK;
	if (outcome->answer && !answer(skb))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(outcome->ifindex, 0);
}

/*
 * Inlined with a constant `to_guest`: each program keeps its own half. In
 * audit mode what would be dropped goes on unmarked, so that a guard which
 * enforces judges it anew.
 */
CLO_INLINE int judge(struct __sk_buff *skb, int to_guest, struct slot *slot)
{
	__u32 zero = 0;
	const struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);
	struct clo_view view = {.skb = skb, .scratch = slot};
	struct clo_hook hook = {
		.view = &view,
		.work = &slot->work,
		.ifindex = skb->ifindex,
	};
	struct clo_packet packet;
	enum clo_drop drop;
	__u32 ifindex = 0;
	__u32 mark = 0;

	if (!live)
		return TC_ACT_SHOT;
	hook.epoch = *(const volatile __u64 *)&live->epoch;
	hook.pickup = live->pickup;
	view.slot = hook.epoch & 1;
	hook.now = clock_of(live);
	hook.port = clo_view_port(&view, hook.ifindex);

	look(skb, &packet);
	if (hook.port && to_guest && clo_quick_to(&hook, &packet, skb->mark))
		return TC_ACT_OK;
	if (hook.port && !to_guest &&
	    clo_quick_from(&hook, &packet, &mark, &ifindex)) {
		skb->mark = mark;
		return ifindex ? (int)bpf_redirect(ifindex, 0) : TC_ACT_OK;
	}

	pull_headers(skb);
	look(skb, &packet);
	__builtin_memset(&slot->outcome, 0, sizeof(slot->outcome));
	drop = to_guest ? clo_decide_to(&hook, &packet, skb->mark, &slot->frame,
					&slot->outcome)
			: clo_decide_from(&hook, &packet, &slot->frame,
					  &slot->outcome);
	if (drop)
		return refuse(&hook, drop, to_guest, live->capture);
	if (to_guest)
		return TC_ACT_OK;
	return pass(skb, &hook, &slot->outcome);
}

CLO_INLINE int guard(struct __sk_buff *skb, int to_guest)
{
	__u32 zero = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&clo_scratch, &zero);
	__u64 depth;
	int r;

	if (!scratch)
		return TC_ACT_SHOT;
	depth = scratch->depth;
	*(volatile __u64 *)&scratch->depth = depth + 1;
	r = judge(skb, to_guest, &scratch->of[depth & 1]);
	*(volatile __u64 *)&scratch->depth = depth;
	return r;
}

SEC("tc")

int clo_from_guest(struct __sk_buff *skb)
{
	return guard(skb, 0);
}

SEC("tc")

int clo_to_guest(struct __sk_buff *skb)
{
	return guard(skb, 1);
}

char LICENSE[] SEC("license") = "GPL";
