/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/qemu/qemu.h"
#include "check.h"

#define UUID "5eed0000-0000-4000-8000-00000000000f"
#define DIR "/var/lib/libvirt/qemu/domain-1-web"
#define QMP "unix:/var/lib/libvirt/qemu/qmp-X/qmp.monitor,server=on,wait=off"
#define PROBE                                                                  \
	"-S", "-no-user-config", "-nodefaults", "-nographic", "-machine",      \
		"none,accel=kvm:tcg", "-qmp", QMP, "-pidfile",                 \
		"/var/lib/libvirt/qemu/qmp-X/qmp.pid", "-daemonize"
#define KEY(path)                                                              \
	"{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\","   \
	"\"file\":\"" path "\"}"

static struct clo_qemu_args args;
static const char *why;

/* Up to fifteen words, the name of the program before them. */
#define READ(...) read_all((const char *const[17]){"qemu", __VA_ARGS__})

static int read_all(const char *const words[17])
{
	static char copies[17][256];
	char *argv[17] = {0};
	int argc = 0;
	int r;

	for (; words[argc]; argc++) {
		(void)snprintf(copies[argc], sizeof(copies[argc]), "%s",
			       words[argc]);
		argv[argc] = copies[argc];
	}
	why = "";
	r = clo_qemu_args_read(argc, argv, &args, &why);
	/* borrowed from the copies, which end here */
	args.uuid = args.uuid ? UUID : NULL;
	return r;
}

static void test_domain(void **state)
{
	(void)state;
	assert_int_equal(READ("-object", KEY(DIR "/master-key.aes"), "-uuid",
			      UUID, "-machine", "q35"),
			 0);
	assert_false(args.probe);
	assert_non_null(args.uuid);
	assert_string_equal(args.private, DIR);

	/* a domain, whatever else it says */
	assert_int_equal(READ(PROBE, "-uuid", UUID), 0);
	assert_false(args.probe);
	assert_string_equal(args.private, "");
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(READ("-machine", "q35"), -EINVAL);
	assert_string_equal(why, "no option -uuid: libvirt did not start this");
	assert_int_equal(READ("-uuid"), -EINVAL);
	assert_int_equal(READ("-uuid", "../../etc/passwd"), -EINVAL);
	assert_string_equal(why, "the option -uuid has no UUID");
	assert_int_equal(READ("-uuid", UUID, "-uuid", UUID), -EINVAL);
	assert_string_equal(why, "two options -uuid");
}

static void test_private(void **state)
{
	static const char *const foreign[] = {
		KEY("/srv/master-key.aes"),
		KEY("/var/lib/libvirt/qemu/master-key.aes"),
		KEY("/var/lib/libvirt/qemu/domain-1/../x/master-key.aes"),
		KEY("/var/lib/libvirt/qemu/domain-1-web/key"),
		"{\"id\":\"other0\",\"file\":\"" DIR "/master-key.aes\"}",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(foreign); i++) {
		assert_int_equal(READ("-uuid", UUID, "-object", foreign[i]), 0);
		if (args.private[0])
			fail_msg("taken: %s", foreign[i]);
	}
	assert_int_equal(READ("-uuid", UUID, "-object",
			      "secret,id=masterKey0,format=raw,file=" DIR
			      "/master-key.aes"),
			 0);
	assert_string_equal(args.private, DIR);
}

static void test_probe(void **state)
{
	(void)state;
	assert_int_equal(READ(PROBE), 0);
	assert_true(args.probe);
	assert_null(args.uuid);
	assert_int_equal(READ("-version"), 0);
	assert_true(args.probe);
	assert_int_equal(READ("-help"), 0);
	assert_true(args.probe);
}

/* A guest that calls itself a probe is none. */
static void test_not_a_probe(void **state)
{
	(void)state;
	assert_int_equal(READ(PROBE, "-machine", "q35"), -EINVAL);
	assert_int_equal(READ(PROBE, "-drive", "file=/etc/shadow"), -EINVAL);
	assert_int_equal(READ(PROBE, "-machine"), -EINVAL);
	assert_int_equal(READ("-machine", "nonesuch"), -EINVAL);
	assert_int_equal(READ("-machine", "q35", "-machine", "none"), -EINVAL);
	assert_int_equal(READ("-machine", "none", "-M", "q35"), -EINVAL);
	assert_int_equal(READ("-machine", "none", "-qmp", "tcp:1.2.3.4:5"),
			 -EINVAL);
	assert_int_equal(READ("-machine", "none", "-pidfile", "/etc/passwd"),
			 -EINVAL);
	assert_int_equal(READ("-nodefaults"), -EINVAL);
	assert_int_equal(READ("-version", "-machine", "q35"), -EINVAL);
	assert_int_equal(READ(NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_not_a_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
