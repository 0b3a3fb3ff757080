/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/framed.h"

struct form {
	const char *what;
	struct frame_spec spec;
	int kind; /* of what is accepted, */
	enum clo_drop drop; /* or why it is not */
};

static const struct form accepted[] = {
	{"TCP", {TCP4}, CLO_FRAME_FLOW},
	{"TCP 6", {TCP6}, CLO_FRAME_FLOW},
	{"UDP", {UDP4}, CLO_FRAME_FLOW},
	{"UDP 6", {UDP6}, CLO_FRAME_FLOW},
	{"relay", {UDP(4, WEB, DB, 67, 67)}, CLO_FRAME_FLOW},
	{"INIT", {SCTP(4, WEB, DB, 1, 9, 1)}, CLO_FRAME_FLOW},
	{"SCTP data", {SCTP(6, WEB, DB, 1, 9, 0)}, CLO_FRAME_FLOW},
	{"ABORT without a tag",
	 {SCTP(4, WEB, DB, 1, 9, 6), .patch = {{41, 0}}},
	 CLO_FRAME_FLOW},
	{"ping", {PING4(WEB, DB, 8, 1)}, CLO_FRAME_FLOW},
	{"pong", {PING4(WEB, DB, 0, 1)}, CLO_FRAME_FLOW},
	{"pong 6", {PING6(WEB, DB, 129, 1)}, CLO_FRAME_FLOW},
	{"error", {ERROR4}, CLO_FRAME_ERROR},
	{"error 6", {ERROR6}, CLO_FRAME_ERROR},
	{"timestamp", {PING4(WEB, DB, 13, 1)}, CLO_FRAME_MESSAGE},
	{"ICMPv6 150", {PING6(WEB, DB, 150, 1)}, CLO_FRAME_MESSAGE},
	{"GRE", {PROTO(4, WEB, DB, 47)}, CLO_FRAME_FLOW},
	{"AH 6", {PROTO(6, WEB, DB, 51)}, CLO_FRAME_FLOW},
	{"ESP 6", {PROTO(6, WEB, DB, 50)}, CLO_FRAME_FLOW},
	{"no next header", {PROTO(6, WEB, DB, 59)}, CLO_FRAME_FLOW},
	{"ARP", {ARP(WEB, DB, 1)}, CLO_FRAME_ARP},
	{"solicitation", {SOLICIT(WEB, DB, 0)}, CLO_FRAME_SOLICIT},
	{"advertisement", {ADVERTISE(WEB, DB, 0)}, CLO_FRAME_ADVERTISE},
	{"RS", {ROUTER(WEB, 133)}, CLO_FRAME_ROUTER},
	{"RA", {ROUTER(NET, 134)}, CLO_FRAME_ROUTER},
	{"IGMPv1", {MEMBER(4, WEB, 0x12)}, CLO_FRAME_MEMBER},
	{"IGMPv2", {MEMBER(4, WEB, 0x16)}, CLO_FRAME_MEMBER},
	{"leave", {MEMBER(4, WEB, 0x17)}, CLO_FRAME_MEMBER},
	{"IGMPv3, router alert",
	 {MEMBER(4, WEB, 0x22), .extra = OPTIONS(4, 148, 4, 0, 0)},
	 CLO_FRAME_MEMBER},
	{"MLD report", {MEMBER(6, WEB, 131)}, CLO_FRAME_MEMBER},
	{"MLD done", {MEMBER(6, WEB, 132)}, CLO_FRAME_MEMBER},
	{"MLDv2", {MEMBER(6, WEB, 143)}, CLO_FRAME_MEMBER},
	{"discover", {DHCP_ASK(4, WEB, NET, 1, 1)}, CLO_FRAME_DHCP},
	{"offer", {DHCP_TELL(4, NET, WEB, 2, 0)}, CLO_FRAME_DHCP},
	{"DHCP behind options",
	 {DHCP_ASK(4, WEB, NET, 1, 1), .extra = OPTIONS(40, 1, 1)},
	 CLO_FRAME_DHCP},
	{"DHCPv6", {DHCP_ASK(6, WEB, NET, 3, 1)}, CLO_FRAME_DHCP},
	{"DHCPv6 reply", {DHCP_TELL(6, NET, WEB, 7, 0)}, CLO_FRAME_DHCP},

	{"record route, NOP",
	 {TCP4, .extra = OPTIONS(8, 7, 7, 4, 0, 0, 0, 0, 1)},
	 CLO_FRAME_FLOW},
	{"IP timestamp",
	 {UDP4, .extra = OPTIONS(4, 68, 4, 5, 0)},
	 CLO_FRAME_FLOW},
	{"40 NOPs",
	 {PING4(WEB, DB, 8, 1),
	  .extra = OPTIONS(40, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			   1, 1, 1, 1, 1, 1)},
	 CLO_FRAME_FLOW},
	{"what follows the end of the list",
	 {TCP4, .extra = OPTIONS(4, 0, 131, 9, 9)},
	 CLO_FRAME_FLOW},
	{"error behind options",
	 {ERROR4, .extra = OPTIONS(4, 1, 1, 1)},
	 CLO_FRAME_ERROR},
	{"router alert 6", {UDP6, .extra = ALERT}, CLO_FRAME_FLOW},
	{"destination options", {TCP6, .extra = PADDED}, CLO_FRAME_FLOW},
	{"tunnel limit",
	 {TCP6, .extra = HEADER(60, 8, 0, 4, 1, 4, 1, 1)},
	 CLO_FRAME_FLOW},
	{"eight paddings",
	 {TCP6, .extra = HEADER(60, 16, 1, 0, 0, 0, 0, 0, 0, 0, 1, 5)},
	 CLO_FRAME_FLOW},
	{"both, in order",
	 {TCP6, .extra = EXTRA(.first = 0, .last = 8, .len = 16,
			       .bytes = {60, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4})},
	 CLO_FRAME_FLOW},
	{"error behind extensions", {ERROR6, .extra = PADDED}, CLO_FRAME_ERROR},
	{"a fragment header around a whole",
	 {TCP6, PART(0, 0, 9)},
	 CLO_FRAME_FLOW},
	{"and options behind it",
	 {TCP6, .extra = EXTRA(.first = 44, .last = 8, .len = 16,
			       .bytes = {60, 0, 0, 0, 0, 0, 0, 9, 0, 0, 1, 4})},
	 CLO_FRAME_FLOW},

	{"first", {UDP4, PART(0, 1, 9), .payload = 240}, CLO_FRAME_FLOW},
	{"first 6", {UDP6, PART(0, 1, 9), .payload = 240}, CLO_FRAME_FLOW},
	{"first of TCP", {TCP4, PART(0, 1, 9), .payload = 244}, CLO_FRAME_FLOW},
	{"first of INIT",
	 {SCTP(4, WEB, DB, 1, 9, 1), PART(0, 1, 9), .payload = 240},
	 CLO_FRAME_FLOW},
	{"longer than its first",
	 {UDP4, PART(0, 1, 9), .payload = 240, .patch = {{38, 9}}},
	 CLO_FRAME_FLOW},
	{"do not fragment",
	 {UDP4, PART(0, 1, 9), .payload = 240, .patch = {{20, 0x60}}},
	 CLO_FRAME_FLOW},
	{"later", {UDP4, PART(1, 1, 9), .payload = 240}, CLO_FRAME_FLOW},
	{"last", {UDP6, PART(3, 0, 9)}, CLO_FRAME_FLOW},
	{"last of TCP", {TCP4, PART(3, 0, 9)}, CLO_FRAME_FLOW},
	{"large ping",
	 {PING4(WEB, DB, 8, 1), PART(0, 1, 9), .payload = 240},
	 CLO_FRAME_FLOW},
	{"rest of it", {PING6(WEB, DB, 8, 1), PART(300, 0, 9)}, CLO_FRAME_FLOW},
	{"behind options",
	 {UDP4, PART(0, 1, 9), .payload = 240, .extra = OPTIONS(4, 1, 1, 1)},
	 CLO_FRAME_FLOW},
	{"behind extensions",
	 {UDP6, PART(0, 1, 9), .payload = 240, .extra = PADDED},
	 CLO_FRAME_FLOW},
	{"up to the largest",
	 {UDP4, PART(8187, 0, 9), .payload = 3},
	 CLO_FRAME_FLOW},
};

