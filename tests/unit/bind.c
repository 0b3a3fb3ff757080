/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/neighbourhood.h"

static struct clo_frame arp(__u16 op, int from, int to)
{
	struct clo_frame frame = make(CLO_FRAME_ARP, 4, 0, from, to);

	frame.arp_op = op;
	if (op == 1)
		frame.dst_mac = EVERYBODY;
	return frame;
}

/* To where the target listens; with one option, the sender's MAC. */
static struct clo_frame solicit(int from, int to)
{
	static const __u8 prefix[13] = {0xff, 2, [11] = 1, 0xff};
	struct clo_frame frame =
		make(CLO_FRAME_SOLICIT, 6, IPPROTO_ICMPV6, from, to);

	frame.tuple.type = 135;
	frame.l4_len = 32;
	memcpy(frame.target, frame.tuple.dst, 16);
	memcpy(frame.tuple.dst, prefix, sizeof(prefix));
	frame.dst_mac = clo_group_mac(&frame.tuple);
	return frame;
}

static struct clo_frame advertise(int from, int to)
{
	struct clo_frame frame =
		make(CLO_FRAME_ADVERTISE, 6, IPPROTO_ICMPV6, from, to);

	frame.tuple.type = 136;
	memcpy(frame.target, frame.tuple.src, 16);
	return frame;
}

static void to_all_nodes(struct clo_frame *frame)
{
	memcpy(frame->tuple.dst, nb_all_nodes, 16);
	frame->dst_mac = clo_group_mac(&frame->tuple);
}

/* A question or an answer of WEB, by whom it is for; 4 and 6 alike. */
static void check_from(struct clo_frame (*frame)(int to))
{
	struct clo_frame db = frame(DB), away = frame(AWAY);
	struct clo_frame lab = frame(LAB), router = frame(ROUTER);

	PASSES(WEB, &db, .mark = CLO_MARK_ENDPOINT | DB,
	       .ifindex = IFINDEX + DB, .endpoint = {WEB, DB});
	PASSES(WEB, &away, .mark = CLO_MARK_ENDPOINT | AWAY,
	       .endpoint = {WEB, AWAY});
	PASSES(WEB, &router, .mark = OUTSIDE, .endpoint = {WEB});
	REFUSED(WEB, &lab, CLO_DROP_NOT_FOR_ENDPOINT);
}

static struct clo_frame web_asks4(int to)
{
	return arp(1, WEB, to);
}

static struct clo_frame web_replies(int to)
{
	return arp(2, WEB, to);
}

static struct clo_frame web_asks6(int to)
{
	return solicit(WEB, to);
}

static struct clo_frame web_advertises(int to)
{
	return advertise(WEB, to);
}

static void test_from(void **unused)
{
	(void)unused;
	check_from(web_asks4);
	check_from(web_replies);
	check_from(web_asks6);
	check_from(web_advertises);
}

static void test_arp_from(void **unused)
{
	struct clo_frame asks = arp(1, WEB, DB), replies = arp(2, WEB, DB);
	struct clo_frame spoofed = arp(1, DB, WEB),
			 outside = arp(2, ROUTER, DB);
	struct clo_frame twin = arp(1, WEB, DB);

	(void)unused;
	spoofed.src_mac = MAC(WEB);
	REFUSED(WEB, &spoofed, CLO_DROP_SPOOFED_ARP);
	REFUSED(WEB, &outside, CLO_DROP_SPOOFED_ARP);

	asks.lladdr_differs = 1;
	REFUSED(WEB, &asks, CLO_DROP_SPOOFED_ARP);
	replies.lladdr_differs = 1;
	REFUSED(WEB, &replies, CLO_DROP_SPOOFED_ARP);

	asks = arp(1, WEB, DB);
	asks.dst_mac = MAC(DB);
	PASSES(WEB, &asks, .mark = CLO_MARK_ENDPOINT | DB,
	       .ifindex = IFINDEX + DB, .endpoint = {WEB, DB});
	asks.dst_mac = 0x5e0001;
	REFUSED(WEB, &asks, CLO_DROP_MULTICAST);
	replies = arp(2, WEB, DB);
	replies.dst_mac = EVERYBODY;
	PASSES(WEB, &replies, .mark = CLO_MARK_ENDPOINT | DB,
	       .ifindex = IFINDEX + DB, .endpoint = {WEB, DB});

	/* The same address in another tenant's space: nobody there has DB's. */
	PASSES(TWIN, &twin, .mark = CLO_MARK_OUTSIDE | ELSEWHERE,
	       .endpoint = {TWIN});
}

