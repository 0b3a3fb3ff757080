/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* The tables of the policy, as abi.h describes numbers and spaces. */

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * The tables of one generation. Each is an outer array-of-maps with two slots;
 * the slot in force is epoch & 1. X(NAME, name, kind, key, value).
 */
#define CLO_TABLES(X)                                                          \
	X(ADDR4, addr4, HASH, struct clo_addr4_key, struct clo_addr)           \
	X(ADDR6, addr6, HASH, struct clo_addr6_key, struct clo_addr)           \
	X(CIDR4, cidr4, LPM, struct clo_cidr4_key, __u32)                      \
	X(CIDR6, cidr6, LPM, struct clo_cidr6_key, __u32)                      \
	X(SERVICES, services, ARRAY, __u32, struct clo_services)               \
	X(IDENTITIES, identities, ARRAY, __u32, struct clo_identity)           \
	X(PAIRS, pairs, HASH, struct clo_pair, __u32)                          \
	X(ROWS, rows, ARRAY, __u32, struct clo_row)                            \
	X(WORDS, words, ARRAY, __u32, __u64)                                   \
	X(RULES, rules, HASH, struct clo_rule_key, __u32)

enum clo_table {
#define X(NAME, name, kind, key, value) CLO_TABLE_##NAME,
	CLO_TABLES(X)
#undef X
	CLO_TABLE_COUNT,
};

/*
 * Beside the addresses of endpoints, the address tables hold, by space:
 *   CLO_SPACE_SELF, address = endpoint id in host order (IPv4 table): itself;
 *   CLO_SPACE_GROUP | segment, multicast address: a group that the segment
 *     declared (only .segment counts);
 *   a tenant's space, 255.255.255.255, ff02::1:2 or ff02::2: the class of the
 *     tenant's DHCPv4 server, DHCPv6 server or router (.endpoint is 0).
 */
#define CLO_SPACE_SELF 0U
#define CLO_SPACE_GROUP 0x40000000U

struct clo_addr4_key {
	__u32 space;
	__u8 addr[4];
};

struct clo_addr6_key {
	__u32 space;
	__u8 addr[16];
};

/* Whose address this is. */
struct clo_addr {
	__u32 identity;
	__u32 endpoint;
	__u32 segment;
};

/* LPM keys: prefixlen in bits of addr. The value is an external class. */
struct clo_cidr4_key {
	__u32 prefixlen;
	__u8 addr[4];
};

struct clo_cidr6_key {
	__u32 prefixlen;
	__u8 addr[16];
};

/*
 * (protocol, port or ICMP type) -> slot -> service class. A slot is an index
 * into one flat array; four classes share an element. CLO_CLASS_NONE: never.
 */
#define CLO_SLOT_TCP 0U
#define CLO_SLOT_UDP 65536U
#define CLO_SLOT_SCTP 131072U
#define CLO_SLOT_ICMP 196608U /* + type */
#define CLO_SLOT_ICMPV6 196864U /* + type */
#define CLO_SLOT_OTHER 197120U /* + IP protocol number */
#define CLO_SLOTS 197376U
#define CLO_CLASS_NONE 0xffffU

struct clo_services {
	__u16 class[4];
};

enum clo_identity_kind {
	CLO_IDENTITY_NONE,
	CLO_IDENTITY_ENDPOINTS, /* a class of endpoints of one scope */
	CLO_IDENTITY_EXTERNAL, /* an atom of the addresses outside */
	CLO_IDENTITY_NODE, /* external, an address of the node itself */
	CLO_IDENTITY_SERVICE, /* external, an address of a declared service */
};

enum clo_environment {
	CLO_ENV_NONE,
	CLO_ENV_PRODUCTION,
	CLO_ENV_TEST,
	CLO_ENV_DEVELOPMENT,
};

/* The tenant allows flows between its test and its development. */
#define CLO_IDENTITY_TEST_DEV 1U
/* External: may open flows to endpoints in quarantine. */
#define CLO_IDENTITY_FORENSICS 2U
/* Endpoints: of a tenant of level 2. */
#define CLO_IDENTITY_LEVEL_2 4U
/*
 * External or service: in the declared national prefixes, or on the node. Set
 * only where some tenant is of level 2: nobody else asks.
 */
#define CLO_IDENTITY_NATIONAL 8U

struct clo_identity {
	__u32 space; /* 0 for external classes */
	__u32 segment; /* 0 for external classes */
	__u8 kind;
	__u8 environment;
	__u8 flags;
	__u8 reserved;
	__u32 reserved2;
};

_Static_assert(sizeof(struct clo_identity) == 16, "struct clo_identity is ABI");

/* Identity indices. The value of the pairs table is a row; none = deny. */
struct clo_pair {
	__u32 src;
	__u32 dst;
};

/*
 * What a pair is allowed, and by which rules. Class c is allowed if word
 * set * words + c / 64 of table words has bit c % 64; many rows share a set.
 * The rule that allowed it: the value of (row, c) in table rules; where there
 * is none, the row's own, which allows more classes of the row than any other
 * (of equals, the first).
 */
struct clo_row {
	__u32 set;
	__u32 rule; /* 0: no class is allowed */
	__u16 owned; /* classes that it allows */
	__u16 others; /* classes that others allow: their entries in rules */
	__u32 reserved;
};

_Static_assert(sizeof(struct clo_row) == 16, "struct clo_row is ABI");

struct clo_rule_key {
	__u32 row;
	__u32 class;
};
