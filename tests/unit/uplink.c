/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Segments over several nodes and inside one: what the wire may bring, what
 * may leave by it, and where a frame is sent straight to.
 */

#include "unit/hooked.h"

enum {
	TAP_WEB = 2,
	TAP_DB,
	TAP_FAR,
	WIRE, /* of segment 11: web's and db's */
	WIRE_FAR, /* of segment 12 */
	MOVED,
};

#define TO_WIRE(segment) (CLO_MARK_OUTSIDE | (segment))

/* Web is here, db on another node. */
static void one_here(void)
{
	node_reset();
	(void)node_tap(TAP_WEB, WEB);
	(void)node_tap(TAP_FAR, FAR);
	(void)node_uplink(WIRE, 11);
	(void)node_uplink(WIRE_FAR, 12);
}

static void both_here(void)
{
	one_here();
	(void)node_tap(TAP_DB, DB);
}

static void test_from_another_node(void **state)
{
	(void)state;
	one_here();
	PASSES(WIRE, FOR(101), TAP_WEB, UDP(4, DB, WEB, 7, 53));
	PASSES(TAP_WEB, FOR(102), WIRE, UDP(4, WEB, DB, 53, 7));
	PASSES(WIRE, FOR(101), TAP_WEB, UDP(6, DB, WEB, 7, 53));
	/* judged like a local one */
	REFUSED(WIRE, PROTOCOL, UDP(4, DB, WEB, 7, 99));
	REFUSED(WIRE, POLICY, TCP(4, DB, WEB, 7, 22, SYN));
	REFUSED(WIRE, NO_FLOW, TCP(4, DB, WEB, 7, 5432, ACK));
	/* of nobody: from outside */
	PASSES(WIRE, FOR(101), TAP_WEB, TCP(4, NET, WEB, 7, 80, SYN));
	PASSES(TAP_WEB, TO_WIRE(11), WIRE, TCP(4, WEB, NET, 80, 7, SYN | ACK));
}

static void test_the_wire_speaks_for_nobody_here(void **state)
{
	(void)state;
	both_here();
	REFUSED(WIRE, SPOOFED_ADDRESS, UDP(4, DB, WEB, 7, 53));
	REFUSED(WIRE, SPOOFED_ADDRESS, UDP(6, DB, WEB, 7, 53));
	/* also on a flow that lives */
	PASSES(TAP_DB, FOR(101), TAP_WEB, UDP(4, DB, WEB, 7, 53));
	REFUSED(WIRE, SPOOFED_ADDRESS, UDP(4, DB, WEB, 7, 53));
	REFUSED(WIRE, SPOOFED_ADDRESS, UDP(4, WEB, DB, 53, 7));
}

static void test_the_wire_reaches_its_segment_only(void **state)
{
	(void)state;
	one_here();
	REFUSED(WIRE, NOT_FOR_SEGMENT, TCP(4, NET, FAR, 7, 80, SYN));
	REFUSED(WIRE, NOT_FOR_SEGMENT, TCP(4, NET, LAB, 7, 80, SYN));
	REFUSED(WIRE, NOT_FOR_SEGMENT, TCP(4, NET, DB, 7, 80, SYN));
	REFUSED(WIRE_FAR, NOT_FOR_SEGMENT, TCP(4, NET, WEB, 7, 80, SYN));
	/* an answer on another wire than its question's */
	PASSES(TAP_WEB, TO_WIRE(11), 0, TCP(4, WEB, PARTNER, 7, 80, SYN));
	REFUSED(WIRE_FAR, NOT_FOR_SEGMENT,
		TCP(4, PARTNER, WEB, 80, 7, SYN | ACK));
	PASSES(WIRE, FOR(101), TAP_WEB, TCP(4, PARTNER, WEB, 80, 7, SYN | ACK));
}

