/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_define.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/xml_check.h"
#include "agent/guard/xml_harden.h"
#include "check.h"
#include "xml_cases.h"

static const struct clo_xml_image disks[] = {
	{.path = XML_HOME "/root.qcow2", .format = "qcow2"},
	{.path = XML_HOME "/data", .format = "raw", .block = true},
	{.path = "/srv/bases/tools.raw", .format = "raw", .read_only = true},
};

static const struct clo_xml_shape full = {
	.memory = 256,
	.vcpus = 2,
	.disks = disks,
	.n_disks = CLO_ARRAY_LEN(disks),
	.kernel = XML_HOME "/vmlinuz",
	.initrd = XML_HOME "/initrd",
	.cmdline = "quiet a=\"<&'>\"",
	.loader = "/usr/share/OVMF/OVMF_CODE_4M.fd",
	.nvram = XML_HOME "/vars.fd",
	.nvram_template = "/usr/share/OVMF/OVMF_VARS_4M.fd",
	.tpm = XML_HOME "/tpm.sock",
	.console = XML_HOME "/console",
};

static char *define(const struct clo_profile *profile,
		    const struct clo_xml_shape *shape)
{
	struct clo_findings findings = {0};
	char *xml = NULL;
	int r = clo_xml_define(profile, shape, &findings, &xml);

	xml_print(&findings);
	assert_int_equal(r, 0);
	assert_int_equal(findings.n, 0);
	assert_int_equal(clo_xml_check(xml, profile, &findings), 0);
	assert_int_equal(findings.n, 0);
	return xml;
}

static void test_full(void **state)
{
	char *xml = define(&xml_profile, &full);
	char *hardened = NULL;

	(void)state;
	assert_non_null(strstr(xml, "a=\"&lt;&amp;'&gt;\"</cmdline>"));
	assert_non_null(strstr(xml, "<source dev='" XML_HOME "/data'/>"));
	assert_non_null(strstr(xml, "52:54:00:00:0a:01"));
	assert_int_equal(clo_xml_harden(xml, &xml_profile, &hardened), 0);
	assert_string_equal(xml, hardened);
	free(hardened);
	free(xml);
}

static void test_least(void **state)
{
	const struct clo_xml_shape least = {.memory = 1, .vcpus = 1};

	(void)state;
	free(define(&xml_profile, &least));
}

static void test_label(void **state)
{
	struct clo_xml_shape shape = full;
	char *xml;

	(void)state;
	shape.label = "a'<b";
	xml = define(&xml_profile, &shape);
	assert_non_null(strstr(xml, "<cloison:workload xmlns:cloison='urn:"
				    "cloison:workload:v1' name='a&apos;"
				    "&lt;b'/>\n  </metadata>"));
	free(xml);
}

static void test_bridges(void **state)
{
	static const char *const two[] = {"br0", "br1"};
	struct clo_profile profile = xml_profile;
	struct clo_xml_shape shape = full;
	struct clo_findings findings = {0};
	char *xml = NULL;

	(void)state;
	profile.bridges = two;
	profile.n_bridges = 2;
	assert_int_equal(clo_xml_define(&profile, &shape, &findings, &xml),
			 -EINVAL);
	assert_int_equal(findings.n, 1);
	assert_non_null(strstr(findings.list[0].text, "2 bridges"));
	clo_findings_done(&findings);
	profile.n_nics = 0;
	free(define(&profile, &shape));
	profile.n_nics = 1;
	shape.bridge = "br1";
	xml = define(&profile, &shape);
	assert_non_null(strstr(xml, "<source bridge='br1'/>"));
	free(xml);
}

/* Neither a hole by what a name holds, nor a shape outside of the profile. */
static void test_refused(void **state)
{
	static const struct clo_xml_image foreign = {
		.path = "/var/lib/cloison-tenants/globex/production/db/x",
		.format = "raw"};
	static const struct clo_xml_image other = {.path = XML_HOME "/x",
						   .format = "vmdk"};
	static const struct clo_xml_image nowhere = {.format = "raw"};
	static const struct clo_xml_image shared = {
		.path = "/srv/bases/tools.raw", .format = "raw"};
	const struct clo_xml_shape cases[] = {
		{.vcpus = 1},
		{.memory = 1},
		{.memory = 1, .vcpus = 1, .name = "a\n"},
		{.memory = 1, .vcpus = 1, .name = "\xff"},
		{.memory = 1, .vcpus = 1, .name = "other"},
		{.memory = 1, .vcpus = 1, .label = "a\x01"},
		{.memory = 1, .vcpus = 1, .loader = full.loader},
		{.memory = 1, .vcpus = 1, .nvram = full.nvram},
		{.memory = 1, .vcpus = 1, .kernel = "/boot/vmlinuz"},
		{.memory = 1, .vcpus = 1, .bridge = "virbr0"},
		{.memory = 1, .vcpus = 1, .tpm = "/run/tpm"},
		{.memory = 1, .vcpus = 1, .console = XML_HOME "/../c"},
		{.memory = 1, .vcpus = 1, .disks = &foreign, .n_disks = 1},
		{.memory = 1, .vcpus = 1, .disks = &other, .n_disks = 1},
		{.memory = 1, .vcpus = 1, .disks = &nowhere, .n_disks = 1},
		{.memory = 1, .vcpus = 1, .disks = &shared, .n_disks = 1},
	};
	struct clo_xml_shape many = full;
	struct clo_findings findings = {0};
	char *xml = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		if (clo_xml_define(&xml_profile, &cases[i], &findings, &xml) !=
		    -EINVAL)
			fail_msg("%zu", i);
	assert_null(xml);
	clo_findings_done(&findings);
	many.n_disks = 27;
	assert_int_equal(clo_xml_define(&xml_profile, &many, &findings, &xml),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),    cmocka_unit_test(test_least),
		cmocka_unit_test(test_label),   cmocka_unit_test(test_bridges),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
