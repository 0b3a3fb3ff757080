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

#include "cloison/abi_tables.h"

#define CLO_ABI_VERSION 3U

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
	X(LLC, "IEEE 802.3 frame (LLC, SNAP, STP)")                            \
	X(VLAN, "VLAN tag from or to a guest")                                 \
	X(MALFORMED, "header contradicts itself")                              \
	X(ARP_KIND, "ARP is neither an Ethernet/IPv4 request nor reply")       \
	X(ND_KIND, "message only a router may send")                           \
	X(DHCP, "DHCP other than of the endpoint's own client")                \
	X(IP_OPTIONS, "IPv4 option that is not known as harmless")             \
	X(SOURCE_ROUTE, "source route or routing header")                      \
	X(IP6_EXTENSION, "IPv6 extension header or option not allowed")        \
	X(FRAGMENT, "fragment of no datagram that was judged")                 \
	X(FRAGMENT_OVERLAP, "fragment overlaps another")                       \
	X(FRAGMENT_TINY, "fragment too small to be honest")                    \
	X(MULTICAST, "multicast or broadcast that nobody declared")            \
	X(PROTOCOL, "transport protocol has no service class")                 \
	X(NO_CLASS, "address belongs to no class of the policy")               \
	X(POLICY, "no rule allows the flow")                                   \
	X(REVOKED, "established flow is no longer allowed")                    \
	X(NO_FLOW, "packet belongs to no tracked flow")                        \
	X(WINDOW, "TCP segment outside the connection's window")               \
	X(NOT_FOR_ENDPOINT, "frame was not approved for this endpoint")        \
	X(NOT_FOR_SEGMENT, "frame was not approved for this segment's uplink") \
	X(CONNECTIONS, "connection table refused the flow")                    \
	X(QUOTA, "connection quota is used up")                                \
	X(FLOW_RATE, "new flows faster than the endpoint's limit")             \
	X(RATE, "traffic faster than the endpoint's limit")                    \
	X(MULTICAST_RATE, "multicast faster than the endpoint's limit")        \
	X(QUARANTINE, "endpoint is in quarantine")

enum clo_drop {
#define X(name, text) CLO_DROP_##name,
	CLO_DROP_REASONS(X)
#undef X
	CLO_DROP_COUNT,
};

/*
 * skb->mark between the two hooks of one packet: what kind of receiver it was
 * approved for, and which. The hook before sets it on every frame it passes; a
 * tap passes to its guest only what names its own endpoint or a group of its
 * own segment, an uplink passes to the wire only what leaves by its segment.
 * 0 came from no guarded interface: a tap judges it, an uplink drops it. A
 * guest cannot set a mark.
 */
#define CLO_MARK_NONE 0U
#define CLO_MARK_KIND 0xc0000000U
#define CLO_MARK_ENDPOINT 0x40000000U /* | endpoint: here or on another node */
#define CLO_MARK_OUTSIDE 0x80000000U /* | segment by which it leaves */
#define CLO_MARK_GROUP 0xc0000000U /* | segment that shares the multicast */
#define CLO_ENDPOINT_MAX 0x3fffffffU /* endpoint ids: 1 to this; 0 = outside */
#define CLO_SEGMENT_MAX 0x3fffffffU /* segment ids: 1 to this; 0 = outside */
#define CLO_SPACE_MAX 0xffffffU /* space ids: 1 to this */

/*
 * skb->cb[0] after a frame was refused: the reason, and whether it passes all
 * the same. For who runs a guard on a frame of his own; nobody else looks.
 */
#define CLO_CB_DROP(cb) ((cb)&0xffffU) /* enum clo_drop */
#define CLO_CB_PASSES(cb) ((cb) >> 17 & 1U)

enum clo_port_kind {
	CLO_PORT_NONE,
	CLO_PORT_TAP, /* of one endpoint */
	CLO_PORT_UPLINK, /* of one segment, to other nodes */
};

/* What becomes of a verdict. The strictest that the policy names wins. */
enum clo_mode {
	CLO_MODE_ENFORCE,
	CLO_MODE_AUDIT, /* judged, counted and logged, but all passes */
	CLO_MODE_QUARANTINE, /* only what forensic addresses open */
};

#define CLO_PORT_LIMIT_FROM 1U /* traffic from the guest has a limit */
#define CLO_PORT_LIMIT_TO 2U /* traffic to the guest has a limit */
#define CLO_PORT_ANSWER 4U /* the guard answers ARP and ND for neighbours */

/*
 * Map clo_ports, index: ifindex below CLO_PORTS_NEAR; the rest are in the hash
 * clo_ports_far. An interface without an entry (kind NONE) drops all.
 */
struct clo_port {
	__u32 endpoint; /* TAP */
	__u32 space;
	__u32 segment;
	__u8 mac[6]; /* TAP */
	__u8 kind; /* enum clo_port_kind; written last */
	__u8 mode; /* enum clo_mode */
	__u32 slot; /* of clo_meters; 0 is nobody's */
	__u32 flags; /* CLO_PORT_* */
	__u32 reserved;
};

