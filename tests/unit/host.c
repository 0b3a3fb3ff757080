/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "planted.h"

/* A host of files: its top is like /proc, /sys and /sys/fs/cgroup at once. */
#define HEADING "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define AREA(name, type)                                                       \
	name "                              " type "\t1048572\t\t0\t\t-2\n"
#define GROUP "/machine.slice/machine-qemu.scope"

struct fake {
	struct planted planted;
	struct clo_host *host;
	struct clo_confinement process;
};

static void put(const struct fake *fake, const char *name, const char *text)
{
	planted_put(&fake->planted, name, text);
}

static int set_up(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	planted_begin(&fake->planted);
	fake->process.cgroup = strdup("0::" GROUP "/libvirt/emulator\n");
	assert_non_null(fake->process.cgroup);
	*state = fake;
	return 0;
}

static int tear_down(void **state)
{
	struct fake *fake = *state;

	planted_end(&fake->planted);
	clo_host_free(fake->host);
	free(fake->process.cgroup);
	free(fake);
	return 0;
}

static const struct clo_host *look(struct fake *fake)
{
	clo_host_free(CLO_TAKE(fake->host));
	assert_int_equal(clo_host_read(fake->planted.dir, fake->planted.dir,
				       &fake->host),
			 0);
	return fake->host;
}

static void what_is_not_there_says_nothing(void **state)
{
	struct fake *fake = *state;
	const struct clo_host *host = look(fake);

	assert_false(host->merges);
	assert_null(host->swap);
	assert_null(host->beside);
}

static void merging_is_told(void **state)
{
	static const struct {
		const char *text;
		bool merges;
	} cases[] = {{"0\n", false}, {"1\n", true}, {"2\n", false}};
	struct fake *fake = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		put(fake, "kernel/mm/ksm/run", cases[i].text);
		assert_int_equal(look(fake)->merges, cases[i].merges);
	}
}

/* zram0 is memory, zram1 writes to a disk; dm-0 and what lies on it alone is
 * encrypted. */
static void plant_devices(const struct fake *fake)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{"class/block/zram1/backing_dev", "/dev/vda3\n"},
		{"class/block/zram2/backing_dev", "none\n"},
		{"class/block/vda2/size", "1\n"},
		{"class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-root\n"},
		{"class/block/dm-1/dm/uuid", "LVM-0123\n"},
		{"class/block/dm-1/slaves/dm-0", ""},
		{"class/block/dm-2/dm/uuid", "LVM-0123\n"},
		{"class/block/dm-2/slaves/dm-0", ""},
		{"class/block/dm-2/slaves/vda2", ""},
		{"class/block/dm-3/dm/uuid", "CRYPT-PLAIN-swap\n"},
		{"class/block/dm-4/dm/uuid", "CRYPT-INTEGRITY-x\n"},
		{"class/block/dm-5/slaves/dm-5", ""}, /* no end */
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++)
		put(fake, files[i].name, files[i].text);
}

static void swap_in_the_clear_is_named(void **state)
{
	static const struct {
		const char *swaps, *name;
	} cases[] = {
		{"", NULL},
		{HEADING, NULL},
		{HEADING AREA("/dev/zram0", "partition"), NULL},
		{HEADING AREA("/dev/zram1", "partition"), "/dev/zram1"},
		{HEADING AREA("/dev/zram2", "partition"), NULL},
		{HEADING AREA("/dev/zram0", "file"), "/dev/zram0"},
		{HEADING AREA("/dev/vda2", "partition"), "/dev/vda2"},
		{HEADING AREA("/dev/dm-0", "partition"), NULL},
		{HEADING AREA("/dev/dm-1", "partition"), NULL},
		{HEADING AREA("/dev/dm-2", "partition"), "/dev/dm-2"},
		{HEADING AREA("/dev/dm-3", "partition"), NULL},
		{HEADING AREA("/dev/dm-4", "partition"), "/dev/dm-4"},
		{HEADING AREA("/dev/dm-5", "partition"), "/dev/dm-5"},
		{HEADING AREA("/dev/a/zram0", "partition"), "/dev/a/zram0"},
		{HEADING AREA("/swap\\040file", "file"), "/swap\\040file"},
		{HEADING AREA("/a\x01", "file"), "/a\\x01"},
		{HEADING AREA("/dev/zram0", "partition")
			 AREA("/swapfile", "file"),
		 "/swapfile"},
	};
	struct fake *fake = *state;

	plant_devices(fake);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const struct clo_host *host;

		put(fake, "swaps", cases[i].swaps);
		host = look(fake);
		if (!cases[i].name) {
			assert_null(host->swap);
			continue;
		}
		assert_non_null(host->swap);
		assert_string_equal(host->swap, cases[i].name);
	}
}

static bool swaps(const struct fake *fake)
{
	return clo_host_swaps(fake->host, fake->planted.dir, &fake->process);
}

static void without_swap_nothing_is_swapped(void **state)
{
	struct fake *fake = *state;

	(void)look(fake);
	assert_false(swaps(fake));
}

static void a_group_keeps_its_processes_out(void **state)
{
	struct fake *fake = *state;

	put(fake, "swaps", HEADING AREA("/swapfile", "file"));
	(void)look(fake);
	assert_true(swaps(fake));
	put(fake, GROUP "/memory.swap.max", "max\n");
	assert_true(swaps(fake));
	put(fake, GROUP "/memory.swap.max", "4096\n");
	assert_true(swaps(fake));
	put(fake, GROUP "/memory.swap.max", "0\n");
	assert_false(swaps(fake));
	/* what went there before the limit came is still there */
	put(fake, GROUP "/memory.swap.current", "4096\n");
	assert_true(swaps(fake));
	put(fake, GROUP "/memory.swap.current", "0\n");
	assert_false(swaps(fake));
	put(fake, GROUP "/memory.swap.max", "max\n");
	put(fake, "machine.slice/memory.swap.max", "0\n");
	assert_false(swaps(fake));
	put(fake, "machine.slice/memory.swap.max", "max\n");
	put(fake, "memory.swap.max", "0\n"); /* the root has no limits */
	assert_true(swaps(fake));
}

