/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/neighbourhood.h"

static struct clo_frame router(__u8 type, int from, const __u8 *group)
{
	struct clo_frame frame =
		make(CLO_FRAME_ROUTER, 6, IPPROTO_ICMPV6, from, 0);

	frame.tuple.type = type;
	put_link_local(frame.tuple.src, from);
	memcpy(frame.tuple.dst, group, 16);
	frame.dst_mac = clo_group_mac(&frame.tuple);
	return frame;
}

static void test_from(void **unused)
{
	struct clo_frame asks = router(133, WEB, nb_all_routers);
	struct clo_frame nobody = router(133, WEB, nb_all_routers);
	struct clo_frame spoofed = router(133, DB, nb_all_routers);
	struct clo_frame elsewhere = router(133, WEB, nb_all_nodes);
	struct clo_frame is_one = router(134, WEB, nb_all_nodes);
	struct clo_frame unicast = router(133, WEB, nb_all_routers);

	(void)unused;
	PASSES(WEB, &asks, .mark = OUTSIDE, .rule = RULE_ROUTER,
	       .endpoint = {WEB});
	memset(nobody.tuple.src, 0, 16);
	PASSES(WEB, &nobody, .mark = OUTSIDE, .rule = RULE_ROUTER,
	       .endpoint = {WEB});

	REFUSED(WEB, &spoofed, CLO_DROP_SPOOFED_ND);
	REFUSED(WEB, &elsewhere, CLO_DROP_MULTICAST);
	memcpy(elsewhere.tuple.dst, nb_all_dhcp6,
	       16); /* declared, but not so */
	REFUSED(WEB, &elsewhere, CLO_DROP_MULTICAST);
	REFUSED(WEB, &is_one, CLO_DROP_ND_KIND);
	put_ip(6, unicast.tuple.dst, ROUTER);
	REFUSED(WEB, &unicast, CLO_DROP_MULTICAST);
	asks.lladdr_differs = 1;
	REFUSED(WEB, &asks, CLO_DROP_SPOOFED_ND);

	/* no rule for DB; no router declared by the other tenant */
	REFUSED(DB, &spoofed, CLO_DROP_POLICY);
	REFUSED(LAB, &nobody, CLO_DROP_NO_CLASS);
	REFUSED(TWIN, &nobody, CLO_DROP_MULTICAST);
}

static void test_to(void **unused)
{
	struct clo_frame all = router(134, ROUTER, nb_all_nodes);
	struct clo_frame own = router(134, ROUTER, nb_all_nodes);
	struct clo_frame stranger = router(134, STRANGER, nb_all_nodes);
	struct clo_frame guest = router(134, DB, nb_all_nodes);
	struct clo_frame asks = router(133, ROUTER, nb_all_routers);

	(void)unused;
	PASSES(TO | WEB, &all, .rule = RULE_ROUTER, .endpoint = {0, WEB});
	put_ip(6, own.tuple.dst, WEB);
	own.dst_mac = MAC(WEB);
	PASSES(TO | WEB, &own, .rule = RULE_ROUTER, .endpoint = {0, WEB});
	own.dst_mac = EVERYBODY;
	REFUSED(TO | WEB, &own, CLO_DROP_MULTICAST);
	put_ip(6, own.tuple.dst, DB);
	own.dst_mac = MAC(WEB);
	REFUSED(TO | WEB, &own, CLO_DROP_ND_KIND);

	REFUSED(TO | WEB, &stranger, CLO_DROP_ND_KIND);
	REFUSED(TO | WEB, &guest, CLO_DROP_ND_KIND);
	REFUSED(TO | WEB, &asks, CLO_DROP_ND_KIND);
	memcpy(asks.tuple.dst, nb_all_nodes, 16);
	REFUSED(TO | WEB, &asks, CLO_DROP_ND_KIND);
	REFUSED(TO | DB, &all, CLO_DROP_ND_KIND);
	memcpy(all.tuple.dst, nb_all_routers, 16);
	REFUSED(TO | WEB, &all, CLO_DROP_ND_KIND);
}

static void test_wire(void **unused)
{
	struct clo_frame advertises = router(134, STRANGER, nb_all_nodes);
	struct clo_frame asks = router(133, AWAY, nb_all_routers);

	(void)unused;
	PASSES(WIRE, &advertises, .mark = CLO_MARK_NONE);
	REFUSED(WIRE, &asks, CLO_DROP_NOT_FOR_SEGMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_to),
		cmocka_unit_test(test_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
