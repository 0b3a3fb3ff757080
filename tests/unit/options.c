/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define ARGUMENTS_MAX 8

static char arguments[ARGUMENTS_MAX][64]; /* which the options point into */
static struct clo_options options;
static enum clo_action action;
static char printed[2][4096]; /* of stdout, of stderr */

/* Put a file in the place of stdout or stderr, and back. */
static int replace(int fd, FILE *file)
{
	int saved = dup(fd);

	assert_true(saved >= 0);
	assert_true(dup2(fileno(file), fd) >= 0);
	return saved;
}

static void restore(int fd, int saved, FILE *file, char text[4096])
{
	size_t len;

	assert_true(dup2(saved, fd) >= 0);
	(void)close(saved);
	rewind(file);
	len = fread(text, 1, 4095, file);
	text[len] = '\0';
	(void)fclose(file);
}

/* A command line, split at spaces; "" is no argument. */
static int parse(const char *line)
{
	char *argv[ARGUMENTS_MAX + 1] = {arguments[0]};
	FILE *files[2] = {tmpfile(), tmpfile()};
	int saved[2];
	int argc = 1;
	int r;

	(void)snprintf(arguments[0], sizeof(arguments[0]), "cloisond");
	for (; *line; line += strspn(line, " ")) {
		size_t len = strcspn(line, " ");

		assert_in_range(argc, 1, ARGUMENTS_MAX - 1);
		(void)snprintf(arguments[argc], sizeof(arguments[0]), "%.*s",
			       (int)len, line);
		argv[argc] = arguments[argc];
		argc++;
		line += len;
	}

	assert_true(files[0] && files[1]);
	(void)fflush(stdout);
	saved[0] = replace(STDOUT_FILENO, files[0]);
	saved[1] = replace(STDERR_FILENO, files[1]);
	optind = 0; /* getopt begins anew */
	r = clo_options_parse(argc, argv, &options, &action);
	(void)fflush(stdout);
	restore(STDOUT_FILENO, saved[0], files[0], printed[0]);
	restore(STDERR_FILENO, saved[1], files[1], printed[1]);
	return r;
}

static int set_up(void **state)
{
	(void)state;
	options = (struct clo_options){.period = 4711};
	action = CLO_ACTION_REMOVE;
	return 0;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(action, CLO_ACTION_RUN);
	assert_string_equal(options.state_dir, "/var/lib/cloison");
	assert_string_equal(options.pin_dir, "/sys/fs/bpf/cloison");
	assert_string_equal(options.socket, "/run/cloison/control");
	assert_string_equal(options.libvirt, "qemu:///system");
	assert_int_equal(options.period, 60);
	assert_int_equal(options.statement_period, 900);
	assert_int_equal(options.connections, 0);
	assert_int_equal(options.attach, CLO_ATTACH_AUTO);
}

static void test_connections(void **state)
{
	(void)state;
	assert_int_equal(parse("--connections 1024"), 0);
	assert_int_equal(options.connections, 1024);
	assert_int_equal(parse("--connections 4194304"), 0);
	assert_int_equal(options.connections, 4194304);
}

static void test_flow_log(void **state)
{
	static const struct {
		const char *line;
		uint64_t size, bytes;
		unsigned int days;
	} cases[] = {
		{"", UINT64_C(64) << 20, UINT64_C(1) << 30, 30},
		{"--flow-log-size none", 0, UINT64_C(1) << 30, 30},
		{"--flow-log-size 65536", 65536, UINT64_C(1) << 30, 30},
		{"--flow-log-size 64K", 65536, UINT64_C(1) << 30, 30},
		{"--flow-log-size 2M --flow-log-bytes 3G --flow-log-days 400",
		 UINT64_C(2) << 20, UINT64_C(3) << 30, 400},
		{"--flow-log-size 64G --flow-log-bytes 1024G",
		 UINT64_C(64) << 30, UINT64_C(1) << 40, 30},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		assert_int_equal(parse(cases[i].line), 0);
		assert_int_equal(options.flow_log.file_bytes, cases[i].size);
		assert_int_equal(options.flow_log.total_bytes, cases[i].bytes);
		assert_int_equal(options.flow_log.days, cases[i].days);
	}
}

static void test_directories_and_addresses(void **state)
{
	(void)state;
	assert_int_equal(parse("--state-dir /s --pin-dir /p --socket=/c "
			       "--libvirt test:///default"),
			 0);
	assert_int_equal(action, CLO_ACTION_RUN);
	assert_string_equal(options.state_dir, "/s");
	assert_string_equal(options.pin_dir, "/p");
	assert_string_equal(options.socket, "/c");
	assert_string_equal(options.libvirt, "test:///default");
}

static void test_no_libvirt(void **state)
{
	(void)state;
	assert_int_equal(parse("--libvirt none"), 0);
	assert_string_equal(options.libvirt, "");
}

static void test_tpm(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_null(options.tpm); /* if there is one */
	assert_int_equal(parse("--tpm none"), 0);
	assert_string_equal(options.tpm, "none");
	assert_int_equal(parse("--tpm device:/dev/tpmrm1"), 0);
	assert_string_equal(options.tpm, "device:/dev/tpmrm1");
	assert_int_equal(parse("--tpm swtpm:path=/s --reenrol"), 0);
	assert_string_equal(options.tpm, "swtpm:path=/s");
	assert_int_equal(action, CLO_ACTION_REENROL);
}

static void test_policy_trust(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_string_equal(options.policy_trust,
			    "/etc/cloison/policy-trust.json");
	assert_int_equal(parse("--policy-trust /t"), 0);
	assert_string_equal(options.policy_trust, "/t");
}

