/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/lib/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct clo_tuple tuple_of(__u8 family, __u8 proto, __u8 src, __u8 dst,
				 __u16 sport, __u16 dport)
{
	struct clo_tuple tuple = {.family = family, .proto = proto};

	/* the last byte differs: order must look at all of them */
	tuple.src[family == 4 ? 3 : 15] = src;
	tuple.dst[family == 4 ? 3 : 15] = dst;
	tuple.sport = __builtin_bswap16(sport);
	tuple.dport = __builtin_bswap16(dport);
	return tuple;
}

static struct clo_tuple turned(const struct clo_tuple *tuple)
{
	struct clo_tuple back = *tuple;

	memcpy(back.src, tuple->dst, 16);
	memcpy(back.dst, tuple->src, 16);
	back.sport = tuple->dport;
	back.dport = tuple->sport;
	return back;
}

static struct clo_flow flow_of(const struct clo_tuple *tuple, __u32 space)
{
	struct clo_flow flow;

	memset(&flow, 0, sizeof(flow));
	clo_flow_init(tuple, space, &flow);
	return flow;
}

static int same_key(const struct clo_flow *a, const struct clo_flow *b)
{
	const void *left = &a->key, *right = &b->key; /* zeroed before */

	return a->family == b->family && !memcmp(left, right, sizeof(a->key));
}

static void test_both_directions_share_a_key(void **state)
{
	static const struct {
		__u8 src, dst;
		__u16 sport, dport;
		__u8 side; /* of src */
	} cases[] = {
		{1, 2, 9, 80, 0},       {2, 1, 9, 80, 1},  {1, 2, 80, 9, 0},
		{200, 100, 1, 1, 1},    {1, 1, 256, 2, 1}, {1, 1, 2, 256, 0},
		{1, 1, 0xff, 0x100, 0},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		__u8 family = i % 2 ? 4 : 6;
		struct clo_tuple tuple = tuple_of(
			family, IPPROTO_UDP, cases[i / 2].src, cases[i / 2].dst,
			cases[i / 2].sport, cases[i / 2].dport);
		struct clo_tuple back = turned(&tuple);
		struct clo_flow there = flow_of(&tuple, 3);
		struct clo_flow here = flow_of(&back, 3);

		assert_true(same_key(&there, &here));
		assert_int_equal(there.src, cases[i / 2].side);
		assert_int_equal(here.src, !cases[i / 2].side);
	}
}

static void test_what_makes_another_key(void **state)
{
	struct clo_tuple tuple = tuple_of(4, IPPROTO_TCP, 1, 2, 10, 20);
	struct clo_flow flow = flow_of(&tuple, 1);
	struct clo_tuple other = tuple;
	struct clo_flow key;

	(void)state;
	key = flow_of(&tuple, 2);
	assert_false(same_key(&flow, &key));
	other.proto = IPPROTO_UDP;
	key = flow_of(&other, 1);
	assert_false(same_key(&flow, &key));
	other = tuple_of(4, IPPROTO_TCP, 1, 2, 20, 10); /* ports swapped */
	key = flow_of(&other, 1);
	assert_false(same_key(&flow, &key));
	other = tuple_of(4, IPPROTO_TCP, 1, 3, 10, 20);
	key = flow_of(&other, 1);
	assert_false(same_key(&flow, &key));
	assert_int_equal(flow.key.v4.space_proto, 1 << 8 | IPPROTO_TCP);
	assert_int_equal(flow.key.v4.lo[3], 1);
	assert_int_equal(flow.key.v4.port[0], __builtin_bswap16(10));
}

/* The same identifier both ways at once: two flows, each with its reply. */
static void test_echo(void **state)
{
	static const struct {
		__u8 family, proto, request, reply;
	} cases[] = {{4, IPPROTO_ICMP, 8, 0}, {6, IPPROTO_ICMPV6, 128, 129}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct clo_tuple a =
			tuple_of(cases[i].family, cases[i].proto, 1, 2, 77, 77);
		struct clo_tuple b = turned(&a);
		struct clo_flow asked_a, asked_b, reply_a, reply_b;

		a.type = b.type = cases[i].request;
		asked_a = flow_of(&a, 1);
		asked_b = flow_of(&b, 1);
		assert_true(clo_flow_opens(&a));
		a.type = b.type = cases[i].reply;
		reply_b = flow_of(&a, 1); /* a answers b */
		reply_a = flow_of(&b, 1);
		assert_false(clo_flow_opens(&a));
		assert_true(same_key(&asked_a, &reply_a));
		assert_true(same_key(&asked_b, &reply_b));
		assert_false(same_key(&asked_a, &asked_b));
	}
}

