/* SPDX-License-Identifier: Apache-2.0 */
#include "firmware/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define GLOBAL "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define EFI "/sys/firmware/efi/efivars/"
#define CPU "/sys/devices/system/cpu/"
#define VULNERABILITY CPU "vulnerabilities/"

static char root[32];
static struct clo_facts facts;

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/clo-facts-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Path below the root, with every directory on the way. */
static const char *place(const char *path)
{
	static char full[256];

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = full + strlen(root); (slash = strchr(slash, '/'));
	     slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	return full;
}

static void put_bytes(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(place(path), "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static const struct clo_fact *collect(const char *name)
{
	assert_int_equal(clo_facts_collect(root, &facts), 0);
	for (size_t i = 0; i < facts.n; i++) {
		if (!strcmp(facts.facts[i].name, name))
			return &facts.facts[i];
	}
	return NULL;
}

static void assert_fact(const char *name, enum clo_fact_state state,
			const char *value)
{
	const struct clo_fact *fact = collect(name);

	assert_non_null(fact);
	assert_string_equal(clo_fact_state_text(fact->state),
			    clo_fact_state_text(state));
	assert_string_equal(fact->value, value);
	assert_int_equal(fact->source[0], '/');
}

static void test_an_empty_tree_is_not_observable(void **state)
{
	static const char *const names[] = {
		"secure-boot",
		"setup-mode",
		"kernel-lockdown",
		"kernel-taint",
		"cmdline-mitigations",
		"cmdline-iommu",
		"ksm",
		"swap",
		"microcode",
		"smt",
		"iommu-groups",
		"cpu-vulnerabilities",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_fact(names[i], CLO_FACT_NOT_OBSERVABLE, "");
	assert_int_equal(facts.n, sizeof(names) / sizeof(names[0]));
}

static void test_a_missing_root_is_an_error(void **state)
{
	(void)state;
	facts.n = 7;
	assert_int_equal(clo_facts_collect("/nonexistent", &facts), -ENOENT);
	assert_int_equal(facts.n, 7);
}

static void test_this_machine(void **state)
{
	(void)state;
	assert_int_equal(clo_facts_collect("/", &facts), 0);
	assert_true(facts.n >= 12 && facts.n <= CLO_FACTS_MAX);
	for (size_t i = 0; i < facts.n; i++) {
		const struct clo_fact *fact = &facts.facts[i];

		/* What cannot be read has no value that looks good. */
		assert_true(fact->state == CLO_FACT_NOT_OBSERVABLE ||
			    fact->value[0] != '\0');
	}
}

static void test_efi_variables(void **state)
{
	static const char *const facts_of[][2] = {
		{"secure-boot", EFI "SecureBoot" GLOBAL},
		{"setup-mode", EFI "SetupMode" GLOBAL},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *name = facts_of[i][0];
		const char *path = facts_of[i][1];

		put_bytes(path, "\6\0\0\0\1", 5);
		assert_fact(name, i ? CLO_FACT_CONTRADICTED : CLO_FACT_VERIFIED,
			    "1");
		put_bytes(path, "\6\0\0\0\0", 5);
		assert_fact(name, i ? CLO_FACT_VERIFIED : CLO_FACT_CONTRADICTED,
			    "0");
		put_bytes(path, "\6\0\0\0\2", 5);
		assert_fact(name, CLO_FACT_NOT_OBSERVABLE,
			    "malformed, 5 bytes");
		put_bytes(path, "\1", 1);
		assert_fact(name, CLO_FACT_NOT_OBSERVABLE,
			    "malformed, 1 bytes");
		put_bytes(path, "\6\0\0\0\0\1", 6);
		assert_fact(name, CLO_FACT_NOT_OBSERVABLE,
			    "malformed, 6 bytes");
	}
}

static void test_lockdown(void **state)
{
	static const char path[] = "/sys/kernel/security/lockdown";

	(void)state;
	put(path, "none [integrity] confidentiality\n");
	assert_fact("kernel-lockdown", CLO_FACT_VERIFIED,
		    "none [integrity] confidentiality");
	put(path, "none integrity [confidentiality]\n");
	assert_fact("kernel-lockdown", CLO_FACT_VERIFIED,
		    "none integrity [confidentiality]");
	put(path, "[none] integrity confidentiality\n");
	assert_fact("kernel-lockdown", CLO_FACT_CONTRADICTED,
		    "[none] integrity confidentiality");
	put(path, "integrity\n");
	assert_fact("kernel-lockdown", CLO_FACT_NOT_OBSERVABLE, "integrity");
}

static void test_numbers_that_should_be_zero(void **state)
{
	static const char *const facts_of[][2] = {
		{"ksm", "/sys/kernel/mm/ksm/run"},
		{"kernel-taint", "/proc/sys/kernel/tainted"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *name = facts_of[i][0];
		const char *path = facts_of[i][1];

		put(path, "0\n");
		assert_fact(name, CLO_FACT_VERIFIED, "0");
		put(path, "1\n");
		assert_fact(name, CLO_FACT_CONTRADICTED, "1");
		put(path, "4097\n");
		assert_fact(name, CLO_FACT_CONTRADICTED, "4097");
		put(path, "zero\n");
		assert_fact(name, CLO_FACT_NOT_OBSERVABLE, "zero");
		put(path, "");
		assert_fact(name, CLO_FACT_NOT_OBSERVABLE, "");
	}
}

static void test_swap(void **state)
{
	(void)state;
	put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	assert_fact("swap", CLO_FACT_VERIFIED, "none");
	put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
			   "/dev/sda2 partition\t1\t0\t-2\n"
			   "/swapfile file\t1\t0\t-3\n");
	assert_fact("swap", CLO_FACT_CONTRADICTED, "/dev/sda2 /swapfile");
	put("/proc/swaps", "");
	assert_fact("swap", CLO_FACT_NOT_OBSERVABLE, "");
	put("/proc/swaps", "something else\n");
	assert_fact("swap", CLO_FACT_NOT_OBSERVABLE, "something else");
}

static void test_many_swaps_are_cut(void **state)
{
	char text[2048] = "Filename\tType\n";
	const struct clo_fact *fact;

	(void)state;
	for (int i = 0; i < 40; i++)
		(void)sprintf(text + strlen(text), "/dev/swap-area-%02d file\n",
			      i);
	put("/proc/swaps", text);
	fact = collect("swap");
	assert_non_null(fact);
	assert_int_equal(fact->state, CLO_FACT_CONTRADICTED);
	assert_int_equal(strlen(fact->value), sizeof(fact->value) - 1);
}

static void test_command_line(void **state)
{
	static const char *const mitigations[] = {
		"mitigations=off",
		"mitigations=auto,no_guest_host",
	};
	static const char *const iommu[] = {
		"iommu=off",
		"intel_iommu=off",
		"intel-iommu=on,off",
		"amd_iommu=off",
	};
	char line[128];

	(void)state;
	put("/proc/cmdline", "quiet mitigations=auto,nosmt iommu=pt "
			     "xmitigations=off iommu=soft intel_iommu=on "
			     "mitigations off\n");
	assert_fact("cmdline-mitigations", CLO_FACT_VERIFIED,
		    "mitigations not switched off");
	assert_fact("cmdline-iommu", CLO_FACT_VERIFIED,
		    "iommu not switched off");

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(line, sizeof(line), "ro %s quiet\n",
			       mitigations[i]);
		put("/proc/cmdline", line);
		assert_fact("cmdline-mitigations", CLO_FACT_CONTRADICTED,
			    mitigations[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(line, sizeof(line), "ro %s", iommu[i]);
		put("/proc/cmdline", line);
		assert_fact("cmdline-iommu", CLO_FACT_CONTRADICTED, iommu[i]);
	}
}

static void test_an_oversized_file_is_not_judged(void **state)
{
	char line[3100];

	(void)state;
	(void)snprintf(line, sizeof(line), "%3090s", "quiet");
	put("/proc/cmdline", line);
	assert_fact("cmdline-mitigations", CLO_FACT_NOT_OBSERVABLE, "");
}

static void test_vulnerabilities(void **state)
{
	static const struct {
		const char *text;
		enum clo_fact_state state;
	} cases[] = {
		{"Not affected", CLO_FACT_VERIFIED},
		{"Mitigation: PTI", CLO_FACT_VERIFIED},
		{"KVM: Mitigation: VMX disabled", CLO_FACT_VERIFIED},
		{"Vulnerable", CLO_FACT_CONTRADICTED},
		{"Vulnerable: No microcode", CLO_FACT_CONTRADICTED},
		{"Processor vulnerable", CLO_FACT_CONTRADICTED},
		{"Mitigation: Clear CPU buffers; SMT vulnerable",
		 CLO_FACT_CONTRADICTED},
		{"Mitigation: Clear CPU buffers; SMT Host state unknown",
		 CLO_FACT_NOT_OBSERVABLE},
		{"Unknown: Dependent on hypervisor status",
		 CLO_FACT_NOT_OBSERVABLE},
		{"All is well", CLO_FACT_NOT_OBSERVABLE},
		{"", CLO_FACT_NOT_OBSERVABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[80];

		(void)snprintf(line, sizeof(line), "%s\n", cases[i].text);
		put(VULNERABILITY "l1tf", line);
		assert_fact("cpu-vulnerability.l1tf", cases[i].state,
			    cases[i].text);
	}
	put(VULNERABILITY "mds", "Not affected\n");
	assert_fact("cpu-vulnerability.mds", CLO_FACT_VERIFIED, "Not affected");
	assert_null(collect("cpu-vulnerabilities"));
}

/* The bad news may come after what fits into the value. */
static void test_a_long_vulnerability_is_judged_whole(void **state)
{
	char text[512];
	const struct clo_fact *fact;

	(void)state;
	(void)snprintf(text, sizeof(text), "Mitigation: %300s; BHI: Vulnerable",
		       "x");
	put(VULNERABILITY "spectre_v2", text);
	fact = collect("cpu-vulnerability.spectre_v2");
	assert_non_null(fact);
	assert_int_equal(fact->state, CLO_FACT_CONTRADICTED);
}

static void test_more_vulnerabilities_than_room(void **state)
{
	char path[128];

	(void)state;
	for (int i = 0; i < 70; i++) {
		(void)snprintf(path, sizeof(path), VULNERABILITY "v%02d", i);
		put(path, "Not affected\n");
	}
	assert_fact("cpu-vulnerabilities", CLO_FACT_NOT_OBSERVABLE, "");
	assert_true(facts.n <= CLO_FACTS_MAX);
}

static void test_microcode_from_sysfs(void **state)
{
	(void)state;
	put(CPU "cpu0/microcode/version", "0x2b000603\n");
	put(CPU "cpu1/microcode/version", "0x2b000603\n");
	put(CPU "cpufreq/microcode/version", "0x1234\n"); /* no CPU */
	(void)place(CPU "cpu2/"); /* offline */
	assert_fact("microcode", CLO_FACT_VERIFIED, "0x2b000603");

	put(CPU "cpu1/microcode/version", "0x2b000604\n");
	assert_non_null(strstr(collect("microcode")->value, " differ"));
	assert_int_equal(collect("microcode")->state, CLO_FACT_CONTRADICTED);

	assert_int_equal(unlink(place(CPU "cpu1/microcode/version")), 0);
	assert_int_equal(mkdir(place(CPU "cpu1/microcode/version"), 0700), 0);
	assert_fact("microcode", CLO_FACT_NOT_OBSERVABLE, "0x2b000603");
}

static void test_microcode_that_says_nothing(void **state)
{
	static const char *const revisions[] = {"0x0", "0x1", "0xffffffff",
						"0x",  "12",  "unknown"};

	(void)state;
	for (size_t i = 0; i < sizeof(revisions) / sizeof(revisions[0]); i++) {
		put(CPU "cpu0/microcode/version", revisions[i]);
		assert_fact("microcode", CLO_FACT_NOT_OBSERVABLE, revisions[i]);
	}
}

static void test_microcode_from_cpuinfo(void **state)
{
	static const char same[] =
		"processor\t: 0\nmicrocode\t: 0xd0\nflags\t\t: fpu\n\n"
		"processor\t: 1\nmicrocode\t: 0xd0\n\n";
	static const char different[] = "processor\t: 0\nmicrocode\t: 0xd0\n\n"
					"processor\t: 1\nmicrocode\t: 0xd1\n\n";
	static const char partial[] = "processor\t: 0\nmicrocode\t: 0xd0\n\n"
				      "processor\t: 1\n\n";

	(void)state;
	put("/proc/cpuinfo", same);
	assert_fact("microcode", CLO_FACT_VERIFIED, "0xd0");
	put("/proc/cpuinfo", different);
	assert_fact("microcode", CLO_FACT_CONTRADICTED, "0xd0 and 0xd1 differ");
	put("/proc/cpuinfo", partial);
	assert_fact("microcode", CLO_FACT_NOT_OBSERVABLE, "0xd0");
	put("/proc/cpuinfo", "processor\t: 0\n");
	assert_fact("microcode", CLO_FACT_NOT_OBSERVABLE, "");
}

static void test_smt(void **state)
{
	static const struct {
		const char *control; /* NULL: no file */
		const char *active;
		enum clo_fact_state state;
		const char *value;
	} cases[] = {
		{"off", NULL, CLO_FACT_VERIFIED, "control off, active -"},
		{"forceoff", NULL, CLO_FACT_VERIFIED,
		 "control forceoff, active -"},
		{"notsupported", NULL, CLO_FACT_VERIFIED,
		 "control notsupported, active -"},
		{"on", NULL, CLO_FACT_CONTRADICTED, "control on, active -"},
		{"notimplemented", NULL, CLO_FACT_NOT_OBSERVABLE,
		 "control notimplemented, active -"},
		{"on", "0", CLO_FACT_VERIFIED, "control on, active 0"},
		{"off", "1", CLO_FACT_CONTRADICTED, "control off, active 1"},
		{NULL, "1", CLO_FACT_CONTRADICTED, "control -, active 1"},
		{"off", "?", CLO_FACT_NOT_OBSERVABLE, "control off, active ?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)unlink(place(CPU "smt/control"));
		(void)unlink(place(CPU "smt/active"));
		if (cases[i].control)
			put(CPU "smt/control", cases[i].control);
		if (cases[i].active)
			put(CPU "smt/active", cases[i].active);
		assert_fact("smt", cases[i].state, cases[i].value);
	}
}

static void test_iommu_groups(void **state)
{
	(void)state;
	(void)place("/sys/kernel/iommu_groups/");
	assert_fact("iommu-groups", CLO_FACT_CONTRADICTED, "0 groups");
	(void)place("/sys/kernel/iommu_groups/0/");
	(void)place("/sys/kernel/iommu_groups/17/");
	assert_fact("iommu-groups", CLO_FACT_VERIFIED, "2 groups");
}

static void test_links_and_pipes_are_not_read(void **state)
{
	(void)state;
	(void)place("/sys/kernel/mm/ksm/run");
	assert_int_equal(symlink("/proc/sys/kernel/tainted",
				 place("/sys/kernel/mm/ksm/run")),
			 0);
	assert_fact("ksm", CLO_FACT_NOT_OBSERVABLE, "");
	assert_int_equal(unlink(place("/sys/kernel/mm/ksm/run")), 0);
	assert_int_equal(mkfifo(place("/sys/kernel/mm/ksm/run"), 0600), 0);
	assert_fact("ksm", CLO_FACT_NOT_OBSERVABLE, "");
}

static void test_values_are_one_printable_line(void **state)
{
	(void)state;
	put(VULNERABILITY "mds", "Mitigation: \033[31mred\x80\nVulnerable\n");
	/* Judged whole, shown in one line. */
	assert_fact("cpu-vulnerability.mds", CLO_FACT_CONTRADICTED,
		    "Mitigation: ?[31mred?");
}

/* A directory of its own for every test. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_tree_is_not_observable),
		TEST(test_a_missing_root_is_an_error),
		TEST(test_this_machine),
		TEST(test_efi_variables),
		TEST(test_lockdown),
		TEST(test_numbers_that_should_be_zero),
		TEST(test_swap),
		TEST(test_many_swaps_are_cut),
		TEST(test_command_line),
		TEST(test_an_oversized_file_is_not_judged),
		TEST(test_vulnerabilities),
		TEST(test_a_long_vulnerability_is_judged_whole),
		TEST(test_more_vulnerabilities_than_room),
		TEST(test_microcode_from_sysfs),
		TEST(test_microcode_that_says_nothing),
		TEST(test_microcode_from_cpuinfo),
		TEST(test_smt),
		TEST(test_iommu_groups),
		TEST(test_links_and_pipes_are_not_read),
		TEST(test_values_are_one_printable_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
