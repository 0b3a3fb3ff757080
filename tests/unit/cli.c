/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The built `cloison` against a daemon of canned replies: what it asks, what
 * it prints and how it exits.
 */

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cli_run.h"

/* Members that every status has. */
#define STATUS                                                                 \
	"\"node\":\"hv1\",\"version\":\"0.1.0\",\"bootId\":\"b\",\"pid\":7,"   \
	"\"uptime\":90061,\"policy\":\"abc\",\"epoch\":3,\"attach\":\"tcx\","  \
	"\"libvirt\":true,\"endpoints\":{\"expected\":8,\"guarded\":8},"       \
	"\"undeclared\":1,\"connections\":4,\"period\":30,\"statements\":9,"   \
	"\"lastProof\":\"2026-01-02T03:04:05Z\",\"findings\":[{\"control\":"   \
	"\"net.x\",\"result\":\"PASS\",\"detail\":\"all \\u001b[31mfine\"}],"  \
	"\"drops\":[{\"interface\":\"tap0\",\"direction\":\"from\","           \
	"\"reason\":\"no rule\",\"count\":12}],\"rules\":[]"

static void status_tells_the_verdict(void **state)
{
	static const struct {
		const char *verdict;
		int exit;
	} cases[] = {
		{"\"PASSED\"", 0}, {"\"FAILED\"", 3}, {"\"INCONCLUSIVE\"", 4},
		{"null", 4},       {"\"passed\"", 4}, {"true", 1},
	};
	struct cli *cli = *state;
	char reply[2048];
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		(void)snprintf(reply, sizeof(reply),
			       CLI_OK("{" STATUS ",\"verdict\":%s}"),
			       cases[i].verdict);
		cli_serve(cli, reply, NULL);
		cli_run(cli, "status", NULL);
		assert_int_equal(cli->exit, cases[i].exit);
	}
}

static void status_is_readable(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli, CLI_OK("{" STATUS ",\"verdict\":\"PASSED\"}"), NULL);
	cli_run(cli, "status", NULL);
	assert_non_null(strstr(cli->out, "hv1"));
	assert_non_null(strstr(cli->out, "8 of 8 guarded, 1 undeclared"));
	assert_non_null(strstr(cli->out, "up 1 d 01:01:01"));
	assert_non_null(strstr(cli->out, "tap0       from       no rule"));
	/* What a guest may have put there cannot drive the terminal. */
	assert_non_null(strstr(cli->out, "all \\x1b[31mfine"));
	assert_null(strchr(cli->out, '\033'));
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "op")),
		"status");
}

static void status_tells_of_a_log_that_is_not_written(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli,
		  CLI_OK("{" STATUS ",\"verdict\":\"PASSED\",\"monitor\":{"
			 "\"flowLog\":{\"lost\":7,\"error\":\"No space left "
			 "on device\"}}}"),
		  NULL);
	cli_run(cli, "status", NULL);
	assert_non_null(strstr(cli->out, "NOT WRITTEN: No space left on "
					 "device, 7 records lost\n"));
}

/* Nobody reads "PROVED" of tables that are still being asked. */
static void status_tells_what_was_decided(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli,
		  CLI_OK("{" STATUS ",\"verdict\":\"PASSED\",\"decisions\":{"
			 "\"verdict\":\"NOT-COVERED\",\"text\":\"is under "
			 "way\",\"verdicts\":900,\"wrong\":0}}"),
		  NULL);
	cli_run(cli, "status", NULL);
	assert_non_null(strstr(cli->out, "NOT-COVERED, 900 verdicts asked, 0 "
					 "wrong: is under way\n"));
	cli_serve(cli,
		  CLI_OK("{" STATUS ",\"verdict\":\"FAILED\",\"decisions\":{"
			 "\"verdict\":\"VIOLATED\",\"text\":null,"
			 "\"verdicts\":900,\"wrong\":2}}"),
		  NULL);
	cli_run(cli, "status", NULL);
	assert_non_null(
		strstr(cli->out, "VIOLATED, 900 verdicts asked, 2 wrong\n"));
}

#define REVOKED(epoch, done, rest)                                             \
	CLI_OK("{" STATUS                                                      \
	       ",\"verdict\":\"PASSED\",\"revoked\":{\"epoch\":" epoch         \
	       ",\"walked\":12,\"kept\":4,\"ended\":3,\"done\":" done rest     \
	       "}}")

