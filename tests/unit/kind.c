/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kind.h"

#include <string.h>

#include "check.h"
#include "ebpf/lib/frag.h"
#include "ebpf/lib/frame.h"

/* The table and what it builds; what a guard says to it is bpf.kinds'. */

static const struct clo_kind_table *const tables[] = {
	&clo_kinds_link, &clo_kinds_ip4, &clo_kinds_ip6, &clo_kinds_flow};

static const struct clo_kind_ends ends = {
	.src_mac = {2, 1},
	.dst_mac = {2, 2},
	.src4 = {10, 0, 0, 1},
	.dst4 = {203, 0, 113, 77},
	.src6 = {0xfd, [15] = 1},
	.dst6 = {0x20, 1, [15] = 2},
	.link6 = {0xfe, 0x80, [15] = 1},
	.port = 9,
	.id = 7,
};

static void each(void (*check)(const struct clo_kind_vector *kind))
{
	for (size_t t = 0; t < CLO_ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			check(&tables[t]->vectors[i]);
}

static void check_frame(const struct clo_kind_vector *kind)
{
	static const uint16_t types[] = {[4] = 0x0800, [6] = 0x86dd};
	CLO_AUTO_MEM uint8_t *frame = calloc(1, CLO_KIND_FRAME_MAX);
	uint8_t family = clo_kind_family(kind);
	size_t len;
	int type;

	assert_non_null(frame);
	len = clo_kind_build(kind, &ends, frame);
	type = frame[12] << 8 | frame[13];
	assert_in_range(len, 33, CLO_KIND_FRAME_MAX);
	/* nothing stands behind it, unless it was cut off */
	for (size_t i = len; i < CLO_KIND_FRAME_MAX && !kind->cut; i++)
		assert_int_equal(frame[i], 0);
	if (kind->base == CLO_BASE_ETHER)
		assert_int_equal(type, kind->a);
	else
		assert_int_equal(type, kind->base == CLO_BASE_ARP
					       ? 0x0806
					       : types[family]);
	assert_memory_equal(frame + 6, ends.src_mac, 4);
}

static void test_frames_are_what_they_say(void **state)
{
	(void)state;
	each(check_frame);
}

static void check_line(const struct clo_kind_vector *kind)
{
	size_t same = 0;
	bool some = false;

	for (int way = 0; way < CLO_KIND_WAYS; way++) {
		assert_in_range(kind->want[way] + 3, 0, CLO_DROP_COUNT + 2);
		some |= kind->want[way] != CLO_KIND_NEVER;
	}
	assert_true(some);
	assert_non_null(kind->control);
	assert_in_range(kind->n_before, 0, CLO_KIND_STEPS);
	for (size_t t = 0; t < CLO_ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			same += strcmp(tables[t]->vectors[i].name,
				       kind->name) == 0;
	assert_int_equal(same, 1);
}

static void test_every_kind_has_one_line(void **state)
{
	(void)state;
	each(check_line);
	for (size_t i = 0; i < clo_kind_gaps_count; i++)
		assert_true(clo_kind_gaps[i].name && clo_kind_gaps[i].why);
}

static void parse(const struct clo_kind_vector *kind,
		  struct clo_frame *ret_frame)
{
	CLO_AUTO_MEM uint8_t *bytes = calloc(1, CLO_KIND_FRAME_MAX);
	size_t len = clo_kind_build(kind, &ends, bytes);
	const struct clo_packet packet = {
		.data = bytes, .end = bytes + len, .len = (uint32_t)len};

	assert_int_equal(clo_frame_link(&packet, ret_frame), CLO_DROP_NONE);
	assert_int_equal(clo_frame_parse(&packet, ret_frame), CLO_DROP_NONE);
}

/*
 * What goes before is of the same datagram, a first fragment begins it, and
 * the book that is kept of its ranges comes to what the line promises.
 */
static void check_datagram(const struct clo_kind_vector *kind)
{
	struct clo_frag_ranges ranges = {0};
	struct clo_frag_id begun;

	for (size_t i = 0; kind->n_before && i <= kind->n_before; i++) {
		const struct clo_kind_vector packet = clo_kind_packet(kind, i);
		struct clo_frame frame;
		struct clo_frag_id id;

		parse(&packet, &frame);
		clo_frag_id_init(&frame, &id);
		if (i == 0)
			begun = id;
		assert_true(clo_frag_same(&id, &begun));
		assert_true(i > 0 || frame.frag == CLO_FRAG_FIRST);
		if (kind->flow == CLO_KIND_FLOW_NONE)
			continue; /* what was refused has no book */
		assert_int_equal(clo_frag_add(&ranges, frame.frag_from,
					      frame.frag_to, frame.frag_last),
				 packet.want[0]);
	}
}

static void test_packets_of_a_kind_belong_together(void **state)
{
	(void)state;
	each(check_datagram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_what_they_say),
		cmocka_unit_test(test_every_kind_has_one_line),
		cmocka_unit_test(test_packets_of_a_kind_belong_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
