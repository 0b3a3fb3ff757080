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

/* Room for options or extension headers, and what says so before them. */
static __u8 *put_extra(__u8 *ip, __u8 *p, const struct frame_extra *extra)
{
	if (!extra)
		return p;
	memcpy(p, extra->bytes, extra->len);
	if (ip[0] >> 4 == 4) {
		ip[0] = (__u8)(0x40 | (20 + extra->len) / 4);
	} else {
		p[extra->last] = ip[6];
		ip[6] = extra->first;
	}
	return p + extra->len;
}

/* next_at: where the number of the header before stands. */
static __u8 *put_fragment6(__u8 *next_at, __u8 *p,
			   const struct frame_spec *spec)
{
	p[0] = *next_at;
	*next_at = 44;
	put16(p + 2, (__u16)(spec->offset << 3 | spec->more));
	put16(p + 4, (__u16)(spec->id >> 16));
	put16(p + 6, (__u16)spec->id);
	return p + 8;
}

/* As put_ip(), with what the spec adds. */
static __u8 *put_network(__u8 *p, const struct frame_spec *spec, __u8 proto,
			 __u16 len)
{
	const struct frame_extra *extra = spec->extra;
	__u16 more = (__u16)((extra ? extra->len : 0) +
			     (spec->fragment && spec->family == 6 ? 8 : 0));
	__u8 *l4 = put_ip(p, spec->family, spec->src, spec->dst, proto,
			  (__u16)(len + more));

	l4 = put_extra(p, l4, extra);
	if (!spec->fragment)
		return l4;
	if (spec->family == 6)
		/* behind the last extension header, or the IP header */
		return put_fragment6(extra ? p + 40 + extra->last : p + 6, l4,
				     spec);
	put16(p + 4, (__u16)spec->id);
	put16(p + 6, (__u16)(spec->offset | (spec->more ? 0x2000 : 0)));
	return l4;
}

/* Numbers that fit: each side begins at 1000 and sends no data. */
static void put_sequence(__u8 *p, const struct frame_spec *spec)
{
	__u32 seq = spec->seq;
	__u32 ack = spec->ack;

	if (!seq)
		seq = spec->flags & SYN ? 1000 : 1001;
	if (!ack && spec->flags & ACK)
		ack = 1001;
	put16(p, (__u16)(seq >> 16));
	put16(p + 2, (__u16)seq);
	put16(p + 4, (__u16)(ack >> 16));
	put16(p + 6, (__u16)ack);
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
		put_sequence(p + 4, spec);
		p[12] = 5 << 4;
		p[13] = spec->flags;
		break;
	case IPPROTO_UDP:
		put16(p + 4, (__u16)(l4_len(IPPROTO_UDP) + spec->payload));
		break;
	case IPPROTO_SCTP:
		p[7] = spec->type != 1; /* an INIT has no tag */
		p[12] = spec->type;
		p[15] = 4;
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
		(__u16)((spec->family == 4 ? 20 : 40) + l4_len(spec->proto) +
			(spec->inner_extra ? spec->inner_extra->len : 0));
	__u8 *icmp = put_network(
		p, spec, spec->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		(__u16)(8 + inner));
	__u8 *l4;

	icmp[0] = spec->type;
	quoted.type = spec->family == 4 ? 8 : 128;
	l4 = put_ip(icmp + 8, spec->family, spec->dst, spec->inner, spec->proto,
		    l4_len(spec->proto));
	l4 = put_extra(icmp + 8, l4, spec->inner_extra);
	put_l4(l4, &quoted);
	return l4 + l4_len(spec->proto);
}

static __u8 *build_ip(__u8 *p, const struct frame_spec *spec)
{
	__u16 len = (__u16)(l4_len(spec->proto) + spec->payload);
	__u8 *l4 = put_network(p, spec, spec->proto, len);

	put_l4(l4, spec);
	return l4 + len;
}

static const __u8 all_routers[16] = {0xff, 2, [15] = 2};

static void put_bootp(__u8 *p, const struct frame_spec *spec)
{
	static const __u8 head[4] = {0, 1, 6}, cookie[4] = {99, 130, 83, 99};
	const struct world_nic *client =
		&world_nics[spec->reply ? spec->dst : spec->src];

	memcpy(p, head, 4);
	p[0] = spec->type;
	if (spec->reply)
		memcpy(p + 16, client->ip4, 4);
	memcpy(p + 28, client->port.mac, 6);
	memcpy(p + 236, cookie, 4);
}