static void status_tells_what_became_of_flows(void **state)
{
	static const struct {
		const char *reply, *line;
	} cases[] = {
		{REVOKED("3", "true", ",\"ms\":7.25"),
		 "3 of before ended, the last 7.2 ms after the change of "
		 "tables; 4 go on\n"},
		{REVOKED("3", "false", ""), "are being walked\n"},
		{REVOKED("2", "true", ",\"ms\":7.25"), "are being walked\n"},
		{REVOKED("3", "true", ""), "not walked: "},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_serve(cli, cases[i].reply, NULL);
		cli_run(cli, "status", NULL);
		assert_non_null(strstr(cli->out, cases[i].line));
	}
}

static void status_as_json(void **state)
{
	struct cli *cli = *state;
	json_auto_t *document = NULL;

	cli_serve(cli, CLI_OK("{" STATUS ",\"verdict\":\"FAILED\"}"), NULL);
	cli_run(cli, "status", "--json", NULL);
	assert_int_equal(cli->exit, 3);
	document = json_loads(cli->out, 0, NULL);
	assert_string_equal(
		json_string_value(json_object_get(document, "node")), "hv1");
	assert_null(strchr(cli->out, '\033'));
	assert_string_equal(cli->err, "");
}

static void hostile_replies(void **state)
{
	static const struct {
		const char *reply;
		int exit;
	} cases[] = {
		{"{\"ok\":true}", 1},
		{"{\"ok\":true,\"result\":[]}", 1},
		{"{\"ok\":1,\"result\":{}}", 1},
		{"{}", 1},
		{"[]", 1},
		{"hello", 1},
		{"", 1},
		{"{\"ok\":false}", 1},
		{"{\"ok\":false,\"error\":7}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":0}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":-3}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":\"3\"}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":99}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":4294967296}", 1},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":6}", 6},
		{"{\"ok\":false,\"error\":\"no\",\"exit\":3,\"flaws\":7,"
		 "\"breaches\":[1,[],{}]}",
		 3},
		{CLI_OK("{}"), 1},
	};

	static const char *const commands[] = {"status", "matrix", "endpoints",
					       "key", "attest"};
	struct cli *cli = *state;
	size_t i, c;

	for (i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		for (c = 0; c < CLO_ARRAY_LEN(commands); c++) {
			cli_serve(cli, cases[i].reply, NULL);
			cli_run(cli, commands[c], NULL);
			assert_int_equal(cli->exit, cases[i].exit);
			assert_string_equal(cli->out, "");
			assert_non_null(strchr(cli->err, '\n'));
		}
	}
}

static void broken_framing(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int exit;
	} cases[] = {
		{"", 0, 5},
		{"\x05", 1, 5},
		{"\x20\0\0\0{\"ok\":", 10, 5},
		{"\xff\xff\xff\xff{}", 6, 1},
		{"\0\0\0\0", 4, 1},
	};
	struct cli *cli = *state;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_serve_raw(cli, cases[i].bytes, cases[i].len);
		cli_run(cli, "status", NULL);
		assert_int_equal(cli->exit, cases[i].exit);
		assert_string_equal(cli->out, "");
	}
}

static void nobody_listens(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;

	cli_run(cli, "status", NULL);
	assert_int_equal(cli->exit, 5);
	assert_non_null(strstr(cli->err, "cannot reach cloisond"));
	cli_run(cli, "key", "--json", NULL);
	assert_int_equal(cli->exit, 5);
	assert_string_equal(cli->err, "");
	document = json_loads(cli->out, 0, NULL);
	assert_true(json_is_string(json_object_get(document, "error")));
}

static void usage(void **state)
{
	static const char *const lines[][8] = {
		{"status", "--bogus"},
		{"status", "more"},
		{"status", "--socket"},
		{"status", "--json=yes"},
		{"bogus"},
		{"apply"},
		{"apply", "a", "b"},
		{"apply", "/nonexistent"},
		{"trace", "--from", "a", "--to", "b"},
		{"trace", "--from", "a", "--to", "b", "--proto", "tcp"},
		{"verify", "/nonexistent"},
		{"attest", "--nonce", "xyz"},
		{"attest", "--nonce", ""},
	};
	struct cli *cli = *state;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(lines); i++) {
		const char *const *l = lines[i];
		const char *newline;

		cli_run(cli, l[0], l[1], l[2], l[3], l[4], l[5], l[6], NULL);
		assert_int_equal(cli->exit, 2);
		assert_string_equal(cli->out, "");
		newline = strchr(cli->err, '\n');
		assert_non_null(newline);
		assert_int_equal(newline[1], '\0'); /* one line */
	}
}

