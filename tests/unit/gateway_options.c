/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/gateway/options.h"
#include "check.h"

#define ARGS_MAX 16
#define NEEDED "--certificate", "c", "--key", "k", "--client-ca", "a"

static struct clo_gateway_options options;

static int parse(const char *const *args)
{
	static char texts[ARGS_MAX][80];
	char *argv[ARGS_MAX] = {NULL};
	int argc = 0;

	for (; args[argc]; argc++) {
		(void)snprintf(texts[argc], sizeof(texts[argc]), "%s",
			       args[argc]);
		argv[argc] = texts[argc];
	}
	optind = 0;
	opterr = 0;
	return clo_gateway_options_parse(argc, argv, &options);
}

#define PARSE(...) parse((const char *const[]){"gateway", __VA_ARGS__, NULL})

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(PARSE(NEEDED), 0);
	assert_string_equal(options.certificate, "c");
	assert_string_equal(options.log, "/var/lib/cloison/log.sqlite");
	assert_string_equal(options.control, "/run/cloison/control");
	assert_null(options.listen);
	assert_null(options.revoked);
	assert_int_equal(options.requests, 600);
	assert_int_equal(options.challenges, 6);
}

static void test_numbers_are_bounded(void **state)
{
	static const char *const bad[] = {
		"", "0", "-1", "x", "1k", "70000", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
		assert_int_equal(PARSE(NEEDED, "--requests", bad[i]), -EINVAL);
		assert_int_equal(PARSE(NEEDED, "--challenges", bad[i]),
				 -EINVAL);
		assert_int_equal(PARSE(NEEDED, "--connections", bad[i]),
				 -EINVAL);
		assert_int_equal(PARSE(NEEDED, "--connections-each", bad[i]),
				 -EINVAL);
	}
	assert_int_equal(PARSE(NEEDED, "--requests", "60000"), 0);
	assert_int_equal(options.requests, 60000);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--key", "k"), -EINVAL);
	assert_int_equal(PARSE(NEEDED, "more"), -EINVAL);
	assert_int_equal(PARSE(NEEDED, "--nonsense"), -EINVAL);
	assert_int_equal(PARSE(NEEDED, "--log"), -EINVAL);
	assert_int_equal(PARSE("--help"), 1);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"8443",
		":8443",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:x",
		"localhost:1",
		"::1:8443",
		"[::1:8443",
		"[::1]",
		"[]:1",
		"[127.0.0.1]:1",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999]:1",
	};
	struct sockaddr_in address = {0};
	socklen_t len = sizeof(address);
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		assert_int_equal(clo_gateway_listen(bad[i], &fd), -EINVAL);
	assert_int_equal(fd, -1);
	assert_int_equal(clo_gateway_listen("127.0.0.1:48443", &fd), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(ntohs(address.sin_port), 48443);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_numbers_are_bounded),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
