/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/hook.h"

#include <string.h>

#include "agent/core/audit_impl.h"
#include "agent/core/control.h"
#include "check.h"
#include "fixture_force.h"

/*
 * A domain that keeps to its profile and has no files: what libvirt's hook is
 * told of it, and what an audit says once it runs. A PCI device with the last
 * of all addresses is on no host. TCG needs no account of this machine.
 */
#define UUID "6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b11"
#define LAST "device ffffffff:ff:1f.7: is "
#define GIVE(address)                                                          \
	"<hostdev mode='subsystem' type='pci' managed='yes'><source>" address  \
	"</source></hostdev>"
#define GIVE_LAST                                                              \
	GIVE("<address domain='0xffffffff' bus='0xff' slot='0x1f' "            \
	     "function='0x7'/>")
#define DOMAIN(devices)                                                        \
	"<domain type='qemu'><name>blog</name><uuid>" UUID "</uuid>"           \
	"<memory dumpCore='off' unit='KiB'>1024</memory>"                      \
	"<memoryBacking><nosharepages/></memoryBacking>"                       \
	"<cputune><shares>512</shares></cputune>"                              \
	"<blkiotune><weight>500</weight></blkiotune>"                          \
	"<memtune><hard_limit unit='KiB'>524288</hard_limit></memtune>"        \
	"<resource><partition>/machine/cloison-globex-production</partition>"  \
	"</resource><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>"   \
	"</os><devices><emulator>/usr/bin/wrapper</emulator>"                  \
	"<controller type='usb' model='none'/><memballoon model='none'/>"      \
	"<interface type='bridge'><mac address='52:54:00:00:00:03'/>"          \
	"<source bridge='clobr0'/><model type='virtio'/>"                      \
	"<driver name='qemu'/></interface>" devices "</devices>"               \
	"<seclabel type='static' model='dac' relabel='yes'>"                   \
	"<label>+64003:+64003</label></seclabel></domain>"

static struct clo_options options = {.emulator = "/usr/bin/wrapper"};
static struct clo_inventory nothing = {.domains_known = true};
static struct clo_node node;

static int set_up(void **state)
{
	json_auto_t *documents = fixture_documents(false);

	(void)state;
	fixture_edit(documents, "workloads.json", "\"tenant\": \"globex\"",
		     "\"devices\": [\"passthrough\"], \"tenant\": \"globex\"");
	fixture_edit(documents, "globex.json", "64003",
		     "64003, \"permits\": [\"save\"]");
	node = (struct clo_node){.options = &options, .inventory = &nothing};
	assert_int_equal(fixture_make(documents, FIXTURE_START, &node.force),
			 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	clo_force_free(node.force);
	return 0;
}

static json_t *ask(const char *operation, const char *xml)
{
	json_auto_t *request =
		json_pack("{s:s, s:s}", "operation", operation, "xml", xml);
	json_t *reply = clo_hook_answer(&node, request);

	assert_non_null(reply);
	return reply;
}

static void refused(const char *operation, const char *xml, const char *text)
{
	json_auto_t *reply = ask(operation, xml);
	const char *error = json_string_value(json_object_get(reply, "error"));

	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_int_equal(json_integer_value(json_object_get(reply, "exit")),
			 CLO_EXIT_REFUSED);
	assert_non_null(error);
	if (!strstr(error, text))
		fail_msg("\"%s\", not \"%s\"", error, text);
}

/* Before libvirt has touched anything; nothing is made for it here, either. */
static void
a_device_that_is_not_right_keeps_a_domain_from_starting(void **state)
{
	(void)state;
	refused("prepare", DOMAIN(GIVE_LAST), LAST);
	refused("restore", DOMAIN(GIVE_LAST), LAST);
	refused("prepare", DOMAIN(GIVE("<address/>")), "names no PCI device");
}

static void audit_domain(const char *xml, struct clo_audit *audit)
{
	struct clo_virt_domain domain = {
		.name = (char[]){"blog"}, .uuid = UUID, .xml = strdup(xml)};

	assert_non_null(domain.xml);
	node.domains = &domain;
	node.n_domains = 1;
	assert_int_equal(clo_audit_sandboxes(&node, audit), 0);
	node.n_domains = 0;
	free(domain.xml);
}

/* That of it, among those that say it has no process here. */
static size_t count(const struct clo_audit *audit, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < audit->problems.n; i++)
		n += strcmp(audit->problems.list[i].control,
			    "sbx.device-surface") == 0 &&
		     strstr(audit->problems.list[i].text, text);
	return n;
}

static void a_running_domains_devices_are_audited(void **state)
{
	struct clo_audit *audit = calloc(1, sizeof(*audit));

	(void)state;
	assert_non_null(audit);
	audit_domain(DOMAIN(GIVE_LAST), audit);
	assert_true(count(audit, "globex/production/blog: " LAST) > 0);
	clo_audit_free(audit);
}

/* A restore asks the same and makes nothing. */
static void a_domain_without_devices_is_right(void **state)
{
	struct clo_audit *audit = calloc(1, sizeof(*audit));
	json_auto_t *reply = ask("restore", DOMAIN(""));

	(void)state;
	assert_true(json_is_true(json_object_get(reply, "ok")));
	assert_non_null(audit);
	audit_domain(DOMAIN(""), audit);
	assert_int_equal(count(audit, ""), 0);
	clo_audit_free(audit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_that_is_not_right_keeps_a_domain_from_starting),
		TEST(a_running_domains_devices_are_audited),
		TEST(a_domain_without_devices_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
