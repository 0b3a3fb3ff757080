/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>

#include "agent/base/auto.h"
#include "bpf/cases.h"

#define OUTSIDE (CLO_MARK_OUTSIDE | 11)
#define GROUP (CLO_MARK_GROUP | 11)
#define FOR(endpoint) (CLO_MARK_ENDPOINT | (endpoint))
#define TO .to_guest = 1

static const struct step windows[] = {
	{"web opens", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, SYN)},
	 .mark = FOR(102), .rule = 1},
	{"an answer to another SYN", DB,
	 .frame = {TCP(4, DB, WEB, 5432, 1, SYN | ACK), .ack = 900},
	 .drop = CLO_DROP_WINDOW},
	{"a reset of another SYN", DB,
	 .frame = {TCP(4, DB, WEB, 5432, 1, RST | ACK), .ack = 900},
	 .drop = CLO_DROP_WINDOW},
	{"a bare reset", DB, .frame = {TCP(4, DB, WEB, 5432, 1, RST)},
	 .drop = CLO_DROP_WINDOW},
	{"db answers", DB, .frame = {TCP(4, DB, WEB, 5432, 1, SYN | ACK)},
	 .mark = FOR(101), .rule = 1},
	{"web sends", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK), .payload = 100},
	 .mark = FOR(102), .rule = 1},
	{"a reset before the window", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, RST), .seq = 1000},
	 .drop = CLO_DROP_WINDOW},
	{"a reset behind it", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, RST), .seq = 1102},
	 .drop = CLO_DROP_WINDOW},
	{"and far away", DB,
	 .frame = {TCP(4, DB, WEB, 5432, 1, RST), .seq = 0x80000000},
	 .drop = CLO_DROP_WINDOW},
	{"the flow lives", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, ACK)},
	 .mark = FOR(102), .rule = 1},
	{"a reset that fits", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, RST), .seq = 1101},
	 .mark = FOR(102), .rule = 1},
	{"db did not believe it", DB,
	 .frame = {TCP(4, DB, WEB, 5432, 1, ACK), .ack = 1101},
	 .mark = FOR(101), .rule = 1},
	{"so a SYN does not begin anew", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}, .mark = FOR(102), .rule = 1},
	{"an error about what is under way", DB,
	 .frame = {QUOTE(4, DB, WEB, 3, DB, IPPROTO_TCP, 1, 5432), .seq = 1101,
		   .flags = ACK},
	 .mark = FOR(101), .rule = 1},
	{"an error about what never was", DB,
	 .frame = {QUOTE(4, DB, WEB, 3, DB, IPPROTO_TCP, 1, 5432),
		   .seq = 0x40000000, .flags = ACK},
	 .drop = CLO_DROP_WINDOW},
};

/* Of UDP: 16 bytes and the payload, in units of 8. */
#define BIG(fam, from, to, sp, dp) UDP(fam, from, to, sp, dp), .payload = 240

static const struct frame_extra router_alert = {.len = 4,
						.bytes = {148, 4, 0, 0}};

