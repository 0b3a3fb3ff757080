/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>

#include "agent/core/kind.h"

#define NEVER CLO_KIND_NEVER
#define JUDGED CLO_KIND_JUDGED
#define ASKED CLO_KIND_ASKED
#define PASS CLO_DROP_NONE
#define DROP(reason) CLO_DROP_##reason
/* The same whoever sends it. */
#define EACH(reason)                                                           \
	{                                                                      \
		reason, reason, reason                                         \
	}
#define FROM(reason)                                                           \
	{                                                                      \
		reason, NEVER, NEVER                                           \
	}
#define ONLY_TO(reason)                                                        \
	{                                                                      \
		NEVER, reason, NEVER                                           \
	}
#define TAP(from, to)                                                          \
	{                                                                      \
		from, to, NEVER                                                \
	}

static const struct clo_kind_vector vectors[] = {
	{"unknown ethertype", "net.default-deny", CLO_BASE_ETHER, 0x88b5, 0,
	 EACH(DROP(ETHERTYPE))},
	{"LLDP", "net.default-deny", CLO_BASE_ETHER, 0x88cc, 0,
	 EACH(DROP(ETHERTYPE))},
	{"RARP", "net.default-deny", CLO_BASE_ETHER, 0x8035, 0,
	 EACH(DROP(ETHERTYPE))},
	{"MPLS", "net.default-deny", CLO_BASE_ETHER, 0x8847, 0,
	 EACH(DROP(ETHERTYPE))},
	{"MPLS multicast", "net.default-deny", CLO_BASE_ETHER, 0x8848, 0,
	 EACH(DROP(ETHERTYPE))},
	{"PPPoE discovery", "net.default-deny", CLO_BASE_ETHER, 0x8863, 0,
	 EACH(DROP(ETHERTYPE))},
	{"PPPoE session", "net.default-deny", CLO_BASE_ETHER, 0x8864, 0,
	 EACH(DROP(ETHERTYPE))},
	{"EAPOL", "net.default-deny", CLO_BASE_ETHER, 0x888e, 0,
	 EACH(DROP(ETHERTYPE))},
	{"MACsec", "net.default-deny", CLO_BASE_ETHER, 0x88e5, 0,
	 EACH(DROP(ETHERTYPE))},
	{"flow control", "net.default-deny", CLO_BASE_ETHER, 0x8808, 0,
	 EACH(DROP(ETHERTYPE))},
	{"LACP", "net.default-deny", CLO_BASE_ETHER, 0x8809, 0,
	 EACH(DROP(ETHERTYPE))},
	{"wake-on-LAN", "net.default-deny", CLO_BASE_ETHER, 0x842, 0,
	 EACH(DROP(ETHERTYPE))},
	{"PTP", "net.default-deny", CLO_BASE_ETHER, 0x88f7, 0,
	 EACH(DROP(ETHERTYPE))},
	{"FCoE", "net.default-deny", CLO_BASE_ETHER, 0x8906, 0,
	 EACH(DROP(ETHERTYPE))},
	{"AoE", "net.default-deny", CLO_BASE_ETHER, 0x88a2, 0,
	 EACH(DROP(ETHERTYPE))},
	{"RoCE", "net.default-deny", CLO_BASE_ETHER, 0x8915, 0,
	 EACH(DROP(ETHERTYPE))},
	{"TRILL", "net.default-deny", CLO_BASE_ETHER, 0x22f3, 0,
	 EACH(DROP(ETHERTYPE))},
	{"Ethernet in Ethernet", "net.default-deny", CLO_BASE_ETHER, 0x6558, 0,
	 EACH(DROP(ETHERTYPE))},
	{"ethertype ffff", "net.default-deny", CLO_BASE_ETHER, 0xffff, 0,
	 EACH(DROP(ETHERTYPE))},
	{"LLC frame", "net.default-deny", CLO_BASE_ETHER, 46, 0,
	 EACH(DROP(LLC)), .patch = {{14, 0xf0}, {15, 0xf0}, {16, 0x03}}},
	{"SNAP frame", "net.default-deny", CLO_BASE_ETHER, 46, 0,
	 EACH(DROP(LLC)), .patch = {{14, 0xaa}, {15, 0xaa}, {16, 0x03}}},
	{"spanning tree", "net.default-deny", CLO_BASE_ETHER, 38, 0,
	 EACH(DROP(LLC)), .patch = {{14, 0x42}, {15, 0x42}, {16, 0x03}}},
	{"raw IEEE 802.3", "net.default-deny", CLO_BASE_ETHER, 46, 0,
	 EACH(DROP(LLC)), .patch = {{14, 0xff}, {15, 0xff}}},
	{"length of 0", "net.default-deny", CLO_BASE_ETHER, 0, 0,
	 EACH(DROP(LLC))},
	{"VLAN tag", "net.no-bypass-path", CLO_BASE_ETHER, 0x8100, 0,
	 EACH(DROP(VLAN)), .patch = {{15, 0x07}, {16, 0x08}}},
	{"priority tag", "net.no-bypass-path", CLO_BASE_ETHER, 0x8100, 0,
	 EACH(DROP(VLAN)), .patch = {{14, 0xe0}, {16, 0x08}}},
	{"VLAN tags, depth 2", "net.no-bypass-path", CLO_BASE_ETHER, 0x8100, 0,
	 EACH(DROP(VLAN)),
	 .patch = {{15, 0x07}, {16, 0x81}, {19, 0x08}, {20, 0x08}}},
	{"provider VLAN tag", "net.no-bypass-path", CLO_BASE_ETHER, 0x88a8, 0,
	 EACH(DROP(VLAN)), .patch = {{15, 0x07}, {16, 0x08}}},
	{"provider VLAN tags, depth 2", "net.no-bypass-path", CLO_BASE_ETHER,
	 0x88a8, 0, EACH(DROP(VLAN)),
	 .patch = {{15, 0x07}, {16, 0x81}, {19, 0x08}, {20, 0x08}}},
	{"old provider VLAN tag", "net.no-bypass-path", CLO_BASE_ETHER, 0x9100,
	 0, EACH(DROP(VLAN)), .patch = {{15, 0x07}, {16, 0x08}}},
	{"foreign MAC", "spoof.source-binding", CLO_BASE_ARP, 1, 0,
	 FROM(DROP(SPOOFED_MAC)), .patch = {{11, 0x67}, {10, 0x67}}},
	{"frame for another MAC", "net.default-deny", CLO_BASE_ARP, 1, 0,
	 ONLY_TO(DROP(NOT_FOR_ENDPOINT)), .patch = {{4, 0xde}, {5, 0xad}}},
	{"ARP request", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, CLO_ARP_PLAIN,
	 EACH(PASS)},
	{"ARP reply", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 2, CLO_ARP_PLAIN,
	 EACH(PASS)},
	{"gratuitous ARP", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 2, CLO_ARP_OWN,
	 FROM(PASS)},
	{"ARP probe", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, CLO_ARP_PROBE,
	 FROM(PASS)},
	{"ARP probe of another's address", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1,
	 CLO_ARP_NOBODY, FROM(DROP(SPOOFED_ARP))},
	{"ARP with a foreign sender", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 2,
	 CLO_ARP_PLAIN, FROM(DROP(SPOOFED_ARP)),
	 .patch = {{28, 0xcb}, {29, 0x00}, {30, 0x71}, {31, 0x63}}},
	{"ARP with a foreign sender MAC", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1,
	 CLO_ARP_PLAIN, FROM(DROP(SPOOFED_ARP)),
	 .patch = {{26, 0xee}, {27, 0xee}}},
	{"ARP with the receiver's address", "spoof.arp-nd-dhcp", CLO_BASE_ARP,
	 2, CLO_ARP_THEIRS, EACH(DROP(SPOOFED_ARP))},
	{"ARP of another operation", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 3, 0,
	 EACH(DROP(ARP_KIND))},
	{"ARP of another network", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, 0,
	 EACH(DROP(ARP_KIND)), .patch = {{15, 0x06}}},
	{"ARP with long addresses", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, 0,
	 EACH(DROP(ARP_KIND)), .patch = {{18, 0x08}}},
	{"ARP to a multicast MAC", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, 0,
	 EACH(DROP(MULTICAST)), .patch = {{0, 0x01}}},
	{"ARP cut off", "spoof.arp-nd-dhcp", CLO_BASE_ARP, 1, 0,
	 EACH(DROP(RUNT)), .cut = 41},
};

const struct clo_kind_table clo_kinds_link = {vectors, CLO_ARRAY_LEN(vectors)};

const struct clo_kind_gap clo_kind_gaps[] = {
	{"fragments that overlap",
	 "need a datagram that may begin, which would open a flow"},
	{"ICMP error about a flow of its own",
	 "needs a flow that is under way"},
	{"frame longer than a page",
	 "the kernel runs no program on one; its jumbo stands for it"},
};
const size_t clo_kind_gaps_count = CLO_ARRAY_LEN(clo_kind_gaps);