static __u8 *build_dhcp(__u8 *p, const struct frame_spec *spec)
{
	static const __u8 servers[16] = {0xff, 2, [13] = 1, [15] = 2};
	const int v4 = spec->family == 4;
	const __u16 len = (__u16)(8 + (v4 ? 244 : 16) + spec->payload);
	const __u16 client = v4 ? 68 : 546, server = v4 ? 67 : 547;
	__u8 *udp = put_network(p, spec, IPPROTO_UDP, len);

	if (v4 && spec->broadcast) {
		if (!spec->reply)
			memset(p + 12, 0, 4);
		memset(p + 16, 0xff, 4);
	} else if (!v4) {
		memcpy(p + 8, world_nics[spec->src].link, 16);
		memcpy(p + 24,
		       spec->broadcast ? servers : world_nics[spec->dst].link,
		       16);
	}
	put16(udp, spec->reply ? server : client);
	put16(udp + 2, spec->reply ? client : server);
	put16(udp + 4, len);
	if (v4)
		put_bootp(udp + 8, spec);
	else
		udp[8] = spec->type;
	return udp + len;
}

/* RA: also a prefix and an MTU. */
static __u8 *build_router(__u8 *p, const struct frame_spec *spec)
{
	const int solicit = spec->type == 133;
	const __u16 len = solicit ? 16 : 64;
	__u8 *icmp = put_ip(p, 6, spec->src, spec->dst, IPPROTO_ICMPV6, len);
	__u8 *option = icmp + (solicit ? 8 : 16);

	memcpy(p + 8, world_nics[spec->src].link, 16);
	memcpy(p + 24, all_routers, 16);
	p[39] = solicit ? 2 : 1;
	icmp[0] = spec->type;
	option[0] = 1;
	option[1] = 1;
	memcpy(option + 2, world_nics[spec->src].port.mac, 6);
	if (!solicit) {
		option[8] = 3;
		option[9] = 4;
		option[40] = 5;
		option[41] = 1;
	}
	return icmp + len;
}

/* Reports of 239.1.2.3 and of ff02::1:3; of the last versions: one record. */
static __u8 *build_member(__u8 *p, const struct frame_spec *spec)
{
	static const __u8 group4[4] = {239, 1, 2, 3};
	static const __u8 group6[16] = {0xff, 2, [13] = 1, [15] = 3};
	static const __u8 alert[8] = {58, 0, 5, 2, 0, 0, 1, 0};
	const int v3 = spec->type == 0x22 || spec->type == 143;
	__u16 len = 8;
	__u8 *l4;

	if (spec->family == 4) {
		len = v3 ? 16 : 8;
		l4 = put_network(p, spec, IPPROTO_IGMP, len);
		p[8] = 1;
		memcpy(p + 16, group4, 4);
		memcpy(l4 + (v3 ? 12 : 4), group4, 4);
	} else {
		len = v3 ? 28 : 24;
		l4 = put_ip(p, 6, spec->src, spec->dst, 0, (__u16)(8 + len));
		p[7] = 1;
		memcpy(p + 8, world_nics[spec->src].link, 16);
		memcpy(p + 24, group6, 16);
		memcpy(l4, alert, 8);
		l4 += 8;
		memcpy(l4 + (v3 ? 12 : 8), group6, 16);
	}
	l4[0] = spec->type;
	if (v3)
		l4[7] = 1;
	return l4 + len;
}

static __u8 *build_l3(__u8 *l3, const struct frame_spec *spec)
{
	switch (spec->kind) {
	case FRAME_ARP:
		return build_arp(l3, spec);
	case FRAME_SOLICIT:
	case FRAME_ADVERTISE:
		return build_nd(l3, spec);
	case FRAME_ERROR:
		return build_error(l3, spec);
	case FRAME_DHCP:
		return build_dhcp(l3, spec);
	case FRAME_ROUTER:
		return build_router(l3, spec);
	case FRAME_MEMBER:
		return build_member(l3, spec);
	default:
		return build_ip(l3, spec);
	}
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

	if (spec->kind == FRAME_ARP)
		put16(ret->data + 12, 0x0806);
	end = build_l3(l3, spec);
	ret->len = spec->cut ? spec->cut : (__u32)(end - ret->data);
	assert(ret->len <= sizeof(ret->data));
	for (size_t i = 0; i < 4; i++)
		if (spec->patch[i].at)
			ret->data[spec->patch[i].at] = spec->patch[i].value;
}
