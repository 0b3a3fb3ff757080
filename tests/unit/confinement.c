/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/guard/process.h"
#include "check.h"

/* A /proc of files: one process as it must be, with one thing wrong each. */
#define CONFINED "sbx.guest-confinement"
#define SHARED "sbx.shared-resources"
#define DEVICES "sbx.device-surface"

#define STATUS                                                                 \
	"Name:\tqemu\nUid:\t64001\t64001\t64001\t64001\n"                      \
	"Gid:\t64001\t64001\t64001\t64001\nGroups:\t108 64001 \n"              \
	"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"               \
	"CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"               \
	"CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"             \
	"Seccomp_filters:\t3\nCpus_allowed_list:\t0-2,66\n"

static const struct file {
	const char *name;
	const char *text;
} files[] = {
	{"7/status", STATUS},
	{"7/task/7/status", STATUS},
	{"7/task/9/status", STATUS},
	{"7/stat", "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "
		   "4242 20\n"},
	{"7/cgroup",
	 "9:name=systemd:/\n"
	 "4:memory:/machine/cloison-acme-test.partition/qemu-1-w.libvirt-qemu\n"
	 "1:cpu,cpuacct:/machine/cloison-acme-test.partition/qemu-1/emulator\n"
	 "0::/\n"},
	{"7/limits", "Limit   Soft Limit   Hard Limit   Units\n"
		     "Max core file size        0         0       bytes\n"},
	{"7/ksm_stat", "ksm_rmap_items 0\nksm_mergeable: no\n"},
	{"7/ksm_merging_pages", "0\n"},
	{"7/fdinfo/3", "pos:\t0\nflags:\t0100002\n"},
	{"7/fdinfo/4", "pos:\t0\nflags:\t0100000\n"},
	{"disk", "own"},
	{"other/disk", "foreign"},
	{"base/os", "shared"},
	{"qemu", "binary"},
	{"qemu.new", "upgraded"},
	{"libvirt/w.xml", "<domstatus state='running' pid='7'><domain/>"
			  "</domstatus>"},
	{"libvirt/bad.xml", "<domstatus pid='7x'/>"},
	{"libvirt/not.xml", "<domain pid='7'/>"},
};

static const char *const dirs[] = {"1",        "1/ns",     "7",    "7/task",
				   "7/task/7", "7/task/9", "7/fd", "7/fdinfo",
				   "7/ns",     "other",    "base", "libvirt"};

struct fake {
	char top[40];
	char other[64], base[64], binary[64];
	const char *bases[1];
	int proc;
	struct clo_profile profile, foreign;
	const struct clo_profile *others[1];
	gid_t kvm;
	struct clo_confinement_rule rule;
	struct clo_findings findings;
	const struct wrong *wrong; /* the test's initial state */
};

static void make_path(const struct fake *fake, const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s/%s", fake->top, name);
}

