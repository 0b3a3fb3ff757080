/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define GOOD CLO_SOURCE_DIR "/tests/data/xml/good.xml"
#define HOME "/var/lib/cloison-tenants/acme/production/web-1"

static const char *const bases[] = {"/srv/bases"};
static const char *const bridges[] = {"br0"};
static const struct clo_profile_nic nics[] = {
	{{0x52, 0x54, 0, 0, 0x0a, 1}},
};

static const struct clo_profile profile = {
	.workload = "acme/production/web-1",
	.name = "acme-web-1",
	.uid = 200001,
	.gid = 200001,
	.emulator = "/usr/libexec/cloison/cloison-qemu",
	.partition = "/machine/cloison-acme-production",
	.weighs = true,
	.directory = HOME,
	.bases = bases,
	.n_bases = 1,
	.bridges = bridges,
	.n_bridges = 1,
	.nics = nics,
	.n_nics = 1,
};

static char *read_good(void)
{
	FILE *file = fopen(GOOD, "re");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	(void)fclose(file);
	return text;
}

/* The good one with its first `from` replaced. */
static char *change(const char *good, const char *from, const char *to)
{
	const char *at = strstr(good, from);
	size_t size = strlen(good) + strlen(to) + 1;
	char *text = malloc(size);

	if (!at)
		fail_msg("the good one has no %s", from);
	assert_non_null(text);
	(void)snprintf(text, size, "%.*s%s%s", (int)(at - good), good, to,
		       at + strlen(from));
	return text;
}

static void print(const struct clo_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		print_error("[%s] %s: %s\n", findings->list[i].control,
			    findings->list[i].where, findings->list[i].text);
}

static void test_good(void **state)
{
	struct clo_findings findings = {0};
	char *good = read_good();

	(void)state;
	assert_int_equal(clo_xml_check(good, &profile, &findings), 0);
	print(&findings);
	assert_int_equal(findings.n, 0);
	clo_findings_done(&findings);
	free(good);
}

/* Each breaks one line of the profile, and gets one reason. */
static const struct mutation {
	const char *from, *to;
	const char *control, *where, *text;
} mutations[] = {

#include "xml_mutations.inc"
};

static void test_mutations(void **state)
{
	char *good = read_good();
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(mutations); i++) {
		const struct mutation *m = &mutations[i];
		char *bad = change(good, m->from, m->to);
		struct clo_findings findings = {0};

		assert_int_equal(clo_xml_check(bad, &profile, &findings), 0);
		if (findings.n != 1 ||
		    strcmp(findings.list[0].control, m->control) != 0 ||
		    strcmp(findings.list[0].where, m->where) != 0 ||
		    !strstr(findings.list[0].text, m->text)) {
			print_error("%s -> %s: %zu\n", m->from, m->to,
				    findings.n);
			print(&findings);
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
		{CLO_DEVICE_FILESYSTEM, "<filesystem type='mount'/>"},
		{CLO_DEVICE_PASSTHROUGH, "<hostdev mode='subsystem'/>"},
		{CLO_DEVICE_SHMEM, "<shmem name='x'/>"},
		{CLO_DEVICE_USB, "<controller type='usb' model='qemu-xhci'/>"},
		{CLO_DEVICE_USB, "<input type='tablet' bus='usb'/>"},
		{CLO_DEVICE_VIDEO, "<graphics type='vnc'/>"},
		{CLO_DEVICE_VIDEO, "<video><model type='virtio'/></video>"},
		{CLO_DEVICE_CDROM,
		 "<disk type='file' device='cdrom'><driver name='qemu' "
		 "type='raw'/><target dev='sdb' bus='sata'/></disk>"},
		{CLO_DEVICE_FLOPPY,
		 "<disk type='file' device='floppy'><driver name='qemu' "
		 "type='raw'/><source file='" HOME "/f'/><target dev='fda' "
		 "bus='fdc'/></disk>"},
	};

	char *good = read_good();
	char with[1024];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_profile listed = profile;
		struct clo_findings findings = {0};
		char *text;

		(void)snprintf(with, sizeof(with), "%s</devices>",
			       cases[i].xml);
		text = change(good, "</devices>", with);
		for (unsigned int bit = 1; bit <= CLO_DEVICE_VIDEO; bit <<= 1) {
			listed.devices = bit;
			findings = (struct clo_findings){0};
			assert_int_equal(
				clo_xml_check(text, &listed, &findings), 0);
			if ((findings.n == 0) != (bit == cases[i].device)) {
				print(&findings);
				fail_msg("%s with %x", cases[i].xml, bit);
			}
			clo_findings_done(&findings);
		}
		free(text);
	}
	free(good);
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
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
		assert_int_equal(clo_xml_check(texts[i], &profile, &findings),
				 -EINVAL);
	assert_int_equal(findings.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_no_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
