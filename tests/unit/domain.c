/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/domain.h"

#include <string.h>

#include "agent/core/control.h"
#include "agent/guard/xml_check.h"
#include "check.h"
#include "fixture_force.h"

#define HOME "/var/lib/cloison-tenants/acme/production/shop/"
#define NOW (FIXTURE_START + 3600)

static struct clo_options options = {
	.emulator = "/usr/libexec/cloison/cloison-qemu",
};
static struct clo_node node = {.options = &options};
static json_t *documents, *reply;

static int begin(void **state)
{
	(void)state;
	documents = fixture_documents(true);
	return 0;
}

static int end(void **state)
{
	(void)state;
	clo_force_free(node.force);
	node.force = NULL;
	json_decref(documents);
	json_decref(reply);
	reply = NULL;
	return 0;
}

static void enforce(void)
{
	clo_force_free(node.force);
	node.force = NULL;
	assert_int_equal(fixture_make(documents, NOW, &node.force), 0);
}

static void ask(json_t *(*answer)(struct clo_node *, const json_t *),
		json_t *request)
{
	assert_non_null(request);
	json_decref(reply);
	reply = answer(&node, request);
	assert_non_null(reply);
	json_decref(request);
}

/* A shape as JSON, without what every one has. */
static void define(const char *workload, const char *more)
{
	json_t *shape = json_loads(more, 0, NULL);

	assert_non_null(shape);
	if (!json_object_get(shape, "memory"))
		(void)json_object_set_new(shape, "memory", json_integer(256));
	if (!json_object_get(shape, "vcpus"))
		(void)json_object_set_new(shape, "vcpus", json_integer(2));
	ask(clo_domain_define,
	    json_pack("{s:s, s:o}", "workload", workload, "shape", shape));
}

static void assert_refused(enum clo_exit code, const char *why)
{
	const char *error = json_string_value(json_object_get(reply, "error"));

	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_int_equal(json_integer_value(json_object_get(reply, "exit")),
			 code);
	if (!error || !strstr(error, why) || strchr(error, '\n'))
		fail_msg("%s: not because of %s", error, why);
}

static const json_t *result(void)
{
	if (!json_is_true(json_object_get(reply, "ok")))
		fail_msg("%s",
			 json_string_value(json_object_get(reply, "error")));
	return json_object_get(reply, "result");
}

static const char *xml(void)
{
	const json_t *left = json_object_get(result(), "left");
	const char *text = json_string_value(json_object_get(result(), "xml"));

	if (json_array_size(left) > 0 || !text)
		fail_msg("%s", json_string_value(json_object_get(
				       json_array_get(left, 0), "text")));
	return text;
}

/* "~" stands for the workload's directory. */
static void assert_has(const char *part)
{
	const char *at = strchrnul(part, '~');
	CLO_AUTO_MEM char *whole = NULL;

	assert_true(asprintf(&whole, "%.*s%s%s", (int)(at - part), part,
			     *at ? HOME : "", *at ? at + 1 : "") > 0);
	if (!strstr(xml(), whole))
		fail_msg("no %s in\n%s", whole, xml());
}

static void test_by_default(void **state)
{
	static const char *const parts[] = {
		"<domain type='kvm'>",
		"<name>acme shop</name>",
		"<memory unit='MiB' dumpCore='off'>256</memory>",
		"<vcpu>2</vcpu>",
		"<source file='~disk.qcow2'/>",
		"<driver name='qemu' type='qcow2'/>",
		"<mac address='52:54:00:00:00:01'/>",
		"<mac address='52:54:00:aa:00:02'/>",
		"<source bridge='clobr1'/>",
		"<partition>/machine/cloison-acme-production</partition>",
		"+64001:+64001",
		"<source mode='bind' path='~console.sock'/>",
	};

	(void)state;
	enforce();
	define("shop", "{\"bridge\": \"clobr1\"}");
	for (size_t i = 0; i < CLO_ARRAY_LEN(parts); i++)
		assert_has(parts[i]);
	assert_null(strstr(xml(), "<metadata>"));
	assert_null(strstr(xml(), "<loader"));
	assert_string_equal(
		json_string_value(json_object_get(result(), "workload")),
		"acme/production/shop");
}

