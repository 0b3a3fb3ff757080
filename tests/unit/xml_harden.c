/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_harden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/diff.h"
#include "agent/guard/xml_check.h"
#include "check.h"
#include "xml_cases.h"

/* What is not harden's to repair: place, part of the reason. */
static const char *const stays[][2] = {
	{"domain", "is not the one"},
	{"domain/devices/controller", "virtio-scsi"},
	{"domain/devices/disk", "another bus"},
	{"domain/devices/disk", "format"},
	{"domain/devices/disk", "needs <readonly/>"},
	{"domain/devices/disk", "neither a disk"},
	{"domain/devices/disk", "neither a file"},
	{"domain/devices/disk", "no file"},
	{"domain/devices/disk", "not below"},
	{"domain/devices/disk/auth", ""},
	{"domain/devices/disk/backingStore", ""},
	{"domain/devices/disk/mirror", ""},
	{"domain/devices/disk/source", "more than once"},
	{"domain/devices/disk/source/reservations", ""},
	{"domain/devices/disk/transient", ""},
	{"domain/devices/emulator", "more than once"},
	{"domain/devices/filesystem", ""},
	{"domain/devices/hostdev", ""},
	{"domain/devices/interface/source", "more than once"},
	{"domain/devices/memory", ""},
	{"domain/devices/tpm", ""},
	{"domain/launchSecurity", ""},
	{"domain/memory", "more than once"},
	{"domain/os/acpi", ""},
	{"domain/os/dtb", ""},
	{"domain/os/initrd", ""},
	{"domain/os/kernel", ""},
	{"domain/os/loader", "/tmp/"},
	{"domain/os/nvram", ""},
	{"domain/os/nvram/source", ""},
	{"domain/os/type", "q35"},
};

static bool is_to_stay(const struct clo_finding *finding)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(stays); i++)
		if (strcmp(finding->where, stays[i][0]) == 0 &&
		    strstr(finding->text, stays[i][1]))
			return true;
	return false;
}

static char *harden(const char *xml, const struct clo_profile *profile)
{
	char *hardened = NULL;
	char *again = NULL;

	assert_int_equal(clo_xml_harden(xml, profile, &hardened), 0);
	assert_int_equal(clo_xml_harden(hardened, profile, &again), 0);
	assert_string_equal(again, hardened);
	free(again);
	return hardened;
}

/* What is left, none of which harden should have repaired. */
static size_t left(const char *xml, const struct clo_profile *profile)
{
	struct clo_findings findings = {0};
	size_t n;

	assert_int_equal(clo_xml_check(xml, profile, &findings), 0);
	n = findings.n;
	for (size_t i = 0; i < n; i++)
		if (!is_to_stay(&findings.list[i])) {
			xml_print(&findings);
			fail_msg("%s", xml);
		}
	clo_findings_done(&findings);
	return n;
}

/* Lines that differ: removed, added. */
static void count(const char *a, const char *b, size_t ret_n[2])
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	ret_n[0] = ret_n[1] = 0;
	assert_true(clo_diff_unified(a, b, "a", "b", out) >= 0);
	assert_int_equal(fclose(out), 0);
	for (const char *at = text; at && *at; at = strchr(at, '\n')) {
		at += *at == '\n';
		ret_n[0] += at[0] == '-' && at[1] != '-';
		ret_n[1] += at[0] == '+' && at[1] != '+';
	}
	free(text);
}

static void test_kept(void **state)
{
	char *good = xml_file("good.xml");
	char *hardened = harden(good, &xml_profile);

	(void)state;
	assert_string_equal(hardened, good);
	free(hardened);
	free(good);
	for (size_t i = 0; xml_lab_forms[i]; i++) {
		good = xml_file(xml_lab_forms[i]);
		hardened = harden(good, &xml_lab_profile);
		assert_string_equal(hardened, good);
		free(hardened);
		free(good);
	}
}

/* Repaired, or named as what is not: nothing in between. */
static void test_mutations(void **state)
{
	char *good = xml_file("good.xml");
	size_t n_stays = 0;

	(void)state;
	for (size_t i = 0; i < n_xml_mutations; i++) {
		const struct xml_mutation *m = &xml_mutations[i];
		char *bad = xml_change(good, m->from, m->to);
		char *hardened = harden(bad, &xml_profile);
		struct clo_findings before = {0};
		bool stay;

		assert_int_equal(clo_xml_check(bad, &xml_profile, &before), 0);
		stay = is_to_stay(&before.list[0]);
		clo_findings_done(&before);
		if (left(hardened, &xml_profile) != (stay ? 1 : 0))
			fail_msg("%s -> %s:\n%s", m->from, m->to, hardened);
		n_stays += stay;
		free(hardened);
		free(bad);
	}
	print_message("%zu mutations, %zu are not to be repaired\n",
		      n_xml_mutations, n_stays);
	free(good);
}

