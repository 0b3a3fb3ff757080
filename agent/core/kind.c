/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kind.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ETH 14U
#define IP4 (ETH + 20)
#define IP6 (ETH + 40)
#define MIN 60U
#define PART 512U /* bytes in a fragment */

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void ethernet(uint8_t *f, const struct clo_kind_ends *ends,
		     uint16_t type)
{
	memcpy(f, ends->dst_mac, 6);
	memcpy(f + 6, ends->src_mac, 6);
	put16(f + 12, type);
}

/* The MAC that belongs to a multicast address in the frame. */
static void group_mac(uint8_t *f)
{
	if (f[12] == 0x86) {
		f[0] = f[1] = 0x33;
		memcpy(f + 2, f + 50, 4);
		return;
	}
	memcpy(f, (const uint8_t[]){1, 0, 0x5e}, 3);
	f[3] = f[31] & 0x7f;
	memcpy(f + 4, f + 32, 2);
}

static void ip4(uint8_t *f, const struct clo_kind_ends *ends, uint8_t proto,
		size_t len)
{
	ethernet(f, ends, 0x0800);
	f[14] = 0x45;
	put16(f + 16, len - ETH);
	f[22] = 64;
	f[23] = proto;
	memcpy(f + 26, ends->src4, 4);
	memcpy(f + 30, ends->dst4, 4);
}

static void ip6(uint8_t *f, const struct clo_kind_ends *ends, uint8_t next,
		size_t len)
{
	ethernet(f, ends, 0x86dd);
	f[14] = 0x60;
	put16(f + 18, len - IP6);
	f[20] = next;
	f[21] = 64;
	memcpy(f + 22, ends->src6, 16);
	memcpy(f + 38, ends->dst6, 16);
}

/* The shortest transport that is whole; returns its length. */
static size_t transport(uint8_t *at, const struct clo_kind_ends *ends,
			uint8_t proto, size_t payload)
{
	put16(at, 49152);
	put16(at + 2, ends->port);
	switch (proto) {
	case IPPROTO_TCP: /* SYN */
		at[12] = 0x50;
		at[13] = 2;
		return 20 + payload;
	case IPPROTO_SCTP: /* INIT */
		at[12] = 1;
		put16(at + 14, 20);
		return 32;
	case IPPROTO_UDP:
		put16(at + 4, 8 + payload);
		return 8 + payload;
	default:
		memset(at, 0, 4);
		return 16;
	}
}

static size_t arp(const struct clo_kind_vector *kind,
		  const struct clo_kind_ends *ends, uint8_t *f)
{
	ethernet(f, ends, 0x0806);
	memcpy(f + 14, (const uint8_t[]){0, 1, 8, 0, 6, 4}, 6);
	put16(f + 20, kind->a);
	memcpy(f + 22, ends->src_mac, 6);
	if (kind->b != CLO_ARP_NOBODY && kind->b != CLO_ARP_PROBE)
		memcpy(f + 28,
		       kind->b == CLO_ARP_THEIRS ? ends->dst4 : ends->src4, 4);
	memcpy(f + 38,
	       kind->b == CLO_ARP_OWN || kind->b == CLO_ARP_PROBE ? ends->src4
								  : ends->dst4,
	       4);
	return MIN;
}

static size_t packet4(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t len =
		IP4 + transport(f + IP4, ends, (uint8_t)kind->a, kind->data);

	ip4(f, ends, (uint8_t)kind->a, len);
	return len;
}

static size_t option4(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t room = ((size_t)kind->b + 3) / 4 * 4;
	size_t len =
		IP4 + room + transport(f + IP4 + room, ends, IPPROTO_UDP, 0);

	ip4(f, ends, IPPROTO_UDP, len);
	f[14] = (uint8_t)(0x45 + room / 4);
	f[IP4] = (uint8_t)kind->a;
	f[IP4 + 1] = (uint8_t)(kind->a > 1 ? kind->b : 1);
	f[IP4 + 2] = kind->a == 148 ? 0 : kind->a > 1 ? 4 : 1;
	return len;
}

