/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The short way of packets in mid-flow: it takes them, and it never does
 * anything but what the whole decision does.
 */

#include "unit/hooked.h"

enum {
	TAP_WEB = 2,
	TAP_DB,
	WIRE,
	MUTANTS = 300000,
	ENTRIES = 16, /* flows, at most */
};

struct sent {
	__u32 ifindex;
	struct frame_spec frame;
};

/* Flows, each opened and answered. */
static const struct sent openers[] = {
	{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, SYN)}},
	{TAP_DB, {TCP(4, DB, WEB, 5432, 1, SYN | ACK)}},
	{TAP_WEB, {TCP(6, WEB, DB, 1, 5432, SYN)}},
	{TAP_DB, {TCP(6, DB, WEB, 5432, 1, SYN | ACK)}},
	{TAP_DB, {UDP(4, DB, WEB, 7, 53)}},
	{TAP_WEB, {UDP(4, WEB, DB, 53, 7)}},
	{TAP_DB, {UDP(6, DB, WEB, 7, 53)}},
	{TAP_WEB, {UDP(6, WEB, DB, 53, 7)}},
	{WIRE, {TCP(4, NET, WEB, 9, 80, SYN)}},
	{TAP_WEB, {TCP(4, WEB, NET, 80, 9, SYN | ACK)}},
};

/* What goes on in them. */
static const struct sent plain[] = {
	{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, ACK), .payload = 40}},
	{TAP_DB, {TCP(4, DB, WEB, 5432, 1, ACK), .payload = 40}},
	{TAP_WEB, {TCP(6, WEB, DB, 1, 5432, ACK), .payload = 40}},
	{TAP_DB, {TCP(6, DB, WEB, 5432, 1, ACK), .payload = 40}},
	{TAP_WEB, {UDP(4, WEB, DB, 53, 7), .payload = 40}},
	{TAP_DB, {UDP(4, DB, WEB, 7, 53), .payload = 40}},
	{TAP_WEB, {UDP(6, WEB, DB, 53, 7), .payload = 40}},
	{TAP_DB, {UDP(6, DB, WEB, 7, 53), .payload = 40}},
	{WIRE, {TCP(4, NET, WEB, 9, 80, ACK), .payload = 40}},
	{TAP_WEB, {TCP(4, WEB, NET, 80, 9, ACK), .payload = 40}},
};

static __u64 seed = 0x9e3779b97f4a7c15ULL;

static __u32 any(__u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (__u32)(seed >> 33) % below;
}

static void under_way(void)
{
	struct clo_outcome ret;

	node_reset();
	(void)node_tap(TAP_WEB, WEB);
	(void)node_tap(TAP_DB, DB);
	(void)node_uplink(WIRE, 11);
	for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++)
		assert_int_equal(
			node_from(openers[i].ifindex, &openers[i].frame, &ret),
			CLO_DROP_NONE);
}

struct found {
	int passes;
	__u32 mark, ifindex;
	struct host_conn conns[ENTRIES];
	struct clo_meter meter;
};

static void try_quick(__u32 ifindex, int to, __u32 mark,
		      const struct frame *frame, struct found *ret)
{
	struct clo_view view = {&node.worlds[node.generation], &node.state};
	struct clo_hook hook = node_hook(ifindex, &view);
	struct clo_packet packet = {frame->data, frame->data + frame->len,
				    frame->len, 0};

	memset(ret, 0, sizeof(*ret));
	ret->passes =
		to ? clo_quick_to(&hook, &packet, mark)
		   : clo_quick_from(&hook, &packet, &ret->mark, &ret->ifindex);
	memcpy(ret->conns, node.state.conns, sizeof(ret->conns));
	ret->meter = node.state.meter;
}

static void try_whole(__u32 ifindex, int to, __u32 mark,
		      const struct frame *frame, struct found *ret)
{
	struct clo_outcome outcome;

	memset(ret, 0, sizeof(*ret));
	ret->passes = !node_frame(ifindex, to, mark, frame, &outcome);
	ret->mark = outcome.mark;
	ret->ifindex = outcome.ifindex;
	memcpy(ret->conns, node.state.conns, sizeof(ret->conns));
	ret->meter = node.state.meter;
}

/* Two copies of one memory, padding and all. */
static int same_bytes(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

/* 1: the short way took it. The flows are then as before. */
static int compare(__u32 ifindex, int to, __u32 mark, const struct frame *frame)
{
	static struct found before, quick, whole;
	__u32 n = node.state.n_conns;

	memcpy(before.conns, node.state.conns, sizeof(before.conns));
	before.meter = node.state.meter;
	try_quick(ifindex, to, mark, frame, &quick);
	memcpy(node.state.conns, before.conns, sizeof(before.conns));
	node.state.meter = before.meter;
	try_whole(ifindex, to, mark, frame, &whole);
	memcpy(node.state.conns, before.conns, sizeof(before.conns));
	node.state.meter = before.meter;
	node.state.n_conns = n;
	node.state.n_frags = 0;
	if (!quick.passes)
		return 0;
	if (!whole.passes || (!to && quick.mark != whole.mark) ||
	    quick.ifindex != whole.ifindex ||
	    !same_bytes(quick.conns, whole.conns, sizeof(quick.conns)) ||
	    !same_bytes(&quick.meter, &whole.meter, sizeof(quick.meter))) {
		for (__u32 i = 0; i < frame->len; i++)
			print_error("%02x", frame->data[i]);
		fail_msg(": whole decision %s",
			 whole.passes ? "differs" : "drops");
	}
	return 1;
}

static void test_what_it_takes(void **state)
{
	(void)state;
	under_way();
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		struct frame frame;

		frame_build(&plain[i].frame, &frame);
		if (!compare(plain[i].ifindex, 0, 0, &frame))
			fail_msg("packet %zu", i);
	}
}