static void test_what_leaves_by_a_wire(void **state)
{
	const struct frame_spec *syn = SPEC(TCP(4, WEB, NET, 7, 80, SYN));

	(void)state;
	one_here();
	assert_int_equal(node_to(WIRE, TO_WIRE(11), syn), CLO_DROP_NONE);
	assert_int_equal(node_to(WIRE, CLO_MARK_GROUP | 11, syn),
			 CLO_DROP_NONE);
	assert_int_equal(node_to(WIRE, FOR(102), syn), CLO_DROP_NONE);
	assert_int_equal(node_to(WIRE, 0, syn), CLO_DROP_NOT_FOR_SEGMENT);
	assert_int_equal(node_to(WIRE, 11, syn), CLO_DROP_NOT_FOR_SEGMENT);
	assert_int_equal(node_to(WIRE, TO_WIRE(12), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	assert_int_equal(node_to(WIRE, CLO_MARK_GROUP | 21, syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	/* for an endpoint that is here, of another tenant, of nobody */
	assert_int_equal(node_to(WIRE, FOR(101), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	assert_int_equal(node_to(WIRE, FOR(202), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	assert_int_equal(node_to(WIRE, FOR(999), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
}

/* Between two segments a router beyond the wire leads, by either wire. */
static void test_routed_between_segments(void **state)
{
	const struct frame_spec *syn = SPEC(TCP(4, WEB, FAR, 7, 80, SYN));
	const struct frame_spec *other = SPEC(TCP(4, WEB, FAR, 8, 80, SYN));

	(void)state;
	one_here();
	PASSES(TAP_WEB, FOR(103), 0, TCP(4, WEB, FAR, 7, 80, SYN));
	assert_int_equal(node_to(WIRE, FOR(103), syn), CLO_DROP_NONE);
	assert_int_equal(node_to(WIRE_FAR, FOR(103), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	/* no flow, no way */
	assert_int_equal(node_to(WIRE, FOR(103), other),
			 CLO_DROP_NOT_FOR_SEGMENT);
	/* another tenant's, with the same addresses and ports */
	assert_int_equal(node_to(WIRE, FOR(202), syn),
			 CLO_DROP_NOT_FOR_SEGMENT);
	/* it comes back by the other wire, as part of that flow only */
	PASSES(WIRE_FAR, FOR(103), TAP_FAR, TCP(4, WEB, FAR, 7, 80, SYN));
	REFUSED(WIRE_FAR, SPOOFED_ADDRESS, TCP(4, WEB, FAR, 8, 80, SYN));
}

static void test_straight_to_the_receiver(void **state)
{
	(void)state;
	both_here();
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 7, 5432, SYN));
	PASSES(TAP_DB, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 7, SYN | ACK));
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 7, 5432, ACK));
	/* for a MAC that is not db's: the bridge would flood it */
	REFUSED(TAP_WEB, NOT_FOR_ENDPOINT, TCP(4, WEB, DB, 7, 5432, ACK),
		.patch = {{5, 0x77}});
	REFUSED(TAP_WEB, NOT_FOR_ENDPOINT, TCP(4, WEB, DB, 8, 5432, SYN),
		.patch = {{5, 0x77}});
	/* between segments, never straight */
	PASSES(TAP_WEB, FOR(103), 0, TCP(4, WEB, FAR, 7, 80, SYN));
}

/* The number of an interface says nothing: what its port says counts. */
static void test_an_interface_that_changes_hands(void **state)
{
	struct clo_port impostor = world_nics[DB2].port;

	(void)state;
	both_here();
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 7, 5432, SYN));
	PASSES(TAP_DB, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 7, SYN | ACK));
	node_unplug(TAP_DB);
	PASSES(TAP_WEB, FOR(102), 0, TCP(4, WEB, DB, 7, 5432, ACK));
	/* another tenant's, even with the same MAC */
	memcpy(impostor.mac, world_nics[DB].port.mac, sizeof(impostor.mac));
	(void)node_put(TAP_DB, &impostor);
	PASSES(TAP_WEB, FOR(102), 0, TCP(4, WEB, DB, 7, 5432, ACK));
	/* db comes back on another interface; its next frame shows where */
	(void)node_tap(MOVED, DB);
	PASSES(MOVED, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 7, ACK));
	PASSES(TAP_WEB, FOR(102), MOVED, TCP(4, WEB, DB, 7, 5432, ACK));
}

/* While connections move to another table, what the policy allows goes on. */
static void test_pickup(void **state)
{
	(void)state;
	both_here();
	REFUSED(TAP_WEB, NO_FLOW, TCP(4, WEB, DB, 7, 5432, ACK));
	node.pickup = node.now + 1;
	PASSES(TAP_DB, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 7, ACK));
	REFUSED(TAP_WEB, PROTOCOL, TCP(4, WEB, DB, 7, 22, ACK));
	node.now++;
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 7, 5432, ACK));
	REFUSED(TAP_WEB, NO_FLOW, TCP(4, WEB, DB, 8, 5432, ACK));
}

static void test_a_receiver_in_quarantine(void **state)
{
	(void)state;
	both_here();
	node.ports[TAP_DB].mode = CLO_MODE_QUARANTINE;
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 7, 5432, SYN));
	assert_int_not_equal(
		node_to(TAP_DB, FOR(102), SPEC(TCP(4, WEB, DB, 7, 5432, SYN))),
		CLO_DROP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_another_node),
		cmocka_unit_test(test_the_wire_speaks_for_nobody_here),
		cmocka_unit_test(test_the_wire_reaches_its_segment_only),
		cmocka_unit_test(test_what_leaves_by_a_wire),
		cmocka_unit_test(test_routed_between_segments),
		cmocka_unit_test(test_straight_to_the_receiver),
		cmocka_unit_test(test_an_interface_that_changes_hands),
		cmocka_unit_test(test_pickup),
		cmocka_unit_test(test_a_receiver_in_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
