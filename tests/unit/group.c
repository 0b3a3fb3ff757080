/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/neighbourhood.h"

static const __u8 families[] = {4, 6};

/* UDP to the declared group. */
static struct clo_frame to_group(__u8 family, int from)
{
	struct clo_frame frame =
		make(CLO_FRAME_FLOW, family, IPPROTO_UDP, from, 0);

	memcpy(frame.tuple.dst, family == 4 ? nb_group4 : nb_group6,
	       family == 4 ? 4 : 16);
	/* 239.129.2.3: the highest of the lower 24 bits does not count */
	frame.dst_mac = family == 4 ? 0x0302015e0001 : 0x0a0908073333;
	return frame;
}

/* IGMPv2 or MLDv1, to the group it reports. */
static struct clo_frame report(__u8 family, int from)
{
	struct clo_frame frame = to_group(family, from);

	frame.kind = CLO_FRAME_MEMBER;
	frame.tuple.proto = family == 4 ? IPPROTO_IGMP : IPPROTO_ICMPV6;
	frame.tuple.type = family == 4 ? 0x16 : 131;
	memcpy(frame.target, frame.tuple.dst, 16);
	return frame;
}

static void check_from(__u8 family)
{
	struct clo_frame frame = to_group(family, WEB);

	PASSES(WEB, &frame, .mark = CLO_MARK_GROUP | FRONT, .endpoint = {WEB});
	/* No port counts, so every fragment goes the same way. */
	frame.frag = CLO_FRAG_LATER;
	PASSES(WEB, &frame, .mark = CLO_MARK_GROUP | FRONT, .endpoint = {WEB});

	frame = to_group(family, DB);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);
	frame = to_group(family, WEB);
	memset(frame.tuple.src, 0, 16);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);
	frame = to_group(family, WEB);
	frame.tuple.proto = IPPROTO_TCP;
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	frame = to_group(family, WEB);
	frame.tuple.dst[family == 4 ? 3 : 15]++;
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	frame = to_group(family, LAB);
	REFUSED(LAB, &frame, CLO_DROP_MULTICAST);

	frame = to_group(family, WEB);
	frame.dst_mac = EVERYBODY;
	REFUSED(WEB, &frame, CLO_DROP_MALFORMED);
	frame.dst_mac = MAC(DB);
	REFUSED(WEB, &frame, CLO_DROP_MALFORMED);
	frame = to_group(family, WEB);
	put_ip(family, frame.tuple.dst, DB);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
}

static void test_from(void **unused)
{
	struct clo_frame all = to_group(4, WEB);

	(void)unused;
	for (size_t i = 0; i < sizeof(families); i++)
		check_from(families[i]);
	memcpy(all.tuple.dst, nb_all4, 4);
	all.dst_mac = EVERYBODY;
	REFUSED(WEB, &all, CLO_DROP_MULTICAST);
}

static void test_to(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(families); i++) {
		struct clo_frame frame = to_group(families[i], ROUTER);

		REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);
		frame = report(families[i], ROUTER);
		REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);
	}
}

static void check_wire(__u8 family)
{
	struct clo_frame frame = to_group(family, AWAY);

	PASSES(WIRE, &frame, .mark = CLO_MARK_GROUP | FRONT,
	       .endpoint = {AWAY});
	frame.dst_mac = EVERYBODY;
	REFUSED(WIRE, &frame, CLO_DROP_MALFORMED);
	frame = to_group(family, AWAY);
	frame.tuple.dst[family == 4 ? 3 : 15]++;
	REFUSED(WIRE, &frame, CLO_DROP_MULTICAST);
	frame = to_group(family, ROUTER);
	REFUSED(WIRE, &frame, CLO_DROP_MULTICAST);
	frame = to_group(family, DB);
	REFUSED(WIRE, &frame, CLO_DROP_SPOOFED_ADDRESS);
	frame = to_group(family, LAB_AWAY);
	REFUSED(WIRE, &frame, CLO_DROP_SPOOFED_ADDRESS);
	frame = report(family, AWAY);
	REFUSED(WIRE, &frame, CLO_DROP_MULTICAST);
}

static void test_wire(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(families); i++)
		check_wire(families[i]);
}

static void check_member(__u8 family)
{
	struct clo_frame frame = report(family, WEB);

	PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});
	memset(frame.tuple.src, 0, 16);
	PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});

	frame = report(family, DB);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);
	/* it would carry data past the policy */
	frame = report(family, WEB);
	put_ip(family, frame.tuple.dst, ROUTER);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	put_ip(family, frame.target, ROUTER);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	frame = report(family, WEB);
	frame.tuple.dst[family == 4 ? 3 : 15]++;
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
}

/* Where leaves, and reports of many groups, go. */
static void test_member(void **unused)
{
	static const __u8 last[] = {0x02, 0x16};

	(void)unused;
	for (size_t i = 0; i < sizeof(families); i++) {
		check_member(families[i]);
		for (size_t j = 0; j < sizeof(last); j++) {
			struct clo_frame frame = report(families[i], WEB);
			__u8 *dst = frame.tuple.dst;

			memset(dst, 0, 16);
			dst[0] = families[i] == 4 ? 224 : 0xff;
			dst[1] = families[i] == 4 ? 0 : 2;
			dst[families[i] == 4 ? 3 : 15] = last[j];
			PASSES(WEB, &frame, .mark = OUTSIDE, .endpoint = {WEB});
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_to),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
