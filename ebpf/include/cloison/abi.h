/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Everything the kernel side and the agent must agree on, defined once.
 * Fixed-width types only, no implicit padding, no pointers, no bool. Addresses
 * and MACs are in network order, every other number in host order.
 *
 * A space is the address space of one tenant: inside it addresses are unique,
 * two spaces may overlap. Address look-ups and connections are keyed by space,
 * so a packet of one tenant never meets another tenant's entries.
 */

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define CLO_ABI_VERSION 1U

/* X(name, text): adding a line here adds the counter, the name and the log. */
#define CLO_DROP_REASONS(X)                                                    \
	X(NONE, "not dropped")                                                 \
	X(RUNT, "frame shorter than its headers")                              \
	X(NO_ENDPOINT, "interface belongs to no endpoint")                     \
	X(NO_POLICY, "no policy is in force")                                  \
	X(SPOOFED_MAC, "source MAC is not the endpoint's")                     \
	X(SPOOFED_ADDRESS, "source address is not the endpoint's")             \
	X(SPOOFED_ARP, "ARP sender is not the endpoint")                       \
	X(SPOOFED_ND, "neighbour discovery speaks for another")                \
	X(ETHERTYPE, "ethertype is not IPv4, IPv6 or ARP")                     \
	X(VLAN, "VLAN tag from or to a guest")                                 \
	X(MALFORMED, "header contradicts itself")                              \
	X(ARP_KIND, "ARP is neither an Ethernet/IPv4 request nor reply")       \
	X(ND_KIND, "ICMP message only a router may send")                      \
	X(IP_OPTIONS, "IPv4 header carries options")                           \
	X(IP6_EXTENSION, "IPv6 extension header")                              \
	X(FRAGMENT, "fragmented packet")                                       \
	X(MULTICAST, "multicast or broadcast that no rule needs")              \
	X(PROTOCOL, "transport protocol has no service class")                 \
	X(NO_CLASS, "address belongs to no class of the policy")               \
	X(POLICY, "no rule allows the flow")                                   \
	X(REVOKED, "established flow is no longer allowed")                    \
	X(NO_FLOW, "packet belongs to no tracked flow")                        \
	X(NOT_FOR_ENDPOINT, "frame was not approved for this endpoint")        \
	X(CONNECTIONS, "connection table refused the flow")

enum clo_drop {
#define X(name, text) CLO_DROP_##name,
	CLO_DROP_REASONS(X)
#undef X
	CLO_DROP_COUNT,
};

/*
 * skb->mark between the two hooks of one packet. from_guest sets it on every
 * frame it passes; to_guest passes a frame only if the mark names its own
 * endpoint, and judges it itself only if the mark is 0: then it came from no
 * guarded tap. A guest cannot set a mark.
 */
#define CLO_MARK_NONE 0U
#define CLO_MARK_OUTSIDE 0x80000000U /* approved, but to no endpoint here */
#define CLO_ENDPOINT_MAX 0x7fffffffU /* endpoint ids: 1 to this; 0 = outside */
#define CLO_SPACE_MAX 0xffffffU /* space ids: 1 to this */

/* Map clo_ports, key: ifindex (__u32). A tap without an entry drops all. */
struct clo_port {
	__u32 endpoint;
	__u32 space;
	__u32 segment;
	__u8 mac[6];
	__u16 reserved;
};

_Static_assert(sizeof(struct clo_port) == 20, "struct clo_port is ABI");

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
	X(ROWS, rows, ARRAY, __u32, __u64)                                     \
	X(RULES, rules, ARRAY, __u32, struct clo_rules)

enum clo_table {
#define X(NAME, name, kind, key, value) CLO_TABLE_##NAME,
	CLO_TABLES(X)
#undef X
	CLO_TABLE_COUNT,
};

/* Map clo_live, key 0: the one value that an apply flips. 0 = no policy. */
struct clo_live {
	__u64 epoch;
};

/* Map clo_gens, key: slot. Describes the tables of that slot. */
struct clo_gen {
	__u64 epoch;
	__u32 classes; /* service classes, numbered 0 to classes - 1 */
	__u32 words; /* 64-bit words in one row: ceil(classes / 64) */
	__u32 identities; /* identity 0 is "none": 1 to identities - 1 */
	__u32 rules; /* rule 0 is "none": 1 to rules - 1 */
	__u8 policy_digest[32]; /* SHA-256 of the documents, canonical */
	__u8 tables_digest[32]; /* SHA-256 over the nine tables */
};

_Static_assert(sizeof(struct clo_gen) == 88, "struct clo_gen is ABI");

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
 * Row r, class c: word r * words + c / 64 of table rows, bit c % 64. The rule
 * that set the bit: element (r * words * 64 + c) / 2 of table rules,
 * member (c % 2); 0 where the bit is clear.
 */
struct clo_rules {
	__u32 rule[2];
};

/* Outer map clo_hits, slots as the tables; inner array, index = rule. */
struct clo_hits {
	__u64 flows;
	__u64 packets;
};

/* Map clo_drops, per CPU, value __u64. ifindex 0: no room for the key. */
struct clo_drop_key {
	__u32 ifindex;
	__u16 reason;
	__u16 to_guest; /* 0: dropped in from_guest, 1: in to_guest */
};

_Static_assert(sizeof(struct clo_drop_key) == 8, "struct clo_drop_key is ABI");

/*
 * Connection keys: both directions share one entry. "lo" is the side with the
 * lower (address, port) in memory order. ICMP echo: port[0] = identifier,
 * port[1] = 1 if the side that sent the request is "lo".
 */
struct clo_conn4_key {
	__u32 space_proto; /* space << 8 | IP protocol */
	__u8 lo[4];
	__u8 hi[4];
	__u16 port[2]; /* lo's, hi's; network order */
};

struct clo_conn6_key {
	__u32 space_proto;
	__u8 lo[16];
	__u8 hi[16];
	__u16 port[2];
};

_Static_assert(sizeof(struct clo_conn4_key) == 16, "struct clo_conn4_key");
_Static_assert(sizeof(struct clo_conn6_key) == 40, "struct clo_conn6_key");

enum clo_conn_state {
	CLO_CONN_NEW, /* only the initiator has spoken */
	CLO_CONN_ESTABLISHED, /* both have */
	CLO_CONN_CLOSING, /* TCP: FIN or RST seen */
};

struct clo_conn {
	__u64 epoch; /* of the policy that allowed it last */
	__u64 seen; /* coarse monotonic nanoseconds, last packet */
	__u32 endpoint[2]; /* lo's, hi's; 0 = outside */
	__u32 rule; /* rule index in that epoch */
	__u8 initiator; /* 0 lo, 1 hi */
	__u8 state; /* enum clo_conn_state */
	__u16 reserved;
};

_Static_assert(sizeof(struct clo_conn) == 32, "struct clo_conn is ABI");
