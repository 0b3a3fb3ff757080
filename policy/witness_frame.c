/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/witness_frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ETH_LEN 14U
#define PORT 49152 /* of the sender: the first that is nobody's */
#define DISCARD 9

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* CRC-32C (RFC 9260, appendix A), bit by bit: a witness is short. */
static uint32_t crc32c(const uint8_t *bytes, size_t n)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

/* A binding has no service of its own. */
static uint8_t proto_of(const struct clo_witness *witness)
{
	return witness->proto ? witness->proto : IPPROTO_UDP;
}

static unsigned int number_of(const struct clo_witness *witness)
{
	return witness->proto ? witness->number : DISCARD;
}

static const uint8_t *dst_of(const struct clo_witness *witness)
{
	return witness->proto ? witness->dst : witness->src;
}

/* What follows the IP header, its checksum left out; returns its length. */
static size_t put_l4(const struct clo_witness *witness, uint8_t *l4)
{
	unsigned int number = number_of(witness);

	switch (proto_of(witness)) {
	case IPPROTO_TCP:
		put16(l4, PORT);
		put16(l4 + 2, number);
		l4[12] = 0x50; /* five words */
		l4[13] = 0x02; /* SYN */
		put16(l4 + 14, 8192);
		return 20;
	case IPPROTO_UDP:
		put16(l4, PORT);
		put16(l4 + 2, number);
		put16(l4 + 4, 8);
		return 8;
	case IPPROTO_SCTP:
		put16(l4, PORT);
		put16(l4 + 2, number);
		l4[12] = 1; /* INIT */
		put16(l4 + 14, 20);
		l4[19] = 1; /* its own tag */
		l4[22] = 0x20; /* window of 8192 */
		l4[25] = 1; /* streams out, and in */
		l4[27] = 1;
		return 32;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		l4[0] = (uint8_t)number;
		return 8;
	default:
		return 8;
	}
}

/* Over the addresses, length and protocol too, but for ICMP. */
static void put_checksum(const struct clo_witness *witness, uint8_t *l4,
			 size_t len)
{
	size_t size = witness->family == 4 ? 4 : 16;
	uint8_t proto = proto_of(witness);
	uint32_t sum = sum16(0, l4, len);
	uint32_t crc;

	if (proto != IPPROTO_ICMP) {
		sum = sum16(sum, witness->src, size);
		sum = sum16(sum, dst_of(witness), size);
		sum += (uint32_t)len + proto;
	}
	switch (proto) {
	case IPPROTO_TCP:
		put16(l4 + 16, fold(sum));
		break;
	case IPPROTO_UDP:
		put16(l4 + 6, fold(sum) ? fold(sum) : 0xffff);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put16(l4 + 2, fold(sum));
		break;
	case IPPROTO_SCTP:
		crc = crc32c(l4, len);
		memcpy(l4 + 8, &crc, sizeof(crc)); /* its low byte first */
		break;
	default:
		break;
	}
}

void clo_witness_build(const struct clo_witness *witness,
		       const uint8_t src_mac[6], const uint8_t dst_mac[6],
		       struct clo_witness_frame *ret_frame)
{
	bool v4 = witness->family == 4;
	size_t head = ETH_LEN + (v4 ? 20 : 40);
	uint8_t *bytes = ret_frame->bytes;
	uint8_t *ip = bytes + ETH_LEN;
	size_t len;

	assert(witness->family == 4 || witness->family == 6);
	memset(ret_frame, 0, sizeof(*ret_frame));
	memcpy(bytes, dst_mac, 6);
	memcpy(bytes + 6, src_mac, 6);
	put16(bytes + 12, v4 ? 0x0800 : 0x86dd);
	len = put_l4(witness, bytes + head);
	if (v4) {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned int)(20 + len));
		ip[8] = 64;
		ip[9] = proto_of(witness);
		memcpy(ip + 12, witness->src, 4);
		memcpy(ip + 16, dst_of(witness), 4);
		put16(ip + 10, fold(sum16(0, ip, 20)));
	} else {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned int)len);
		ip[6] = proto_of(witness);
		ip[7] = 64;
		memcpy(ip + 8, witness->src, 16);
		memcpy(ip + 24, dst_of(witness), 16);
	}
	put_checksum(witness, bytes + head, len);
	ret_frame->len = head + len;
}

/* Types for which scapy's ICMP is longer than its header. */
static bool is_longer_icmp(unsigned int type)
{
	return type == 13 || type == 14 || type == 17 || type == 18 ||
	       type == 37 || type == 38;
}

/* The header of one of these, byte by byte. */
static void scapy_icmp(const struct clo_witness *witness, char text[128])
{
	uint8_t l4[32] = {0}; /* as long as any */
	size_t len = put_l4(witness, l4);
	int n = snprintf(text, 128, "Raw(bytes.fromhex(\"");

	put_checksum(witness, l4, len);
	for (size_t i = 0; i < len; i++)
		n += snprintf(text + n, 128 - (size_t)n, "%02x", l4[i]);
	(void)snprintf(text + n, 128 - (size_t)n, "\"))");
}

/* The layer behind IP, as scapy calls it. */
static void scapy_l4(const struct clo_witness *witness, char text[128])
{
	unsigned int number = number_of(witness);

	switch (proto_of(witness)) {
	case IPPROTO_TCP:
		(void)snprintf(text, 128,
			       "TCP(sport=%d, dport=%u, flags=\"S\")", PORT,
			       number);
		break;
	case IPPROTO_UDP:
		(void)snprintf(text, 128, "UDP(sport=%d, dport=%u)", PORT,
			       number);
		break;
	case IPPROTO_SCTP:
		(void)snprintf(text, 128,
			       "SCTP(sport=%d, dport=%u)/SCTPChunkInit("
			       "init_tag=1, a_rwnd=8192, n_out_streams=1, "
			       "n_in_streams=1)",
			       PORT, number);
		break;
	case IPPROTO_ICMP:
		if (is_longer_icmp(number))
			scapy_icmp(witness, text);
		else
			(void)snprintf(text, 128, "ICMP(type=%u)", number);
		break;
	case IPPROTO_ICMPV6:
		(void)snprintf(text, 128,
			       "ICMPv6Unknown(type=%u, msgbody=b\""
			       "\\0\\0\\0\\0\")",
			       number);
		break;
	default:
		(void)snprintf(text, 128, "Raw(bytes(8))");
		break;
	}
}

void clo_witness_scapy(const struct clo_witness *witness,
		       const uint8_t src_mac[6], const uint8_t dst_mac[6],
		       char ret_text[CLO_SCAPY_MAX])
{
	const uint8_t *s = src_mac;
	const uint8_t *d = dst_mac;
	bool v4 = witness->family == 4;
	int family = v4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN] = "";
	char dst[INET6_ADDRSTRLEN] = "";
	char l4[128];

	(void)inet_ntop(family, witness->src, src, sizeof(src));
	(void)inet_ntop(family, dst_of(witness), dst, sizeof(dst));
	scapy_l4(witness, l4);
	(void)snprintf(ret_text, CLO_SCAPY_MAX,
		       "Ether(src=\"%02x:%02x:%02x:%02x:%02x:%02x\", "
		       "dst=\"%02x:%02x:%02x:%02x:%02x:%02x\")/"
		       "%s(src=\"%s\", dst=\"%s\", %s=%u)/%s",
		       s[0], s[1], s[2], s[3], s[4], s[5], d[0], d[1], d[2],
		       d[3], d[4], d[5], v4 ? "IP" : "IPv6", src, dst,
		       v4 ? "id=0, proto" : "nh", proto_of(witness), l4);
}