static void test_values(void **state)
{
	static const struct {
		const char *line;
		unsigned int period;
		enum clo_attach attach;
		enum clo_action action;
	} cases[] = {
		{"--period 1", 1, CLO_ATTACH_AUTO, CLO_ACTION_RUN},
		{"--period 3600", 3600, CLO_ATTACH_AUTO, CLO_ACTION_RUN},
		{"--period 5 --period 7", 7, CLO_ATTACH_AUTO, CLO_ACTION_RUN},
		{"--attach auto", 60, CLO_ATTACH_AUTO, CLO_ACTION_RUN},
		{"--attach tcx", 60, CLO_ATTACH_TCX, CLO_ACTION_RUN},
		{"--attach clsact", 60, CLO_ATTACH_CLSACT, CLO_ACTION_RUN},
		{"--init", 60, CLO_ATTACH_AUTO, CLO_ACTION_INIT},
		{"--remove", 60, CLO_ATTACH_AUTO, CLO_ACTION_REMOVE},
		{"--remove --attach tcx", 60, CLO_ATTACH_TCX,
		 CLO_ACTION_REMOVE},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		assert_int_equal(parse(cases[i].line), 0);
		assert_int_equal(options.period, cases[i].period);
		assert_int_equal(options.attach, cases[i].attach);
		assert_int_equal(action, cases[i].action);
		assert_string_equal(printed[0], "");
		assert_string_equal(printed[1], "");
	}
}

static void test_statement_period(void **state)
{
	(void)state;
	assert_int_equal(parse("--statement-period 1"), 0);
	assert_int_equal(options.statement_period, 1);
	assert_int_equal(options.period, 60);
	assert_int_equal(parse("--statement-period 86400"), 0);
	assert_int_equal(options.statement_period, 86400);
}

static bool is_one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end && end > text && end[1] == '\0';
}

/* Each is refused with one line that names it, and gives nothing back. */
static void test_refused(void **state)
{
	static const struct {
		const char *line, *named;
	} cases[] = {
		{"--period 0", "'0'"},
		{"--tpm auto", "'auto'"},
		{"--tpm /dev/tpmrm0", "'/dev/tpmrm0'"},
		{"--tpm swtpm:port=1", "'swtpm:port=1'"},
		{"--period 3601", "'3601'"},
		{"--statement-period 0", "'0'"},
		{"--statement-period 86401", "'86401'"},
		{"--statement-period", "--statement-period"},
		{"--period -1", "'-1'"},
		{"--period -18446744073709551555", "'-18446744073709551555'"},
		{"--period 18446744073709551676", "'18446744073709551676'"},
		{"--period 5x", "'5x'"},
		{"--period +5", "'+5'"},
		{"--period 0x10", "'0x10'"},
		{"--period=", "''"},
		{"--period", "--period"},
		{"--connections 1023", "'1023'"},
		{"--connections 4194305", "'4194305'"},
		{"--connections -1", "'-1'"},
		{"--connections 4294968320", "'4294968320'"},
		{"--connections", "--connections"},
		{"--flow-log-size 0", "'0'"},
		{"--flow-log-size 63K", "'63K'"},
		{"--flow-log-size 65G", "'65G'"},
		{"--flow-log-size 64KB", "'64KB'"},
		{"--flow-log-size -64K", "'-64K'"},
		{"--flow-log-size 99999999999999999999", "'9999"},
		{"--flow-log-size None", "'None'"},
		{"--flow-log-bytes none", "'none'"},
		{"--flow-log-bytes 1023K", "'1023K'"},
		{"--flow-log-bytes 1025G", "'1025G'"},
		{"--flow-log-bytes G", "'G'"},
		{"--flow-log-bytes 1M", "--flow-log-size"},
		{"--flow-log-days 0", "'0'"},
		{"--flow-log-days 3651", "'3651'"},
		{"--attach xdp", "'xdp'"},
		{"--attach TCX", "'TCX'"},
		{"--attach=", "''"},
		{"--pin-dir", "--pin-dir"},
		{"--init=now", "--init"},
		{"--unknown", "--unknown"},
		{"-x", "x"},
		{"argument", "'argument'"},
		{"--period 5 -- argument", "'argument'"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		(void)set_up(NULL);
		if (parse(cases[i].line) != -EINVAL)
			fail_msg("accepted: %s", cases[i].line);
		assert_int_equal(options.period, 4711);
		assert_null(options.state_dir);
		assert_int_equal(action, CLO_ACTION_REMOVE);
		assert_string_equal(printed[0], "");
		if (!is_one_line(printed[1]) ||
		    !strstr(printed[1], cases[i].named))
			fail_msg("%s: %s", cases[i].line, printed[1]);
	}
}

static void test_help_and_version(void **state)
{
	static const char *const names[] = {
		"--state-dir", "--pin-dir",     "--socket", "--libvirt",
		"--period",    "--attach",      "--init",   "--remove",
		"--help",      "--connections",
	};

	(void)state;
	assert_int_equal(parse("--help --period bad"), 0);
	assert_int_equal(action, CLO_ACTION_DONE);
	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		assert_non_null(strstr(printed[0], names[i]));
	assert_string_equal(printed[1], "");

	assert_int_equal(parse("--version"), 0);
	assert_int_equal(action, CLO_ACTION_DONE);
	assert_string_equal(printed[0], "cloisond " CLO_VERSION "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(test_defaults),
		TEST(test_directories_and_addresses),
		TEST(test_no_libvirt),
		TEST(test_tpm),
		TEST(test_policy_trust),
		TEST(test_no_libvirt),
		TEST(test_values),
		TEST(test_connections),
		TEST(test_flow_log),
		TEST(test_statement_period),
		TEST(test_help_and_version),
		TEST(test_refused),
		TEST(test_help_and_version),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