static void trace_ranges(void **state)
{
	static const char *const lines[][2] = {
		{"tcp", "65536"}, {"tcp", "-1"},   {"tcp", ""},
		{"tcp", "80x"},   {"tcp", "+80"},  {"icmp", "256"},
		{"256", "1"},     {"gre", "1"},    {"tcp", "0x50"},
		{"", "1"},        {"17", "99999"}, {"TCP", "80"},
	};
	struct cli *cli = *state;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(lines); i++) {
		cli_run(cli, "trace", "--from", "a", "--to", "b", "--proto",
			lines[i][0], "--dport", lines[i][1], NULL);
		assert_int_equal(cli->exit, 2);
	}
}

static void trace_asks_and_tells(void **state)
{
	static const struct {
		const char *proto, *dport, *asked;
		int port;
	} cases[] = {
		{"tcp", "443", "tcp", 443},       {"6", "0", "tcp", 0},
		{"58", NULL, "icmpv6", 128},      {"icmp", NULL, "icmp", 8},
		{"sctp", "65535", "sctp", 65535}, {"47", NULL, "47", 0},
	};
	struct cli *cli = *state;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_serve(cli,
			  CLI_OK("{\"verdict\":\"drop\",\"reason\":\"no rule "
				 "allows the flow\",\"rule\":null,"
				 "\"invariant\":\"tenant separation\",\"steps\""
				 ":[{\"lookup\":\"pairs\",\"key\":\"3>4\","
				 "\"result\":\"row 0\"}]}"),
			  NULL);
		cli_run(cli, "trace", "--from", "a/test/w/0", "--to",
			"10.0.0.1", "--proto", cases[i].proto,
			cases[i].dport ? "--dport" : NULL, cases[i].dport,
			NULL);
		assert_int_equal(cli->exit, 3);
		assert_string_equal(json_string_value(json_object_get(
					    cli->request, "proto")),
				    cases[i].asked);
		assert_int_equal(json_integer_value(json_object_get(
					 cli->request, "dport")),
				 cases[i].port);
		assert_non_null(strstr(cli->out, "pairs [3>4] = row 0"));
		assert_non_null(strstr(cli->out, "tenant separation"));
		assert_null(strstr(cli->out, "rule   "));
	}

	cli_serve(
		cli,
		CLI_OK("{\"verdict\":\"allow\",\"rule\":\"a/test/r\",\"reason\":\"not dropped\"}"),
		NULL);
	cli_run(cli, "trace", "--from", "a", "--to", "b", "--proto", "icmp",
		NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "a/test/r"));
	assert_null(strstr(cli->out, "reason"));
	cli_serve(cli, CLI_OK("{\"verdict\":\"maybe\"}"), NULL);
	cli_run(cli, "trace", "--from", "a", "--to", "b", "--proto", "icmp",
		NULL);
	assert_int_equal(cli->exit, 1);
}

#define MATRIX                                                                 \
	CLI_OK("{\"scopes\":[\"a/production\",\"a/test\",\"outside\"],"        \
	       "\"cells\":[[{\"allowed\":4,\"forbidden\":false,\"services\":"  \
	       "[\"tcp/80\"]},{\"allowed\":1,\"forbidden\":true,"              \
	       "\"services\":[\"tcp/9\"]},{\"allowed\":2,\"forbidden\":false," \
	       "\"services\":[\"tcp/443\",\"icmp\"]}],"                        \
	       "[{\"allowed\":0,\"forbidden\":false,\"services\":[]},"         \
	       "{\"allowed\":0,\"forbidden\":false,\"services\":[]},"          \
	       "{\"allowed\":0,\"forbidden\":true,\"services\":[]}],"          \
	       "[{\"allowed\":0,\"forbidden\":false,\"services\":[]},"         \
	       "{\"allowed\":0,\"forbidden\":false,\"services\":[]},"          \
	       "{\"allowed\":0,\"forbidden\":false,\"services\":[]}]]}")

static void matrix_plain(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "1 a/production   #   !   +\n"));
	assert_non_null(strstr(cli->out, "2 a/test         .   .   .\n"));
	assert_non_null(strstr(cli->out, "! a/production > a/test: tcp/9\n"));
	assert_non_null(
		strstr(cli->out, "+ a/production > outside: tcp/443 icmp\n"));
	assert_null(strchr(cli->out, '\033'));
}

static void matrix_in_colour(void **state)
{
	struct cli *cli = *state;

	cli->terminal = true;
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "\033[32m#\033[0m"));
	assert_non_null(strstr(cli->out, "\033[1;31m!\033[0m"));
	assert_non_null(strstr(cli->out, "\033[2m.\033[0m"));
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", "--no-color", NULL);
	assert_null(strchr(cli->out, '\033'));
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "--json", "matrix", NULL);
	assert_null(strchr(cli->out, '\033'));
}

