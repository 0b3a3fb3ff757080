/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "policy/explain_trace_impl.h"
#include "policy/service_spec.h"

/*
 * A frame as a guest would send it, with checksums, or as it would come from a
 * router. Headers only: what follows them is zero.
 */
#define FRAME_MIN 60U
#define SPORT 61234U

/* Whoever leads to another segment or outside. */
static const uint8_t router_mac[6] = {0x06, 0, 0, 0, 0, 0x66};

/* An address fixes the family; returns 1 for one. */
static int parse_end(const struct clo_tracer *tracer,
		     struct clo_trace_packet *packet, const char *name,
		     struct clo_trace_end *end, char reterr_text[160])
{
	uint8_t family = 0;

	if (inet_pton(AF_INET, name, end->addr) == 1)
		family = 4;
	else if (inet_pton(AF_INET6, name, end->addr) == 1)
		family = 6;
	if (!family)
		return clo_trace_find(tracer->compiled->policy, name, end,
				      reterr_text);
	if (packet->family && packet->family != family)
		return clo_trace_bad(reterr_text, "%.60s: not an IPv%d address",
				     name, packet->family);

	packet->family = family;
	return 1;
}

static int parse_proto(struct clo_trace_packet *packet, const char *proto,
		       char reterr_text[160])
{
	unsigned int number = 0;
	size_t n = strlen(proto);

	if (clo_proto_find(proto, &packet->proto))
		return 0;
	if (n == 0 || n > 3 || strspn(proto, "0123456789") != n)
		return clo_trace_bad(reterr_text,
				     "%.60s: not tcp, udp, sctp, icmp, icmpv6, "
				     "esp, ah, gre, ipip, ipv6 or a protocol "
				     "number",
				     proto);
	for (size_t i = 0; i < n; i++)
		number = number * 10 + (unsigned int)(proto[i] - '0');
	if (number > 255)
		return clo_trace_bad(reterr_text,
				     "%u: protocol numbers end at 255", number);
	packet->proto = (uint8_t)number;
	return 0;
}

static int parse_flags(struct clo_trace_packet *packet, const char *flags,
		       char reterr_text[160])
{
	static const char *const names[] = {"fin", "syn", "rst", "psh",
					    "ack", "urg", "ece", "cwr"};
	const char *at = flags;

	packet->flags = CLO_TCP_SYN;
	if (!flags)
		return 0;
	if (packet->proto != IPPROTO_TCP)
		return clo_trace_bad(reterr_text, "%.60s: only tcp has flags",
				     flags);
	packet->flags = 0;
	for (;;) {
		size_t n = strcspn(at, ","), i = 0;

		while (i < CLO_ARRAY_LEN(names) &&
		       (n != 3 || strncmp(at, names[i], 3) != 0))
			i++;
		if (i == CLO_ARRAY_LEN(names))
			return clo_trace_bad(reterr_text,
					     "%.60s: TCP flags are a list of "
					     "fin, syn, rst, psh, ack, urg, "
					     "ece, cwr",
					     flags);
		packet->flags |= (uint8_t)(1U << i);
		if (!at[n])
			return 0;
		at += n + 1;
	}
}

static bool pick_address(struct clo_trace_end *end, uint8_t family)
{
	if (!end->interface)
		return true;
	for (size_t i = 0; i < end->interface->n_addresses; i++) {
		const struct clo_cidr *addr = &end->interface->addresses[i];

		if (addr->family != family)
			continue;
		memcpy(end->addr, addr->addr, sizeof(end->addr));
		return true;
	}
	return false;
}

/* A family that the protocol allows and in which both ends have an address. */
static int pick_family(struct clo_trace_packet *packet, char reterr_text[160])
{
	static const uint8_t families[] = {4, 6};

	for (size_t i = 0; i < sizeof(families); i++) {
		uint8_t alien =
			families[i] == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

		if ((packet->family && packet->family != families[i]) ||
		    packet->proto == alien ||
		    !pick_address(&packet->from, families[i]) ||
		    !pick_address(&packet->to, families[i]))
			continue;
		packet->family = families[i];
		return 0;
	}
	return clo_trace_bad(reterr_text,
			     "the two have no address of one family that the "
			     "protocol can use");
}

