/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/frames.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

static void put16(__u8 *p, __u16 value)
{
	p[0] = (__u8)(value >> 8);
	p[1] = (__u8)value;
}

/* An IP header at p for `len` bytes of payload; returns what follows it. */
static __u8 *put_ip(__u8 *p, __u8 family, enum world_host src,
		    enum world_host dst, __u8 proto, __u16 len)
{
	const struct world_nic *from = &world_nics[src];
	const struct world_nic *to = &world_nics[dst];

	if (family == 4) {
		p[0] = 0x45;
		put16(p + 2, (__u16)(20 + len));
		p[8] = 64;
		p[9] = proto;
		memcpy(p + 12, from->ip4, 4);
		memcpy(p + 16, to->ip4, 4);
		return p + 20;
	}
	p[0] = 0x60;
	put16(p + 4, len);
	p[6] = proto;
	p[7] = 255;
	memcpy(p + 8, from->ip6, 16);
	memcpy(p + 24, to->ip6, 16);
	return p + 40;
}

static __u16 l4_len(__u8 proto)
{
	return proto == IPPROTO_TCP ? 20 : 16;
}

static void put_l4(__u8 *p, const struct frame_spec *spec)
{
	switch (spec->proto) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		p[0] = spec->type;
		put16(p + 4, spec->sport);
		return;
	case IPPROTO_TCP:
		p[12] = 5 << 4;
		p[13] = spec->flags;
		break;
	case IPPROTO_UDP:
		put16(p + 4, l4_len(IPPROTO_UDP));
		break;
	default:
		break;
	}
	put16(p, spec->sport);
	put16(p + 2, spec->dport);
}

static __u8 *build_arp(__u8 *p, const struct frame_spec *spec)
{
	const struct world_nic *src = &world_nics[spec->src];

	put16(p, 1);
	put16(p + 2, 0x0800);
	p[4] = 6;
	p[5] = 4;
	put16(p + 6, spec->type);
	memcpy(p + 8, src->port.mac, 6);
	memcpy(p + 14, src->ip4, 4);
	memcpy(p + 24, world_nics[spec->dst].ip4, 4);
	return p + 28;
}

static void put_solicited(__u8 *p, const __u8 *target)
{
	static const __u8 prefix[13] = {0xff, 2, [11] = 1, 0xff};

	memcpy(p, prefix, sizeof(prefix));
	memcpy(p + 13, target + 13, 3);
}

static __u8 *build_nd(__u8 *p, const struct frame_spec *spec)
{
	static const __u8 all_nodes[16] = {0xff, 2, [15] = 1};
	int solicit = spec->kind == FRAME_SOLICIT;
	const struct world_nic *about =
		&world_nics[solicit ? spec->dst : spec->src];
	__u8 *icmp = put_ip(p, 6, spec->src, spec->dst, IPPROTO_ICMPV6, 32);

	if (solicit)
		put_solicited(p + 24, about->ip6);
	else if (spec->type)
		memcpy(p + 24, all_nodes, 16);
	if (solicit && spec->type)
		memset(p + 8, 0, 16);
	icmp[0] = solicit ? 135 : 136;
	memcpy(icmp + 8, about->ip6, 16);
	icmp[24] = solicit ? 1 : 2;
	icmp[25] = 1;
	if (solicit && spec->type)
		icmp[24] =
			14; /* a nonce: who has no address yet names no MAC */
	else
		memcpy(icmp + 26, world_nics[spec->src].port.mac, 6);
	return icmp + 32;
}

static __u8 *build_error(__u8 *p, const struct frame_spec *spec)
{
	struct frame_spec quoted = *spec;
	__u16 inner =
		(__u16)((spec->family == 4 ? 20 : 40) + l4_len(spec->proto));
	__u8 *icmp = put_ip(p, spec->family, spec->src, spec->dst,
			    spec->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			    (__u16)(8 + inner));
	__u8 *l4;

	icmp[0] = spec->type;
	quoted.type = spec->family == 4 ? 8 : 128;
	l4 = put_ip(icmp + 8, spec->family, spec->dst, spec->inner, spec->proto,
		    l4_len(spec->proto));
	put_l4(l4, &quoted);
	return l4 + l4_len(spec->proto);
}

static __u8 *build_ip(__u8 *p, const struct frame_spec *spec)
{
	__u16 len = l4_len(spec->proto);
	__u8 *l4 =
		put_ip(p, spec->family, spec->src, spec->dst, spec->proto, len);

	put_l4(l4, spec);
	return l4 + len;
}

void frame_build(const struct frame_spec *spec, struct frame *ret)
{
	__u8 *l3 = ret->data + 14, *end;

	memset(ret, 0, sizeof(*ret));
	if (spec->broadcast)
		memset(ret->data, 0xff, 6);
	else
		memcpy(ret->data, world_nics[spec->dst].port.mac, 6);
	memcpy(ret->data + 6, world_nics[spec->src].port.mac, 6);
	put16(ret->data + 12, spec->family == 4 ? 0x0800 : 0x86dd);

	switch (spec->kind) {
	case FRAME_ARP:
		put16(ret->data + 12, 0x0806);
		end = build_arp(l3, spec);
		break;
	case FRAME_SOLICIT:
	case FRAME_ADVERTISE:
		end = build_nd(l3, spec);
		break;
	case FRAME_ERROR:
		end = build_error(l3, spec);
		break;
	default:
		end = build_ip(l3, spec);
		break;
	}
	ret->len = spec->cut ? spec->cut : (__u32)(end - ret->data);
	assert(ret->len <= sizeof(ret->data));
	for (size_t i = 0; i < 4; i++)
		if (spec->patch[i].at)
			ret->data[spec->patch[i].at] = spec->patch[i].value;
}