static void matrix_must_be_square(void **state)
{
	static const char *const replies[] = {
		CLI_OK("{\"scopes\":[\"a\"],\"cells\":[]}"),
		CLI_OK("{\"scopes\":[\"a\"],\"cells\":[[]]}"),
		CLI_OK("{\"scopes\":[\"a\"],\"cells\":[[7]]}"),
		CLI_OK("{\"scopes\":[7],\"cells\":[[{\"allowed\":0,"
		       "\"forbidden\":false}]]}"),
		CLI_OK("{\"scopes\":[\"a\"],\"cells\":[[{\"allowed\":0}]]}"),
	};
	struct cli *cli = *state;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(replies); i++) {
		cli_serve(cli, replies[i], NULL);
		cli_run(cli, "matrix", NULL);
		assert_int_equal(cli->exit, 1);
		assert_string_equal(cli->out, "");
	}
}

static void endpoints_lists(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli,
		  CLI_OK("{\"endpoints\":[{\"name\":\"a/test/w/0\",\"segment\":"
			 "\"n\",\"groups\":[\"web\",\"db\"],\"mac\":\"m\","
			 "\"addresses\":[\"10.0.0.1\"],\"identity\":4,"
			 "\"interface\":null,\"guarded\":false},"
			 "{\"name\":\"a/test/x/0\",\"interface\":\"tap1\","
			 "\"guarded\":false}],"
			 "\"undeclared\":[{\"interface\":\"tap9\",\"ifindex\":"
			 "31,\"bridge\":\"br0\",\"guarded\":true}]}"),
		  NULL);
	cli_run(cli, "endpoints", NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "a/test/w/0  n        web,db  m"));
	assert_non_null(strstr(cli->out, " 4         -          -\n"));
	assert_non_null(strstr(cli->out, " tap1       NO\n"));
	assert_non_null(strstr(cli->out, "tap9        31       br0     yes\n"));
}

static void lost_output_is_a_failure(void **state)
{
	struct cli *cli = *state;

	cli->out_path = "/dev/full";
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", NULL);
	assert_int_equal(cli->exit, 1);
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", "--json", NULL);
	assert_int_equal(cli->exit, 1);

	/* Closed: the socket must not take the place of stdout. */
	cli->out_path = "";
	cli_serve(cli, MATRIX, NULL);
	cli_run(cli, "matrix", NULL);
	assert_int_equal(cli->exit, 1);
	cli_run(cli, "--version", NULL);
	assert_int_equal(cli->exit, 1);
}

static void help_for_all(void **state)
{
	static const char *const commands[] = {
		"apply",  "plan",   "status", "matrix", "endpoints", "trace",
		"attest", "verify", "key",    "flows",  "monitor",   "define",
		"harden", "enrol",  "prove",  "import"};
	struct cli *cli = *state;
	char page[80];
	size_t i;

	cli_run(cli, "--help", NULL);
	assert_int_equal(cli->exit, 0);
	for (i = 0; i < CLO_ARRAY_LEN(commands); i++) {
		assert_non_null(strstr(cli->out, commands[i]));
		(void)snprintf(page, sizeof(page),
			       CLO_SOURCE_DIR "/docs/man/cloison-%s.1",
			       commands[i]);
		assert_int_equal(access(page, R_OK), 0);
	}
	for (i = 0; i < CLO_ARRAY_LEN(commands); i++) {
		cli_run(cli, commands[i], "--help", NULL);
		assert_int_equal(cli->exit, 0);
		assert_non_null(strstr(cli->out, "usage: cloison "));
		assert_string_equal(cli->err, "");
	}
	cli_run(cli, "--version", NULL);
	assert_int_equal(strncmp(cli->out, "cloison ", 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(status_tells_the_verdict),
		TEST(status_is_readable),
		TEST(status_tells_what_was_decided),
		TEST(status_tells_what_became_of_flows),
		TEST(status_tells_of_a_log_that_is_not_written),
		TEST(status_as_json),
		TEST(hostile_replies),
		TEST(broken_framing),
		TEST(nobody_listens),
		TEST(usage),
		TEST(trace_ranges),
		TEST(trace_asks_and_tells),
		TEST(matrix_plain),
		TEST(matrix_in_colour),
		TEST(matrix_must_be_square),
		TEST(endpoints_lists),
		TEST(lost_output_is_a_failure),
		TEST(help_for_all),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