static void put(const struct fake *fake, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	make_path(fake, name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void point(const struct fake *fake, const char *name, const char *to)
{
	char path[128];

	make_path(fake, name, path);
	(void)unlink(path);
	assert_int_equal(symlink(to, path), 0);
}

static void point_inside(const struct fake *fake, const char *name,
			 const char *to)
{
	char path[128];

	make_path(fake, to, path);
	point(fake, name, path);
}

static void make_rule(struct fake *fake)
{
	fake->kvm = 108;
	fake->profile =
		(struct clo_profile){.workload = "acme/test/w",
				     .name = "w",
				     .uid = 64001,
				     .gid = 64001,
				     .emulator = "/usr/bin/wrapper",
				     .partition = "/machine/cloison-acme-test",
				     .directory = fake->top,
				     .bases = fake->bases,
				     .n_bases = 1};
	fake->foreign = fake->profile;
	fake->foreign.workload = "acme/production/x";
	fake->foreign.uid = 64002;
	fake->foreign.directory = fake->other;
	fake->others[0] = &fake->foreign;
	fake->rule = (struct clo_confinement_rule){.profile = &fake->profile,
						   .others = fake->others,
						   .n_others = 1,
						   .binary = fake->binary,
						   .private_mounts = true,
						   .filters = 3,
						   .groups = &fake->kvm,
						   .n_groups = 1};
}

static int set_up(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	fake->wrong = *state;
	(void)strcpy(fake->top, "/tmp/clo-confinement-XXXXXX");
	assert_non_null(mkdtemp(fake->top));
	(void)snprintf(fake->other, sizeof(fake->other), "%s/other", fake->top);
	(void)snprintf(fake->base, sizeof(fake->base), "%s/base", fake->top);
	(void)snprintf(fake->binary, sizeof(fake->binary), "%s/qemu",
		       fake->top);
	fake->bases[0] = fake->base;
	for (size_t i = 0; i < CLO_ARRAY_LEN(dirs); i++) {
		char path[128];

		make_path(fake, dirs[i], path);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++)
		put(fake, files[i].name, files[i].text);
	point_inside(fake, "7/exe", "qemu");
	point(fake, "7/ns/mnt", "mnt:[4026532999]");
	point(fake, "1/ns/mnt", "mnt:[4026531832]");
	point(fake, "7/fd/0", "/dev/null");
	point_inside(fake, "7/fd/3", "disk");
	point_inside(fake, "7/fd/4", "base/os");
	fake->proc = open(fake->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fake->proc >= 0);
	make_rule(fake);
	*state = fake;
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int tear_down(void **state)
{
	struct fake *fake = *state;

	(void)nftw(fake->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)close(fake->proc);
	clo_findings_done(&fake->findings);
	free(fake);
	return 0;
}

static int look(struct fake *fake)
{
	CLO_AUTO(clo_confinement) struct clo_confinement *confinement = NULL;
	int r = clo_confinement_read(fake->proc, 7, fake->binary, &confinement);

	clo_findings_done(&fake->findings);
	if (r < 0)
		return r;
	assert_int_equal(clo_confinement_check(confinement, &fake->rule,
					       &fake->findings),
			 0);
	return 0;
}

static void print_all(const struct fake *fake)
{
	for (size_t i = 0; i < fake->findings.n; i++)
		print_error("%s %s: %s\n", fake->findings.list[i].control,
			    fake->findings.list[i].where,
			    fake->findings.list[i].text);
}

static void what_is_confined_has_no_finding(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(look(fake), 0);
	print_all(fake);
	assert_int_equal(fake->findings.n, 0);
}

static void what_is_read_is_told(void **state)
{
	CLO_AUTO(clo_confinement) struct clo_confinement *confinement = NULL;
	const struct fake *fake = *state;

	assert_int_equal(
		clo_confinement_read(fake->proc, 7, fake->binary, &confinement),
		0);
	assert_int_equal(confinement->started, 4242);
	assert_int_equal(confinement->n_tasks, 2);
	assert_int_equal(confinement->n_odd, 0);
	assert_int_equal(confinement->cpus.bits[0], 7);
	assert_int_equal(confinement->cpus.bits[1], 4);
	assert_int_equal(confinement->n_held, 3);
}

/* In a file's text `from` becomes `to`; from NULL: a link to `to`. */
static struct wrong {
	const char *name;
	const char *file;
	const char *from, *to;
	const char *control, *text;
} wrongs[] = {
	{"real user", "7/status", "Uid:\t64001", "Uid:\t64002", CONFINED,
	 "real user is 64002"},
	{"saved user", "7/status", "64001\t64001\nGid", "0\t64001\nGid",
	 CONFINED, "saved user is 0"},
	{"group", "7/status", "Gid:\t64001", "Gid:\t108", CONFINED,
	 "real group is 108"},
	{"supplementary group", "7/status", "108 64001", "108 64001 6",
	 CONFINED, "also in group 6"},
	{"effective", "7/status", "CapEff:\t00000000000000",
	 "CapEff:\t00000000200000", CONFINED, "effective set: 200000"},
	{"inheritable", "7/status", "CapInh:\t0", "CapInh:\t1", CONFINED,
	 "inheritable set"},
	{"ambient", "7/status", "CapAmb:\t0", "CapAmb:\t1", CONFINED,
	 "ambient set"},
	{"seccomp off", "7/status", "Seccomp:\t2", "Seccomp:\t0", CONFINED,
	 "has 0 seccomp filters"},
	{"filters", "7/status", "Seccomp_filters:\t3", "Seccomp_filters:\t1",
	 CONFINED, "has 1 seccomp filters"},
	{"no filters said", "7/status", "Seccomp_filters", "Seccomp_f",
	 CONFINED, "status cannot be read"},
	{"no users said", "7/status", "Uid:", "Uix:", CONFINED,
	 "status cannot be read"},
	{"a thread", "7/task/9/status", "Seccomp_filters:\t3",
	 "Seccomp_filters:\t2", CONFINED, "1 of its 2 threads"},
	{"program", "7/exe", NULL, "/bin/sh", CONFINED, "executes /bin/sh"},
	{"deleted program", "7/exe", NULL, "/x/qemu (deleted)", CONFINED,
	 "executes /x/qemu (deleted)"},
	{"cgroup", "7/cgroup", "4:memory:/machine/cloison-acme-test",
	 "4:memory:/machine/cloison-globex-test", SHARED,
	 "in cgroup memory:/machine/cloison-globex"},
	{"cgroup of a longer name", "7/cgroup",
	 "4:memory:/machine/cloison-acme-test",
	 "4:memory:/machine/cloison-acme-test-production", SHARED,
	 "in cgroup memory:"},
	{"cgroup's top", "7/cgroup",
	 "cpuacct:/machine/cloison-acme-test.partition/qemu-1/emulator",
	 "cpuacct:/", SHARED, "in cgroup cpu,cpuacct:/, not"},
	{"partition itself", "7/cgroup", "partition/qemu-1-w.libvirt-qemu",
	 "partition", SHARED, "in cgroup memory:"},
	{"core", "7/limits", "0         0   ", "0 unlimited", CONFINED,
	 "core dump"},
	{"soft core", "7/limits", "0         0   ", "1000 2000", CONFINED,
	 "core dump"},
	{"merged pages", "7/ksm_merging_pages", "0", "12", SHARED, "merged"},
	{"mergeable", "7/ksm_stat", ": no", ": yes", SHARED, "merged"},
	{"mounts", "7/ns/mnt", NULL, "mnt:[4026531832]", CONFINED,
	 "the host's own /dev"},
	{"mounts unknown", "7/ns/mnt", NULL, "nonsense", CONFINED,
	 "ns/mnt cannot be read"},
	{"device", "7/fd/0", NULL, "/dev/full", DEVICES,
	 "has the device /dev/full open"},
};

static void spoil(const struct fake *fake, const struct wrong *wrong)
{
	const char *was = NULL;
	const char *at;
	char text[2048];

	if (!wrong->from) {
		point(fake, wrong->file, wrong->to);
		return;
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(files); i++)
		if (strcmp(files[i].name, wrong->file) == 0)
			was = files[i].text;
	assert_non_null(was);
	at = strstr(was, wrong->from);
	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - was), was,
		       wrong->to, at + strlen(wrong->from));
	put(fake, wrong->file, text);
	/* all threads are alike, unless that is the wrong */
	if (strcmp(wrong->file, "7/status") == 0) {
		put(fake, "7/task/7/status", text);
		put(fake, "7/task/9/status", text);
	}
}

static void wrong_is_named(void **state)
{
	struct fake *fake = *state;
	const struct wrong *wrong = fake->wrong;

	spoil(fake, wrong);
	assert_int_equal(look(fake), 0);
	if (fake->findings.n != 1 ||
	    !strstr(fake->findings.list[0].text, wrong->text))
		print_all(fake);
	assert_int_equal(fake->findings.n, 1);
	assert_non_null(strstr(fake->findings.list[0].text, wrong->text));
	assert_string_equal(fake->findings.list[0].control, wrong->control);
}

static void bounding_set_matters_with_a_gain(void **state)
{
	static const struct wrong gain = {.file = "7/status",
					  .from = "NoNewPrivs:\t1",
					  .to = "NoNewPrivs:\t0"};
	struct fake *fake = *state;

	spoil(fake, &gain);
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 2);
	assert_non_null(strstr(fake->findings.list[0].text, "bounding set"));
	assert_non_null(strstr(fake->findings.list[1].text, "gain privileges"));
}