static void test_arp_about_itself(void **unused)
{
	struct clo_frame gratuitous = arp(1, WEB, WEB),
			 reply = arp(2, WEB, WEB);
	struct clo_frame probe = arp(1, WEB, WEB), other = arp(1, WEB, DB);

	(void)unused;
	PASSES(WEB, &gratuitous, .mark = OUTSIDE, .endpoint = {WEB});
	PASSES(WEB, &reply, .mark = OUTSIDE, .endpoint = {WEB});

	memset(probe.tuple.src, 0, 4);
	PASSES(WEB, &probe, .mark = OUTSIDE, .endpoint = {WEB});
	memset(other.tuple.src, 0, 4);
	REFUSED(WEB, &other, CLO_DROP_SPOOFED_ARP);
	probe.arp_op = 2;
	REFUSED(WEB, &probe, CLO_DROP_SPOOFED_ARP);
}

static void test_arp_to(void **unused)
{
	struct clo_frame asks = arp(1, ROUTER, WEB);
	struct clo_frame replies = arp(2, ROUTER, WEB);
	struct clo_frame other = arp(1, ROUTER, DB), claims = arp(2, DB, WEB);
	struct clo_frame itself = arp(1, WEB, WEB);

	(void)unused;
	PASSES(TO | WEB, &asks, .endpoint = {0, WEB});
	PASSES(TO | WEB, &replies, .endpoint = {0, WEB});
	REFUSED(TO | WEB, &other, CLO_DROP_NOT_FOR_ENDPOINT);
	REFUSED(TO | WEB, &claims, CLO_DROP_SPOOFED_ARP);
	REFUSED(TO | WEB, &itself, CLO_DROP_SPOOFED_ARP);
	asks.dst_mac = 0x5e0001;
	REFUSED(TO | WEB, &asks, CLO_DROP_MULTICAST);
}

/* From the wire, by who speaks and whom it is for; 4 and 6 alike. */
static void check_wire(struct clo_frame (*frame)(int from, int to),
		       enum clo_drop spoofed)
{
	struct clo_frame away = frame(AWAY, WEB), router = frame(ROUTER, DB);
	struct clo_frame local = frame(DB, WEB), back = frame(LAB_AWAY, WEB);
	struct clo_frame there = frame(ROUTER, AWAY);
	struct clo_frame segment = frame(ROUTER, LAB);
	struct clo_frame nobody = frame(AWAY, STRANGER);

	PASSES(WIRE, &away, .mark = CLO_MARK_ENDPOINT | WEB,
	       .ifindex = IFINDEX + WEB, .endpoint = {AWAY, WEB});
	PASSES(WIRE, &router, .mark = CLO_MARK_ENDPOINT | DB,
	       .ifindex = IFINDEX + DB, .endpoint = {0, DB});
	REFUSED(WIRE, &local, spoofed);
	REFUSED(WIRE, &back, spoofed);
	REFUSED(WIRE, &there, CLO_DROP_NOT_FOR_SEGMENT);
	REFUSED(WIRE, &segment, CLO_DROP_NOT_FOR_SEGMENT);
	REFUSED(WIRE, &nobody, CLO_DROP_NOT_FOR_SEGMENT);
}

static struct clo_frame asks4(int from, int to)
{
	return arp(1, from, to);
}

static struct clo_frame replies4(int from, int to)
{
	return arp(2, from, to);
}

static void test_wire(void **unused)
{
	struct clo_frame gratuitous = arp(1, AWAY, AWAY);
	struct clo_frame claims = arp(2, WEB, WEB), group = arp(1, AWAY, WEB);
	struct clo_frame unsolicited = advertise(AWAY, WEB);
	struct clo_frame target = advertise(AWAY, WEB);

	(void)unused;
	check_wire(asks4, CLO_DROP_SPOOFED_ARP);
	check_wire(replies4, CLO_DROP_SPOOFED_ARP);
	check_wire(solicit, CLO_DROP_SPOOFED_ND);
	check_wire(advertise, CLO_DROP_SPOOFED_ND);

	REFUSED(WIRE, &gratuitous, CLO_DROP_NOT_FOR_SEGMENT);
	REFUSED(WIRE, &claims, CLO_DROP_SPOOFED_ARP);
	group.dst_mac = 0x5e0001;
	REFUSED(WIRE, &group, CLO_DROP_MULTICAST);

	to_all_nodes(&unsolicited);
	REFUSED(WIRE, &unsolicited, CLO_DROP_NOT_FOR_SEGMENT);
	put_ip(6, target.target, DB);
	REFUSED(WIRE, &target, CLO_DROP_SPOOFED_ND);
	target = advertise(AWAY, WEB);
	target.dst_mac = EVERYBODY;
	REFUSED(WIRE, &target, CLO_DROP_MULTICAST);
}

