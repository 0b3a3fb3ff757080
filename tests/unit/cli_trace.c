/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison trace` of fields, hex and captures, on a directory and a daemon. */

#include <stdio.h>
#include <string.h>

#include "agent/base/hex.h"
#include "check.h"
#include "cli_run.h"

#define POLICY CLO_SOURCE_DIR "/tests/data/policy/base"
#define SHOP "acme/production/shop/0"

/* From shop's first interface, TCP SYN to its second: port 5432, port 22. */
#define FRAME(port)                                                            \
	"060000000066525400000001080045000028000000004006" /* header */        \
	"0000"                                                                 \
	"0a0000050a000105ef32" port "0000000000000000500200000000"             \
	"0000000000000000"
#define ALLOWED FRAME("1538")
#define DENIED FRAME("0016")

static void put(FILE *file, const char *hex)
{
	uint8_t bytes[128];
	size_t n = strlen(hex) / 2;

	assert_in_range(n, 1, sizeof(bytes));
	assert_int_equal(clo_hex_decode(hex, n, bytes), 0);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
}

/* A capture of both, the first one cut behind its ports. */
static void write_capture(const struct cli *cli, const char *header)
{
	CLO_AUTO_MEM char *path = cli_path(cli, "a.pcap");
	FILE *file = fopen(path, "we");
	char cut[2 * 54 + 1];

	assert_non_null(file);
	put(file, header);
	put(file, "02000400"
		  "00000000"
		  "00000000"
		  "ffff0000"
		  "01000000");
	put(file, "00000000"
		  "00000000"
		  "3c000000"
		  "3c000000");
	put(file, DENIED);
	put(file, "00000000"
		  "00000000"
		  "36000000"
		  "3c000000");
	memcpy(cut, ALLOWED, sizeof(cut) - 1);
	cut[sizeof(cut) - 1] = 0;
	put(file, cut);
	assert_int_equal(fclose(file), 0);
}

static void by_fields(void **state)
{
	struct cli *cli = *state;

	cli_run(cli, "trace", "--offline", POLICY, "--from", SHOP, "--to",
		"acme/production/shop/1", "--proto", "tcp", "--dport", "5432",
		"--sport", "61234", "--family", "4", NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "class bit   words [set 0, class"));
	assert_non_null(strstr(cli->out, "acme/production/web-to-db\n"));

	cli_run(cli, "trace", "--offline", POLICY, "--from", SHOP, "--to",
		"acme/production/shop/1", "--proto", "tcp", "--dport", "22",
		NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out,
			       "would allow   {\"name\": \"allow-tcp-22\", "
			       "\"from\": {\"group\": \"web\"}, \"to\": "
			       "{\"group\": \"db\"}, \"ports\": "
			       "[\"tcp/22\"]}\n"));
	assert_non_null(
		strstr(cli->out, "tenant acme, environment production"));

	cli_run(cli, "trace", "--offline", POLICY, "--from", SHOP, "--to",
		"globex/production/blog/0", "--proto", "tcp", "--dport", "22",
		NULL);
	assert_int_equal(cli->exit, 3);
	assert_null(strstr(cli->out, "would allow"));
	assert_non_null(strstr(cli->out, "no policy may allow"));
}

static void by_hex(void **state)
{
	struct cli *cli = *state;
	json_auto_t *trace = NULL;

	cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP, "--hex",
		ALLOWED, "--json", NULL);
	assert_int_equal(cli->exit, 0);
	trace = json_loads(cli->out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(trace, "hex")),
			    ALLOWED);
	cli_run(cli, "trace", "--offline", POLICY, "--in", "tap0", "--hex",
		DENIED, NULL);
	assert_int_equal(cli->exit, 3);

	/* as a daemon gets it; the two disagree */
	cli_serve(cli,
		  CLI_OK("{\"traces\":[{\"verdict\":\"drop\",\"kernel\":"
			 "{\"agrees\":false,\"text\":\"it says pass\"}}]}"),
		  NULL);
	cli_run(cli, "trace", "--in", "w", "--hex", "AB:cd 0f", NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->out, "ERROR: it says pass\n"));
	assert_non_null(strstr(cli->err, "ERROR"));
	assert_string_equal(
		json_string_value(json_array_get(
			json_object_get(cli->request, "frames"), 0)),
		"abcd0f");
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "in")), "w");
}

static void by_capture(void **state)
{
	struct cli *cli = *state;
	CLO_AUTO_MEM char *path = cli_path(cli, "a.pcap");
	json_auto_t *result = NULL;
	const json_t *second;

	write_capture(cli, "d4c3b2a1");
	cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP, "--pcap", path,
		NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out, "1 allowed, 1 dropped, 0 errors\n"));
	assert_non_null(strstr(cli->out, "no rule allows the flow"));

	cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP, "--pcap", path,
		"--frame", "all", "--json", NULL);
	assert_int_equal(cli->exit, 3);
	result = json_loads(cli->out, 0, NULL);
	second = json_array_get(json_object_get(result, "frames"), 1);
	assert_int_equal(json_integer_value(json_object_get(second, "number")),
			 2);
	assert_int_equal(
		json_integer_value(json_object_get(second, "captured")), 54);

	cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP, "--pcap", path,
		"--frame", "2", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "acme/production/web-to-db\n"));
}

static void a_bad_capture_is_one_line(void **state)
{
	static const struct {
		const char *header, *frame, *says;
	} cases[] = {
		{"0a0d0d0a", "1", "pcapng"},
		{"00000000", "1", "no pcap file"},
		{"d4c3b2a1", "3", "none of that number"},
	};
	struct cli *cli = *state;
	CLO_AUTO_MEM char *path = cli_path(cli, "a.pcap");

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		write_capture(cli, cases[i].header);
		cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP,
			"--pcap", path, "--frame", cases[i].frame, NULL);
		assert_int_equal(cli->exit, 2);
		assert_non_null(strstr(cli->err, cases[i].says));
		assert_string_equal(strchr(cli->err, '\n'), "\n");
	}
	cli_run(cli, "trace", "--offline", POLICY, "--in", SHOP, "--pcap",
		"/nonexistent", NULL);
	assert_int_equal(cli->exit, 2);
}

static void wrong_usage_is_one_line(void **state)
{
	static const char *const lines[][9] = {
		{"--hex", "00"},
		{"--pcap", "/dev/null"},
		{"--hex", "00", "--pcap", "/dev/null", "--in", "w"},
		{"--hex", "00", "--in", "w", "--from", "w"},
		{"--hex", "0", "--in", "w"},
		{"--hex", "", "--in", "w"},
		{"--hex", "0g", "--in", "w"},
		{"--hex", "00", "--in", "w", "--frame", "1"},
		{"--pcap", "/dev/null", "--in", "w", "--frame", "0"},
		{"--pcap", "/dev/null", "--in", "w", "--frame", "one"},
		{"--from", "a", "--to", "b", "--proto", "icmp", "--family",
		 "5"},
		{"--from", "a", "--to", "b", "--proto", "icmp", "--sport",
		 "65536"},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(lines); i++) {
		const char *const *l = lines[i];

		cli_run(cli, "trace", l[0], l[1], l[2], l[3], l[4], l[5], l[6],
			l[7], NULL);
		assert_int_equal(cli->exit, 2);
		assert_string_equal(strchr(cli->err, '\n'), "\n");
	}
	cli_run(cli, "trace", "--offline", POLICY, "--from", SHOP, "--to",
		"8.8.8.8", "--proto", "udp", "--dport", "1", "--flags", "syn",
		NULL);
	assert_int_equal(cli->exit, 2);
	cli_run(cli, "trace", "--offline", POLICY, "--in", "nobody", "--hex",
		ALLOWED, NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(by_fields),
		TEST(by_hex),
		TEST(by_capture),
		TEST(a_bad_capture_is_one_line),
		TEST(wrong_usage_is_one_line),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
