/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/witness_frame.h"

/*
 * Each kind of witness as the two things that are told of it, a line of scapy
 * and the frame in hex, for scapy.py.
 */

static const uint8_t macs[2][6] = {{0x52, 0x54, 0, 0, 0, 1},
				   {0x06, 0, 0xaa, 0xbb, 0xcc, 0xdd}};

static void print(const struct clo_witness *witness)
{
	struct clo_witness_frame frame;
	char scapy[CLO_SCAPY_MAX];

	clo_witness_build(witness, macs[0], macs[1], &frame);
	clo_witness_scapy(witness, macs[0], macs[1], scapy);
	(void)printf("%s\t", scapy);
	for (size_t i = 0; i < frame.len; i++)
		(void)printf("%02x", frame.bytes[i]);
	(void)putchar('\n');
}

/* Of a service, with each number that it can have, or some. */
static void print_service(struct clo_witness *witness)
{
	static const uint16_t ports[] = {
		0,    1,    9,    22,   53,   67,   68,    80,   123,
		161,  443,  500,  520,  546,  547,  554,   853,  1812,
		4500, 4789, 5353, 5060, 6081, 8080, 49152, 65535};

	switch (witness->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
			witness->number = ports[i];
			print(witness);
		}
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		for (uint16_t type = 0; type < 256; type++) {
			witness->number = type;
			print(witness);
		}
		break;
	default:
		witness->number = 0;
		print(witness);
	}
}

/* All protocols; 0 is a binding. That of the other family is no witness's. */
static void print_family(struct clo_witness *witness, uint8_t alien)
{
	for (unsigned int proto = 0; proto < 256; proto++) {
		witness->proto = (uint8_t)proto;
		if (proto != alien)
			print_service(witness);
	}
}

int main(void)
{
	struct clo_witness v4 = {
		.family = 4, .src = {10, 0, 1, 11}, .dst = {203, 0, 113, 7}};
	struct clo_witness v6 = {.family = 6,
				 .src = {0xfd, 0, 0, 1, [15] = 0x11},
				 .dst = {0x20, 1, 0x0d, 0xb8, [14] = 1, 7}};

	print_family(&v4, IPPROTO_ICMPV6);
	print_family(&v6, IPPROTO_ICMP);
	return ferror(stdout) || fflush(stdout) == EOF;
}
