/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/neighbourhood.h"

static struct clo_frame dhcp(__u8 family, int from, int to, __u16 sport,
			     __u16 dport)
{
	struct clo_frame frame =
		make(CLO_FRAME_DHCP, family, IPPROTO_UDP, from, to);

	frame.tuple.sport = htons(sport);
	frame.tuple.dport = htons(dport);
	return frame;
}

/* To everybody, from a client that has no address yet. */
static struct clo_frame request4(int from)
{
	struct clo_frame frame = dhcp(4, from, 0, 68, 67);

	memset(frame.tuple.src, 0, 4);
	memcpy(frame.tuple.dst, nb_all4, 4);
	frame.dst_mac = EVERYBODY;
	frame.client_mac = MAC(from);
	frame.dhcp_op = 1;
	return frame;
}

static struct clo_frame request6(int from, __u8 type)
{
	struct clo_frame frame = dhcp(6, from, 0, 546, 547);

	put_link_local(frame.tuple.src, from);
	memcpy(frame.tuple.dst, nb_all_dhcp6, 16);
	frame.dst_mac = clo_group_mac(&frame.tuple);
	frame.tuple.type = type;
	return frame;
}

/* To the client, which it offers its own address. */
static struct clo_frame reply4(int from, int to)
{
	struct clo_frame frame = dhcp(4, from, to, 67, 68);

	put_ip(4, frame.target, to);
	frame.client_mac = MAC(to);
	frame.dhcp_op = 2;
	return frame;
}

static struct clo_frame reply6(int from, int to, __u8 type)
{
	struct clo_frame frame = dhcp(6, from, to, 547, 546);

	frame.tuple.type = type;
	return frame;
}

static void test_from4(void **unused)
{
	struct clo_frame frame = request4(WEB);

	(void)unused;
	PASSES(WEB, &frame, .mark = OUTSIDE, .rule = RULE_DHCP4,
	       .endpoint = {WEB});
	put_ip(4, frame.tuple.src, WEB);
	PASSES(WEB, &frame, .mark = OUTSIDE, .rule = RULE_DHCP4,
	       .endpoint = {WEB});
	put_ip(4, frame.tuple.src, DB);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);

	frame = request4(WEB);
	frame.client_mac = MAC(DB);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame = request4(WEB);
	frame.dhcp_op = 2;
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame = request4(WEB);
	frame.dst_mac = MAC(DB);
	REFUSED(WEB, &frame, CLO_DROP_MALFORMED);
	frame = request4(WEB);
	memcpy(frame.tuple.dst, nb_group4, 4);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	frame = reply4(WEB, DB);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame = request4(WEB);
	frame.tuple.sport = htons(67);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame = request4(WEB);
	frame.tuple.dport = htons(68);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);

	/* no rule for DB; no server declared by the other tenant */
	frame = request4(DB);
	REFUSED(DB, &frame, CLO_DROP_POLICY);
	frame = request4(TWIN);
	REFUSED(TWIN, &frame, CLO_DROP_MULTICAST);
}

static void test_from6(void **unused)
{
	static const __u8 client[] = {1, 3, 4, 5, 6, 8, 9, 11};
	struct clo_frame frame = request6(WEB, 1);

	(void)unused;
	for (unsigned int type = 0; type < 256; type++) {
		frame.tuple.type = (__u8)type;
		if (type < 16 && memchr(client, (int)type, sizeof(client)))
			PASSES(WEB, &frame, .mark = OUTSIDE, .rule = RULE_DHCP6,
			       .endpoint = {WEB});
		else
			REFUSED(WEB, &frame, CLO_DROP_DHCP);
	}

	frame = request6(DB, 1);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);
	REFUSED(DB, &frame, CLO_DROP_POLICY);
	frame = request6(WEB, 1);
	REFUSED(TWIN, &frame, CLO_DROP_MULTICAST);
	put_ip(6, frame.tuple.src, WEB);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame.tuple.src[1] = 0x80;
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	memset(frame.tuple.src, 0, 16);
	REFUSED(WEB, &frame, CLO_DROP_SPOOFED_ADDRESS);
	frame = request6(WEB, 1);
	memcpy(frame.tuple.dst, nb_all_nodes, 16);
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	memcpy(frame.tuple.dst, nb_all_routers, 16); /* declared, but not so */
	REFUSED(WEB, &frame, CLO_DROP_MULTICAST);
	frame = request6(WEB, 1);
	frame.tuple.sport = htons(547);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
	frame = reply6(WEB, DB, 2);
	REFUSED(WEB, &frame, CLO_DROP_DHCP);
}