#define BAD(reason) .drop = CLO_DROP_##reason

static const struct form refused[] = {
	{"802.3", {TCP4, .patch = {{12, 5}}}, BAD(LLC)},
	{"MPLS", {TCP4, .patch = {{12, 0x88}, {13, 0x47}}}, BAD(ETHERTYPE)},
	{"VLAN", {TCP4, .patch = {{12, 0x81}}}, BAD(VLAN)},
	{"QinQ", {TCP4, .patch = {{12, 0x88}, {13, 0xa8}}}, BAD(VLAN)},
	{"old QinQ", {TCP4, .patch = {{12, 0x91}}}, BAD(VLAN)},
	{"RARP", {ARP(WEB, DB, 3)}, BAD(ARP_KIND)},

	{"SYN and FIN", {TCP(4, WEB, DB, 1, 2, SYN | FIN)}, BAD(MALFORMED)},
	{"SYN and RST", {TCP(6, WEB, DB, 1, 2, SYN | RST)}, BAD(MALFORMED)},
	{"no flags", {TCP(4, WEB, DB, 1, 2, 0)}, BAD(MALFORMED)},
	{"TCP to 0", {TCP(4, WEB, DB, 1, 0, SYN)}, BAD(MALFORMED)},
	{"UDP to 0", {UDP(6, WEB, DB, 1, 0)}, BAD(MALFORMED)},
	{"SCTP to 0", {SCTP(6, WEB, DB, 1, 0, 1)}, BAD(MALFORMED)},
	{"INIT with a tag",
	 {SCTP(4, WEB, DB, 1, 9, 1), .patch = {{41, 1}}},
	 BAD(MALFORMED)},
	{"data without",
	 {SCTP(4, WEB, DB, 1, 9, 0), .patch = {{41, 0}}},
	 BAD(MALFORMED)},
	{"short chunk",
	 {SCTP(4, WEB, DB, 1, 9, 0), .patch = {{49, 3}}},
	 BAD(MALFORMED)},
	{"long chunk",
	 {SCTP(4, WEB, DB, 1, 9, 0), .patch = {{49, 5}}},
	 BAD(MALFORMED)},
	{"no chunk",
	 {SCTP(4, WEB, DB, 1, 9, 0), .patch = {{17, 35}}},
	 BAD(RUNT)},
	{"ICMP in IPv6", {PROTO(6, WEB, DB, 1)}, BAD(MALFORMED)},
	{"ICMPv6 in IPv4", {PROTO(4, WEB, DB, 58)}, BAD(MALFORMED)},
	{"IGMP in IPv6", {PROTO(6, WEB, DB, 2)}, BAD(MALFORMED)},
	{"unknown error", {PING6(WEB, DB, 5, 1)}, BAD(MALFORMED)},
	{"redirect", {PING4(WEB, DB, 5, 1)}, BAD(ND_KIND)},
	{"RA 4", {PING4(WEB, DB, 9, 1)}, BAD(ND_KIND)},
	{"RS 4", {PING4(WEB, DB, 10, 1)}, BAD(ND_KIND)},
	{"redirect 6", {PING6(WEB, DB, 137, 1)}, BAD(ND_KIND)},
	{"renumbering", {PING6(WEB, DB, 138, 1)}, BAD(ND_KIND)},
	{"listener query", {PING6(WEB, DB, 130, 1)}, BAD(ND_KIND)},
	{"IGMP query", {MEMBER(4, WEB, 0x11)}, BAD(ND_KIND)},

	{"ND behind options",
	 {PING6(WEB, DB, 135, 1), .extra = PADDED, .payload = 16},
	 BAD(MALFORMED)},
	{"RS behind options",
	 {PING6(WEB, DB, 133, 1), .extra = PADDED},
	 BAD(MALFORMED)},
	{"ND in an atomic fragment",
	 {PING6(WEB, DB, 136, 1), PART(0, 0, 1), .payload = 16},
	 BAD(MALFORMED)},
	{"forwarded RA",
	 {ROUTER(NET, 134), .patch = {{21, 254}}},
	 BAD(MALFORMED)},
	{"RA code", {ROUTER(NET, 134), .patch = {{55, 1}}}, BAD(MALFORMED)},
	{"empty RA option",
	 {ROUTER(NET, 134), .patch = {{71, 0}}},
	 BAD(MALFORMED)},
	{"long prefix", {ROUTER(NET, 134), .patch = {{79, 5}}}, BAD(MALFORMED)},
	{"unknown RA option",
	 {ROUTER(NET, 134), .patch = {{110, 99}}},
	 BAD(MALFORMED)},
	{"RS with a prefix",
	 {ROUTER(WEB, 133), .patch = {{62, 3}}},
	 BAD(MALFORMED)},
	{"half an RS", {ROUTER(WEB, 133), .patch = {{19, 7}}}, BAD(RUNT)},
	{"routed MLD",
	 {MEMBER(6, WEB, 131), .patch = {{21, 2}}},
	 BAD(MALFORMED)},
	{"MLD without alert",
	 {MEMBER(6, WEB, 131), .patch = {{56, 1}}},
	 BAD(MALFORMED)},
	{"MLD for MLD only",
	 {MEMBER(6, WEB, 131), .patch = {{59, 1}}},
	 BAD(MALFORMED)},
	{"MLD straight", {PING6(WEB, DB, 143, 1)}, BAD(MALFORMED)},
	{"MLD of no group",
	 {MEMBER(6, WEB, 132), .patch = {{70, 0xfe}}},
	 BAD(MALFORMED)},
	{"MLDv2 of 2",
	 {MEMBER(6, WEB, 143), .patch = {{69, 2}}},
	 BAD(MALFORMED)},
	{"routed IGMP",
	 {MEMBER(4, WEB, 0x16), .patch = {{22, 2}}},
	 BAD(MALFORMED)},
	{"IGMP of no group",
	 {MEMBER(4, WEB, 0x16), .patch = {{38, 10}}},
	 BAD(MALFORMED)},
	{"IGMPv3 of 2",
	 {MEMBER(4, WEB, 0x22), .patch = {{41, 2}}},
	 BAD(MALFORMED)},

	{"BOOTP operation", {DHCP_ASK(4, WEB, NET, 3, 1)}, BAD(MALFORMED)},
	{"token ring",
	 {DHCP_ASK(4, WEB, NET, 1, 1), .patch = {{43, 6}}},
	 BAD(MALFORMED)},
	{"hardware address",
	 {DHCP_ASK(4, WEB, NET, 1, 1), .patch = {{44, 16}}},
	 BAD(MALFORMED)},
	{"no cookie",
	 {DHCP_ASK(4, WEB, NET, 1, 1), .patch = {{278, 98}}},
	 BAD(MALFORMED)},
	{"short BOOTP", {UDP(4, WEB, NET, 68, 67)}, BAD(RUNT)},
	{"short UDP",
	 {DHCP_ASK(4, WEB, NET, 1, 1), .patch = {{39, 247}}},
	 BAD(RUNT)},
	{"answer of another port", {UDP(4, WEB, NET, 1000, 68)}, BAD(DHCP)},
	{"answer of another port 6", {UDP(6, WEB, NET, 1000, 546)}, BAD(DHCP)},

	{"loose source route",
	 {TCP4, .extra = OPTIONS(4, 131, 3, 4, 0)},
	 BAD(SOURCE_ROUTE)},
	{"strict, behind others",
	 {UDP4, .extra = OPTIONS(8, 1, 1, 137, 3, 4)},
	 BAD(SOURCE_ROUTE)},
	{"security", {TCP4, .extra = OPTIONS(4, 130, 4)}, BAD(IP_OPTIONS)},
	{"option of length 1",
	 {TCP4, .extra = OPTIONS(4, 7, 1)},
	 BAD(MALFORMED)},
	{"longer than the header",
	 {TCP4, .extra = OPTIONS(4, 7, 5)},
	 BAD(MALFORMED)},
	{"no length", {TCP4, .extra = OPTIONS(4, 1, 1, 1, 7)}, BAD(MALFORMED)},
	{"short alert", {TCP4, .extra = OPTIONS(4, 148, 3)}, BAD(MALFORMED)},
	{"short IP timestamp",
	 {TCP4, .extra = OPTIONS(4, 68, 3)},
	 BAD(MALFORMED)},

	{"routing header",
	 {TCP6, .extra = HEADER(43, 8, 0)},
	 BAD(SOURCE_ROUTE)},
	{"mobility", {PROTO(6, WEB, DB, 135)}, BAD(IP6_EXTENSION)},
	{"HIP", {PROTO(6, WEB, DB, 139)}, BAD(IP6_EXTENSION)},
	{"shim6", {PROTO(6, WEB, DB, 140)}, BAD(IP6_EXTENSION)},
	{"experiment", {PROTO(6, WEB, DB, 254)}, BAD(IP6_EXTENSION)},
	{"jumbo",
	 {TCP6, .extra = HEADER(0, 8, 0, 0xc2, 4)},
	 BAD(IP6_EXTENSION)},
	{"home address",
	 {TCP6, .extra = HEADER(60, 8, 0, 0xc9, 4)},
	 BAD(IP6_EXTENSION)},
	{"alert for the destination",
	 {TCP6, .extra = HEADER(60, 8, 0, 5, 2)},
	 BAD(IP6_EXTENSION)},
	{"alert of 1", {TCP6, .extra = HEADER(0, 8, 0, 5, 1)}, BAD(MALFORMED)},
	{"option too long",
	 {TCP6, .extra = HEADER(60, 8, 0, 1, 5)},
	 BAD(MALFORMED)},
	{"option without length",
	 {TCP6, .extra = HEADER(60, 8, 0, 1, 3, 0, 0, 0, 1)},
	 BAD(MALFORMED)},
	{"nine paddings",
	 {TCP6, .extra = HEADER(60, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4)},
	 BAD(IP6_EXTENSION)},
	{"72 bytes of options",
	 {TCP6, .extra = HEADER(60, 72, 8, 1, 68)},
	 BAD(IP6_EXTENSION)},
	{"longer than the packet",
	 {TCP6, .extra = HEADER(60, 8, 7, 1, 60)},
	 BAD(MALFORMED)},
	{"options twice",
	 {TCP6, .extra = EXTRA(.first = 60, .last = 8, .len = 16,
			       .bytes = {60, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4})},
	 BAD(IP6_EXTENSION)},
	{"hop-by-hop second",
	 {TCP6, .extra = EXTRA(.first = 60, .last = 8, .len = 16,
			       .bytes = {0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4})},
	 BAD(IP6_EXTENSION)},
	{"fragment header twice",
	 {TCP6, PART(0, 0, 1), .extra = EXTRA(.first = 44, .len = 8)},
	 BAD(IP6_EXTENSION)},
	{"fragment of an extension",
	 {PROTO(6, WEB, DB, 60), PART(4, 0, 1)},
	 BAD(IP6_EXTENSION)},
	{"first with options behind",
	 {PROTO(6, WEB, DB, 60), PART(0, 1, 1), .payload = 240},
	 BAD(IP6_EXTENSION)},

	{"tiny first", {TCP4, PART(0, 1, 1), .payload = 4}, BAD(FRAGMENT_TINY)},
	{"tiny first 6",
	 {UDP6, PART(0, 1, 1), .payload = 232},
	 BAD(FRAGMENT_TINY)},
	{"tiny middle",
	 {UDP4, PART(40, 1, 1), .payload = 232},
	 BAD(FRAGMENT_TINY)},
	{"over the TCP header", {TCP4, PART(2, 0, 1)}, BAD(FRAGMENT_TINY)},
	{"over the TCP header 6",
	 {TCP6, PART(1, 1, 1), .payload = 244},
	 BAD(FRAGMENT_TINY)},
	{"no multiple of 8",
	 {UDP4, PART(0, 1, 1), .payload = 241},
	 BAD(MALFORMED)},
	{"ping of death",
	 {UDP4, PART(8187, 0, 1), .payload = 4},
	 BAD(MALFORMED)},
	{"ping of death 6",
	 {UDP6, PART(8189, 0, 1), .payload = 240},
	 BAD(MALFORMED)},
	{"empty", {UDP4, PART(4, 0, 1), .patch = {{17, 20}}}, BAD(MALFORMED)},
	{"half a fragment header",
	 {UDP6, PART(4, 0, 1), .patch = {{19, 7}}},
	 BAD(MALFORMED)},
	{"error in fragments",
	 {PING4(WEB, DB, 3, 1), PART(0, 1, 1), .payload = 240},
	 BAD(FRAGMENT)},
	{"error in fragments 6",
	 {PING6(WEB, DB, 2, 1), PART(0, 1, 1), .payload = 240},
	 BAD(FRAGMENT)},
	{"DHCP in fragments",
	 {DHCP_ASK(4, WEB, NET, 1, 1), PART(0, 1, 1), .payload = 4},
	 BAD(MALFORMED)},
	{"ND in fragments",
	 {PING6(WEB, DB, 135, 1), PART(0, 1, 1), .payload = 240},
	 BAD(MALFORMED)},
	{"IGMP in fragments",
	 {PROTO(4, WEB, DB, 2), PART(0, 1, 1), .payload = 240},
	 BAD(MALFORMED)},
	{"rest of IGMP",
	 {PROTO(4, WEB, DB, 2), PART(40, 0, 1)},
	 BAD(MALFORMED)},
	{"rest of the other's ICMP",
	 {PROTO(4, WEB, DB, 58), PART(40, 0, 1)},
	 BAD(MALFORMED)},
};

