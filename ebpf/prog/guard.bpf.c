/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/*
 * The guard of a tap: clo_from_guest on its ingress hook, clo_to_guest on its
 * egress hook. Read the context, ask ebpf/lib, count, return.
 */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/prog/maps.h"
#include "ebpf/prog/view.h"

/* Bytes that the decision will read, as far as this much of a frame tells. */
CLO_INLINE __u32 headers_of(const __u8 *data, const __u8 *end)
{
	const __u32 ip4 = CLO_ETH_LEN + CLO_IP4_LEN + CLO_TCP_LEN;
	const __u32 ip6 = CLO_ETH_LEN + CLO_IP6_LEN + CLO_TCP_LEN;
	__u16 type;

	if (data + ip4 > end)
		return CLO_FRAME_HEADERS;
	type = clo_load16_host(data + 12);
	if (type == 0x0800 &&
	    (data[23] == IPPROTO_TCP || data[23] == IPPROTO_UDP))
		return ip4;
	if (type == 0x86dd &&
	    (data[20] == IPPROTO_TCP || data[20] == IPPROTO_UDP))
		return ip6;
	return CLO_FRAME_HEADERS;
}

CLO_INLINE void read_packet(struct __sk_buff *skb, struct clo_packet *ret)
{
	__u32 want = headers_of((const void *)(unsigned long)skb->data,
				(const void *)(unsigned long)skb->data_end);

	if (want > skb->len)
		want = skb->len;
	/*
	 * Headers may lie in page fragments. If this fails: a runt. A pull
	 * copies the head of every cloned frame: not where it is not needed.
	 */
	if (skb->data_end - skb->data < want)
		bpf_skb_pull_data(skb, want);
	ret->data = (const void *)(unsigned long)skb->data;
	ret->end = (const void *)(unsigned long)skb->data_end;
	ret->len = skb->len;
	ret->vlan = skb->vlan_present != 0;
}

CLO_INLINE __u64 read_epoch(void)
{
	__u32 zero = 0;
	const struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);

	return live ? *(const volatile __u64 *)&live->epoch : 0;
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

static int drop(__u32 ifindex, enum clo_drop reason, int to_guest)
{
	struct clo_drop_key key = {
		.ifindex = ifindex,
		.reason = (__u16)reason,
		.to_guest = (__u16)to_guest,
	};
	__u64 *count = drop_counter(&key);

	if (!count) {
		key.ifindex = 0;
		count = drop_counter(&key);
	}
	if (count)
		*count += 1;
	return TC_ACT_SHOT;
}

/* Inlined with a constant `to_guest`: each program keeps its own half. */
CLO_INLINE int guard(struct __sk_buff *skb, int to_guest)
{
	__u32 ifindex = skb->ifindex;
	__u64 epoch = read_epoch();
	struct clo_view view = {.slot = epoch & 1};
	struct clo_hook hook = {
		.view = &view,
		.port = bpf_map_lookup_elem(&clo_ports, &ifindex),
		.epoch = epoch,
		.now = bpf_ktime_get_coarse_ns(),
	};
	struct clo_packet packet;
	enum clo_drop reason;
	__u32 mark = CLO_MARK_OUTSIDE;

	read_packet(skb, &packet);
	reason = to_guest ? clo_decide_to_guest(&hook, &packet, skb->mark)
			  : clo_decide_from_guest(&hook, &packet, &mark);
	if (reason)
		return drop(ifindex, reason, to_guest);

	if (!to_guest)
		skb->mark = mark;
	return TC_ACT_OK;
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