/* A name is a file of the workload's; a path stays what it is. */
static void test_paths(void **state)
{
	static const char *const parts[] = {
		"<source file='~a.qcow2'/>",
		"<source dev='~b'/>",
		"<source file='/srv/bases/c'>",
		"<readonly/>",
		"<loader readonly='yes' type='pflash'>/usr/share/OVMF/x<",
		"<nvram template='/usr/share/OVMF/y'>~vars.fd<",
		"<kernel>~vmlinuz</kernel>",
		"<initrd>~boot/initrd</initrd>",
		"<cmdline>console=ttyS0</cmdline>",
		"<source type='unix' mode='connect' path='~tpm'/>",
		"<source path='~console'/>",
		"<domain type='qemu'>",
	};

	(void)state;
	enforce();
	define("acme/production/shop",
	       "{\"bridge\": \"clobr0\", \"disks\": ["
	       "{\"path\": \"a.qcow2\", \"format\": \"qcow2\"},"
	       "{\"path\": \"b\", \"format\": \"raw\", \"block\": true},"
	       "{\"path\": \"/srv/bases/c\", \"format\": \"raw\","
	       " \"readOnly\": true}],"
	       "\"loader\": \"/usr/share/OVMF/x\","
	       "\"nvramTemplate\": \"/usr/share/OVMF/y\","
	       "\"kernel\": \"" HOME "vmlinuz\", \"initrd\": \"boot/initrd\","
	       "\"cmdline\": \"console=ttyS0\", \"tpm\": \"tpm\","
	       "\"console\": \"console\", \"emulated\": true}");
	for (size_t i = 0; i < CLO_ARRAY_LEN(parts); i++)
		assert_has(parts[i]);

	define("shop", "{\"bridge\": \"clobr0\", \"disks\": []}");
	assert_null(strstr(xml(), "<disk "));
}

/* The name of a socket has an end. */
static void test_long_directory(void **state)
{
	static const char old[] = "\"sandbox\": {";
	CLO_AUTO_MEM char *new = NULL;

	(void)state;
	for (int n = 73; n <= 74; n++) { /* of 94 with acme/production/shop */
		free(new);
		assert_true(asprintf(&new, "%s\"directory\": \"/%0*d\",", old,
				     n - 1, 0) > 0);
		json_decref(documents);
		documents = fixture_documents(true);
		fixture_edit(documents, "node.json", old, new);
		enforce();
		define("shop", "{\"bridge\": \"clobr0\"}");
		assert_non_null(
			strstr(xml(), n == 73 ? "/shop/console.sock'/>"
					      : "/shop/console.log'/>"));
	}
}

/* The policy knows the domain again by what it says of it. */
static void test_known_again(void **state)
{
	static const struct {
		const char *says, *name, *other;
	} cases[] = {
		{"\"domain\": \"acme shop\",", "<name>acme shop</name>", NULL},
		{"\"uuid\": \"6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b12\",",
		 "<name>shop</name>",
		 "<uuid>6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b12</uuid>"},
		{"", "<name>shop</name>",
		 "<cloison:workload xmlns:cloison='urn:cloison:workload:v1' "
		 "name='shop'/>"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO_MEM char *whole = NULL;
		const char *uuid = "";

		fixture_edit(documents, "workloads.json",
			     i ? cases[i - 1].says
			       : "\"domain\": \"acme shop\",",
			     cases[i].says[0] ? cases[i].says : "\n");
		enforce();
		define("shop", "{\"bridge\": \"clobr0\"}");
		assert_non_null(strstr(xml(), cases[i].name));
		if (cases[i].other)
			assert_non_null(strstr(xml(), cases[i].other));
		/* libvirt gives one where it is not said */
		if (!strstr(xml(), "<uuid>"))
			uuid = "<uuid>12345678-9abc-4def-8123-456789abcdef"
			       "</uuid>";
		assert_true(asprintf(&whole, "%.*s%s%s", 19, xml(), uuid,
				     xml() + 19) > 0);
		ask(clo_domain_harden, json_pack("{s:s}", "xml", whole));
		assert_string_equal(xml(), whole);
	}
}

static void test_findings(void **state)
{
	static const struct {
		const char *shape, *where, *text;
	} cases[] = {
		{"{}", "domain/devices/interface", "has 2 bridges"},
		{"{\"bridge\": \"br9\"}", "domain/devices/interface",
		 "br9 is no bridge"},

#define ON "{\"bridge\": \"clobr0\","
		{ON "\"disks\": [{\"path\": \"/srv/x\", \"format\": \"raw\"}]}",
		 "domain/devices/disk", "/srv/x is not below /var/lib"},
		{ON "\"disks\": [{\"path\": \"../blog/x\","
		    "\"format\": \"raw\"}]}",
		 "domain/devices/disk", "../blog/x is not below"},
		{ON "\"disks\": [{\"path\": \"\", \"format\": \"raw\"}]}",
		 "domain/devices/disk", "is not below"},
		{ON "\"disks\": [{\"path\": \"/srv/bases/x\","
		    "\"format\": \"raw\"}]}",
		 "domain/devices/disk", "needs <readonly/>"},
		{ON "\"disks\": [{\"path\": \"x\", \"format\": \"vmdk\"}]}",
		 "domain/devices/disk", "another than raw or qcow2"},
		{ON "\"kernel\": \"/boot/vmlinuz\"}", "domain/os/kernel",
		 "/boot/vmlinuz"},
		{ON "\"console\": \"/var/log/x\"}", "domain/devices/serial",
		 "/var/log/x is not below"},
		{ON "\"socket\": \"/run/x\"}", "domain/devices/serial",
		 "/run/x is not below"},
		{ON "\"tpm\": \"/run/tpm\"}", "domain/devices/tpm", "/run/tpm"},
	};

	(void)state;
	enforce();
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const json_t *finding;
		const char *where, *text;

		define("shop", cases[i].shape);
		assert_true(json_is_null(json_object_get(result(), "xml")));
		finding = json_array_get(json_object_get(result(), "left"), 0);
		where = json_string_value(json_object_get(finding, "where"));
		text = json_string_value(json_object_get(finding, "text"));
		if (!strstr(where, cases[i].where) ||
		    !strstr(text, cases[i].text))
			fail_msg("%s: %s: %s", cases[i].shape, where, text);
	}
}

