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
		{"gre", "protocol"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
