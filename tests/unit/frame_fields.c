/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/framed.h"

static void build(const struct frame_spec *spec, struct frame *raw,
		  struct clo_frame *ret)
{
	frame_build(spec, raw);
	assert_int_equal(parse(raw->data, raw->len, raw->len, ret), 0);
}

static void test_fields(void **state)
{
	static const struct frame_spec spec = {
		TCP(4, WEB, DB, 1000, 5432, SYN | ACK), .seq = 0x80000001,
		.ack = 77, .payload = 5};
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	build(&spec, &raw, &frame);
	assert_int_equal(frame.kind, CLO_FRAME_FLOW);
	assert_int_equal(frame.tuple.family, 4);
	assert_int_equal(frame.tuple.proto, IPPROTO_TCP);
	assert_int_equal(frame.tuple.sport, htons(1000));
	assert_int_equal(frame.tuple.dport, htons(5432));
	assert_int_equal(frame.tuple.flags, SYN | ACK);
	assert_int_equal(frame.seq, 0x80000001);
	assert_int_equal(frame.ack, 77);
	assert_int_equal(frame.payload, 5);
	assert_int_equal(frame.ethertype, 0x0800);
	assert_int_equal(frame.l4, 34);
	assert_int_equal(frame.l4_len, 25);
	assert_memory_equal(frame.tuple.src, world_nics[WEB].ip4, 4);
	assert_memory_equal(frame.tuple.dst, world_nics[DB].ip4, 4);
	assert_int_equal(frame.src_mac, clo_load_mac(world_nics[WEB].port.mac));
	assert_int_equal(frame.dst_mac, clo_load_mac(world_nics[DB].port.mac));
	assert_int_equal(frame.dst_group, 0);
	assert_int_equal(clo_frame_want(raw.data, raw.data + raw.len), 54);
}

static void test_fields_of_fragments(void **state)
{
	static const struct frame_spec first = {UDP4, PART(0, 1, 0x102),
						.payload = 240};
	static const struct frame_spec last = {UDP6, PART(300, 0, 0x10203),
					       .payload = 1};
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	build(&first, &raw, &frame);
	assert_int_equal(frame.frag, CLO_FRAG_FIRST);
	assert_int_equal(frame.frag_id, htons(0x102));
	assert_int_equal(frame.frag_from, 0);
	assert_int_equal(frame.frag_to, 32);
	assert_int_equal(frame.frag_last, 0);
	assert_int_equal(frame.tuple.dport, htons(53));
	build(&last, &raw, &frame);
	assert_int_equal(frame.frag, CLO_FRAG_LATER);
	assert_int_equal(frame.frag_id, htonl(0x10203));
	assert_int_equal(frame.frag_from, 300);
	assert_int_equal(frame.frag_to, 303); /* 17 bytes */
	assert_int_equal(frame.frag_last, 1);
	assert_int_equal(frame.tuple.proto, IPPROTO_UDP);
	assert_int_equal(frame.tuple.dport, 0);
	assert_int_equal(frame.l4, 0);
}

static void test_fields_of_messages(void **state)
{
	static const struct frame_spec ask = {DHCP_ASK(4, WEB, NET, 1, 1)};
	static const struct frame_spec tell = {DHCP_TELL(4, NET, WEB, 2, 0)};
	static const struct frame_spec dhcp6 = {DHCP_ASK(6, WEB, NET, 11, 1)};
	static const struct frame_spec igmp = {MEMBER(4, WEB, 0x16)};
	static const struct frame_spec mld = {MEMBER(6, WEB, 131)};
	static const struct frame_spec other = {ROUTER(NET, 134),
						.patch = {{77, 9}}};
	static const __u8 group4[4] = {239, 1, 2, 3}, zero[16];
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	build(&ask, &raw, &frame);
	assert_int_equal(frame.dhcp_op, 1);
	assert_int_equal(frame.client_mac, frame.src_mac);
	assert_memory_equal(frame.target, zero, 16);
	build(&tell, &raw, &frame);
	assert_int_equal(frame.dhcp_op, 2);
	assert_int_equal(frame.client_mac, frame.dst_mac);
	assert_memory_equal(frame.target, world_nics[WEB].ip4, 4);
	build(&dhcp6, &raw, &frame);
	assert_int_equal(frame.tuple.type, 11);
	build(&igmp, &raw, &frame);
	assert_memory_equal(frame.target, group4, 4);
	build(&mld, &raw, &frame);
	assert_memory_equal(frame.target, frame.tuple.dst, 16);
	build(&other, &raw, &frame);
	assert_int_equal(frame.lladdr_differs, 1);
	assert_int_equal(frame.l4, 54);
}

/* The claim of the IP header counts, not what happens to be readable. */
static void test_readable_is_less_than_whole(void **state)
{
	static const struct frame_spec spec = {TCP6};
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	frame_build(&spec, &raw);
	raw.data[18] = 0xff; /* a large segment, most of it in fragments */
	assert_int_equal(parse(raw.data, raw.len, 65400, &frame), 0);
	assert_int_equal(parse(raw.data, raw.len - 1, 65400, &frame),
			 CLO_DROP_RUNT);
	assert_int_equal(parse(raw.data, raw.len, 65000, &frame),
			 CLO_DROP_MALFORMED);
}