/* Two mutations at once, where both still find their place. */
static void test_pairs(void **state)
{
	char *good = xml_file("good.xml");

	(void)state;
	for (size_t i = 0; i < n_xml_mutations; i++) {
		const struct xml_mutation *m = &xml_mutations[i];
		char *bad = xml_change(good, m->from, m->to);

		for (size_t j = i + 1; j < n_xml_mutations; j += 3) {
			const struct xml_mutation *o = &xml_mutations[j];
			char *worse, *hardened;

			if (!strstr(bad, o->from))
				continue;
			worse = xml_change(bad, o->from, o->to);
			hardened = harden(worse, &xml_profile);
			(void)left(hardened, &xml_profile);
			free(hardened);
			free(worse);
		}
		free(bad);
	}
	free(good);
}

/* One attribute or text costs one line, whatever is around it. */
static void test_small(void **state)
{
	static const struct {
		const char *from, *to;
		size_t removed, added;
	} cases[] = {
		{"/usr/libexec/cloison/cloison-qemu", "/usr/bin/kvm", 1, 1},
		{" dumpCore='off'", "", 1, 1},
		{"    <nosharepages/>\n", "", 0, 1},
		{"</devices>", "  <sound model='ich6'/>\n  </devices>", 1, 0},
		{"<memballoon model='none'/>\n", "\n", 0, 1},
		{"model='none'/>\n    <controller",
		 "model='ich9-ehci1'/>\n    <controller", 1, 1},
	};

	char *good = xml_file("good.xml");
	char *odd = xml_change(
		good, "<metadata>",
		"<!-- > 'kept --><metadata><x:y  xmlns:x = \"urn:x\"\n\tb=\"'>"
		"&#10;\" ><![CDATA[<a>&]]>&lt;</x:y >");

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		char *bad = xml_change(odd, cases[i].from, cases[i].to);
		char *hardened = harden(bad, &xml_profile);
		size_t n[2];

		count(bad, hardened, n);
		if (n[0] != cases[i].removed || n[1] != cases[i].added)
			fail_msg("%s: -%zu +%zu\n%s", cases[i].to, n[0], n[1],
				 hardened);
		assert_int_equal(left(hardened, &xml_profile), 0);
		free(hardened);
		free(bad);
	}
	free(odd);
	free(good);
}

/* A guest as virt-install makes it, which knows no tenants. */
static void test_stock(void **state)
{
	char *stock = xml_file("stock.xml");
	char *hardened = harden(stock, &xml_profile);
	struct clo_findings findings = {0};

	(void)state;
	assert_int_equal(clo_xml_check(stock, &xml_profile, &findings), 0);
	assert_true(findings.n > 20);
	clo_findings_done(&findings);
	assert_int_equal(clo_xml_check(hardened, &xml_profile, &findings), 0);
	if (findings.n != 1 ||
	    !strstr(findings.list[0].text, "/var/lib/libvirt/images/"))
		xml_print(&findings);
	assert_int_equal(findings.n, 1);
	clo_findings_done(&findings);
	assert_non_null(strstr(hardened, "<libosinfo:os id=\"http"));
	assert_non_null(strstr(hardened, ">3670016</hard_limit>"));
	free(hardened);
	free(stock);
}

/* Which of two bridges is the operator's to say. */
static void test_bridges(void **state)
{
	static const char *const two[] = {"br0", "br1"};
	struct clo_profile profile = xml_profile;
	struct clo_findings findings = {0};
	char *good = xml_file("good.xml");
	char *bad = xml_change(good, "bridge='br0'", "bridge='virbr0'");
	char *hardened;

	(void)state;
	profile.bridges = two;
	profile.n_bridges = 2;
	hardened = harden(bad, &profile);
	assert_string_equal(hardened, bad);
	assert_int_equal(clo_xml_check(hardened, &profile, &findings), 0);
	assert_int_equal(findings.n, 1);
	clo_findings_done(&findings);
	free(hardened);
	free(bad);
	free(good);
}

static void test_no_domain(void **state)
{
	static const char *const texts[] = {
		"",
		"<domain",
		"<network/>",
		"<domain type='xen'/>",
		"<!DOCTYPE domain SYSTEM 'x'><domain type='kvm'/>",
		"<?xml version='1.0' encoding='latin1'?><domain type='kvm'/>",
	};
	char *hardened = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
		assert_int_equal(
			clo_xml_harden(texts[i], &xml_profile, &hardened),
			-EINVAL);
	assert_null(hardened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_bridges),
		cmocka_unit_test(test_no_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
