/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/neighbourhood.h"

static enum clo_drop judge(const struct clo_view *view, int where, __u32 kind,
			   __u64 dst_mac)
{
	int to = where == WIRE ? WEB : DB;
	__u8 family = kind == CLO_FRAME_SOLICIT || kind == CLO_FRAME_ADVERTISE
			      ? 6
			      : 4;
	struct clo_frame frame =
		make(kind, family, 0, WEB, where & TO ? WEB : to);
	struct clo_outcome ret;

	if (where == WIRE)
		put_ip(family, frame.tuple.src, AWAY);
	if (where & TO)
		put_ip(family, frame.tuple.src, ROUTER);
	frame.arp_op = 2;
	memcpy(frame.target,
	       kind == CLO_FRAME_SOLICIT ? frame.tuple.dst : frame.tuple.src,
	       16);
	if (dst_mac)
		frame.dst_mac = dst_mac;
	return nb_judge(view, where, frame, &ret);
}

/* Only what many must hear, from the guest or the wire, is limited. */
static void test_rate(void **unused)
{
	const struct clo_view unlimited = {.meter = NB_UNLIMITED};
	const struct clo_view spent = {.meter = NB_SPENT};
	const struct clo_view none = {.meter = NB_NO_METER};
	static const int from[] = {WEB, WIRE};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(
			judge(&unlimited, from[i], CLO_FRAME_ARP, EVERYBODY),
			CLO_DROP_NONE);
		assert_int_equal(
			judge(&spent, from[i], CLO_FRAME_ARP, EVERYBODY),
			CLO_DROP_MULTICAST_RATE);
		assert_int_equal(
			judge(&none, from[i], CLO_FRAME_ARP, EVERYBODY),
			CLO_DROP_MULTICAST_RATE);
		assert_int_equal(judge(&spent, from[i], CLO_FRAME_ARP, 0),
				 CLO_DROP_NONE);
	}
	assert_int_equal(judge(&spent, TO | WEB, CLO_FRAME_ARP, EVERYBODY),
			 CLO_DROP_NONE);
}

/* What makes neighbours meet passes in quarantine, and nothing else. */
static void test_quarantine(void **unused)
{
	static const __u32 needed[] = {CLO_FRAME_ARP, CLO_FRAME_SOLICIT,
				       CLO_FRAME_ADVERTISE};
	static const __u32 others[] = {CLO_FRAME_ROUTER, CLO_FRAME_DHCP,
				       CLO_FRAME_MEMBER, CLO_FRAME_FLOW};
	const struct clo_view view = {.mode = CLO_MODE_QUARANTINE};

	(void)unused;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		assert_int_equal(judge(&view, WEB, needed[i], 0),
				 CLO_DROP_NONE);
		assert_int_equal(judge(&view, TO | WEB, needed[i], 0),
				 CLO_DROP_NONE);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(judge(&view, WEB, others[i], 0),
				 CLO_DROP_QUARANTINE);
		assert_int_equal(judge(&view, TO | WEB, others[i], 0),
				 CLO_DROP_QUARANTINE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
