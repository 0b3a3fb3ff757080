/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/forward/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *host, *port;
	} cases[] = {
		{"tls://siem", "siem", "6514"},
		{"tls://siem.example.org:1", "siem.example.org", "1"},
		{"tls://10.0.0.1:65535", "10.0.0.1", "65535"},
		{"tls://[fd00::1]", "fd00::1", "6514"},
		{"tls://[::ffff:10.0.0.1]:601", "::ffff:10.0.0.1", "601"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_target target;

		assert_int_equal(clo_target_parse(cases[i].text, &target), 0);
		assert_string_equal(target.host, cases[i].host);
		assert_string_equal(target.port, cases[i].port);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"",
		"siem:6514",
		"tcp://siem",
		"tls://",
		"tls://:6514",
		"tls://siem:",
		"tls://siem:0",
		"tls://siem:65536",
		"tls://siem:000001",
		"tls://siem:+1",
		"tls://siem:1x",
		"tls://siem/",
		"tls://a b",
		"tls://fd00::1",
		"tls://[fd00::1",
		"tls://[]:1",
		"tls://[siem]",
		"tls://[::1]x",
	};
	char text[512];
	struct clo_target target;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		assert_int_equal(clo_target_parse(cases[i], &target), -EINVAL);
	(void)snprintf(text, sizeof(text), "tls://%0256d", 0);
	assert_int_equal(clo_target_parse(text, &target), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