/* Which hook of which interface judges it. */
static int pick_port(struct clo_tracer *tracer,
		     const struct clo_trace_fields *fields,
		     struct clo_trace_packet *packet, char reterr_text[160])
{
	if (fields->in)
		return clo_trace_port_named(tracer, fields->in, &packet->port,
					    reterr_text);
	if (!packet->from.workload && !packet->to.workload)
		return clo_trace_bad(reterr_text,
				     "both are addresses: one must be an "
				     "endpoint or a workload");
	packet->to_guest = !packet->from.workload;
	packet->port = clo_trace_port_of(
		tracer,
		packet->to_guest ? packet->to.interface : packet->from.interface);
	return 0;
}

int clo_trace_packet_parse(struct clo_tracer *tracer,
			   const struct clo_trace_fields *fields,
			   struct clo_trace_packet *ret_packet,
			   char reterr_text[160])
{
	struct clo_trace_packet packet = {.family = fields->family,
					  .number = fields->number,
					  .sport = fields->sport};
	int r = parse_proto(&packet, fields->proto, reterr_text);

	if (r == 0)
		r = parse_flags(&packet, fields->flags, reterr_text);
	if (r < 0)
		return r;
	if (clo_flow_is_icmp(packet.proto) && packet.number > 255)
		return clo_trace_bad(reterr_text, "%u: ICMP types end at 255",
				     packet.number);
	r = parse_end(tracer, &packet, fields->from, &packet.from, reterr_text);
	if (r >= 0)
		r = parse_end(tracer, &packet, fields->to, &packet.to,
			      reterr_text);
	if (r < 0)
		return r;
	r = pick_port(tracer, fields, &packet, reterr_text);
	if (r < 0)
		return r;
	if (!packet.sport)
		packet.sport = clo_flow_is_icmp(packet.proto) ? 1 : SPORT;
	r = pick_family(&packet, reterr_text);
	if (r < 0)
		return r;

	*ret_packet = packet;
	return 0;
}