static void foreign_file_is_named_with_both(void **state)
{
	struct fake *fake = *state;

	point_inside(fake, "7/fd/3", "other/disk");
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
	assert_string_equal(fake->findings.list[0].control,
			    "env.no-shared-data");
	assert_non_null(strstr(fake->findings.list[0].text,
			       "of acme/production/x open and can write it "
			       "(descriptor 3)"));
	fake->foreign.workload = "globex/test/x";
	assert_int_equal(look(fake), 0);
	assert_string_equal(fake->findings.list[0].control,
			    "sto.no-shared-residual");
}

static void replaced_program_is_named(void **state)
{
	struct fake *fake = *state;

	/* the name is right, and what it leads to is not what runs */
	(void)snprintf(fake->binary, sizeof(fake->binary), "%s/qemu.new",
		       fake->top);
	point(fake, "7/exe", fake->binary);
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 0);
	point(fake, "qemu", "nowhere");
	(void)snprintf(fake->binary, sizeof(fake->binary), "%s/7/exe",
		       fake->top);
	point(fake, "7/exe", fake->binary);
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
	assert_non_null(
		strstr(fake->findings.list[0].text, "executes another file"));
}

static void version_2_and_slices_are_known(void **state)
{
	static const char unified[] =
		"0::/machine.slice/machine-cloison\\x2dacme\\x2dtest.slice/"
		"machine-qemu\\x2d1\\x2dw.scope/libvirt/emulator\n";
	static const char other[] =
		"0::/machine.slice/machine-cloison\\x2dacme\\x2dtest2.slice/"
		"machine-qemu\\x2d1\\x2dw.scope\n";
	struct fake *fake = *state;

	put(fake, "7/cgroup", unified);
	assert_int_equal(look(fake), 0);
	print_all(fake);
	assert_int_equal(fake->findings.n, 0);
	put(fake, "7/cgroup", other);
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
	put(fake, "7/cgroup", "");
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
}