static size_t fragment4(const struct clo_kind_vector *kind,
			const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t data = kind->data ? kind->data : PART;

	if (!(kind->b & 0x1fff))
		(void)transport(f + IP4, ends, (uint8_t)kind->a, data);
	ip4(f, ends, (uint8_t)kind->a, IP4 + data);
	put16(f + 18, ends->id);
	put16(f + 20, kind->b);
	return IP4 + data;
}

/* An error quotes a packet that its receiver sent. */
static size_t icmp4(const struct clo_kind_vector *kind,
		    const struct clo_kind_ends *ends, uint8_t *f)
{
	const struct clo_kind_ends back = {.port = 9};
	uint8_t *quoted = f + IP4 + 8;
	size_t len = IP4 + 8 + (kind->b ? 28 : 0);

	f[IP4] = (uint8_t)kind->a;
	if (kind->b) {
		quoted[0] = 0x45;
		quoted[3] = 28;
		quoted[8] = 63;
		quoted[9] = (uint8_t)kind->b;
		memcpy(quoted + 12, ends->dst4, 4);
		memcpy(quoted + 16, ends->src4, 4);
		(void)transport(quoted + 20, &back, IPPROTO_UDP, 0);
	}
	ip4(f, ends, IPPROTO_ICMP, len);
	return len;
}

static size_t dhcp4(const struct clo_kind_vector *kind,
		    const struct clo_kind_ends *ends, uint8_t *f)
{
	bool request = kind->a == 1;
	uint8_t *bootp = f + IP4 + 8;
	size_t len = IP4 + 8 + 248;

	ip4(f, ends, IPPROTO_UDP, len);
	put16(f + IP4, request ? 68 : 67);
	put16(f + IP4 + 2, request ? 67 : 68);
	put16(f + IP4 + 4, len - IP4);
	memcpy(bootp, (const uint8_t[]){(uint8_t)kind->a, 1, 6}, 3);
	memcpy(bootp + 28, request ? ends->src_mac : ends->dst_mac, 6);
	memcpy(bootp + 236, (const uint8_t[]){99, 130, 83, 99, 53, 1}, 6);
	bootp[242] = request ? 1 : 2;
	bootp[243] = 255;
	if (request) {
		memset(f, 0xff, 6);
		memset(f + 26, 0, 4);
		memset(f + 30, 0xff, 4);
	}
	return len;
}

static size_t igmp(const struct clo_kind_vector *kind,
		   const struct clo_kind_ends *ends, uint8_t *f)
{
	static const uint8_t group[4] = {239, 255, 0, 77};

	ip4(f, ends, IPPROTO_IGMP, IP4 + 8);
	f[22] = 1;
	memcpy(f + 30, group, 4);
	f[IP4] = (uint8_t)kind->a;
	memcpy(f + IP4 + 4, group, 4);
	group_mac(f);
	return MIN;
}

static size_t packet6(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t len =
		IP6 + transport(f + IP6, ends, (uint8_t)kind->a, kind->data);

	ip6(f, ends, (uint8_t)kind->a, len);
	return len;
}

static size_t header6(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t len = IP6 + 8 + transport(f + IP6 + 8, ends, IPPROTO_UDP, 0);

	ip6(f, ends, (uint8_t)kind->a, len);
	f[IP6] = IPPROTO_UDP;
	f[IP6 + 2] = (uint8_t)(kind->b >> 8);
	f[IP6 + 3] = (uint8_t)kind->b; /* length of the option */
	if (f[IP6 + 3] < 3) { /* padding to the end */
		f[IP6 + 4 + f[IP6 + 3]] = 1;
		f[IP6 + 5 + f[IP6 + 3]] = (uint8_t)(2 - f[IP6 + 3]);
	}
	return len;
}