static const struct {
	const char *shape, *why;
} useless[] = {
	{"{\"memory\": 0}", "memory is 1 to"},
	{"{\"memory\": -1}", "memory is 1 to"},
	{"{\"memory\": 1073741825}", "memory is 1 to"},
	{"{\"memory\": \"1\"}", "integer"},
	{"{\"memory\": 1.5}", "integer"},
	{"{\"vcpus\": 0}", "vcpus are 1 to"},
	{"{\"vcpus\": 4294967297}", "vcpus are 1 to"},
	{"{\"disks\": {}}", "a list of at most 26"},
	{"{\"disks\": [1]}", "a disk's"},
	{"{\"disks\": [{\"path\": \"x\"}]}", "format"},
	{"{\"disks\": [{\"path\": 1, \"format\": \"raw\"}]}", "a disk's"},
	{"{\"disks\": [{\"path\": \"x\", \"format\": \"raw\","
	 "\"more\": 1}]}",
	 "more"},
	{"{\"initrd\": \"x\"}", "need a kernel"},
	{"{\"cmdline\": \"x\"}", "need a kernel"},
	{"{\"nvram\": \"x\"}", "need a loader"},
	{"{\"nvramTemplate\": \"x\"}", "need a loader"},
	{"{\"bridge\": 1}", "string"},
	{"{\"name\": \"x\"}", "name"},
	{"{\"emulated\": 1}", "true or false"},
	{"{\"kernel\": \"a\\u0001\"}", "control characters"},
	{"{\"kernel\": \"a\\nb\"}", "control characters"},
};

static void test_usage(void **state)
{
	(void)state;
	enforce();
	for (size_t i = 0; i < CLO_ARRAY_LEN(useless); i++) {
		define("shop", useless[i].shape);
		assert_refused(CLO_EXIT_USAGE, useless[i].why);
	}
	define("shop", "{\"disks\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,"
		       "18,19,20,21,22,23,24,25,26,27]}");
	assert_refused(CLO_EXIT_USAGE, "a list of at most 26");
	ask(clo_domain_define, json_pack("{s:s}", "workload", "shop"));
	assert_refused(CLO_EXIT_USAGE, "needs workload and shape");
	ask(clo_domain_define,
	    json_pack("{s:i, s:{}}", "workload", 1, "shape"));
	assert_refused(CLO_EXIT_USAGE, "needs workload and shape");
	ask(clo_domain_harden, json_object());
	assert_refused(CLO_EXIT_USAGE, "needs xml");
	ask(clo_domain_harden, json_pack("{s:s}", "xml", "<domain/>"));
	assert_refused(CLO_EXIT_USAGE, "cannot be understood");
}

static void test_no_workload(void **state)
{
	static const char *const names[] = {
		"",          "x", "shop/0", "acme/test/shop", "production/shop",
		"acme shop",
	};

	(void)state;
	define("shop", "{}");
	assert_refused(CLO_EXIT_INCONCLUSIVE, "no policy is in force");
	enforce();
	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++) {
		define(names[i], "{}");
		assert_refused(CLO_EXIT_REFUSED, "no workload of the policy");
	}
	ask(clo_domain_harden,
	    json_pack("{s:s}", "xml",
		      "<domain type='kvm'><name>x</name><uuid>12345678-9abc-"
		      "4def-8123-456789abcdef</uuid></domain>"));
	assert_refused(CLO_EXIT_REFUSED, "no workload of the policy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(test_by_default),     TEST(test_paths),
		TEST(test_long_directory), TEST(test_known_again),
		TEST(test_findings),       TEST(test_usage),
		TEST(test_no_workload),

#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