static int quoted(const struct frame_spec *spec, struct clo_frame_quote *ret)
{
	struct clo_packet packet;
	struct clo_frame frame;
	struct frame raw;

	build(spec, &raw, &frame);
	packet = (struct clo_packet){raw.data, raw.data + raw.len, raw.len, 0};
	return clo_frame_quoted(&packet, &frame, ret);
}

static void test_quoted(void **state)
{
	const struct frame_spec specs[] = {
		{ERROR4, .seq = 0x01020304},
		{ERROR6, .seq = 0x01020304},
		{ERROR4, .seq = 0x01020304, .extra = OPTIONS(8, 1, 1),
		 .inner_extra = OPTIONS(40, 1, 1)},
		{ERROR6, .seq = 0x01020304, .extra = PADDED,
		 .inner_extra = PADDED},
		{ERROR6, .seq = 0x01020304,
		 .inner_extra = HEADER(44, 8, 0, 0, 1)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		const int v4 = specs[i].family == 4;
		struct clo_frame_quote quote;

		assert_true(quoted(&specs[i], &quote));
		assert_int_equal(quote.tuple.proto, IPPROTO_TCP);
		assert_int_equal(quote.tuple.sport, htons(53));
		assert_int_equal(quote.tuple.dport, htons(54));
		assert_int_equal(quote.seq, 0x01020304);
		assert_memory_equal(quote.tuple.src,
				    v4 ? world_nics[DB].ip4
				       : world_nics[DB].ip6,
				    v4 ? 4 : 16);
		assert_memory_equal(quote.tuple.dst,
				    v4 ? world_nics[LAB].ip4
				       : world_nics[LAB].ip6,
				    v4 ? 4 : 16);
	}
}

static void test_quoted_refused(void **state)
{
	const struct frame_spec specs[] = {
		{ERROR4, .patch = {{17, 55}}}, /* the claim is too short */
		{ERROR4, .patch = {{42, 0x44}}},
		{ERROR4, .patch = {{42, 0x65}}},
		{ERROR4, .patch = {{49, 1}}}, /* a later fragment */
		{ERROR6, .patch = {{62, 0x45}}},
		{ERROR6, .inner_extra = HEADER(44, 8, 0, 0, 8)},
		{ERROR6, .inner_extra = HEADER(60, 8, 8)},
		{ERROR6, .inner_extra = HEADER(43, 8, 0)},
		{ERROR6, .inner_extra = EXTRA(.first = 60, .last = 8, .len = 16,
					      .bytes = {60})},
		/* an error about an error, or about the other family's */
		{QUOTE(4, WEB, DB, 3, LAB, IPPROTO_ICMP, 1, 0),
		 .patch = {{62, 3}}},
		{QUOTE(4, WEB, DB, 3, LAB, IPPROTO_ICMPV6, 1, 0)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct clo_frame_quote quote;

		if (quoted(&specs[i], &quote))
			fail_msg("case %zu", i);
	}
}

/* Each cut of what an error quotes: too little of it is none of it. */
static void test_quoted_every_length(void **state)
{
	const struct frame_spec spec = {ERROR6,
					.inner_extra = HEADER(60, 8, 0, 1, 4)};
	struct clo_frame_quote quote;
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	build(&spec, &raw, &frame);
	for (__u32 len = 0; len <= raw.len; len++) {
		__u8 *copy = malloc(len + 1);
		struct clo_packet packet = {copy + 1, copy + 1 + len, raw.len,
					    0};

		assert_non_null(copy);
		memcpy(copy + 1, raw.data, len);
		assert_int_equal(clo_frame_quoted(&packet, &frame, &quote),
				 len >= 54 + 8 + 40 + 8 + 8);
		free(copy);
	}
}

/* What the network card took off and what a longer message may not hold. */
static void test_vlan_and_options(void **state)
{
	static const struct frame_spec spec = {SOLICIT(WEB, DB, 0)};
	struct clo_frame frame;
	struct clo_packet packet;
	struct frame raw;

	(void)state;
	frame_build(&spec, &raw);
	packet = (struct clo_packet){raw.data, raw.data + raw.len, raw.len, 1};
	assert_int_equal(clo_frame_link(&packet, &frame), CLO_DROP_VLAN);
	assert_int_equal(frame.ethertype, 0x86dd);

	for (__u8 options = 2; options <= 3; options++) {
		memcpy(raw.data + raw.len, raw.data + raw.len - 8, 8);
		raw.len += 8;
		raw.data[19] = (__u8)(24 + 8 * options);
		assert_int_equal(parse(raw.data, raw.len, raw.len, &frame),
				 options == 2 ? CLO_DROP_NONE
					      : CLO_DROP_MALFORMED);
	}
	assert_int_equal(frame.lladdr_differs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_fields_of_fragments),
		cmocka_unit_test(test_fields_of_messages),
		cmocka_unit_test(test_readable_is_less_than_whole),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_quoted_refused),
		cmocka_unit_test(test_quoted_every_length),
		cmocka_unit_test(test_vlan_and_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