static const struct step fragments[] = {
	{"a first fragment", DB,
	 .frame = {BIG(4, DB, WEB, 53, 53), PART(0, 1, 1)}, .mark = FOR(101),
	 .rule = 3},
	{"the second", DB, .frame = {BIG(4, DB, WEB, 9, 9), PART(32, 1, 1)},
	 .mark = FOR(101), .rule = 3},
	{"the second again", DB,
	 .frame = {BIG(4, DB, WEB, 9, 9), PART(32, 1, 1)},
	 .drop = CLO_DROP_FRAGMENT_OVERLAP},
	{"then nothing of it", DB,
	 .frame = {BIG(4, DB, WEB, 9, 9), PART(64, 0, 1)},
	 .drop = CLO_DROP_FRAGMENT_OVERLAP},
	{"a later one before its first, of a pair that fragments", DB,
	 .frame = {BIG(4, DB, WEB, 9, 9), PART(64, 0, 2)}, .mark = FOR(101),
	 .rule = 3},
	{"the one before", DB, .frame = {BIG(4, DB, WEB, 9, 9), PART(32, 1, 2)},
	 .mark = FOR(101), .rule = 3},
	{"its first", DB, .frame = {BIG(4, DB, WEB, 53, 53), PART(0, 1, 2)},
	 .mark = FOR(101), .rule = 3},
	{"beyond its end", DB, .frame = {BIG(4, DB, WEB, 9, 9), PART(96, 0, 2)},
	 .drop = CLO_DROP_FRAGMENT_OVERLAP},
	{"overlapping by half", DB,
	 .frame = {BIG(4, DB, WEB, 53, 53), PART(0, 1, 3)}, .mark = FOR(101),
	 .rule = 3},
	{"here", DB, .frame = {BIG(4, DB, WEB, 9, 9), PART(16, 1, 3)},
	 .drop = CLO_DROP_FRAGMENT_OVERLAP},
	{"of a flow without a rule", DB,
	 .frame = {BIG(4, DB, WEB, 7, 7), PART(0, 1, 4)},
	 .drop = CLO_DROP_PROTOCOL},
	{"of a pair that never fragmented", WEB,
	 .frame = {BIG(4, WEB, PARTNER, 9, 9), PART(32, 0, 1)},
	 .drop = CLO_DROP_FRAGMENT},
	{"with an option", WEB,
	 .frame = {BIG(4, WEB, PARTNER, 9, 5000), PART(0, 1, 9),
		   .extra = &router_alert},
	 .mark = OUTSIDE, .rule = 6},
	{"and on", WEB, .frame = {BIG(4, WEB, PARTNER, 1, 1), PART(32, 0, 9)},
	 .mark = OUTSIDE, .rule = 6},
	{"from outside", WEB, TO,
	 .frame = {BIG(4, PARTNER, WEB, 5000, 9), PART(0, 1, 9)}, .rule = 6},
	{"and on from outside", WEB, TO,
	 .frame = {BIG(4, PARTNER, WEB, 1, 1), PART(32, 0, 9)}, .rule = 6},
	{"IPv6", WEB, .frame = {BIG(6, WEB, PARTNER, 9, 5000), PART(0, 1, 7)},
	 .mark = OUTSIDE, .rule = 6},
	{"IPv6 second", WEB,
	 .frame = {BIG(6, WEB, PARTNER, 1, 1), PART(32, 0, 7)}, .mark = OUTSIDE,
	 .rule = 6},
	{"IPv6 alone", DB, .frame = {BIG(6, DB, WEB, 1, 1), PART(32, 0, 7)},
	 .drop = CLO_DROP_FRAGMENT},
	{"with another's source", DB,
	 .frame = {BIG(4, DB, WEB, 53, 53), PART(0, 1, 5), .patch = {{29, 9}}},
	 .drop = CLO_DROP_SPOOFED_ADDRESS},
};

static const struct step servers[] = {
	{"web asks for an address", WEB, .frame = {DHCP_ASK(4, WEB, NET, 1, 1)},
	 .mark = OUTSIDE, .rule = 8},
	{"db has no rule for it", DB, .frame = {DHCP_ASK(4, DB, NET, 1, 1)},
	 .drop = CLO_DROP_POLICY},
	{"nor has tenant 2 a server", WEB2,
	 .frame = {DHCP_ASK(4, WEB2, NET, 1, 1)}, .drop = CLO_DROP_MULTICAST},
	{"for another's MAC", WEB,
	 .frame = {DHCP_ASK(4, WEB, NET, 1, 1), .patch = {{75, 9}}},
	 .drop = CLO_DROP_DHCP},
	{"the server offers", WEB, TO, .frame = {DHCP_TELL(4, NET, WEB, 2, 1)},
	 .rule = 8},
	{"another's address", WEB, TO,
	 .frame = {DHCP_TELL(4, NET, WEB, 2, 1), .patch = {{61, 9}}},
	 .drop = CLO_DROP_DHCP},
	{"a partner offers", WEB, TO,
	 .frame = {DHCP_TELL(4, PARTNER, WEB, 2, 1)}, .drop = CLO_DROP_DHCP},
	{"web is no server", WEB, .frame = {DHCP_TELL(4, WEB, DB, 2, 1)},
	 .drop = CLO_DROP_DHCP},
	{"web renews", WEB, .frame = {DHCP_ASK(4, WEB, NET, 1, 0)},
	 .mark = OUTSIDE, .rule = 8},
	{"DHCPv6", WEB, .frame = {DHCP_ASK(6, WEB, NET, 1, 1)}, .mark = OUTSIDE,
	 .rule = 8},
	{"DHCPv6 answered", WEB, TO, .frame = {DHCP_TELL(6, NET, WEB, 7, 0)},
	 .rule = 8},
	{"DHCPv6 server message", WEB, .frame = {DHCP_ASK(6, WEB, NET, 7, 1)},
	 .drop = CLO_DROP_DHCP},
};