static size_t fragment6(const struct clo_kind_vector *kind,
			const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t data = kind->data ? kind->data : PART;

	if (!(kind->b & 0xfff8))
		(void)transport(f + IP6 + 8, ends, (uint8_t)kind->a,
				kind->b ? data : data - 8);
	ip6(f, ends, 44, IP6 + 8 + data);
	f[IP6] = (uint8_t)kind->a;
	put16(f + IP6 + 2, kind->b);
	put16(f + IP6 + 6, ends->id);
	return IP6 + 8 + data;
}

static size_t icmp6(const struct clo_kind_vector *kind,
		    const struct clo_kind_ends *ends, uint8_t *f)
{
	const struct clo_kind_ends back = {.port = 9};
	uint8_t *quoted = f + IP6 + 8;
	size_t len = IP6 + 8 + (kind->b ? 48 : 0);

	f[IP6] = (uint8_t)kind->a;
	if (kind->b) {
		quoted[0] = 0x60;
		quoted[5] = 8;
		quoted[6] = (uint8_t)kind->b;
		memcpy(quoted + 8, ends->dst6, 16);
		memcpy(quoted + 24, ends->src6, 16);
		(void)transport(quoted + 40, &back, IPPROTO_UDP, 0);
	}
	ip6(f, ends, IPPROTO_ICMPV6, len);
	return len;
}

/* Neighbour discovery: a target, and the sender's MAC behind it. */
static size_t neighbour(uint8_t *f, const struct clo_kind_ends *ends,
			uint8_t type, const uint8_t target[16])
{
	ip6(f, ends, IPPROTO_ICMPV6, IP6 + 32);
	f[21] = 255;
	f[IP6] = type;
	memcpy(f + IP6 + 8, target, 16);
	f[IP6 + 24] = type == 135 ? 1 : 2;
	f[IP6 + 25] = 1;
	memcpy(f + IP6 + 26, ends->src_mac, 6);
	return IP6 + 32;
}

static size_t solicit(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends, uint8_t *f)
{
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, 0xff};
	const uint8_t *target = kind->a ? ends->src6 : ends->dst6;

	(void)neighbour(f, ends, 135, target);
	memcpy(f + 38, solicited, sizeof(solicited));
	memcpy(f + 51, target + 13, 3);
	group_mac(f);
	if (!kind->a)
		return IP6 + 32;
	memset(f + 22, 0, 16); /* nobody has no MAC to tell */
	memset(f + IP6 + 24, 0, 8);
	put16(f + 18, 24);
	return IP6 + 24;
}

static size_t advertise(const struct clo_kind_vector *kind,
			const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t len = neighbour(f, ends, 136, ends->src6);

	if (kind->a) {
		memcpy(f + 38, (const uint8_t[16]){0xff, 2, [15] = 1}, 16);
		group_mac(f);
	}
	return len;
}

static size_t router(const struct clo_kind_vector *kind,
		     const struct clo_kind_ends *ends, uint8_t *f)
{
	size_t len = IP6 + (kind->a == 133 ? 8 : 16);

	ip6(f, ends, IPPROTO_ICMPV6, len);
	f[21] = 255;
	memcpy(f + 22, ends->link6, 16);
	memcpy(f + 38,
	       (const uint8_t[16]){0xff, 2, [15] = kind->a == 133 ? 2 : 1}, 16);
	f[IP6] = (uint8_t)kind->a;
	group_mac(f);
	return len;
}

static size_t dhcp6(const struct clo_kind_vector *kind,
		    const struct clo_kind_ends *ends, uint8_t *f)
{
	bool client = kind->a != 2 && kind->a != 7 && kind->a != 10;
	size_t len = IP6 + 8 + 8;

	ip6(f, ends, IPPROTO_UDP, len);
	put16(f + IP6, client ? 546 : 547);
	put16(f + IP6 + 2, client ? 547 : 546);
	put16(f + IP6 + 4, 16);
	f[IP6 + 8] = (uint8_t)kind->a;
	if (client) {
		memcpy(f + 22, ends->link6, 16);
		memcpy(f + 38, (const uint8_t[16]){0xff, 2, [13] = 1, [15] = 2},
		       16);
		group_mac(f);
	}
	return len;
}

