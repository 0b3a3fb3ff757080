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

static int opens(const struct clo_tuple *tuple)
{
	struct clo_frame frame = {.tuple = *tuple};

	return clo_flow_opens(&frame);
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
		assert_true(opens(&a));
		a.type = b.type = cases[i].reply;
		reply_b = flow_of(&a, 1); /* a answers b */
		reply_a = flow_of(&b, 1);
		assert_false(opens(&a));
		assert_true(same_key(&asked_a, &reply_a));
		assert_true(same_key(&asked_b, &reply_b));
		assert_false(same_key(&asked_a, &asked_b));
	}
}

#define S CLO_TCP_SYN
#define A CLO_TCP_ACK
#define R CLO_TCP_RST
#define F CLO_TCP_FIN

enum {
	NEW = CLO_CONN_NEW,
	EST = CLO_CONN_ESTABLISHED,
	HALF = CLO_CONN_HALF_CLOSED,
	CLOSED = CLO_CONN_CLOSED,
	RESET = CLO_CONN_RESET,
};

/* One packet of a flow whose initiator is lo, and what it must come to. */
struct step {
	__u8 state, fin;
	__u8 by_initiator;
	__u8 what; /* TCP flags, or the type of the SCTP chunk */
	__u8 step; /* enum clo_flow_step */
	__u8 next, next_fin; /* if it passes */
};

static void check_step(__u8 proto, const struct step *c, size_t i)
{
	struct clo_conn conn = {.state = c->state, .fin = c->fin, .picked = 1};
	struct clo_frame frame = {.tuple.proto = proto};
	struct clo_flow_change change;
	enum clo_flow_step step;

	if (proto == IPPROTO_TCP)
		frame.tuple.flags = c->what;
	else
		frame.tuple.type = c->what;
	step = clo_flow_next(&conn, &frame, !c->by_initiator, &change);
	if (step != c->step)
		fail_msg("case %zu: step %u", i, step);
	if (step == CLO_FLOW_PASS && change.state != c->next)
		fail_msg("case %zu: state %u", i, change.state);
	if (step == CLO_FLOW_PASS && change.fin != c->next_fin)
		fail_msg("case %zu: fin %u", i, change.fin);
}

