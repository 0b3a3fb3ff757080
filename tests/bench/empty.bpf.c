/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/* The baseline: what it costs to run any program at all. */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")

int empty(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
