/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include <errno.h>
#include <string.h>

#include "check.h"

static struct clo_cidr cidr(const char *text)
{
	struct clo_cidr cidr;

	assert_int_equal(clo_cidr_parse(text, CLO_FORM_EITHER, &cidr), 0);
	return cidr;
}

static void reads_and_writes(void **state)
{
	static const char *const same[] = {
		"10.0.0.0/8", "0.0.0.0/0", "192.0.2.1",   "10.1.2.128/25",
		"::/0",       "fd00::/8",  "fd00:1::/33", "2001:db8::1",
	};
	char text[CLO_CIDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct clo_cidr read = cidr(same[i]);

		clo_cidr_format(&read, text);
		assert_string_equal(text, same[i]);
	}
	assert_int_equal(cidr("10.0.0.0/8").family, 4);
	assert_int_equal(cidr("10.0.0.0/8").bits, 8);
	assert_int_equal(cidr("fd00::1").bits, 128);
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		enum clo_address_form form;
	} bad[] = {
		{"", CLO_FORM_EITHER},
		{"/8", CLO_FORM_EITHER},
		{"10.0.0.0/", CLO_FORM_EITHER},
		{"10.0.0.0/33", CLO_FORM_EITHER},
		{"10.0.0.0/08", CLO_FORM_EITHER},
		{"10.0.0.0/-1", CLO_FORM_EITHER},
		{"10.0.0.0/8/8", CLO_FORM_EITHER},
		{"10.0.0.0/4294967304", CLO_FORM_EITHER},
		{"::/129", CLO_FORM_EITHER},
		{"010.0.0.1", CLO_FORM_EITHER},
		{"10.1", CLO_FORM_EITHER},
		{" 10.0.0.1", CLO_FORM_EITHER},
		{"fe80::1%eth0", CLO_FORM_EITHER},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1",
		 CLO_FORM_EITHER},
		{"10.0.0.1/32", CLO_FORM_ADDRESS},
		{"10.0.0.0", CLO_FORM_CIDR},
	};
	struct clo_cidr out = {.family = 99};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(clo_cidr_parse(bad[i].text, bad[i].form, &out),
				 -EINVAL);
	assert_int_equal(out.family, 99);
}

static void says_which_block_was_meant(void **state)
{
	struct clo_cidr out;
	char text[CLO_CIDR_TEXT];

	(void)state;
	assert_int_equal(clo_cidr_parse("10.0.0.5/24", CLO_FORM_CIDR, &out),
			 -EDOM);
	clo_cidr_format(&out, text);
	assert_string_equal(text, "10.0.0.0/24");
	assert_int_equal(clo_cidr_parse("fd00::8000/113", CLO_FORM_CIDR, &out),
			 0);
	assert_int_equal(clo_cidr_parse("fd00::8000/112", CLO_FORM_CIDR, &out),
			 -EDOM);
	assert_int_equal(clo_cidr_parse("0.0.0.1/0", CLO_FORM_CIDR, &out),
			 -EDOM);
}

static bool contains(const char *outer, const char *inner)
{
	struct clo_cidr a = cidr(outer), b = cidr(inner);

	return clo_cidr_contains(&a, &b);
}

static void contains_parts_only(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/8", "10.255.255.255"));
	assert_true(contains("10.0.0.0/8", "10.0.0.0/8"));
	assert_true(contains("0.0.0.0/0", "255.255.255.255"));
	assert_true(contains("fd00::/9", "fd7f::1"));
	assert_false(contains("fd00::/9", "fd80::1"));
	assert_false(contains("10.0.0.0/8", "11.0.0.0"));
	assert_false(contains("10.0.0.0/9", "10.0.0.0/8"));
	assert_false(contains("::/0", "10.0.0.0"));
	assert_false(contains("0.0.0.0/0", "::"));
}

static int order(const char *a, const char *b)
{
	struct clo_cidr x = cidr(a), y = cidr(b);

	return clo_cidr_compare(&x, &y);
}

static void sorts_wide_before_narrow(void **state)
{
	(void)state;
	assert_int_equal(order("10.0.0.0/8", "10.0.0.0/8"), 0);
	assert_true(order("10.0.0.0/8", "10.0.0.0/9") < 0);
	assert_true(order("10.0.0.0/9", "10.128.0.0/9") < 0);
	assert_true(order("255.0.0.0/8", "::/0") < 0);
	assert_true(order("fd00::1", "fd00::") > 0);
}

static bool edge(const char *block, const char *address)
{
	struct clo_cidr a = cidr(block), b = cidr(address);

	return clo_cidr_is_edge(&a, &b);
}