#define CLO_PORTS_NEAR 65536U
_Static_assert(sizeof(struct clo_port) == 32, "struct clo_port is ABI");

/*
 * A limit as the time at which what was sent so far is paid for (GCRA, ITU-T
 * I.371): each unit adds `cost`, and a unit passes while that time is at most
 * `burst` ahead of now. cost 0: no limit.
 */
struct clo_bucket {
	__u64 paid; /* coarse monotonic nanoseconds; the datapath writes it */
	__u64 cost; /* of one unit, in 1/1024 ns */
	__u64 burst; /* ns */
};

enum clo_bucket_kind {
	CLO_BUCKET_BYTES_FROM, /* unit: byte of a frame */
	CLO_BUCKET_PACKETS_FROM,
	CLO_BUCKET_BYTES_TO,
	CLO_BUCKET_PACKETS_TO,
	CLO_BUCKET_FLOWS, /* new flows that the endpoint opens or receives */
	CLO_BUCKET_MULTICAST, /* multicast and broadcast from the guest */
	CLO_BUCKET_EVENTS, /* entries of clo_events */
	CLO_BUCKET_COUNT,
};

/* Map clo_meters, index: clo_port.slot. */
struct clo_meter {
	struct clo_bucket bucket[CLO_BUCKET_COUNT];
	__u64 unsent; /* events that the limit or a full ring left out */
};

#define CLO_METERS 8192U
_Static_assert(sizeof(struct clo_meter) == 176, "struct clo_meter is ABI");

/*
 * Map clo_accounts: who may track how many flows. A flow is charged to the
 * endpoint that opened it (from outside: to the endpoint that it reached) and
 * to each account above. Without an account: refused.
 */
#define CLO_ACCOUNT_SCOPE (1ULL << 32) /* | the agent's number of the scope */
#define CLO_ACCOUNT_TENANT (2ULL << 32) /* | the agent's number of the tenant */
#define CLO_ACCOUNT_LEVELS 3

struct clo_account {
	__u64 parent; /* key of the account above; 0: none */
	__u32 limit;
	__u32 used;
	__u32 pressure; /* flows that began above 7/8 of the limit */
	__u32 refused; /* flows that did not begin */
};

_Static_assert(sizeof(struct clo_account) == 24, "struct clo_account is ABI");

/* Map clo_local: endpoint (__u32) -> ifindex (__u32) of its guarded tap. */

/* Context of program clo_account: make the account, or change its limit. */
struct clo_account_args {
	__u64 key;
	__u64 parent;
	__u32 limit;
	__u32 reserved;
};

/*
 * Context of program clo_clock: from now on the datapath's clock is made of
 * jiffies, which cost it nothing. It is CLOCK_MONOTONIC_COARSE to within some
 * ticks. Nothing was changed if it returns -EAGAIN.
 */
struct clo_clock_args {
	__u32 tick; /* in: ns, the resolution of CLOCK_MONOTONIC_COARSE */
	__u32 reserved;
};

/* Context of program clo_sweep: it ends every flow that has timed out. */
struct clo_sweep_args {
	__u64 now; /* in: CLOCK_MONOTONIC_COARSE, ns */
	__u64 live; /* out */
	__u64 ended; /* out */
};

/*
 * Context of program clo_revoke: end one flow that was last allowed before
 * `epoch`, as the agent found that the tables of now do not allow it.
 */
struct clo_revoke_args {
	__u64 now; /* as of clo_sweep */
	__u64 epoch;
	__u32 family; /* 4 or 6: which key, at the beginning of `key` */
	__u32 removed; /* out: 1: it was, 0: it is gone, or allowed anew */
	__u8 key[40];
};

_Static_assert(sizeof(struct clo_revoke_args) == 64,
	       "struct clo_revoke_args is ABI");

/*
 * Programs clo_enumerate_pairs and clo_enumerate_slots run the guards' own
 * decision (ebpf/lib/judge.h) on the tables in force, as far as one page of
 * answers goes, and say where to go on. Map clo_enumerated, key 0, is the page.
 */
#define CLO_ENUMERATE_MAX 65536U

struct clo_enumerated {
	/*
	 * Of slots: drop | class << 16 | rule << 32. Of pairs: `words` words of
	 * each that has `allowed` set, one after the other: bit = class.
	 */
	__u64 word[CLO_ENUMERATE_MAX];
	__u8 allowed[CLO_ENUMERATE_MAX]; /* 0: no class of that pair is */
};

struct clo_enumerate_args {
	__u64 epoch; /* out: of the tables that were judged */
	/* Of slots: the pair. Of pairs: the first; out: the next. */
	__u32 src;
	__u32 dst;
	__u32 identities; /* pairs: sources and destinations below this */
	__u32 words; /* out: of a row; pairs */
	__u32 first; /* slots */
	__u32 n; /* out: answers in the page */
};