#define S CLO_TCP_SYN
#define A CLO_TCP_ACK
#define R CLO_TCP_RST
#define F CLO_TCP_FIN

static void test_tcp_states(void **state)
{
	enum {
		NEW = CLO_CONN_NEW,
		EST = CLO_CONN_ESTABLISHED,
		CLOSE = CLO_CONN_CLOSING
	};

	static const struct {
		__u8 state, by_initiator, flags;
		__u8 step; /* enum clo_flow_step */
		__u8 next;
	} cases[] = {
		{NEW, 1, S, CLO_FLOW_PASS, NEW},
		{NEW, 1, A, CLO_FLOW_PASS, NEW},
		{NEW, 1, R, CLO_FLOW_PASS, CLOSE},
		{NEW, 0, S | A, CLO_FLOW_PASS, EST},
		{NEW, 0, R | A, CLO_FLOW_PASS, CLOSE},
		{NEW, 0, A, CLO_FLOW_STRAY, 0},
		{NEW, 0, F | A, CLO_FLOW_STRAY, 0},
		{NEW, 0, 0, CLO_FLOW_STRAY, 0},
		{NEW, 0, S, CLO_FLOW_FRESH, 0},
		{EST, 1, A, CLO_FLOW_PASS, EST},
		{EST, 0, A, CLO_FLOW_PASS, EST},
		{EST, 1, S, CLO_FLOW_PASS, EST},
		{EST, 0, S, CLO_FLOW_FRESH, 0},
		{EST, 0, F | A, CLO_FLOW_PASS, CLOSE},
		{EST, 1, R, CLO_FLOW_PASS, CLOSE},
		{CLOSE, 1, A, CLO_FLOW_PASS, CLOSE},
		{CLOSE, 0, A, CLO_FLOW_PASS, CLOSE},
		{CLOSE, 0, S | A, CLO_FLOW_PASS, CLOSE},
		{CLOSE, 1, S, CLO_FLOW_FRESH, 0},
		{CLOSE, 0, S, CLO_FLOW_FRESH, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clo_tuple tuple = {.proto = IPPROTO_TCP,
					  .flags = cases[i].flags};
		__u8 next = 99;
		enum clo_flow_step step = clo_flow_next(
			cases[i].state, &tuple, cases[i].by_initiator, &next);

		if (step != cases[i].step)
			fail_msg("case %zu: step %u", i, step);
		if (step == CLO_FLOW_PASS && next != cases[i].next)
			fail_msg("case %zu: state %u", i, next);
	}
}

static void test_timeouts(void **state)
{
	static const struct {
		__u8 proto, state;
		__u64 seconds;
	} cases[] = {
		{IPPROTO_TCP, CLO_CONN_NEW, 60},
		{IPPROTO_TCP, CLO_CONN_ESTABLISHED, 7200},
		{IPPROTO_TCP, CLO_CONN_CLOSING, 10},
		{IPPROTO_UDP, CLO_CONN_NEW, 60},
		{IPPROTO_UDP, CLO_CONN_ESTABLISHED, 180},
		{IPPROTO_ICMP, CLO_CONN_NEW, 30},
		{IPPROTO_ICMPV6, CLO_CONN_ESTABLISHED, 30},
		{IPPROTO_SCTP, CLO_CONN_ESTABLISHED, 600},
		{47, CLO_CONN_ESTABLISHED, 600},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clo_conn conn = {.seen = 5, .state = cases[i].state};
		__u64 end = 5 + cases[i].seconds * CLO_SECOND;

		assert_false(clo_flow_expired(&conn, cases[i].proto, end));
		assert_true(clo_flow_expired(&conn, cases[i].proto, end + 1));
		/* another CPU may have seen it after this one read the clock */
		assert_false(clo_flow_expired(&conn, cases[i].proto, 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_share_a_key),
		cmocka_unit_test(test_what_makes_another_key),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_tcp_states),
		cmocka_unit_test(test_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