static void test_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct clo_frame frame;
		enum clo_drop drop;
		struct frame raw;

		frame_build(&accepted[i].spec, &raw);
		drop = parse(raw.data, raw.len, raw.len, &frame);
		if (drop || (int)frame.kind != accepted[i].kind)
			fail_msg("%s: drop %u, kind %u", accepted[i].what, drop,
				 frame.kind);
	}
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct clo_frame frame;
		enum clo_drop drop;
		struct frame raw;

		frame_build(&refused[i].spec, &raw);
		drop = parse(raw.data, raw.len, raw.len, &frame);
		if (drop != refused[i].drop)
			fail_msg("%s: drop %u", refused[i].what, drop);
	}
}

/* The quick way says nothing, or what the whole parser says. */
static void check_quick(const struct form *form, int *count)
{
	struct clo_frame frame, whole;
	struct clo_packet packet;
	enum clo_drop drop;
	struct frame raw;

	frame_build(&form->spec, &raw);
	packet = (struct clo_packet){raw.data, raw.data + raw.len, raw.len, 0};
	if (clo_frame_link(&packet, &frame) ||
	    !clo_frame_quick(&packet, &frame, &drop))
		return;
	++*count;
	assert_int_equal(drop, parse(raw.data, raw.len, raw.len, &whole));
	if (!drop)
		assert_memory_equal(&frame, &whole, sizeof(frame));
}