static void test_tcp_states(void **state)
{
	static const struct step cases[] = {
		{NEW, 0, 1, S, CLO_FLOW_PASS, NEW, 0},
		{NEW, 0, 1, A, CLO_FLOW_PASS, NEW, 0},
		{NEW, 0, 1, R, CLO_FLOW_PASS, RESET, 0},
		{NEW, 0, 1, S | A, CLO_FLOW_STRAY, 0, 0},
		{NEW, 0, 0, S | A, CLO_FLOW_PASS, EST, 0},
		{NEW, 0, 0, R | A, CLO_FLOW_PASS, RESET, 0},
		{NEW, 0, 0, A, CLO_FLOW_STRAY, 0, 0},
		{NEW, 0, 0, F | A, CLO_FLOW_STRAY, 0, 0},
		{NEW, 0, 0, S, CLO_FLOW_FRESH, 0, 0},
		{EST, 0, 1, A, CLO_FLOW_PASS, EST, 0},
		{EST, 0, 0, A, CLO_FLOW_PASS, EST, 0},
		{EST, 0, 1, S, CLO_FLOW_PASS, EST, 0},
		{EST, 0, 0, S, CLO_FLOW_FRESH, 0, 0},
		{EST, 0, 1, S | A, CLO_FLOW_STRAY, 0, 0},
		{EST, 0, 0, S | A, CLO_FLOW_PASS, EST, 0},
		{EST, 0, 0, F | A, CLO_FLOW_PASS, HALF, 2},
		{EST, 0, 1, F | A, CLO_FLOW_PASS, HALF, 1},
		{EST, 0, 1, R, CLO_FLOW_PASS, RESET, 0},
		{HALF, 2, 0, F | A, CLO_FLOW_PASS, HALF, 2},
		{HALF, 2, 1, A, CLO_FLOW_PASS, HALF, 2},
		{HALF, 2, 1, F | A, CLO_FLOW_PASS, CLOSED, 3},
		{HALF, 1, 1, S, CLO_FLOW_PASS, HALF, 1},
		{CLOSED, 3, 1, A, CLO_FLOW_PASS, CLOSED, 3},
		{CLOSED, 3, 0, S | A, CLO_FLOW_PASS, CLOSED, 3},
		{CLOSED, 3, 1, S, CLO_FLOW_FRESH, 0, 0},
		{CLOSED, 3, 0, S, CLO_FLOW_FRESH, 0, 0},
		/* whoever still speaks did not take the reset for true */
		{RESET, 0, 1, A, CLO_FLOW_PASS, EST, 0},
		{RESET, 0, 0, A, CLO_FLOW_PASS, EST, 0},
		{RESET, 1, 0, A, CLO_FLOW_PASS, HALF, 1},
		{RESET, 0, 1, S, CLO_FLOW_FRESH, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_step(IPPROTO_TCP, &cases[i], i);
}

static void test_sctp_states(void **state)
{
	enum {
		DATA = 0,
		INIT = 1,
		INIT_ACK = 2,
		ABORT = 6,
		SHUTDOWN = 7,
		COOKIE = 10,
		COMPLETE = 14,
	};
	static const struct step cases[] = {
		{NEW, 0, 1, INIT, CLO_FLOW_PASS, NEW, 0},
		{NEW, 0, 1, COOKIE, CLO_FLOW_PASS, NEW, 0},
		{NEW, 0, 0, INIT, CLO_FLOW_FRESH, 0, 0},
		{NEW, 0, 0, INIT_ACK, CLO_FLOW_PASS, EST, 0},
		{NEW, 0, 0, ABORT, CLO_FLOW_PASS, RESET, 0},
		{EST, 0, 0, INIT, CLO_FLOW_FRESH, 0, 0},
		{EST, 0, 1, DATA, CLO_FLOW_PASS, EST, 0},
		{EST, 0, 0, SHUTDOWN, CLO_FLOW_PASS, HALF, 0},
		{HALF, 0, 1, COMPLETE, CLO_FLOW_PASS, CLOSED, 0},
		{CLOSED, 0, 1, INIT, CLO_FLOW_FRESH, 0, 0},
		{RESET, 0, 1, DATA, CLO_FLOW_PASS, EST, 0},
		{RESET, 0, 0, INIT, CLO_FLOW_FRESH, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_step(IPPROTO_SCTP, &cases[i], i);
}

/* A TCP segment; `payload` bytes of data. */
static struct clo_frame segment(__u8 flags, __u32 seq, __u32 ack, __u32 payload)
{
	return (struct clo_frame){
		.tuple = {.proto = IPPROTO_TCP, .flags = flags},
		.seq = seq,
		.ack = ack,
		.payload = payload,
	};
}

/* What the guard does with a segment of side `src`. */
static enum clo_flow_step see(struct clo_conn *conn, __u8 src,
			      struct clo_frame frame)
{
	struct clo_flow_change change;
	enum clo_flow_step step = clo_flow_next(conn, &frame, src, &change);

	if (step != CLO_FLOW_PASS)
		return step;
	clo_flow_advance(conn, &frame, src);
	conn->state = change.state;
	conn->fin = change.fin;
	return step;
}

/* A handshake whose numbers wrap: the client (lo) has 99 bytes under way. */
static struct clo_conn handshake(void)
{
	struct clo_conn conn = {.initiator = 0};
	struct clo_frame syn = segment(S, 0xfffffff0, 0, 0);

	clo_flow_advance(&conn, &syn, 0);
	assert_int_equal(see(&conn, 1, segment(S | A, 500, 0xfffffff1, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.state, EST);
	assert_int_equal(see(&conn, 0, segment(A, 0xfffffff1, 501, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(see(&conn, 0, segment(A, 0xfffffff1, 501, 99)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.next[0], 0xfffffff1 + 99);
	assert_int_equal(conn.ack[1], 0xfffffff1);
	return conn;
}

static void test_syn_ack_must_answer_the_syn(void **state)
{
	static const __u32 wrong[] = {0, 1000, 1002, 0x80001001};
	struct clo_frame syn = segment(S, 1000, 0, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct clo_conn conn = {.initiator = 0};

		clo_flow_advance(&conn, &syn, 0);
		assert_int_equal(see(&conn, 1, segment(S | A, 7, wrong[i], 0)),
				 CLO_FLOW_WINDOW);
		/* nor may it be refused by who has not seen it */
		assert_int_equal(see(&conn, 1, segment(R | A, 0, wrong[i], 0)),
				 CLO_FLOW_WINDOW);
		assert_int_equal(see(&conn, 1, segment(R, 0, 0, 0)),
				 CLO_FLOW_WINDOW);
		assert_int_equal(conn.state, NEW);
		assert_int_equal(see(&conn, 1, segment(R | A, 0, 1001, 0)),
				 CLO_FLOW_PASS);
		assert_int_equal(conn.state, RESET);
	}
}

static void test_reset_must_be_in_the_window(void **state)
{
	static const struct {
		__u32 src;
		__u32 seq;
		__u32 step;
	} cases[] = {
		{0, 0xfffffff0, CLO_FLOW_WINDOW},
		{0, 0xfffffff1, CLO_FLOW_PASS},
		{0, 0xfffffff1 + 99, CLO_FLOW_PASS},
		{0, 0xfffffff1 + 100, CLO_FLOW_WINDOW},
		{0, 0, CLO_FLOW_PASS}, /* inside: the numbers wrapped */
		{1, 500, CLO_FLOW_WINDOW},
		{1, 501, CLO_FLOW_PASS},
		{1, 502, CLO_FLOW_WINDOW},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clo_conn conn = handshake();
		enum clo_flow_step step = see(&conn, (__u8)cases[i].src,
					      segment(R, cases[i].seq, 0, 0));

		if (step != cases[i].step)
			fail_msg("case %zu: step %u", i, step);
		assert_int_equal(conn.state,
				 step == CLO_FLOW_PASS ? RESET : EST);
	}
}

/* A forged FIN passes to an end that knows better, and ends no flow here. */
static void test_fin_must_be_in_the_window(void **state)
{
	struct clo_conn conn = handshake();

	(void)state;
	assert_int_equal(see(&conn, 1, segment(F | A, 9000, 0xfffffff1, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.state, EST);
	assert_int_equal(see(&conn, 1, segment(F | A, 501, 0xfffffff1, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.state, HALF);
	assert_int_equal(see(&conn, 0, segment(F | A, 0xfffffff1 + 99, 502, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.state, CLOSED);
}

/* Old or absurd numbers do not move what is known of the sides. */
static void test_window_moves_forward_only(void **state)
{
	struct clo_conn conn = handshake();
	const __u32 next = conn.next[0];

	(void)state;
	assert_int_equal(see(&conn, 0, segment(A, 0xfffffff1, 501, 10)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.next[0], next);
	for (__u32 i = 1; i < 7; i++)
		assert_int_equal(
			see(&conn, 0, segment(A, next + (i << 29), 501, 10)),
			CLO_FLOW_WINDOW);
	assert_int_equal(conn.next[0], next);
	assert_int_equal(see(&conn, 1, segment(A, 501, next, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.ack[1], next);
	assert_int_equal(see(&conn, 1, segment(A, 501, 0xfffffff1, 0)),
			 CLO_FLOW_PASS);
	assert_int_equal(conn.ack[1], next);
}

static void test_what_opens(void **state)
{
	static const struct {
		__u8 proto, type, flags, frag, opens;
	} cases[] = {
		{IPPROTO_TCP, 0, S, CLO_FRAG_NONE, 1},
		{IPPROTO_TCP, 0, S | 0xc0, CLO_FRAG_NONE, 1}, /* ECN */
		{IPPROTO_TCP, 0, S | A, CLO_FRAG_NONE, 0},
		{IPPROTO_TCP, 0, A, CLO_FRAG_NONE, 0},
		{IPPROTO_TCP, 0, R, CLO_FRAG_NONE, 0},
		{IPPROTO_TCP, 0, F | A, CLO_FRAG_NONE, 0},
		{IPPROTO_SCTP, 1, 0, CLO_FRAG_NONE, 1},
		{IPPROTO_SCTP, 0, 0, CLO_FRAG_NONE, 0},
		{IPPROTO_SCTP, 10, 0, CLO_FRAG_NONE, 0},
		{IPPROTO_UDP, 0, 0, CLO_FRAG_NONE, 1},
		{IPPROTO_UDP, 0, 0, CLO_FRAG_FIRST, 1},
		{IPPROTO_UDP, 0, 0, CLO_FRAG_LATER, 0},
		{IPPROTO_ICMP, 0, 0, CLO_FRAG_NONE, 0},
		{47, 0, 0, CLO_FRAG_NONE, 1},
		{47, 0, 0, CLO_FRAG_LATER, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clo_frame frame = {
			.tuple = {.proto = cases[i].proto,
				  .type = cases[i].type,
				  .flags = cases[i].flags},
			.frag = cases[i].frag,
		};

		if (clo_flow_opens(&frame) != cases[i].opens)
			fail_msg("case %zu", i);
	}
}

static void test_timeouts(void **state)
{
	static const struct {
		__u8 proto, state;
		__u64 seconds;
	} cases[] = {
		{IPPROTO_TCP, CLO_CONN_NEW, 60},
		{IPPROTO_TCP, CLO_CONN_ESTABLISHED, 7440},
		{IPPROTO_TCP, CLO_CONN_HALF_CLOSED, 300},
		{IPPROTO_TCP, CLO_CONN_CLOSED, 30},
		{IPPROTO_TCP, CLO_CONN_RESET, 10},
		{IPPROTO_UDP, CLO_CONN_NEW, 60},
		{IPPROTO_UDP, CLO_CONN_ESTABLISHED, 180},
		{IPPROTO_ICMP, CLO_CONN_NEW, 30},
		{IPPROTO_ICMPV6, CLO_CONN_ESTABLISHED, 30},
		{IPPROTO_SCTP, CLO_CONN_ESTABLISHED, 7440},
		{IPPROTO_SCTP, CLO_CONN_RESET, 10},
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
		cmocka_unit_test(test_what_opens),
		cmocka_unit_test(test_tcp_states),
		cmocka_unit_test(test_sctp_states),
		cmocka_unit_test(test_syn_ack_must_answer_the_syn),
		cmocka_unit_test(test_reset_must_be_in_the_window),
		cmocka_unit_test(test_fin_must_be_in_the_window),
		cmocka_unit_test(test_window_moves_forward_only),
		cmocka_unit_test(test_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