/* Without a mark: the caller judges it as a flow. */
static void test_from_unicast(void **unused)
{
	struct clo_frame v4 = dhcp(4, WEB, ROUTER, 68, 67);
	struct clo_frame v6 = dhcp(6, WEB, ROUTER, 546, 547);

	(void)unused;
	v4.client_mac = MAC(WEB);
	v4.dhcp_op = 1;
	v6.tuple.type = 5;
	PASSES(WEB, &v4, .mark = CLO_MARK_NONE, .endpoint = {WEB});
	PASSES(WEB, &v6, .mark = CLO_MARK_NONE, .endpoint = {WEB});

	v4.dst_mac = v6.dst_mac = EVERYBODY;
	REFUSED(WEB, &v4, CLO_DROP_MULTICAST);
	REFUSED(WEB, &v6, CLO_DROP_MULTICAST);
	v4.client_mac = MAC(DB);
	v6.tuple.type = 10;
	REFUSED(WEB, &v4, CLO_DROP_DHCP);
	REFUSED(WEB, &v6, CLO_DROP_DHCP);
}

static void test_to4(void **unused)
{
	struct clo_frame frame = reply4(ROUTER, WEB);

	(void)unused;
	PASSES(TO | WEB, &frame, .rule = RULE_DHCP4, .endpoint = {0, WEB});
	memcpy(frame.tuple.dst, nb_all4, 4);
	frame.dst_mac = EVERYBODY;
	PASSES(TO | WEB, &frame, .rule = RULE_DHCP4, .endpoint = {0, WEB});
	memset(frame.target, 0, 4);
	PASSES(TO | WEB, &frame, .rule = RULE_DHCP4, .endpoint = {0, WEB});

	put_ip(4, frame.target, DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(ROUTER, WEB);
	frame.client_mac = MAC(DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(ROUTER, WEB);
	frame.dhcp_op = 1;
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(ROUTER, WEB);
	put_ip(4, frame.tuple.dst, DB);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(ROUTER, WEB);
	frame.dst_mac = EVERYBODY;
	REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);

	frame = reply4(STRANGER, WEB);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(DB, WEB);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply4(ROUTER, DB);
	REFUSED(TO | DB, &frame, CLO_DROP_DHCP);
	frame = request4(ROUTER);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
}

static void test_to6(void **unused)
{
	struct clo_frame frame = reply6(ROUTER, WEB, 2);

	(void)unused;
	for (unsigned int type = 0; type < 256; type++) {
		frame.tuple.type = (__u8)type;
		if (type == 2 || type == 7)
			PASSES(TO | WEB, &frame, .rule = RULE_DHCP6,
			       .endpoint = {0, WEB});
		else
			REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	}

	frame = reply6(ROUTER, DB, 7);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	REFUSED(TO | DB, &frame, CLO_DROP_DHCP);
	frame = reply6(STRANGER, WEB, 7);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply6(DB, WEB, 7);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
	frame = reply6(ROUTER, WEB, 7);
	frame.dst_mac = EVERYBODY;
	REFUSED(TO | WEB, &frame, CLO_DROP_MULTICAST);
	frame = request6(ROUTER, 1);
	REFUSED(TO | WEB, &frame, CLO_DROP_DHCP);
}

static void test_wire(void **unused)
{
	struct clo_frame from4 = reply4(STRANGER, WEB);
	struct clo_frame from6 = reply6(STRANGER, WEB, 7);
	struct clo_frame to4 = request4(AWAY), to6 = request6(AWAY, 1);

	(void)unused;
	PASSES(WIRE, &from4, .mark = CLO_MARK_NONE);
	PASSES(WIRE, &from6, .mark = CLO_MARK_NONE);
	REFUSED(WIRE, &to4, CLO_DROP_NOT_FOR_SEGMENT);
	REFUSED(WIRE, &to6, CLO_DROP_NOT_FOR_SEGMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from4),
		cmocka_unit_test(test_from6),
		cmocka_unit_test(test_from_unicast),
		cmocka_unit_test(test_to4),
		cmocka_unit_test(test_to6),
		cmocka_unit_test(test_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