static void test_solicit_from(void **unused)
{
	struct clo_frame frame = solicit(DB, AWAY);

	(void)unused;
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = solicit(WEB, DB);
	frame.lladdr_differs = 1;
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = solicit(WEB, DB);
	to_all_nodes(&frame);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);

	frame = solicit(WEB, DB);
	put_ip(6, frame.tuple.dst, DB);
	frame.dst_mac = MAC(DB);
	PASSES(WEB, &frame, .mark = CLO_MARK_ENDPOINT | DB,
	       .ifindex = IFINDEX + DB, .endpoint = {WEB, DB});
	frame.dst_mac = EVERYBODY;
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	put_ip(6, frame.tuple.dst, LAB);
	REFUSED(WEB, &frame, CLO_DROP_MALFORMED);

	for (size_t i = 1; i < 16; i++) {
		frame = solicit(WEB, DB);
		frame.tuple.dst[i] ^= 1;
		REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	}

	/* duplicate address detection */
	frame = solicit(WEB, WEB);
	memset(frame.tuple.src, 0, 16);
	PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});
	put_link_local(frame.target, WEB);
	PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});
	frame.tuple.src[15] = 1;
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = solicit(WEB, DB);
	memset(frame.tuple.src, 0, 16);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
}

static void test_advertise_from(void **unused)
{
	struct clo_frame frame = advertise(DB, AWAY);

	(void)unused;
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = advertise(WEB, DB);
	put_ip(6, frame.target, AWAY);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = advertise(WEB, DB);
	frame.lladdr_differs = 1;
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = advertise(WEB, DB);
	frame.dst_mac = EVERYBODY;
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);

	to_all_nodes(&frame);
	PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});
	memcpy(frame.tuple.dst, nb_all_routers, 16);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
}

static void test_nd_to(void **unused)
{
	struct clo_frame frame = solicit(ROUTER, WEB);

	(void)unused;
	PASSES(TO | WEB, &frame, .endpoint = {0, WEB});
	frame = solicit(ROUTER, DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_NOT_FOR_ENDPOINT);
	frame = solicit(DB, WEB);
	REFUSED(TO | WEB, &frame, CLO_DROP_SPOOFED_ND);
	to_all_nodes(&frame);
	REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);

	frame = advertise(ROUTER, WEB);
	PASSES(TO | WEB, &frame, .endpoint = {0, WEB});
	frame = advertise(ROUTER, DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_NOT_FOR_ENDPOINT);
	frame = advertise(DB, WEB);
	REFUSED(TO | WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = advertise(ROUTER, WEB);
	put_ip(6, frame.target, DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_SPOOFED_ND);
	frame = advertise(ROUTER, WEB);
	frame.dst_mac = EVERYBODY;
	REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);
	to_all_nodes(&frame);
	REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);
}

/* What WEB asks with the guard answering for neighbours. */
#define ANSWERS(frame, ...)                                                    \
	nb_passes(&(struct clo_view){.flags = CLO_PORT_ANSWER}, WEB, frame,    \
		  &(struct clo_outcome){__VA_ARGS__}, __FILE__, __LINE__)
#define BY_DB                                                                  \
	.mark = CLO_MARK_ENDPOINT | WEB, .ifindex = IFINDEX + WEB,             \
	.endpoint = {WEB, DB}, .answer_mac = {0x52, 0x54, 0, 0, 0, DB}

