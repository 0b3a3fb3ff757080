/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison apply` and `plan`: which documents they send, what they report. */

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cli_run.h"

#define SET(kind, name) "{\"kind\":\"" kind "\",\"name\":\"" name "\"}"
#define PLAN                                                                                                                          \
	"{\"counts\":{\"gained\":12000,\"lost\":1,\"unchanged\":5,"                                                                   \
	"\"endpoints\":3,\"exceptions\":1,\"idleRules\":1},"                                                                          \
	"\"folded\":{\"omitted\":9,\"gained\":[{\"from\":[" SET("group", "a/test/web") "," SET(                                       \
		"identity",                                                                                                           \
		"a/test/n{x}") "],"                                                                                                   \
			       "\"to\":[" SET(                                                                                        \
				       "segment",                                                                                     \
				       "b/test/n") ","                                                                                \
						   "{\"kind\":\"cidr\",\"name\":\"8.0.0.0/8\",\"scope\":\"a/test\","                  \
						   "\"except\":[\"8.1.0.0/16\",\"8.2.0.0/16\"]}],"                                    \
						   "\"services\":[\"tcp/1\",\"tcp/2\"],\"rule\":\"a/test/r\","                        \
						   "\"flows\":8}],\"lost\":[{\"from\":[" SET("group", "a/test/web") "],\"to\":[" SET( \
							   "service",                                                                 \
							   "dns") "],"                                                                \
								  "\"services\":[\"icmp\"],\"rule\":\"a/test/q\",\"flows\":1}]},"     \
								  "\"endpoints\":[{\"endpoint\":\"a/test/w/0\",\"was\":{\"groups\":"  \
								  "[\"web\"],\"mac\":\"m\"},\"is\":{\"groups\":[],\"mac\":\"m\"}},"   \
								  "{\"endpoint\":\"a/test/w/1\",\"was\":null,\"is\":{\"groups\":"     \
								  "[\"db\",\"web\"],\"domain\":null}}],"                              \
								  "\"settings\":[{\"of\":\"node\",\"member\":\"bridges\",\"was\":"    \
								  "[\"br0\"],\"is\":null}],"                                          \
								  "\"exceptions\":[{\"change\":\"expires\",\"exception\":\"e\","      \
								  "\"control\":\"net.x\",\"rules\":[\"a/test/r\"],\"inForce\":true,"  \
								  "\"daysLeft\":12}],\"idleRules\":[{\"change\":\"added\",\"rule\":"  \
								  "\"a/test/z\"}]}"

#define BREACH(excepted)                                                       \
	"{\"invariant\":\"tenant separation\",\"control\":\"net.x\","          \
	"\"from\":\"a/test/n\",\"to\":\"b/test/n\",\"service\":\"tcp/80\","    \
	"\"rule\":\"a/test/bad\",\"file\":\"p/a.json\",\"line\":12,"           \
	"\"packet\":\"10.0.0.5 > 10.1.0.7 tcp/80\",\"excepted\":" excepted "}"

static void apply_sends_the_documents(void **state)
{
	struct cli *cli = *state;
	const json_t *documents;

	cli_write(cli, "b.json", "{\"b\":1}\n");
	cli_write(cli, "a.json", "{\"a\":\"é\"}\n");
	cli_write(cli, ".hidden.json", "no");
	cli_write(cli, "README", "no");
	cli_serve(cli,
		  CLI_OK("{\"policy\":\"abc\",\"epoch\":4,\"endpoints\":8,"
			 "\"identities\":9,\"classes\":3,\"rules\":2,\"proof\":"
			 "{\"pairs\":81,\"verdicts\":243},\"plan\":" PLAN
			 ",\"ms\":{\"parse\":1.25,\"compile\":2,\"prove\":3,"
			 "\"load\":4,\"readback\":5},\"verdict\":\"PASSED\"}"),
		  NULL);
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 0);
	assert_non_null(strstr(cli->out, "abc"));
	assert_non_null(strstr(cli->out, "pairs 81, verdicts 243"));
	assert_non_null(strstr(cli->out, "compile 2.0, prove 3.0"));

	assert_true(json_is_false(json_object_get(cli->request, "override")));
	documents = json_object_get(cli->request, "documents");
	assert_int_equal(json_array_size(documents), 2);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(documents, 0), "text")),
			    "{\"a\":\"é\"}\n");
	assert_non_null(strstr(json_string_value(json_object_get(
				       json_array_get(documents, 1), "name")),
			       "/b.json"));
}

static void apply_is_refused(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;

	cli_write(cli, "a.json", "{}");
	cli_serve(cli,
		  "{\"ok\":false,\"error\":\"breaks an invariant\",\"exit\":3,"
		  "\"breaches\":[" BREACH("false") "]}",
		  NULL);
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(cli->out, "");
	assert_non_null(strstr(cli->err,
			       "a/test/bad (p/a.json:12) breaks tenant "
			       "separation"));
	assert_non_null(strstr(cli->err, "10.0.0.5 > 10.1.0.7 tcp/80"));

	cli_serve(cli,
		  "{\"ok\":false,\"error\":\"flaws\",\"exit\":3,\"flaws\":[{"
		  "\"file\":\"a.json\",\"line\":3,\"path\":\"$.x\","
		  "\"text\":\"unknown\\nmember\"}]}",
		  NULL);
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(
		strstr(cli->err, "a.json:3: $.x: unknown\\x0amember\n"));

	cli_serve(cli,
		  "{\"ok\":false,\"error\":\"flaws\",\"exit\":3,\"flaws\":[{"
		  "\"file\":\"a.json\",\"line\":3}]}",
		  NULL);
	cli_run(cli, "apply", cli->dir, "--json", NULL);
	assert_int_equal(cli->exit, 3);
	document = json_loads(cli->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(document, "flaws")),
			 1);
	assert_string_equal(cli->err, "");
}

/* Over the control plane's policy: only if that is said. */
static void apply_overrides(void **state)
{
	struct cli *cli = *state;

	cli_write(cli, "a.json", "{}");
	cli_serve(cli, "{\"ok\":false,\"error\":\"e\",\"exit\":3}", NULL);
	cli_run(cli, "apply", "--override", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_true(json_is_true(json_object_get(cli->request, "override")));
}

/* What was approved goes to the daemon, which compares it. */
static void apply_of_what_was_approved(void **state)
{
#define SHA                                                                    \
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789"    \
	"abcdef"
	static const char *const bad[] = {"", "0123", "sha256:0123", SHA "0",
					  "SHA256:0"};
	struct cli *cli = *state;

	cli_write(cli, "a.json", "{}");
	cli_serve(cli, "{\"ok\":false,\"error\":\"e\",\"exit\":3}", NULL);
	cli_run(cli, "apply", "--approved", SHA, cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "approved")),
		SHA);
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
		cli_run(cli, "apply", "--approved", bad[i], cli->dir, NULL);
		assert_int_equal(cli->exit, 2);
		assert_non_null(strstr(cli->err, "--approved needs sha256:"));
	}
#undef SHA
}

static void unreadable_documents(void **state)
{
	CLO_AUTO_MEM char *directory = NULL, *huge = NULL, *fifo = NULL;
	struct cli *cli = *state;

	directory = cli_path(cli, "c.json");
	huge = cli_path(cli, "d.json");
	fifo = cli_path(cli, "e.json");
	cli_write(cli, "a.json", "{}");
	cli_write(cli, "b.json", "{\"\xff\":1}");
	assert_int_equal(mkdir(directory, 0700), 0);
	cli_write(cli, "d.json", "");
	assert_int_equal(truncate(huge, 100L << 20), 0); /* sparse */
	assert_int_equal(mkfifo(fifo, 0600), 0);

	/* All of them are named, nothing is sent: nobody listens. */
	cli_run(cli, "apply", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->err, "/b.json: not UTF-8"));
	assert_non_null(strstr(cli->err, "/c.json: not a regular file"));
	assert_non_null(strstr(cli->err, "/d.json: longer than 8 MiB"));
	assert_non_null(strstr(cli->err, "/e.json: not a regular file"));
	assert_null(strstr(cli->err, "/a.json"));
}

/* Each kind of change is one line; what is not listed is counted. */
static void check_told(const struct cli *cli)
{
	static const char *const lines[] = {
		"+ a/test: web, n{x} -> segment b/test/n, 8.0.0.0/8 except "
		"8.1.0.0/16 and 8.2.0.0/16  tcp/1, tcp/2  (rule r)\n",
		"- a/test: web -> service dns  icmp  (rule q)\n",
		"~ endpoint a/test/w/0: groups web -> none\n",
		"+ endpoint a/test/w/1: groups db,web\n",
		"- node: bridges [\"br0\"]\n",
		"! exception e expires: net.x, rules a/test/r, in force, 12 "
		"days left\n",
		"  rule a/test/z is added and gains nothing\n",
		"9 flows more change and are not listed\n",
		"1 endpoints more change and are not listed\n",
		"12000 flows gained, 1 lost, 5 unchanged\n",
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(lines); i++)
		if (!strstr(cli->out, lines[i]))
			fail_msg("no \"%s\" in %s", lines[i], cli->out);
}

static void plan_tells_what_changes(void **state)
{
	static const struct {
		const char *breaches;
		int exit;
	} cases[] = {
		{"[]", 0},
		{"[" BREACH("true") "]", 0},
		{"[" BREACH("true") "," BREACH("false") "]", 3},
		{"[7]", 3},
		{"7", 1},
	};
	struct cli *cli = *state;
	static char reply[4096];
	size_t i;

	cli_write(cli, "a.json", "{}");
	for (i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		(void)snprintf(reply, sizeof(reply),
			       CLI_OK("{\"plan\":" PLAN
				      ",\"proof\":{},\"changed\":true,"
				      "\"breaches\":%s}"),
			       cases[i].breaches);
		cli_serve(cli, reply, NULL);
		cli_run(cli, "plan", cli->dir, NULL);
		assert_int_equal(cli->exit, cases[i].exit);
		if (cases[i].exit == 1)
			continue;
		check_told(cli);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(apply_sends_the_documents),
		TEST(apply_is_refused),
		TEST(apply_overrides),
		TEST(apply_of_what_was_approved),
		TEST(unreadable_documents),
		TEST(plan_tells_what_changes),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
