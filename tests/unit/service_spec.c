/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/service_spec.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"

static void reads_and_writes(void **state)
{
	static const struct {
		const char *text;
		struct clo_service_spec spec;
	} good[] = {
		{"tcp/1", {false, IPPROTO_TCP, 1, 1}},
		{"tcp/65535", {false, IPPROTO_TCP, 65535, 65535}},
		{"udp/5000-5100", {false, IPPROTO_UDP, 5000, 5100}},
		{"sctp/1-65535", {false, IPPROTO_SCTP, 1, 65535}},
		{"icmp", {false, IPPROTO_ICMP, 0, 255}},
		{"icmp/8", {false, IPPROTO_ICMP, 8, 8}},
		{"icmpv6", {false, IPPROTO_ICMPV6, 0, 255}},
		{"icmpv6/128", {false, IPPROTO_ICMPV6, 128, 128}},
		{"any", {true, 0, 0, 0}},
		{"esp", {false, 50, 0, 0}},
		{"ah", {false, 51, 0, 0}},
		{"gre", {false, 47, 0, 0}},
		{"ipip", {false, 4, 0, 0}},
		{"ipv6", {false, 41, 0, 0}},
		{"proto/0", {false, 0, 0, 0}},
		{"proto/2", {false, 2, 0, 0}},
		{"proto/255", {false, 255, 0, 0}},
	};

	char text[CLO_SERVICE_SPEC_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct clo_service_spec spec;
		const char *wrong;

		assert_int_equal(
			clo_service_spec_parse(good[i].text, &spec, &wrong), 0);
		assert_int_equal(spec.any, good[i].spec.any);
		assert_int_equal(spec.proto, good[i].spec.proto);
		assert_int_equal(spec.first, good[i].spec.first);
		assert_int_equal(spec.last, good[i].spec.last);
		clo_service_spec_format(&spec, text);
		assert_string_equal(text, good[i].text);
	}
}

static void says_what_is_wrong(void **state)
{
	static const char *const bad[][2] = {
		{"", "protocol"},
		{"igmp", "protocol"},
		{"pro/1", "protocol"},
		{"proto", "number is missing"},
		{"proto/", "one decimal"},
		{"proto/1-2", "one decimal"},
		{"proto/256", "0 to 255"},
		{"proto/1", "by its name"},
		{"proto/6", "by its name"},
		{"proto/17", "by its name"},
		{"proto/58", "by its name"},
		{"proto/132", "by its name"},
		{"gre/1", "no ports"},
		{"esp/", "no ports"},
		{"TCP/80", "protocol"},
		{"any/1", "protocol"},
		{"tcp", "port is missing"},
		{"tcp/", "not a decimal"},
		{"tcp/x", "not a decimal"},
		{"tcp/080", "not a decimal"},
		{"tcp/+80", "not a decimal"},
		{"tcp/80-", "last port"},
		{"tcp/80-90-100", "more behind"},
		{"tcp/80 ", "more behind"},
		{"tcp/0", "1 to 65535"},
		{"tcp/70000", "1 to 65535"},
		{"tcp/1-65536", "1 to 65535"},
		{"tcp/4294967376", "1 to 65535"},
		{"tcp/99999999999999999999", "1 to 65535"},
		{"tcp/90-80", "above"},
		{"icmp/256", "0 to 255"},
		{"icmp/8-9", "one decimal"},
		{"icmpv6/", "one decimal"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct clo_service_spec spec = {.first = 7};
		const char *wrong = "";

		assert_int_equal(
			clo_service_spec_parse(bad[i][0], &spec, &wrong),
			-EINVAL);
		assert_non_null(strstr(wrong, bad[i][1]));
		assert_int_equal(spec.first, 7);
	}
}

static void names_protocols(void **state)
{
	struct clo_service_spec spec;
	const char *wrong;
	char text[CLO_SERVICE_SPEC_TEXT];
	uint8_t number = 0;
	size_t n = 0;

	(void)state;
	assert_int_equal(clo_service_spec_parse("proto/47", &spec, &wrong), 0);
	clo_service_spec_format(&spec, text);
	assert_string_equal(text, "gre");
	assert_true(clo_proto_find("esp", &number));
	assert_int_equal(number, 50);
	assert_false(clo_proto_find("igmp", &number));
	assert_null(clo_proto_name(2));
	for (unsigned int i = 0; i < 256; i++)
		n += clo_proto_is_encapsulation((uint8_t)i);
	assert_int_equal(n, CLO_ENCAPSULATIONS);
	assert_false(clo_proto_is_encapsulation(IPPROTO_SCTP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(names_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
