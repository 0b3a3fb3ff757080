/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "xml_cases.h"

static void test_good(void **state)
{
	struct clo_findings findings = {0};
	char *good = xml_file("good.xml");

	(void)state;
	assert_int_equal(clo_xml_check(good, &xml_profile, &findings), 0);
	xml_print(&findings);
	assert_int_equal(findings.n, 0);
	clo_findings_done(&findings);
	free(good);
}

/* One reason for each. */
static void test_mutations(void **state)
{
	char *good = xml_file("good.xml");
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < n_xml_mutations; i++) {
		const struct xml_mutation *m = &xml_mutations[i];
		char *bad = xml_change(good, m->from, m->to);
		struct clo_findings findings = {0};

		assert_int_equal(clo_xml_check(bad, &xml_profile, &findings),
				 0);
		if (findings.n != 1 ||
		    strcmp(findings.list[0].control, m->control) != 0 ||
		    strcmp(findings.list[0].where, m->where) != 0 ||
		    !strstr(findings.list[0].text, m->text)) {
			print_error("%s -> %s: %zu\n", m->from, m->to,
				    findings.n);
			xml_print(&findings);
			wrong++;
		}
		clo_findings_done(&findings);
		free(bad);
	}
	assert_int_equal(wrong, 0);
	free(good);
}

/* What a workload lists it may have, and nothing else by that. */
static void test_listed(void **state)
{
	static const struct {
		unsigned int device;
		const char *xml;
	} cases[] = {
		{CLO_DEVICE_AUDIO, "<sound model='ich9'/>"},
		{CLO_DEVICE_FILESYSTEM,
		 "<filesystem type='mount'><source dir='" XML_HOME
		 "/share'/></filesystem>"},
		{CLO_DEVICE_PASSTHROUGH,
		 "<hostdev mode='subsystem' type='pci'/>"},
		{CLO_DEVICE_SHMEM, "<shmem name='cloison-acme-production.x'/>"},
		{CLO_DEVICE_USB, "<controller type='usb' model='qemu-xhci'/>"},
		{CLO_DEVICE_USB, "<input type='tablet' bus='usb'/>"},
		{CLO_DEVICE_VIDEO, "<graphics type='vnc'/>"},
		{CLO_DEVICE_VIDEO, "<video><model type='virtio'/></video>"},
		{CLO_DEVICE_CDROM,
		 "<disk type='file' device='cdrom'><driver name='qemu' "
		 "type='raw'/><target dev='sdb' bus='sata'/></disk>"},
		{CLO_DEVICE_FLOPPY,
		 "<disk type='file' device='floppy'><driver name='qemu' "
		 "type='raw'/><source file='" XML_HOME "/f'/><target dev='fda' "
		 "bus='fdc'/></disk>"},
	};

	char *good = xml_file("good.xml");
	char with[1024];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_profile listed = xml_profile;
		struct clo_findings findings = {0};
		char *text;

		(void)snprintf(with, sizeof(with), "%s</devices>",
			       cases[i].xml);
		text = xml_change(good, "</devices>", with);
		for (unsigned int bit = 1; bit <= CLO_DEVICE_VIDEO; bit <<= 1) {
			listed.devices = bit;
			findings = (struct clo_findings){0};
			assert_int_equal(
				clo_xml_check(text, &listed, &findings), 0);
			if ((findings.n == 0) != (bit == cases[i].device)) {
				xml_print(&findings);
				fail_msg("%s with %x", cases[i].xml, bit);
			}
			clo_findings_done(&findings);
		}
		free(text);
	}
	free(good);
}

static void test_captured(void **state)
{
	(void)state;
	for (size_t i = 0; xml_lab_forms[i]; i++) {
		struct clo_findings findings = {0};
		char *text = xml_file(xml_lab_forms[i]);

		assert_int_equal(
			clo_xml_check(text, &xml_lab_profile, &findings), 0);
		if (findings.n > 0) {
			xml_print(&findings);
			fail_msg("%s", xml_lab_forms[i]);
		}
		free(text);
	}
}

