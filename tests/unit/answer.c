/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/lib/answer.h"

#include <arpa/inet.h>

#include "unit/neighbourhood.h"

static const __u8 db[6] = {0x52, 0x54, 0, 0, 0, DB};

static void test_arp(void **unused)
{
	static const __u8 want[42] = {
		0x52, 0x54, 0, 0, 0,   WEB, 0x52, 0x54, 0,   0,  0,
		DB,   8,    6, 0, 1,   8,   0,    6,    4,   0,  2,
		0x52, 0x54, 0, 0, 0,   DB,  10,   0,    0,   DB, 0x52,
		0x54, 0,    0, 0, WEB, 10,  0,    0,    WEB,
	};
	struct clo_frame request = make(CLO_FRAME_ARP, 4, 0, WEB, DB);
	__u8 ret[CLO_ANSWER_ARP_LEN];

	(void)unused;
	assert_int_equal(sizeof(ret), sizeof(want));
	memset(ret, 0xee, sizeof(ret));
	clo_answer_arp(&request, db, ret);
	assert_memory_equal(ret, want, sizeof(want));
}

/* RFC 1071 over the pseudo header of RFC 8200, in another way than the code. */
static __u16 sum_of(const __u8 *ip)
{
	__u8 bytes[40 + 32] = {0};
	__u64 sum = 0;

	memcpy(bytes, ip + 8, 32);
	bytes[35] = 32;
	bytes[39] = IPPROTO_ICMPV6;
	memcpy(bytes + 40, ip + 40, 32);
	for (size_t i = 0; i < sizeof(bytes); i++)
		sum += i % 2 ? bytes[i] : bytes[i] * 256U;
	return (__u16)(sum % 0xffff);
}

static struct clo_frame solicit(__u8 seed)
{
	struct clo_frame frame =
		make(CLO_FRAME_SOLICIT, 6, IPPROTO_ICMPV6, WEB, DB);

	put_ip(6, frame.target, DB);
	for (__u8 i = 2; i < 16; i++) {
		frame.tuple.src[i] = (__u8)(frame.tuple.src[i] + i * seed);
		frame.target[i] = (__u8)(frame.target[i] + (i ^ seed) * seed);
	}
	return frame;
}

static void test_nd(void **unused)
{
	__u8 want[86] = {
		0x52,        0x54,        0,
		0,           0,           WEB,
		0x52,        0x54,        0,
		0,           0,           DB,
		0x86,        0xdd,        0x60,
		0,           0,           0,
		0,           32,          IPPROTO_ICMPV6,
		255,         [22] = 0xfd, [37] = DB,
		[38] = 0xfd, [53] = WEB,  [54] = 136,
		[58] = 0x60, [62] = 0xfd, [77] = DB,
		2,           1,           0x52,
		0x54,        0,           0,
		0,           DB,
	};
	struct clo_frame request = solicit(0);
	__u8 ret[CLO_ANSWER_ND_LEN];

	(void)unused;
	assert_int_equal(sizeof(ret), sizeof(want));
	memset(ret, 0xee, sizeof(ret));
	clo_answer_nd(&request, db, ret);
	memcpy(want + 56, ret + 56, 2);
	assert_memory_equal(ret, want, sizeof(want));
}

/* A receiver sums to all ones, which is 0 modulo 0xffff. */
static void test_nd_sum(void **unused)
{
	__u8 ret[CLO_ANSWER_ND_LEN];

	(void)unused;
	for (unsigned int seed = 0; seed < 256; seed++) {
		struct clo_frame request = solicit((__u8)seed);

		clo_answer_nd(&request, db, ret);
		assert_int_equal(sum_of(ret + 14), 0);
		ret[70] ^= 1;
		assert_int_not_equal(sum_of(ret + 14), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_nd),
		cmocka_unit_test(test_nd_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