/* What is no longer plain is the whole decision's. */
static void test_what_it_leaves(void **state)
{
	static const struct sent left[] = {
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, SYN)}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, FIN | ACK)}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, RST)}},
		{TAP_WEB, {TCP(4, WEB, DB, 2, 5432, ACK)}},
		{TAP_DB, {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{WIRE, {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, ACK), .seq = 1U << 30}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, ACK), .broadcast = 1}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, ACK), .patch = {{5, 9}}}},
		{TAP_WEB, {TCP(4, WEB, DB, 1, 5432, ACK), .cut = 53}},
	};

	(void)state;
	under_way();
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		struct frame frame;

		frame_build(&left[i].frame, &frame);
		if (compare(left[i].ifindex, 0, 0, &frame))
			fail_msg("packet %zu", i);
	}
}

static void test_another_policy_time_or_mode(void **state)
{
	struct frame frame;

	(void)state;
	under_way();
	frame_build(&plain[0].frame, &frame);
	node.epoch++;
	assert_false(compare(TAP_WEB, 0, 0, &frame));
	node.epoch = 0;
	assert_false(compare(TAP_WEB, 0, 0, &frame));
	node.epoch = 2;
	assert_true(compare(TAP_WEB, 0, 0, &frame));
	node.now += 7440 * CLO_SECOND + 1;
	assert_false(compare(TAP_WEB, 0, 0, &frame));
	node.now = CLO_SECOND;
	node.ports[TAP_WEB].mode = CLO_MODE_QUARANTINE;
	assert_false(compare(TAP_WEB, 0, 0, &frame));
	node.ports[TAP_WEB].mode = CLO_MODE_AUDIT;
	assert_true(compare(TAP_WEB, 0, 0, &frame));
}

static void test_limits(void **state)
{
	struct clo_bucket *bytes =
		&node.state.meter.bucket[CLO_BUCKET_BYTES_FROM];
	struct frame frame;

	(void)state;
	under_way();
	frame_build(&plain[0].frame, &frame);
	node.ports[TAP_WEB].flags = CLO_PORT_LIMIT_FROM;
	*bytes = (struct clo_bucket){.cost = 1 << 20, .burst = 0};
	assert_true(compare(TAP_WEB, 0, 0, &frame));
	bytes->paid = node.now + 1;
	assert_false(compare(TAP_WEB, 0, 0, &frame));
	node.ports[TAP_DB].flags = CLO_PORT_LIMIT_TO;
	assert_true(compare(TAP_DB, 1, FOR(102), &frame));
	node.state.meter.bucket[CLO_BUCKET_PACKETS_TO] = *bytes;
	assert_false(compare(TAP_DB, 1, FOR(102), &frame));
}

static void test_receivers(void **state)
{
	struct frame frame;

	(void)state;
	under_way();
	frame_build(&plain[0].frame, &frame);
	assert_true(compare(TAP_DB, 1, FOR(102), &frame));
	assert_false(compare(TAP_DB, 1, 0, &frame));
	assert_false(compare(TAP_DB, 1, FOR(101), &frame));
	assert_false(compare(TAP_WEB, 1, FOR(101), &frame)); /* db's MAC */
	assert_false(compare(WIRE, 1, FOR(102), &frame));
	frame.data[12] = 0x81;
	frame.data[13] = 0;
	assert_false(compare(TAP_DB, 1, FOR(102), &frame));
}

static void bend(struct frame *frame)
{
	for (__u32 n = any(4); n > 0; n--)
		frame->data[any(frame->len)] =
			(__u8)(any(2) ? any(256) : any(8));
	if (!any(16))
		frame->len = 14 + any(frame->len - 13);
}

static void test_mutants(void **state)
{
	unsigned int taken = 0;

	(void)state;
	under_way();
	for (unsigned int i = 0; i < MUTANTS; i++) {
		const struct sent *sent =
			&plain[any(sizeof(plain) / sizeof(plain[0]))];
		__u32 ifindex = any(8) ? sent->ifindex : 2 + any(3);
		int to = !any(4);
		struct frame frame;

		frame_build(&sent->frame, &frame);
		bend(&frame);
		node.ports[TAP_WEB].flags =
			any(4) ? 0 : CLO_PORT_LIMIT_FROM | CLO_PORT_LIMIT_TO;
		taken += (unsigned int)compare(
			ifindex, to, to ? FOR(100 + any(4)) : 0, &frame);
	}
	assert_true(taken > MUTANTS / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_takes),
		cmocka_unit_test(test_what_it_leaves),
		cmocka_unit_test(test_another_policy_time_or_mode),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_receivers),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