/* What is listed is no door to the node. */
static void test_abused(void **state)
{
	static const struct {
		unsigned int device;
		const char *xml, *where, *text;
	} cases[] = {
		{CLO_DEVICE_FILESYSTEM,
		 "<filesystem type='mount'><source dir='/'/></filesystem>",
		 "domain/devices/filesystem", "not a directory below"},
		{CLO_DEVICE_FILESYSTEM,
		 "<filesystem type='mount'><binary path='/tmp/x'/><source "
		 "dir='" XML_HOME "/share'/></filesystem>",
		 "domain/devices/filesystem", "<binary>"},
		{CLO_DEVICE_FILESYSTEM,
		 "<filesystem type='file'><source dir='" XML_HOME
		 "/share'/></filesystem>",
		 "domain/devices/filesystem", "not a directory below"},
		{CLO_DEVICE_PASSTHROUGH,
		 "<hostdev mode='capabilities' type='storage'/>",
		 "domain/devices/hostdev", "not a PCI device"},
		{CLO_DEVICE_PASSTHROUGH,
		 "<hostdev mode='subsystem' type='scsi_host'/>",
		 "domain/devices/hostdev", "not a PCI device"},
		{CLO_DEVICE_SHMEM, "<shmem name='cloison-acme-test.x'/>",
		 "domain/devices/shmem", "another scope"},
		{CLO_DEVICE_SHMEM, "<shmem name='cloison-acme-production2.x'/>",
		 "domain/devices/shmem", "another scope"},
		{CLO_DEVICE_SHMEM,
		 "<shmem name='cloison-acme-production.x'><server "
		 "path='/tmp/s'/></shmem>",
		 "domain/devices/shmem", "server"},
		{CLO_DEVICE_USB, "<redirdev bus='usb' type='tcp'/>",
		 "domain/devices/redirdev", "spicevmc"},
		{CLO_DEVICE_USB, "<input type='evdev' bus='usb'/>",
		 "domain/devices/input", "device of the node"},
		{CLO_DEVICE_VIDEO, "<graphics type='vnc' listen='0.0.0.0'/>",
		 "domain/devices/graphics", "listens"},
		{CLO_DEVICE_VIDEO,
		 "<graphics type='spice'><listen type='address' "
		 "address='10.0.0.1'/></graphics>",
		 "domain/devices/graphics", "listens"},
		{CLO_DEVICE_VIDEO,
		 "<graphics type='vnc'><listen type='network' "
		 "network='default'/></graphics>",
		 "domain/devices/graphics", "listens"},
		{CLO_DEVICE_VIDEO, "<graphics type='egl-headless'/>",
		 "domain/devices/graphics", "neither vnc"},
		{CLO_DEVICE_VIDEO, "<video><driver name='vhostuser'/></video>",
		 "domain/devices/video", "vhost-user"},
	};

	char *good = xml_file("good.xml");

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_profile listed = xml_profile;
		struct clo_findings findings = {0};
		char with[1024];
		char *text;

		(void)snprintf(with, sizeof(with), "%s</devices>",
			       cases[i].xml);
		text = xml_change(good, "</devices>", with);
		listed.devices = cases[i].device;
		assert_int_equal(clo_xml_check(text, &listed, &findings), 0);
		if (findings.n != 1 ||
		    strcmp(findings.list[0].where, cases[i].where) != 0 ||
		    !strstr(findings.list[0].text, cases[i].text)) {
			xml_print(&findings);
			fail_msg("%s: %zu", cases[i].xml, findings.n);
		}
		clo_findings_done(&findings);
		free(text);
	}
	free(good);
}

/* It stays a definition without number, and one with another name is not it. */
static void test_name(void **state)
{
	struct clo_profile other = xml_profile;
	struct clo_findings findings = {0};
	char *good = xml_file("good.xml");
	char *defined = xml_change(good, " id='7'", "");

	(void)state;
	other.name = "acme-web-2";
	assert_int_equal(clo_xml_check(good, &other, &findings), 0);
	assert_int_equal(findings.n, 1);
	assert_string_equal(findings.list[0].control, "env.label-integrity");
	clo_findings_done(&findings);
	assert_int_equal(clo_xml_check(defined, &xml_profile, &findings), 0);
	assert_int_equal(findings.n, 0);
	free(defined);
	free(good);
}

/* A flood of it is refused without being listed. */
static void test_flood(void **state)
{
	enum {
		N = 100000
	};
	struct clo_findings findings = {0};
	char *text = malloc(32 + N * 4);
	char *at = text;

	(void)state;
	assert_non_null(text);
	at = stpcpy(at, "<domain type='kvm'>");
	for (size_t i = 0; i < N; i++)
		at = stpcpy(at, "<a/>");
	(void)stpcpy(at, "</domain>");
	assert_int_equal(clo_xml_check(text, &xml_profile, &findings), 0);
	assert_in_range(findings.n, 100, 300);
	clo_findings_done(&findings);
	free(text);
}

static void test_no_domain(void **state)
{
	static const char *const texts[] = {
		"",
		"<domain",
		"<network/>",
		"<domain type='xen'/>",
		"<x:domain xmlns:x='urn:x' type='kvm'/>",
		"<!DOCTYPE domain SYSTEM 'x'><domain type='kvm'/>",
	};
	struct clo_findings findings = {0};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		assert_int_equal(
			clo_xml_check(texts[i], &xml_profile, &findings),
			-EINVAL);
		assert_false(clo_xml_is_emulated(texts[i]));
	}
	assert_int_equal(findings.n, 0);
}

static void test_emulated(void **state)
{
	(void)state;
	assert_true(clo_xml_is_emulated("<domain type='qemu'/>"));
	assert_false(clo_xml_is_emulated("<domain type='kvm'/>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_captured),
		cmocka_unit_test(test_abused),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_no_domain),
		cmocka_unit_test(test_emulated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