_Static_assert(sizeof(struct clo_enumerate_args) == 32,
	       "struct clo_enumerate_args is ABI");

/*
 * Map clo_live, key 0. An apply flips the epoch, by one store; 0 = no policy.
 * Until `pickup` (coarse monotonic nanoseconds) a packet in mid-flow that the
 * tables allow begins a flow: for the moment in which connections move from
 * one table to another.
 */
struct clo_live {
	__u64 epoch;
	__u64 pickup;
	__u32 capture; /* bytes of a dropped frame that its event carries */
	__u32 tick; /* ns of a jiffy; 0: program clo_clock has not run yet */
	__u64 clock; /* coarse monotonic nanoseconds less jiffies * tick */
};

_Static_assert(sizeof(struct clo_live) == 32, "struct clo_live is ABI");

/* Map clo_gens, key: slot. Describes the tables of that slot. */
struct clo_gen {
	__u64 epoch;
	__u32 classes; /* service classes, numbered 0 to classes - 1 */
	__u32 words; /* 64-bit words in one row: ceil(classes / 64) */
	__u32 identities; /* identity 0 is "none": 1 to identities - 1 */
	__u32 rules; /* rule 0 is "none": 1 to rules - 1 */
	__u32 n[CLO_TABLE_COUNT]; /* entries; a map may have room for more */
	__u8 policy_digest[32]; /* SHA-256 of the documents, canonical */
	__u8 tables_digest[32]; /* SHA-256 over the tables */
};

_Static_assert(sizeof(struct clo_gen) == 128, "struct clo_gen is ABI");

/*
 * Outer map clo_hits, slots as the tables; inner array, index = rule. Packets
 * and bytes are added when a flow ends.
 */
struct clo_hits {
	__u64 flows;
	__u64 packets;
	__u64 bytes;
};

/* Map clo_drops, per CPU, value __u64. ifindex 0: no room for the key. */
struct clo_drop_key {
	__u32 ifindex;
	__u16 reason;
	__u8 to_guest; /* 0: coming from the guest or wire, 1: going there */
	__u8 passed; /* audit mode: it would have been dropped */
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
	CLO_CONN_HALF_CLOSED, /* TCP: one side sent FIN; SCTP: SHUTDOWN */
	CLO_CONN_CLOSED, /* TCP: both did; SCTP: complete */
	CLO_CONN_RESET, /* TCP: RST, SCTP: ABORT; alive again if it is */
};

/* Side 0 is lo's, side 1 hi's. Plain stores: counts may lose under a race. */
struct clo_conn {
	__u64 epoch; /* of the policy that allowed it last */
	__u64 seen; /* coarse monotonic nanoseconds, last packet */
	__u32 endpoint[2]; /* 0 = outside */
	__u32 ifindex[2]; /* guarded interface each side was seen on; 0: none */
	__u32 rule; /* rule index in that epoch */
	__u8 initiator; /* side */
	__u8 state; /* enum clo_conn_state */
	__u8 fin; /* TCP: bit of each side that sent FIN */
	__u8 picked; /* began in mid-flow: sequence numbers unknown */
	__u32 next[2]; /* TCP: behind the last byte that the side sent */
	__u32 ack[2]; /* TCP: what the side has acknowledged */
	__u64 opened; /* coarse monotonic nanoseconds */
	__u64 packets[2];
	__u64 bytes[2]; /* of frames */
};

_Static_assert(sizeof(struct clo_conn) == 96, "struct clo_conn is ABI");

/* Map clo_events, a ring buffer of these, each with `captured` bytes after. */
enum clo_event_kind {
	CLO_EVENT_NEW,
	CLO_EVENT_DENIED,
	CLO_EVENT_ENDED,
};

#define CLO_CAPTURE_MAX 256U

struct clo_event {
	__u64 time; /* coarse monotonic nanoseconds */
	__u64 epoch;
	__u32 ifindex;
	__u32 endpoint[2]; /* source's, destination's; 0: outside or unknown */
	__u32 rule; /* that allowed it; 0: none */
	__u8 kind; /* enum clo_event_kind */
	__u8 to_guest;
	__u8 passed; /* DENIED in audit mode */
	__u8 family; /* 4 or 6; 0: no IP, or not read that far */
	__u16 reason; /* enum clo_drop */
	__u8 proto;
	__u8 type; /* ICMP */
	__u8 src[16]; /* IPv4 in the first bytes */
	__u8 dst[16];
	__u8 src_mac[6];
	__u8 dst_mac[6];
	__u16 sport; /* network order */
	__u16 dport;
	__u16 ethertype; /* host order */
	__u16 captured; /* bytes of the frame behind this */
	__u32 len; /* of the frame */
	__u32 reserved;
	/* ENDED; of the initiator, of the other side */
	__u64 opened;
	__u64 packets[2];
	__u64 bytes[2];
};

_Static_assert(sizeof(struct clo_event) == 144, "struct clo_event is ABI");
