/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison monitor` and `cloison flows` against canned streams. */

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "cli_run.h"

#define WELCOME CLI_OK("{\"endpoints\":null}")
#define DENIED                                                                 \
	"{\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"denied\","          \
	"\"direction\":\"to_guest\",\"endpoint\":\"acme/test/db/0\","          \
	"\"family\":4,\"protocol\":\"tcp\",\"source\":\"192.0.2.1\","          \
	"\"destination\":\"10.0.0.5\",\"sourcePort\":40000,"                   \
	"\"destinationPort\":22,\"rule\":\"acme/test/default-deny\","          \
	"\"reason\":\"POLICY\",\"text\":\"no rule allows the flow\""
#define NEW                                                                    \
	"{\"time\":\"2026-01-02T03:04:06.001Z\",\"kind\":\"new\","             \
	"\"direction\":\"from_guest\",\"endpoint\":\"acme/test/web/0\","       \
	"\"peer\":\"acme/test/db/0\",\"family\":6,\"protocol\":\"icmpv6\","    \
	"\"source\":\"fd00::1\",\"destination\":\"fd00::2\",\"icmpType\":128," \
	"\"rule\":\"acme/test/ping\"}"
#define ENDED                                                                  \
	"{\"time\":\"2026-01-02T03:04:07.001Z\",\"kind\":\"ended\","           \
	"\"direction\":\"from_guest\",\"endpoint\":\"acme/test/web/0\","       \
	"\"peer\":\"acme/test/db/0\",\"family\":6,\"protocol\":\"udp\","       \
	"\"source\":\"fd00::1\",\"destination\":\"fd00::2\","                  \
	"\"sourcePort\":5,\"destinationPort\":53,\"rule\":null,"               \
	"\"durationMs\":1234,\"initiator\":{\"packets\":1,\"bytes\":60},"      \
	"\"responder\":{\"packets\":2,\"bytes\":200}}"

/* The daemon of the next run streams these and hangs up. */
static void stream(struct cli *cli, ...)
{
	static char bytes[1 << 16];
	const char *message;
	size_t len = 0;
	va_list more;

	va_start(more, cli);
	while ((message = va_arg(more, const char *))) {
		size_t n = strlen(message);
		uint32_t le = htole32((uint32_t)n);

		assert_true(len + 4 + n < sizeof(bytes));
		memcpy(bytes + len, &le, 4);
		for (size_t i = 0; i < n; i++) /* without its end */
			bytes[len + 4 + i] = message[i];
		len += 4 + n;
	}
	va_end(more);
	cli_serve_raw(cli, bytes, len);
}

static void a_line_for_each(void **state)
{
	struct cli *cli = *state;

	stream(cli, WELCOME, DENIED "}", NEW, ENDED, NULL);
	cli_run(cli, "monitor", "--count", "3", NULL);
	assert_int_equal(cli->exit, 0);
	assert_string_equal(cli->err, "");
	assert_string_equal(
		cli->out,
		"03:04:05.678Z  denied  tcp         192.0.2.1:40000        "
		"> 10.0.0.5:22            outside                     "
		"> acme/test/db/0              "
		"acme/test/default-deny  POLICY: no rule allows the flow\n"
		"03:04:06.001Z  new     icmpv6/128  fd00::1                "
		"> fd00::2                acme/test/web/0             "
		"> acme/test/db/0              acme/test/ping\n"
		"03:04:07.001Z  ended   udp         [fd00::1]:5            "
		"> [fd00::2]:53           acme/test/web/0             "
		"> acme/test/db/0              -  1234 ms, 1 packets 60 bytes "
		"> 2 packets 200 bytes <\n");
}

static void notes(void **state)
{
	struct cli *cli = *state;

	stream(cli, WELCOME, "{\"lost\":12}",
	       "{\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"unsent\","
	       "\"endpoint\":\"acme/test/db/0\",\"unsent\":99}",
	       DENIED ",\"audit\":true}", NULL);
	cli_run(cli, "monitor", "--count", "1", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "12 events lost"));
	assert_non_null(strstr(cli->out, "unsent  acme/test/db/0: 99 events"));
	assert_non_null(strstr(cli->out, "flow (audit: passed)\n"));
}

static void what_it_asks(void **state)
{
	static const struct {
		const char *option, *value, *request;
	} cases[] = {
		{"--count", "1", "{\"op\":\"monitor\",\"capture\":false}"},
		{"--endpoint", "a/b/c",
		 "{\"op\":\"monitor\",\"capture\":false,\"endpoint\":"
		 "\"a/b/c\"}"},
		{"--tenant", "a/test",
		 "{\"op\":\"monitor\",\"capture\":false,\"tenant\":"
		 "\"a/test\"}"},
		{"--kind", "new",
		 "{\"op\":\"monitor\",\"capture\":false,\"kind\":\"new\"}"},
		{"--reason", "RATE",
		 "{\"op\":\"monitor\",\"capture\":false,\"reason\":\"RATE\"}"},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_auto_t *want = json_loads(cases[i].request, 0, NULL);

		stream(cli, WELCOME, NEW, NULL);
		cli_run(cli, "monitor", "--count", "1", cases[i].option,
			cases[i].value, NULL);
		assert_int_equal(cli->exit, 0);
		assert_true(json_equal(cli->request, want));
	}
}

static void one_object_on_each_line(void **state)
{
	struct cli *cli = *state;
	char *rest = cli->out;
	const char *line;
	int n = 0;

	stream(cli, WELCOME, NEW, "{\"lost\":3}", ENDED, NULL);
	cli_run(cli, "monitor", "--json", "--count", "2", NULL);
	assert_int_equal(cli->exit, 0);
	while ((line = strsep(&rest, "\n")) && rest) {
		json_auto_t *object = json_loads(line, 0, NULL);

		assert_true(json_is_object(object));
		n++;
	}
	assert_int_equal(n, 3);
}

static void the_end_of_the_daemon_is_no_success(void **state)
{
	struct cli *cli = *state;

	stream(cli, WELCOME, NEW, NULL);
	cli_run(cli, "monitor", NULL);
	assert_int_equal(cli->exit, 5);
	assert_non_null(strstr(cli->out, "acme/test/ping"));
	stream(cli, WELCOME, NEW, NULL);
	cli_run(cli, "monitor", "--count", "2", NULL);
	assert_int_equal(cli->exit, 5);
}

static void a_filter_for_nobody_is_told(void **state)
{
	struct cli *cli = *state;

	stream(cli, CLI_OK("{\"endpoints\":0}"), NEW, NULL);
	cli_run(cli, "monitor", "--count", "1", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->err, "no endpoint"));
}

#define FRAME(ns, length, bytes)                                               \
	DENIED ",\"frame\":{\"ns\":" ns ",\"length\":" length                  \
	       ",\"bytes\":\"" bytes "\"}}"

/* As a reader on a little-endian host sees it. */
static void a_capture_file(void **state)
{
	static const uint8_t want[] = {
		0x4d, 0x3c, 0xb2, 0xa1, 2,    0,    4,    0, /* header */
		0,    0,    0,    0,    0,    0,    0,    0, /* zone */
		0,    1,    0,    0,    1,    0,    0,    0, /* snap, link */
		0x39, 0x30, 0,    0,    0x15, 0xcd, 0x5b, 0x07, /* 1st: time */
		4,    0,    0,    0,    0xea, 5,    0,    0, /* 4 of 1514 */
		0xde, 0xad, 0xbe, 0xef, /* bytes */
		1,    0,    0,    0,    2,    0,    0,    0, /* 2nd: time */
		1,    0,    0,    0,    1,    0,    0,    0, /* 1 of 1 */
		0xff,
	};
	struct cli *cli = *state;
	CLO_AUTO_MEM char *path = cli_path(cli, "drops.pcap");
	uint8_t got[sizeof(want) + 1];
	struct stat st;
	FILE *file;

	stream(cli, WELCOME, FRAME("12345123456789", "1514", "deadbeef"), NEW,
	       FRAME("1000000002", "1", "ff"), NULL);
	cli_run(cli, "monitor", "--count", "3", "--pcap", path, NULL);
	assert_int_equal(cli->exit, 0);
	assert_true(json_is_true(json_object_get(cli->request, "capture")));
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(fstat(fileno(file), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)fclose(file);
}

#define HEX16 "00112233445566778899aabbccddeeff"
#define HEX128 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16

static void hostile_streams(void **state)
{
	static const char *const messages[] = {
		"{}",
		"[]",
		"{\"lost\":\"many\"}",
		"{\"kind\":7}",
		FRAME("1", "2", "abc"),
		FRAME("1", "2", "zz"),
		FRAME("1", "2", "DEAD"),
		FRAME("1", "1", "dead"),
		FRAME("-1", "2", "dead"),
		FRAME("1", "4294967296", "dead"),
		FRAME("1", "2000", HEX128 HEX128 "00"),
	};
	struct cli *cli = *state;
	CLO_AUTO_MEM char *path = cli_path(cli, "drops.pcap");

	for (size_t i = 0; i < CLO_ARRAY_LEN(messages); i++) {
		stream(cli, WELCOME, messages[i], NULL);
		cli_run(cli, "monitor", "--count", "1", "--pcap", path, NULL);
		if (cli->exit != 1)
			fail_msg("%s: exit %d", messages[i], cli->exit);
		assert_string_equal(cli->out, "");
	}
	stream(cli, WELCOME,
	       "{\"time\":\"\\u001b[2J\",\"kind\":\"\\u202e\",\"rule\":"
	       "\"\\n\",\"source\":7,\"protocol\":[]}",
	       NULL);
	cli_run(cli, "monitor", "--count", "1", NULL);
	assert_int_equal(cli->exit, 0);
	assert_null(strchr(cli->out, '\033'));
	assert_ptr_equal(strchr(cli->out, '\n'), strrchr(cli->out, '\n'));
}

static void usage(void **state)
{
	static const char *const lines[][3] = {
		{"monitor", "--count", "0"},
		{"monitor", "--count", "-1"},
		{"monitor", "--count", "1x"},
		{"monitor", "--count", ""},
		{"monitor", "--pcap", "/nonexistent/x"},
		{"monitor", "more", NULL},
		{"flows", "more", NULL},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(lines); i++) {
		cli_run(cli, lines[i][0], lines[i][1], lines[i][2], NULL);
		assert_int_equal(cli->exit, 2);
		assert_string_equal(cli->out, "");
	}
	cli_serve(cli, "{\"ok\":false,\"error\":\"only root may\",\"exit\":6}",
		  NULL);
	cli_run(cli, "monitor", NULL);
	assert_int_equal(cli->exit, 6);
}

static void lost_output_ends_it(void **state)
{
	struct cli *cli = *state;

	cli->out_path = "/dev/full";
	stream(cli, WELCOME, NEW, NEW, NEW, NULL);
	cli_run(cli, "monitor", NULL);
	assert_int_equal(cli->exit, 1);
}

#define FLOWS                                                                  \
	"{\"flows\":[{\"from\":\"acme/test/web/0\",\"to\":null,\"protocol\":"  \
	"\"tcp\",\"source\":\"10.0.0.5\",\"sourcePort\":40000,"                \
	"\"destination\":\"fd00::1\",\"destinationPort\":443,\"state\":"       \
	"\"established\",\"rule\":\"acme/test/out\",\"ageMs\":90061001,"       \
	"\"idleMs\":250,\"initiator\":{\"packets\":3,\"bytes\":300},"          \
	"\"responder\":{\"packets\":2,\"bytes\":5000}}],"                      \
	"\"matched\":1,\"total\":70}"

static void flows_are_listed(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;

	cli_serve(cli, CLI_OK(FLOWS), NULL);
	cli_run(cli, "flows", "--endpoint", "acme/test/web", NULL);
	assert_int_equal(cli->exit, 0);
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "endpoint")),
		"acme/test/web");
	assert_non_null(strstr(
		cli->out,
		"\nacme/test/web/0 10.0.0.5:40000  outside [fd00::1]:443  tcp  "
		"  established  1 d 01:01:01 / 0.250 s  3 / 2             300 "
		"/ 5000      acme/test/out\n"));
	assert_non_null(strstr(cli->out, "\n1 of 1 flows, 70 on the node\n"));

	cli_serve(cli, CLI_OK(FLOWS), NULL);
	cli_run(cli, "flows", "--json", NULL);
	document = json_loads(cli->out, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(document, "total")),
			 70);
	cli_serve(cli, CLI_OK("{\"flows\":{}}"), NULL);
	cli_run(cli, "flows", NULL);
	assert_int_equal(cli->exit, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(a_line_for_each),
		TEST(notes),
		TEST(what_it_asks),
		TEST(one_object_on_each_line),
		TEST(the_end_of_the_daemon_is_no_success),
		TEST(a_filter_for_nobody_is_told),
		TEST(a_capture_file),
		TEST(hostile_streams),
		TEST(usage),
		TEST(lost_output_ends_it),
		TEST(flows_are_listed),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