static void test_answer(void **unused)
{
	struct clo_view stale = {.flags = CLO_PORT_ANSWER,
				 .missing = IFINDEX + DB};
	struct clo_outcome passed = {
		.mark = CLO_MARK_ENDPOINT | DB,
		.ifindex = IFINDEX + DB,
		.endpoint = {WEB, DB},
	};
	struct clo_frame frame = arp(1, WEB, DB);

	(void)unused;
	ANSWERS(&frame, BY_DB, .answer = CLO_ANSWER_ARP);
	nb_passes(&stale, WEB, &frame, &passed, __FILE__, __LINE__);
	frame = arp(2, WEB, DB);
	ANSWERS(&frame, .mark = CLO_MARK_ENDPOINT | DB, .ifindex = IFINDEX + DB,
		.endpoint = {WEB, DB});
	frame = arp(1, WEB, AWAY);
	ANSWERS(&frame, .mark = CLO_MARK_ENDPOINT | AWAY,
		.endpoint = {WEB, AWAY});
	frame = arp(1, WEB, WEB);
	ANSWERS(&frame, .mark = OUTSIDE, .endpoint = {WEB});

	frame = solicit(WEB, DB);
	ANSWERS(&frame, BY_DB, .answer = CLO_ANSWER_ND);
	frame.l4_len = 40;
	ANSWERS(&frame, .mark = CLO_MARK_ENDPOINT | DB, .ifindex = IFINDEX + DB,
		.endpoint = {WEB, DB});
	frame = solicit(WEB, AWAY);
	ANSWERS(&frame, .mark = CLO_MARK_ENDPOINT | AWAY,
		.endpoint = {WEB, AWAY});
	frame = solicit(WEB, WEB);
	memset(frame.tuple.src, 0, 16);
	ANSWERS(&frame, .mark = OUTSIDE, .endpoint = {WEB});
}

static enum clo_drop ends(int where, __u8 family, int from, int to)
{
	struct clo_view view = {0};
	struct clo_hook hook = {
		.view = &view,
		.port = &nb_ports[where & ~TO],
	};
	struct clo_frame frame =
		make(CLO_FRAME_FLOW, family, IPPROTO_UDP, from, to);
	struct clo_side side[2];
	enum clo_drop drop = clo_bind_ends(&hook, &frame, where & TO, side);

	assert_int_equal(side[0].endpoint, from < HOSTS ? from : 0);
	assert_int_equal(side[1].endpoint, to < HOSTS ? to : 0);
	if (from == ROUTER)
		assert_int_equal(side[0].identity, ROUTER_CLASS);
	return drop;
}

static void test_ends(void **unused)
{
	(void)unused;
	for (__u8 family = 4; family <= 6; family += 2) {
		assert_int_equal(ends(WEB, family, WEB, LAB), 0);
		assert_int_equal(ends(WEB, family, WEB, ROUTER), 0);
		assert_int_equal(ends(WEB, family, DB, WEB),
				 CLO_DROP_SPOOFED_ADDRESS);
		assert_int_equal(ends(WEB, family, ROUTER, DB),
				 CLO_DROP_SPOOFED_ADDRESS);

		assert_int_equal(ends(TO | WEB, family, ROUTER, WEB), 0);
		assert_int_equal(ends(TO | WEB, family, ROUTER, DB),
				 CLO_DROP_NOT_FOR_ENDPOINT);
		assert_int_equal(ends(TO | WEB, family, DB, WEB),
				 CLO_DROP_SPOOFED_ADDRESS);

		assert_int_equal(ends(WIRE, family, ROUTER, WEB), 0);
		assert_int_equal(ends(WIRE, family, AWAY, WEB), 0);
		/* routed by the wire; the caller knows if it was ever sent */
		assert_int_equal(ends(WIRE, family, LAB_AWAY, WEB), 0);
		assert_int_equal(ends(WIRE, family, LAB, WEB), 0);
		assert_int_equal(ends(WIRE, family, DB, WEB),
				 CLO_DROP_SPOOFED_ADDRESS);
		assert_int_equal(ends(WIRE, family, AWAY, LAB),
				 CLO_DROP_NOT_FOR_SEGMENT);
		assert_int_equal(ends(WIRE, family, ROUTER, AWAY),
				 CLO_DROP_NOT_FOR_SEGMENT);
		assert_int_equal(ends(WIRE, family, ROUTER, STRANGER),
				 CLO_DROP_NOT_FOR_SEGMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_arp_from),
		cmocka_unit_test(test_arp_about_itself),
		cmocka_unit_test(test_arp_to),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_solicit_from),
		cmocka_unit_test(test_advertise_from),
		cmocka_unit_test(test_nd_to),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
