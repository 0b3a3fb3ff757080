/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison define`: the shape that it asks for, and what comes of a reply. */

#include <string.h>

#include "check.h"
#include "cli_run.h"

#define DEFINED                                                                \
	CLI_OK("{\"workload\":\"a/test/w\",\"left\":[],\"xml\":\"<domain/>\\n\"}")

static const json_t *asked(const struct cli *cli)
{
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "op")),
		"define");
	assert_string_equal(
		json_string_value(json_object_get(cli->request, "workload")),
		"w");
	return json_object_get(cli->request, "shape");
}

static void assert_asked(const struct cli *cli, const char *shape)
{
	json_auto_t *wanted = json_loads(shape, 0, NULL);
	CLO_AUTO_MEM char *got = json_dumps(asked(cli), JSON_SORT_KEYS);

	assert_non_null(wanted);
	if (!json_equal(wanted, asked(cli)))
		fail_msg("asked for %s, expected %s", got, shape);
}

static void asks_for_little(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli, DEFINED, NULL);
	cli_run(cli, "define", "w", "--memory", "512", "--vcpus", "1", NULL);
	assert_int_equal(cli->exit, 0);
	assert_string_equal(cli->out, "<domain/>\n");
	assert_string_equal(cli->err, "");
	assert_asked(cli, "{\"memory\":512,\"vcpus\":1,\"emulated\":false}");
}

static void asks_for_all(void **state)
{
	struct cli *cli = *state;

	cli_serve(cli, DEFINED, NULL);
	cli_run(cli, "define", "--memory", "999999999", "--vcpus", "8",
		"--disk", "root.qcow2", "--disk", "/dev/x,block", "--disk",
		"b.qcow2,format=raw,readonly", "--disk=c,format=qcow2",
		"--kernel", "k", "--initrd", "i", "--cmdline", "quiet a=\"<\"",
		"--loader", "/l", "--nvram", "n", "--nvram-template", "/t",
		"--tpm", "t", "--console", "c", "--bridge", "br0", "--emulated",
		"w", NULL);
	assert_int_equal(cli->exit, 0);
	assert_asked(cli,
		     "{\"memory\":999999999,\"vcpus\":8,\"emulated\":true,"
		     "\"disks\":[{\"path\":\"root.qcow2\",\"format\":\"qcow2\"}"
		     ",{\"path\":\"/dev/x\",\"format\":\"raw\",\"block\":true},"
		     "{\"path\":\"b.qcow2\",\"format\":\"raw\","
		     "\"readOnly\":true},{\"path\":\"c\",\"format\":\"qcow2\"}]"
		     ",\"kernel\":\"k\",\"initrd\":\"i\","
		     "\"cmdline\":\"quiet a=\\\"<\\\"\",\"loader\":\"/l\","
		     "\"nvram\":\"n\",\"nvramTemplate\":\"/t\",\"tpm\":\"t\","
		     "\"console\":\"c\",\"bridge\":\"br0\"}");

	cli_serve(cli, DEFINED, NULL);
	cli_run(cli, "define", "w", "--memory", "1", "--vcpus", "1", "--disk",
		"none", NULL);
	assert_asked(cli, "{\"memory\":1,\"vcpus\":1,\"emulated\":false,"
			  "\"disks\":[]}");
}

static const struct {
	const char *more[4], *why;
} mistakes[] = {
	{{"--memory", "1"}, "needs --vcpus"},
	{{"--vcpus", "1"}, "needs --memory"},
	{{"--memory", "0", "--vcpus", "1"}, "--memory 0 is no number"},
	{{"--memory", "2G", "--vcpus", "1"}, "--memory 2G"},
	{{"--memory", "", "--vcpus", "1"}, "--memory  is no number"},
	{{"--memory", "1", "--vcpus", "-1"}, "--vcpus -1"},
	{{"--memory", "1", "--vcpus", "9999999999"}, "1 to 999999999"},

#define ENOUGH "--memory=1", "--vcpus=1"
	{{ENOUGH, "--disk="}, "--disk  names no file"},
	{{ENOUGH, "--disk=,readonly"}, "names no file"},
	{{ENOUGH, "--disk=a,format=vmdk"}, "\"format=vmdk\" is none"},
	{{ENOUGH, "--disk=a,"}, "\"\" is none of"},
	{{ENOUGH, "--disk=a,readonly,,block"}, "\"\" is none of"},
	{{ENOUGH, "--disk=a,READONLY"}, "\"READONLY\" is none"},
	{{ENOUGH, "--disk=\xff"}, "no text in UTF-8"},
	{{ENOUGH, "--disk=none", "--disk=a"}, "beside other disks"},
	{{ENOUGH, "--initrd=i"}, "--initrd needs --kernel"},
	{{ENOUGH, "--cmdline=c"}, "--cmdline needs --kernel"},
	{{ENOUGH, "--nvram=n"}, "--nvram needs --loader"},
	{{ENOUGH, "--nvram-template=n"}, "needs --loader"},
	{{ENOUGH, "--kernel="}, "--kernel is empty"},
	{{ENOUGH, "--console=\xff"}, "no text in UTF-8"},
	{{ENOUGH, "--emulated=yes"}, "is no option here"},
	{{ENOUGH, "v"}, "one argument too many"},
};

/* One line each, before anybody is asked. */
static void usage(void **state)
{
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(mistakes); i++) {
		const char *const *more = mistakes[i].more;
		const char *newline;

		cli_run(cli, "define", "w", more[0], more[1], more[2], more[3],
			NULL);
		assert_int_equal(cli->exit, 2);
		assert_string_equal(cli->out, "");
		if (!strstr(cli->err, mistakes[i].why))
			fail_msg("%snot because of %s", cli->err,
				 mistakes[i].why);
		newline = strchr(cli->err, '\n');
		assert_non_null(newline);
		assert_int_equal(newline[1], '\0');
	}
	cli_run(cli, "define", "--memory", "1", "--vcpus", "1", NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "WORKLOAD is missing"));
	cli_run(cli, "define", "\xff", "--memory", "1", "--vcpus", "1", NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "no text in UTF-8"));
}

/* As many as one may give, and one more. */
static void many_disks(void **state)
{
#define FOUR "--disk=a", "--disk=a", "--disk=a", "--disk=a"
#define DISKS_32 FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR, FOUR
	struct cli *cli = *state;

	cli_serve(cli, DEFINED, NULL);
	cli_run(cli, "define", "w", ENOUGH, DISKS_32, NULL);
	assert_int_equal(cli->exit, 0);
	assert_int_equal(json_array_size(json_object_get(asked(cli), "disks")),
			 32);
	cli_run(cli, "define", "w", ENOUGH, DISKS_32, "--disk=b", NULL);
	assert_int_equal(cli->exit, 2);
	assert_non_null(strstr(cli->err, "b is one too many"));
}

static void findings(void **state)
{
	static const char reply[] = CLI_OK(
		"{\"workload\":\"a/test/w\",\"xml\":null,\"left\":["
		"{\"control\":\"c\",\"where\":\"domain/devices/disk\","
		"\"text\":\"/x is not below /y\\u001b\"},"
		"{\"control\":\"c\",\"where\":\"domain\",\"text\":\"no\"}]}");
	struct cli *cli = *state;
	json_auto_t *document = NULL;

	cli_serve(cli, reply, NULL);
	cli_run(cli, "define", "w", ENOUGH, NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(cli->out, "");
	assert_string_equal(cli->err,
			    "domain/devices/disk: /x is not below /y\\x1b\n"
			    "domain: no\n");

	cli_serve(cli, reply, NULL);
	cli_run(cli, "define", "w", ENOUGH, "--json", NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(cli->err, "");
	document = json_loads(cli->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(document, "left")), 2);
}

static void hostile_replies(void **state)
{
	static const struct {
		const char *reply;
		int exit;
	} cases[] = {
		{CLI_OK("{}"), 1},
		{CLI_OK("{\"left\":[]}"), 1},
		{CLI_OK("{\"left\":[],\"xml\":null}"), 1},
		{CLI_OK("{\"left\":[{}],\"xml\":\"<domain/>\"}"), 1},
		{CLI_OK("{\"xml\":\"<domain/>\"}"), 1},
		{CLI_OK("{\"left\":{},\"xml\":\"<domain/>\"}"), 1},
		{CLI_OK("{\"left\":[1],\"xml\":7}"), 3},
		{"{\"ok\":false,\"error\":\"w: no workload\",\"exit\":3}", 3},
		{"{\"ok\":false,\"error\":\"no policy\",\"exit\":4}", 4},
	};
	struct cli *cli = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_serve(cli, cases[i].reply, NULL);
		cli_run(cli, "define", "w", ENOUGH, NULL);
		assert_int_equal(cli->exit, cases[i].exit);
		assert_string_equal(cli->out, "");
		assert_non_null(strchr(cli->err, '\n'));
	}
	cli_run(cli, "define", "w", ENOUGH, NULL);
	assert_int_equal(cli->exit, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(asks_for_little), TEST(asks_for_all),
		TEST(usage),           TEST(many_disks),
		TEST(findings),        TEST(hostile_replies),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