static void put16(uint8_t *to, size_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* Internet checksum of n bytes, on top of `sum`. */
static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t sum_words(const uint8_t *data, size_t n)
{
	return (uint16_t)~checksum(0, data, n);
}

/* The transport's header; returns its length. */
static size_t put_l4(const struct clo_trace_packet *packet, uint8_t *l4)
{
	put16(l4, packet->sport);
	put16(l4 + 2, packet->number);
	switch (packet->proto) {
	case IPPROTO_TCP: /* as after a SYN of number 0 from either side */
		l4[7] = !(packet->flags & CLO_TCP_SYN);
		l4[11] = !!(packet->flags & CLO_TCP_ACK);
		l4[12] = 5 << 4;
		l4[13] = packet->flags;
		put16(l4 + 14, 65535);
		return CLO_TCP_LEN;
	case IPPROTO_UDP:
		put16(l4 + 4, CLO_L4_LEN);
		return CLO_L4_LEN;
	case IPPROTO_SCTP: /* INIT */
		l4[CLO_SCTP_LEN] = CLO_SCTP_INIT;
		put16(l4 + CLO_SCTP_LEN + 2, 20);
		return CLO_SCTP_LEN + 20;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		memset(l4, 0, 4);
		l4[0] = (uint8_t)packet->number;
		put16(l4 + 4, packet->sport);
		return CLO_L4_LEN;
	default:
		memset(l4, 0, 4);
		return CLO_TCP_LEN;
	}
}

/* The pseudo header of TCP, UDP and ICMPv6. */
static void put_sum(const struct clo_trace_packet *packet, uint8_t *l4,
		    size_t len)
{
	size_t size = packet->family == 4 ? 4 : 16;
	uint32_t pseudo = sum_words(packet->from.addr, size) +
			  sum_words(packet->to.addr, size) + packet->proto +
			  (uint32_t)len;
	uint16_t sum;

	switch (packet->proto) {
	case IPPROTO_TCP:
		put16(l4 + 16, checksum(pseudo, l4, len));
		break;
	case IPPROTO_UDP:
		sum = checksum(pseudo, l4, len);
		put16(l4 + 6, sum ? sum : 0xffff);
		break;
	case IPPROTO_ICMP:
		put16(l4 + 2, checksum(0, l4, len));
		break;
	case IPPROTO_ICMPV6:
		put16(l4 + 2, checksum(pseudo, l4, len));
		break;
	default:
		break;
	}
}

static size_t put_ip4(const struct clo_trace_packet *packet, uint8_t *ip)
{
	size_t len = put_l4(packet, ip + CLO_IP4_LEN);

	ip[0] = 0x45;
	put16(ip + 2, CLO_IP4_LEN + len);
	ip[8] = 64;
	ip[9] = packet->proto;
	memcpy(ip + 12, packet->from.addr, 4);
	memcpy(ip + 16, packet->to.addr, 4);
	put16(ip + 10, checksum(0, ip, CLO_IP4_LEN));
	put_sum(packet, ip + CLO_IP4_LEN, len);
	return CLO_IP4_LEN + len;
}

static size_t put_ip6(const struct clo_trace_packet *packet, uint8_t *ip)
{
	size_t len = put_l4(packet, ip + CLO_IP6_LEN);

	ip[0] = 0x60;
	put16(ip + 4, len);
	ip[6] = packet->proto;
	ip[7] = 255;
	memcpy(ip + 8, packet->from.addr, 16);
	memcpy(ip + 24, packet->to.addr, 16);
	put_sum(packet, ip + CLO_IP6_LEN, len);
	return CLO_IP6_LEN + len;
}

/* RFC 1112, RFC 2464; false: the address is no multicast. */
static bool put_group(const struct clo_trace_packet *packet, uint8_t mac[6])
{
	const uint8_t *addr = packet->to.addr;
	const uint8_t v4[6] = {1, 0, 0x5e, addr[1] & 0x7f, addr[2], addr[3]};
	const uint8_t v6[6] = {0x33,     0x33,     addr[12],
			       addr[13], addr[14], addr[15]};

	if (packet->family == 4 && memcmp(addr, "\xff\xff\xff\xff", 4) == 0)
		memset(mac, 0xff, 6);
	else if (packet->family == 4 && addr[0] >> 4 == 14)
		memcpy(mac, v4, sizeof(v4));
	else if (packet->family == 6 && addr[0] == 0xff)
		memcpy(mac, v6, sizeof(v6));
	else
		return false;
	return true;
}

/* Whose MAC the frame goes to: the receiver's, if no router is on the way. */
static void put_receiver(const struct clo_tracer *tracer,
			 const struct clo_trace_packet *packet, uint8_t mac[6])
{
	const struct clo_port *port = &packet->port->port;
	const struct clo_interface_doc *to = packet->to.interface;
	const struct clo_addr *owner;

	if (!packet->to_guest) {
		owner = clo_trace_peek_addr(tracer, port->space, packet->family,
					    packet->to.addr);
		to = owner && owner->segment == port->segment
			     ? clo_trace_endpoint(tracer->compiled->policy,
						  owner->endpoint, NULL)
			     : NULL;
	}
	if (to)
		memcpy(mac, to->mac, sizeof(to->mac));
	else if (!put_group(packet, mac))
		memcpy(mac, router_mac, sizeof(router_mac));
}

size_t clo_trace_packet_build(struct clo_tracer *tracer,
			      const struct clo_trace_packet *packet,
			      uint8_t ret_frame[512])
{
	size_t len = CLO_ETH_LEN;

	memset(ret_frame, 0, 512);
	put_receiver(tracer, packet, ret_frame);
	memcpy(ret_frame + 6,
	       packet->to_guest || packet->port->port.kind != CLO_PORT_TAP
		       ? router_mac
		       : packet->port->port.mac,
	       6);
	put16(ret_frame + 12, packet->family == 4 ? 0x0800 : 0x86dd);
	len += packet->family == 4 ? put_ip4(packet, ret_frame + len)
				   : put_ip6(packet, ret_frame + len);
	return len < FRAME_MIN ? FRAME_MIN : len;
}