static void test_quick(void **state)
{
	int count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
		check_quick(&accepted[i], &count);
	assert_int_equal(count, 5); /* TCP, UDP and the relay */
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		check_quick(&refused[i], &count);
	assert_int_equal(count, 10); /* flags, port 0 */
}

/*
 * Cut at each length, as the frame ends or as it is readable: never read
 * beyond (the sanitizers look), and what it takes to accept is what
 * clo_frame_want() says.
 */
static void test_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct clo_frame whole, frame;
		__u32 need = 0, want;
		struct frame raw;

		frame_build(&accepted[i].spec, &raw);
		(void)parse(raw.data, raw.len, raw.len, &whole);
		want = clo_frame_want(raw.data, raw.data + raw.len);
		for (__u32 len = 0; len < raw.len; len++) {
			__u8 *copy = malloc(len + 1);

			assert_non_null(copy);
			/* up to the last byte of the allocation */
			memcpy(copy + 1, raw.data, len);
			if (whole.tuple.family && whole.kind != CLO_FRAME_ARP)
				assert_true(parse(copy + 1, len, len, &frame));
			if (parse(copy + 1, len, raw.len, &frame)) {
				need = len + 1;
			} else {
				/* with all that it needs: as the whole */
				assert_memory_equal(&frame, &whole,
						    sizeof(frame));
				assert_true(len >= 14U + 20U);
				assert_true(len >= whole.l4);
			}
			free(copy);
		}
		assert_true(need <= want && need <= CLO_FRAME_HEADERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