/* 239.1.2.3 and its MAC; the end of the frame, so that it is read as IP. */
#define DECLARED4 .patch = {{30, 239}, {31, 1}, {32, 2}, {33, 3}}

static const struct step groups[] = {
	{"an undeclared group", WEB,
	 .frame = {UDP(4, WEB, DB, 5, 5), .broadcast = 1,
		   .patch = {{30, 239}, {31, 1}, {32, 2}, {33, 4}}},
	 .drop = CLO_DROP_MULTICAST},
	{"a declared group in a broadcast", WEB,
	 .frame = {UDP(4, WEB, DB, 5, 5), .broadcast = 1, DECLARED4},
	 .drop = CLO_DROP_MALFORMED},
	{"a group of another segment", FAR,
	 .frame = {UDP(4, FAR, WEB, 5, 5), .broadcast = 1, DECLARED4},
	 .drop = CLO_DROP_MULTICAST},
	{"TCP to a group", WEB,
	 .frame = {TCP(4, WEB, DB, 5, 5, SYN), .broadcast = 1, DECLARED4},
	 .drop = CLO_DROP_MULTICAST},
	{"a group's frame for the segment", DB, TO, .mark_in = GROUP,
	 .frame = {UDP(4, WEB, DB, 5, 5), .broadcast = 1, DECLARED4}},
	{"not for one address", DB, TO, .mark_in = GROUP,
	 .frame = {UDP(4, WEB, DB, 5, 5)}, .drop = CLO_DROP_NOT_FOR_ENDPOINT},
	{"not for another segment", FAR, TO, .mark_in = GROUP,
	 .frame = {UDP(4, WEB, DB, 5, 5), .broadcast = 1, DECLARED4},
	 .drop = CLO_DROP_NOT_FOR_ENDPOINT},
	{"LLC", WEB,
	 .frame = {UDP(4, WEB, DB, 5, 5), .patch = {{12, 1}, {13, 0x11}}},
	 .drop = CLO_DROP_LLC},
};

#define SHUT .mode = CLO_MODE_QUARANTINE

static const struct step quarantine[] = {
	{"a flow from before", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, SYN)},
	 .mark = FOR(102), .rule = 1},
	{"ends", WEB, SHUT, .frame = {TCP(4, WEB, DB, 1, 5432, ACK)},
	 .drop = CLO_DROP_QUARANTINE},
	{"what a neighbour approved", WEB, SHUT, TO, .mark_in = FOR(101),
	 .frame = {TCP(4, DB, WEB, 9, 80, SYN)}, .drop = CLO_DROP_QUARANTINE},
	{"a rule from outside", WEB, SHUT, TO,
	 .frame = {TCP(4, NET, WEB, 5, 80, SYN)}, .drop = CLO_DROP_QUARANTINE},
	{"a forensic host", WEB, SHUT, TO,
	 .frame = {TCP(4, PARTNER, WEB, 5, 22, SYN)}},
	{"is answered", WEB, SHUT,
	 .frame = {TCP(4, WEB, PARTNER, 22, 5, SYN | ACK)}, .mark = OUTSIDE},
	{"and not called", WEB, SHUT, .frame = {UDP(4, WEB, PARTNER, 9, 5000)},
	 .drop = CLO_DROP_QUARANTINE},
	{"ARP", WEB, SHUT, .frame = {ARP(WEB, NET, 1)}, .mark = OUTSIDE},
	{"DHCP", WEB, SHUT, .frame = {DHCP_ASK(4, WEB, NET, 1, 1)},
	 .drop = CLO_DROP_QUARANTINE},
};

#define SCRIPT(name)                                                           \
	const struct script script_##name = {#name, name, CLO_ARRAY_LEN(name)}

SCRIPT(windows);
SCRIPT(fragments);
SCRIPT(servers);
SCRIPT(groups);
SCRIPT(quarantine);
