/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"
#include "cloison/abi.h"

/*
 * Packet kinds: the finite list of what a frame can be besides a flow of the
 * matrix, one vector for each, with the verdict that is promised for it, where
 * it takes more than one packet with those that go before. Pure: a line of the
 * table and the two ends make the bytes.
 */

enum clo_kind_way {
	CLO_KIND_FROM, /* the guest sends it */
	CLO_KIND_TO, /* it reaches the guest from no guarded interface */
	CLO_KIND_WIRE, /* an uplink's wire brings it */
	CLO_KIND_WAYS,
};

/* What must come out: a reason of enum clo_drop (NONE: it passes), or: */
enum {
	CLO_KIND_NEVER = -1, /* there is no such frame this way */
	CLO_KIND_JUDGED = -2, /* parsed through, then judged as a new flow */
	CLO_KIND_ASKED = -3, /* goes to the server that the tenant declared */
};

/* What the frame is made of before it is patched. */
enum clo_kind_base {
	CLO_BASE_ETHER, /* a: ethertype or length */
	CLO_BASE_ARP, /* a: operation, b: enum clo_kind_arp */
	CLO_BASE_IP4, /* a: protocol, in its shortest form */
	CLO_BASE_OPTION4, /* a: option, b: its length; UDP behind it */
	CLO_BASE_FRAGMENT4, /* a: protocol, b: offset and flags */
	CLO_BASE_ICMP4, /* a: type, b: quoted protocol */
	CLO_BASE_DHCP4, /* a: operation */
	CLO_BASE_IGMP, /* a: type */
	CLO_BASE_IP6, /* a: protocol */
	CLO_BASE_HEADER6, /* a: extension header, b: option; UDP behind it */
	CLO_BASE_FRAGMENT6, /* a: protocol, b: offset and flag */
	CLO_BASE_ICMP6, /* a: type, b: quoted protocol */
	CLO_BASE_SOLICIT, /* a: 1: from nobody, for its own address */
	CLO_BASE_ADVERTISE, /* a: 1: to all */
	CLO_BASE_ROUTER, /* a: type */
	CLO_BASE_DHCP6, /* a: type */
	CLO_BASE_MLD, /* a: type */
};

enum clo_kind_arp {
	CLO_ARP_PLAIN, /* the sender asks for, or answers, the receiver */
	CLO_ARP_OWN, /* the sender's own address is the target */
	CLO_ARP_NOBODY, /* no sender yet; the receiver's address */
	CLO_ARP_PROBE, /* no sender yet; its own address */
	CLO_ARP_THEIRS, /* the receiver's address as the sender's */
};

struct clo_kind_patch {
	uint16_t at; /* with value 0, 0: none */
	uint8_t value;
};

/* A flow that is under way when the frame comes, and that it is part of. */
enum clo_kind_flow {
	CLO_KIND_FLOW_NONE,
	CLO_KIND_FLOW_OWN, /* of the guest and the outside */
	CLO_KIND_FLOW_OTHERS, /* the same, of another endpoint */
	CLO_KIND_FLOW_EARLIER, /* that another policy allowed */
	CLO_KIND_FLOW_OVER, /* timed out */
	CLO_KIND_FLOW_ELSEWHERE, /* its sequence numbers are far away */
};

/* A packet that goes before: as the judged one, but for this. */
struct clo_kind_step {
	uint16_t b;
	uint16_t data;
	int16_t want; /* each way */
};

#define CLO_KIND_STEPS 2

struct clo_kind_vector {
	const char *name; /* "ARP probe of another's address" */
	const char *control; /* whose check it is */
	enum clo_kind_base base;
	uint16_t a, b;
	int16_t want[CLO_KIND_WAYS];
	struct clo_kind_patch patch[6];
	uint16_t data; /* bytes behind the header; 0: as its base makes it */
	uint16_t cut; /* length of the frame; 0: whole */
	uint16_t segment_size; /* GSO; 0: none */
	uint16_t n_before;
	enum clo_kind_flow flow;
	struct clo_kind_step before[CLO_KIND_STEPS];
};

/* Addresses as the sender has them. */
struct clo_kind_ends {
	uint8_t src_mac[6], dst_mac[6];
	uint8_t src4[4], dst4[4];
	uint8_t src6[16], dst6[16];
	uint8_t link6[16]; /* the sender's own, of the link */
	uint16_t port; /* of UDP and TCP */
	uint16_t id; /* of fragments: none that was seen lately */
};

#define CLO_KIND_FRAME_MAX 9216

/* The tables: link and neighbours; IPv4; IPv6; with what went before. */
struct clo_kind_table {
	const struct clo_kind_vector *vectors;
	size_t n;
};

extern const struct clo_kind_table clo_kinds_link, clo_kinds_ip4, clo_kinds_ip6,
	clo_kinds_flow;

/* Kinds that no test can show, and why. */
struct clo_kind_gap {
	const char *name, *why;
};

extern const struct clo_kind_gap clo_kind_gaps[];
extern const size_t clo_kind_gaps_count;

/* Protocol and destination port or type, as the frame says. */
uint8_t clo_kind_proto(const struct clo_kind_vector *kind);
/* 4, 6, or 0 below IP. */
uint8_t clo_kind_family(const struct clo_kind_vector *kind);
/* One of those that go before, or, at n_before, the judged one. */
struct clo_kind_vector clo_kind_packet(const struct clo_kind_vector *kind,
				       size_t at);
/* `frame` is zero; returns the length. */
size_t clo_kind_build(const struct clo_kind_vector *kind,
		      const struct clo_kind_ends *ends,
		      uint8_t frame[CLO_KIND_FRAME_MAX]);