static void locked_memory_stays(void **state)
{
	struct fake *fake = *state;

	put(fake, "swaps", HEADING AREA("/swapfile", "file"));
	(void)look(fake);
	fake->process.locked = true;
	assert_false(swaps(fake));
}

/* As mlockall() leaves it: all that is there and not of a plain file. */
static void locked_memory_is_told(void **state)
{
	static const struct {
		const char *text;
		bool locked;
	} cases[] = {
		{"Name:\tqemu\n", false},
		{"VmLck:\t8 kB\nRssAnon:\t4 kB\nRssShmem:\t4 kB\n", true},
		{"VmLck:\t7 kB\nRssAnon:\t4 kB\nRssShmem:\t4 kB\n", false},
		{"VmLck:\t0 kB\nRssAnon:\t0 kB\nRssShmem:\t0 kB\n", false},
		{"VmLck:\t8 kB\nRssAnon:\t4 kB\n", false},
	};
	struct fake *fake = *state;

	put(fake, "7/stat",
	    "7 (q) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 42 20\n");
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO(clo_confinement)
		struct clo_confinement *process = NULL;

		put(fake, "7/status", cases[i].text);
		assert_int_equal(clo_confinement_read(fake->planted.dir, 7,
						      "/none", &process),
				 0);
		assert_int_equal(process->locked, cases[i].locked);
	}
}

/* Version 1 has no such limit, and a path may be one of another namespace. */
static void other_groups_keep_nothing_out(void **state)
{
	static const char *const groups[] = {"",
					     "0::/",
					     "0::/../x\n",
					     "0::/machine.slice/../a\n",
					     "4:memory:/a\n0::/b\n",
					     "10::/a\n",
					     "0::a\n"};
	struct fake *fake = *state;

	put(fake, "swaps", HEADING AREA("/swapfile", "file"));
	put(fake, "a/memory.swap.max", "0\n");
	put(fake, "a/memory.swappiness", "0\n");
	(void)look(fake);
	for (size_t i = 0; i < CLO_ARRAY_LEN(groups); i++) {
		free(fake->process.cgroup);
		fake->process.cgroup = strdup(groups[i]);
		assert_non_null(fake->process.cgroup);
		assert_true(swaps(fake));
	}
}

static void plant_cores(const struct fake *fake, const char *active)
{
	put(fake, "devices/system/cpu/smt/active", active);
	for (unsigned int cpu = 0; cpu < 4; cpu++) {
		char name[80];
		char list[16];

		(void)snprintf(
			name, sizeof(name),
			"devices/system/cpu/cpu%u/topology/thread_siblings_list",
			cpu);
		(void)snprintf(list, sizeof(list), "%u,%u\n", cpu % 2,
			       cpu % 2 + 2);
		put(fake, name, list);
	}
}

/* Of what may run on the CPUs of one list, with another's on one core. */
static bool meet(const struct fake *fake, const char *one, const char *other)
{
	struct clo_cpus ours = {0};
	struct clo_cpus theirs = {0};
	struct clo_cpus beside;

	clo_cpus_add(&ours, one);
	clo_cpus_add(&theirs, other);
	clo_host_beside(fake->host, &ours, &beside);
	return clo_cpus_meet(&beside, &theirs);
}

static void threads_of_a_core_are_beside_each_other(void **state)
{
	struct fake *fake = *state;

	plant_cores(fake, "1\n");
	assert_non_null(look(fake)->beside);
	assert_true(meet(fake, "0", "2"));
	assert_true(meet(fake, "2", "0"));
	assert_true(meet(fake, "0-3", "0-3"));
	assert_false(meet(fake, "0,2", "1,3"));
	assert_false(meet(fake, "0", "0")); /* one after the other */
	assert_false(meet(fake, "0", "1"));
	assert_false(meet(fake, "7", "7"));
	assert_false(meet(fake, "", "0-3"));
	plant_cores(fake, "0\n");
	assert_null(look(fake)->beside);
	assert_false(meet(fake, "0-3", "0-3"));
}

static void lists_of_cpus_are_read(void **state)
{
	static const struct {
		const char *list;
		uint64_t first, last; /* words */
	} cases[] = {
		{"", 0, 0},
		{"\t0-2,66\n", 7, 0},
		{"0,2,4-5", 53, 0},
		{"1023", 0, UINT64_C(1) << 63},
		{"1024", 0, 0},
		{"0-99999999999999999999999", UINT64_MAX, UINT64_MAX},
		{"3-1", 0, 0},
		{"0-", 0, 0},
		{"1,x,2", 2, 0},
		{"-1", 0, 0},
		{"0-18446744073709551615", UINT64_MAX, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_cpus cpus = {0};

		clo_cpus_add(&cpus, cases[i].list);
		assert_int_equal(cpus.bits[0], cases[i].first);
		assert_int_equal(cpus.bits[15], cases[i].last);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_there_says_nothing),
		TEST(merging_is_told),
		TEST(swap_in_the_clear_is_named),
		TEST(without_swap_nothing_is_swapped),
		TEST(a_group_keeps_its_processes_out),
		TEST(locked_memory_stays),
		TEST(locked_memory_is_told),
		TEST(other_groups_keep_nothing_out),
		TEST(threads_of_a_core_are_beside_each_other),
		TEST(lists_of_cpus_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