static size_t mld(const struct clo_kind_vector *kind,
		  const struct clo_kind_ends *ends, uint8_t *f)
{
	static const uint8_t group[16] = {0xff, 0x15, [15] = 77};
	uint8_t *icmp = f + IP6 + 8;

	ip6(f, ends, 0, IP6 + 8 + 24);
	f[21] = 1;
	memcpy(f + 22, ends->link6, 16);
	memcpy(f + 38, group, 16);
	memcpy(f + IP6, (const uint8_t[]){IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0},
	       8);
	icmp[0] = (uint8_t)kind->a;
	memcpy(icmp + 8, group, 16);
	group_mac(f);
	return IP6 + 8 + 24;
}

static size_t ether(const struct clo_kind_vector *kind,
		    const struct clo_kind_ends *ends, uint8_t *f)
{
	ethernet(f, ends, kind->a);
	return MIN;
}

static size_t (*const builders[])(const struct clo_kind_vector *kind,
				  const struct clo_kind_ends *ends,
				  uint8_t *frame) = {
	[CLO_BASE_ETHER] = ether,
	[CLO_BASE_ARP] = arp,
	[CLO_BASE_IP4] = packet4,
	[CLO_BASE_OPTION4] = option4,
	[CLO_BASE_FRAGMENT4] = fragment4,
	[CLO_BASE_ICMP4] = icmp4,
	[CLO_BASE_DHCP4] = dhcp4,
	[CLO_BASE_IGMP] = igmp,
	[CLO_BASE_IP6] = packet6,
	[CLO_BASE_HEADER6] = header6,
	[CLO_BASE_FRAGMENT6] = fragment6,
	[CLO_BASE_ICMP6] = icmp6,
	[CLO_BASE_SOLICIT] = solicit,
	[CLO_BASE_ADVERTISE] = advertise,
	[CLO_BASE_ROUTER] = router,
	[CLO_BASE_DHCP6] = dhcp6,
	[CLO_BASE_MLD] = mld,
};

uint8_t clo_kind_family(const struct clo_kind_vector *kind)
{
	if (kind->base == CLO_BASE_ETHER)
		return 0;
	return kind->base < CLO_BASE_IP6 ? 4 : 6;
}

uint8_t clo_kind_proto(const struct clo_kind_vector *kind)
{
	switch (kind->base) {
	case CLO_BASE_IP4:
	case CLO_BASE_IP6:
	case CLO_BASE_FRAGMENT4:
	case CLO_BASE_FRAGMENT6:
		return (uint8_t)kind->a;
	case CLO_BASE_ICMP4:
		return IPPROTO_ICMP;
	case CLO_BASE_ICMP6:
	case CLO_BASE_ROUTER:
		return IPPROTO_ICMPV6;
	default:
		return IPPROTO_UDP;
	}
}

struct clo_kind_vector clo_kind_packet(const struct clo_kind_vector *kind,
				       size_t at)
{
	struct clo_kind_vector packet = *kind;

	if (at >= kind->n_before)
		return packet;
	packet.b = kind->before[at].b;
	packet.data = kind->before[at].data;
	for (size_t way = 0; way < CLO_KIND_WAYS; way++)
		packet.want[way] = kind->before[at].want;
	return packet;
}

size_t clo_kind_build(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends,
		      uint8_t frame[CLO_KIND_FRAME_MAX])
{
	size_t len = builders[kind->base](kind, ends, frame);

	for (size_t i = 0; i < CLO_ARRAY_LEN(kind->patch); i++)
		if (kind->patch[i].at || kind->patch[i].value)
			frame[kind->patch[i].at] = kind->patch[i].value;
	return kind->cut ? kind->cut : len;
}
