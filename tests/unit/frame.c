/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/lib/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/cases.h"

static enum clo_drop parse(const __u8 *data, __u32 readable, __u32 len,
			   struct clo_frame *ret)
{
	struct clo_packet packet = {data, data + readable, len, 0};
	enum clo_drop drop = clo_frame_link(&packet, ret);

	return drop ? drop : clo_frame_parse(&packet, ret);
}

static void test_fields(void **state)
{
	static const struct frame_spec spec = {
		TCP(4, WEB, DB, 1000, 5432, SYN | ACK)};
	struct clo_frame frame;
	struct frame raw;

	(void)state;
	frame_build(&spec, &raw);
	assert_int_equal(parse(raw.data, raw.len, raw.len, &frame), 0);
	assert_int_equal(frame.kind, CLO_FRAME_FLOW);
	assert_int_equal(frame.tuple.family, 4);
	assert_int_equal(frame.tuple.proto, IPPROTO_TCP);
	assert_int_equal(frame.tuple.sport, htons(1000));
	assert_int_equal(frame.tuple.dport, htons(5432));
	assert_int_equal(frame.tuple.flags, SYN | ACK);
	assert_memory_equal(frame.tuple.src, world_nics[WEB].ip4, 4);
	assert_memory_equal(frame.tuple.dst, world_nics[DB].ip4, 4);
	assert_int_equal(frame.src_mac, clo_load_mac(world_nics[WEB].port.mac));
	assert_int_equal(frame.dst_mac, clo_load_mac(world_nics[DB].port.mac));
	assert_int_equal(frame.dst_group, 0);
}

static void test_kinds(void **state)
{
	static const struct {
		struct frame_spec spec;
		enum clo_frame_kind kind;
	} cases[] = {
		{{UDP(6, WEB, DB, 1, 2)}, CLO_FRAME_FLOW},
		{{PING4(WEB, DB, 8, 1)}, CLO_FRAME_FLOW},
		{{PING4(WEB, DB, 0, 1)}, CLO_FRAME_FLOW},
		{{PING4(WEB, DB, 3, 1)}, CLO_FRAME_ERROR},
		{{PING4(WEB, DB, 13, 1)}, CLO_FRAME_MESSAGE},
		{{PING6(WEB, DB, 129, 1)}, CLO_FRAME_FLOW},
		{{PING6(WEB, DB, 2, 1)}, CLO_FRAME_ERROR},
		{{PING6(WEB, DB, 150, 1)}, CLO_FRAME_MESSAGE},
		{{PROTO(4, WEB, DB, 47)}, CLO_FRAME_FLOW},
		{{PROTO(6, WEB, DB, 59)}, CLO_FRAME_FLOW},
		{{ARP(WEB, DB, 1)}, CLO_FRAME_ARP},
		{{SOLICIT(WEB, DB, 0)}, CLO_FRAME_SOLICIT},
		{{ADVERTISE(WEB, DB, 0)}, CLO_FRAME_ADVERTISE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clo_frame frame;
		struct frame raw;

		frame_build(&cases[i].spec, &raw);
		assert_int_equal(parse(raw.data, raw.len, raw.len, &frame), 0);
		if (frame.kind != cases[i].kind)
			fail_msg("case %zu: kind %u", i, frame.kind);
	}
}

/*
 * Every scripted frame, cut at every length: refused or whole, never read
 * beyond its end (the sanitizers look).
 */
static void test_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < scripts_count; i++) {
		for (size_t j = 0; j < scripts[i]->n; j++) {
			struct clo_frame frame;
			struct frame raw;

			frame_build(&scripts[i]->steps[j].frame, &raw);
			for (__u32 len = 0; len <= raw.len; len++) {
				__u8 *copy = malloc(len + 1);
				enum clo_drop drop;

				assert_non_null(copy);
				/* up to the last byte of the allocation */
				memcpy(copy + 1, raw.data, len);
				drop = parse(copy + 1, len, len, &frame);
				assert_true(drop < CLO_DROP_COUNT);
				assert_true(drop || len >= 34);
				free(copy);
			}
		}
	}
}

/* The claim of the IP header counts, not what happens to be readable. */
static void test_readable_is_less_than_whole(void **state)
{
	static const struct frame_spec spec = {
		TCP(6, WEB, DB, 1000, 5432, SYN)};
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

static void test_quoted(void **state)
{
	static const struct frame_spec specs[] = {
		{QUOTE(4, WEB, DB, 3, LAB, IPPROTO_UDP, 53, 54)},
		{QUOTE(6, WEB, DB, 1, LAB, IPPROTO_UDP, 53, 54)},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		__u8 family = specs[i].family;
		struct clo_packet packet;
		struct clo_tuple tuple;
		struct frame raw;

		frame_build(&specs[i], &raw);
		packet = (struct clo_packet){raw.data, raw.data + raw.len,
					     raw.len, 0};
		assert_true(clo_frame_quoted(&packet, family, &tuple));
		assert_int_equal(tuple.sport, htons(53));
		assert_int_equal(tuple.dport, htons(54));
		assert_memory_equal(tuple.src,
				    family == 4 ? world_nics[DB].ip4
						: world_nics[DB].ip6,
				    family == 4 ? 4 : 16);
		assert_memory_equal(tuple.dst,
				    family == 4 ? world_nics[LAB].ip4
						: world_nics[LAB].ip6,
				    family == 4 ? 4 : 16);
		packet.end -= 9; /* 16 bytes of L4 were quoted, 8 are needed */
		assert_false(clo_frame_quoted(&packet, family, &tuple));
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
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_readable_is_less_than_whole),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_vlan_and_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