static void too_much_is_no_good_news(void **state)
{
	struct fake *fake = *state;
	char *text = malloc(CLO_CONFINEMENT_TEXT_MAX + 2);

	assert_non_null(text);
	memset(text, '\n', CLO_CONFINEMENT_TEXT_MAX + 1);
	text[CLO_CONFINEMENT_TEXT_MAX + 1] = '\0';
	put(fake, "7/cgroup", text);
	free(text);
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
	assert_non_null(strstr(fake->findings.list[0].text,
			       "cgroup is too much to read"));
}

static void too_many_descriptors_are_no_good_news(void **state)
{
	struct fake *fake = *state;
	char name[32];

	for (unsigned int i = 10; i < CLO_CONFINEMENT_HELD_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "7/fd/%u", i);
		point(fake, name, "/dev/null");
	}
	assert_int_equal(look(fake), 0);
	assert_int_equal(fake->findings.n, 1);
	assert_non_null(
		strstr(fake->findings.list[0].text, "fd is too much to read"));
}

static void gone_is_gone(void **state)
{
	struct fake *fake = *state;

	put(fake, "7/stat", "7 (x) Z 1 2");
	assert_int_equal(look(fake), -ESRCH);
	(void)close(fake->proc);
	fake->proc = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(look(fake), -ESRCH);
}

static void libvirtd_says_which_process(void **state)
{
	const struct fake *fake = *state;
	char path[128];
	pid_t pid = 0;
	int fd;

	make_path(fake, "libvirt", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(clo_process_find(fd, "w", &pid), 0);
	assert_int_equal(pid, 7);
	assert_int_equal(clo_process_find(fd, "bad", &pid), -EBADMSG);
	assert_int_equal(clo_process_find(fd, "not", &pid), -EBADMSG);
	assert_int_equal(clo_process_find(fd, "none", &pid), -ENOENT);
	assert_int_equal(clo_process_find(fd, "../w", &pid), -EINVAL);
	(void)close(fd);
}

int main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		HERE(what_is_confined_has_no_finding),
		HERE(what_is_read_is_told),
		HERE(bounding_set_matters_with_a_gain),
		HERE(foreign_file_is_named_with_both),
		HERE(replaced_program_is_named),
		HERE(version_2_and_slices_are_known),
		HERE(too_much_is_no_good_news),
		HERE(too_many_descriptors_are_no_good_news),
		HERE(gone_is_gone),
		HERE(libvirtd_says_which_process),
	};
	struct CMUnitTest spoiled[CLO_ARRAY_LEN(wrongs)];
	int failed;

	for (size_t i = 0; i < CLO_ARRAY_LEN(wrongs); i++)
		spoiled[i] = (struct CMUnitTest){wrongs[i].name, wrong_is_named,
						 set_up, tear_down, &wrongs[i]};
	failed = cmocka_run_group_tests(spoiled, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