static void knows_the_edges_of_a_block(void **state)
{
	(void)state;
	assert_true(edge("10.0.0.0/24", "10.0.0.0"));
	assert_true(edge("10.0.0.0/24", "10.0.0.255"));
	assert_false(edge("10.0.0.0/24", "10.0.0.1"));
	assert_false(edge("10.0.0.0/16", "10.0.1.255"));
	assert_true(edge("10.0.0.4/30", "10.0.0.7"));
	assert_false(edge("10.0.0.4/31", "10.0.0.5"));
	assert_false(edge("10.0.0.4/32", "10.0.0.4"));
	assert_false(edge("fd00::/64", "fd00::"));
}

static const char *refusal(const char *text, enum clo_address_use use)
{
	struct clo_cidr read = cidr(text);
	const char *name = clo_cidr_refuse(&read, use);

	return name ? name : "";
}

static void refuses_special_ranges(void **state)
{
	(void)state;
	assert_string_equal(refusal("224.0.0.1", CLO_USE_GUEST), "multicast");
	assert_string_equal(refusal("ff02::1", CLO_USE_GUEST), "multicast");
	assert_string_equal(refusal("127.0.0.1", CLO_USE_GUEST), "loopback");
	assert_string_equal(refusal("::1", CLO_USE_GUEST), "loopback");
	assert_string_equal(refusal("0.0.0.0", CLO_USE_GUEST), "unspecified");
	assert_string_equal(refusal("::", CLO_USE_GUEST), "unspecified");
	assert_string_equal(refusal("169.254.1.1", CLO_USE_GUEST),
			    "link-local");
	assert_string_equal(refusal("fe80::1", CLO_USE_GUEST), "link-local");
	assert_string_equal(refusal("febf::1", CLO_USE_GUEST), "link-local");
	assert_string_equal(refusal("255.255.255.255", CLO_USE_GUEST),
			    "broadcast");
	assert_string_equal(refusal("::ffff:10.0.0.1", CLO_USE_GUEST),
			    "IPv4-mapped");
	assert_string_equal(refusal("168.0.0.0/6", CLO_USE_GUEST),
			    "link-local");
	assert_string_equal(refusal("10.0.0.0/8", CLO_USE_GUEST), "");
	assert_string_equal(refusal("fd00::/8", CLO_USE_GUEST), "");
	assert_string_equal(refusal("fec0::/10", CLO_USE_GUEST), "");
}

static void a_use_decides_what_is_special(void **state)
{
	(void)state;
	assert_string_equal(refusal("fe80::1", CLO_USE_NODE), "");
	assert_string_equal(refusal("224.0.0.1", CLO_USE_NODE), "multicast");
	assert_string_equal(refusal("0.0.0.0/0", CLO_USE_MATCH), "");
	assert_string_equal(refusal("::/0", CLO_USE_MATCH), "");
	assert_string_equal(refusal("255.255.255.255", CLO_USE_MATCH), "");
	assert_string_equal(refusal("::ffff:0:0/96", CLO_USE_MATCH),
			    "IPv4-mapped");
}

static const char *group(const char *text)
{
	struct clo_cidr read = cidr(text);
	const char *wrong = clo_group_refuse(&read);

	return wrong ? wrong : "";
}

static void knows_groups_that_guests_may_share(void **state)
{
	static const char *const good[] = {
		"224.0.0.251", "224.0.0.252", "224.0.1.1",  "239.255.255.255",
		"232.1.1.1",   "ff02::fb",    "ff05::1234", "ff08::3",
		"ff0e::101",   "ff15::1:5",   "ff05::1:2",  "ff02::1:3",
	};
	static const char *const control[] = {
		"224.0.0.0", "224.0.0.1", "224.0.0.2",      "224.0.0.22",
		"224.0.0.5", "ff02::1",   "ff02::2",        "ff02::16",
		"ff02::1:2", "ff05::1:3", "ff02::1:ff00:0", "ff02::1:ffab:cdef",
		"ff05::2",   "ff0e::1",
	};
	static const char *const scope[] = {"ff01::5", "ff03::5", "ff04::5",
					    "ff00::5", "ff0f::5"};
	static const char *const none[] = {"223.255.255.255", "240.0.0.1",
					   "fe80::1", "255.255.255.255"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(group(good[i]), "");
	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++)
		assert_non_null(strstr(group(control[i]), "control"));
	for (size_t i = 0; i < sizeof(scope) / sizeof(scope[0]); i++)
		assert_non_null(strstr(group(scope[i]), "scopes"));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_string_equal(group(none[i]), "no multicast address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(says_which_block_was_meant),
		cmocka_unit_test(contains_parts_only),
		cmocka_unit_test(sorts_wide_before_narrow),
		cmocka_unit_test(knows_the_edges_of_a_block),
		cmocka_unit_test(refuses_special_ranges),
		cmocka_unit_test(a_use_decides_what_is_special),
		cmocka_unit_test(knows_groups_that_guests_may_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
