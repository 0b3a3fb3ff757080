/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* The frame that the kernel hands over. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/lib/frame.h"

CLO_INLINE void look(struct __sk_buff *skb, struct clo_packet *ret)
{
	ret->data = (const void *)(unsigned long)skb->data;
	ret->end = (const void *)(unsigned long)skb->data_end;
	ret->len = skb->len;
	ret->vlan = skb->vlan_present != 0;
}

CLO_INLINE __u64 clock_of(const struct clo_live *live)
{
	return bpf_jiffies64() * live->tick + live->clock;
}

/*
 * Headers may lie in page fragments. If the pull fails: a runt. It copies the
 * head of every cloned frame: not where it is not needed.
 */
CLO_INLINE void pull_headers(struct __sk_buff *skb)
{
	__u32 want = clo_frame_want((const void *)(unsigned long)skb->data,
				    (const void *)(unsigned long)skb->data_end);

	if (want > skb->len)
		want = skb->len;
	if (skb->data_end - skb->data < want)
		bpf_skb_pull_data(skb, want);
}
