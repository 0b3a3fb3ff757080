/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "unit/tree.h"

/* Each attack changes one thing of a tree that is clean, and is named. */
#define SHARED "sto.no-shared-residual"
#define DATA "env.no-shared-data"

/* All that WEB has. */
static void look(struct tree *tree)
{
	tree_look_at(tree, WEB, "acme/production/web/disk", CLO_IMAGE_QCOW2,
		     true);
	tree_look_at(tree, WEB, "acme/production/web/raw", CLO_IMAGE_RAW, true);
}

static void link_hard(const struct tree *tree)
{
	assert_int_equal(link(tree_path(tree, "acme/production/web/disk"),
			      tree_path(tree, "globex/test/db/mine")),
			 0);
}

static void link_soft(const struct tree *tree)
{
	assert_int_equal(rename(tree_path(tree, "acme/production/web/disk"),
				tree_path(tree, "acme/production/web/real")),
			 0);
	assert_int_equal(
		symlink("real", tree_path(tree, "acme/production/web/disk")),
		0);
}

static void link_directory(const struct tree *tree)
{
	assert_int_equal(rename(tree_path(tree, "acme/production"),
				tree_path(tree, "acme/elsewhere")),
			 0);
	assert_int_equal(
		symlink("elsewhere", tree_path(tree, "acme/production")), 0);
}

static void give_away(const struct tree *tree)
{
	tree_own(tree, "acme/production/web/disk", OTHER);
}

static void open_to_all(const struct tree *tree)
{
	assert_int_equal(
		chmod(tree_path(tree, "acme/production/web/disk"), 0644), 0);
}

static void open_directory(const struct tree *tree)
{
	assert_int_equal(chmod(tree_path(tree, "acme/production/web"), 0770),
			 0);
}

static void give_directory(const struct tree *tree)
{
	assert_int_equal(chown(tree_path(tree, "acme"), 64001, 64001), 0);
}

static void make_fifo(const struct tree *tree)
{
	assert_int_equal(unlink(tree_path(tree, "acme/production/web/raw")), 0);
	assert_int_equal(
		mkfifo(tree_path(tree, "acme/production/web/raw"), 0600), 0);
}

static void write_base(const struct tree *tree)
{
	assert_int_equal(chown(tree_path(tree, "base/os.qcow2"), 64001, 0), 0);
}

static void open_base(const struct tree *tree)
{
	assert_int_equal(chmod(tree_path(tree, "base/os.qcow2"), 0666), 0);
}

static void lose_base(const struct tree *tree)
{
	assert_int_equal(unlink(tree_path(tree, "base/os.qcow2")), 0);
}

static void back(const struct tree *tree, const char *backing)
{
	tree_make(tree, "acme/production/web/disk", WEB, "qcow2", backing);
}

static void back_other(const struct tree *tree)
{
	back(tree, tree_path(tree, "globex/test/db/disk"));
}

static void back_outside(const struct tree *tree)
{
	(void)tree;
	back(tree, "/etc/shadow");
}

static void back_around(const struct tree *tree)
{
	back(tree, "./sub/../../../../globex/test/db/disk");
}

static void back_json(const struct tree *tree)
{
	back(tree, "json:{\"driver\":\"file\",\"filename\":\"/etc/shadow\"}");
}

static void back_network(const struct tree *tree)
{
	back(tree, "nbd://192.0.2.1/disk");
}

static void back_itself(const struct tree *tree)
{
	back(tree, "disk");
}

static void back_unprintable(const struct tree *tree)
{
	back(tree, "/\xff\n\x1b[31m");
}

static void write_raw(const struct tree *tree, const char *from)
{
	const char *argv[] = {"cp", tree_path(tree, from),
			      tree_path(tree, "acme/production/web/raw"), NULL};

	tree_run(argv);
}

static void raw_is_qcow2(const struct tree *tree)
{
	write_raw(tree, "globex/test/db/disk");
}

static void raw_is_vmdk(const struct tree *tree)
{
	const char *argv[] = {
		"qemu-img", "create", "-q",
		"-f",       "vmdk",   tree_path(tree, "acme/production/web/v"),
		"1M",       NULL};

	tree_run(argv);
	write_raw(tree, "acme/production/web/v");
}

static void qcow2_is_raw(const struct tree *tree)
{
	tree_make(tree, "acme/production/web/disk", WEB, "raw", NULL);
}

static void data_elsewhere(const struct tree *tree)
{
	char option[128];
	const char *argv[] = {
		"qemu-img", "create",
		"-q",       "-f",
		"qcow2",    "-o",
		option,     tree_path(tree, "acme/production/web/disk"),
		"1M",       NULL};

	(void)snprintf(option, sizeof(option), "data_file=%s",
		       tree_path(tree, "d.raw"));
	tree_run(argv);
	tree_own(tree, "acme/production/web/disk", WEB);
}

static void format_unsaid(const struct tree *tree)
{
	static const char unknown[4] = "none";
	int fd;

	/* the extension's type made one that is not known */
	fd = open(tree_path(tree, "acme/production/web/disk"),
		  O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, unknown, 4, 112), 4);
	(void)close(fd);
}

static void mount_below(const struct tree *tree)
{
	assert_int_equal(mkdir(tree_path(tree, "acme/production/web/m"), 0711),
			 0);
	assert_int_equal(mount(tree_path(tree, "globex/test/db"),
			       tree_path(tree, "acme/production/web/m"), NULL,
			       MS_BIND, NULL),
			 0);
	back(tree, "m/disk");
}

static void chain_deep(const struct tree *tree)
{
	char name[64];
	char behind[16];

	for (unsigned int i = 1; i < CLO_CHAIN_MAX + 1; i++) {
		(void)snprintf(name, sizeof(name), "acme/production/web/%u", i);
		(void)snprintf(behind, sizeof(behind), "%u", i + 1);
		tree_make(tree, name, WEB, "qcow2", behind);
	}
	back(tree, "1");
}

struct attack {
	const char *name;
	void (*plant)(const struct tree *tree);
	const char *control;
	const char *where; /* at its end */
	const char *text;
};

#define ATTACK(plant, control, where, text)                                    \
	{                                                                      \
#plant, plant, control, where, text                            \
	}
static struct attack attacks[] = {
	ATTACK(link_hard, SHARED, "web/disk", "has 2 names"),
	ATTACK(link_soft, SHARED, "web/disk", "symbolic link"),
	ATTACK(give_away, SHARED, "web/disk", "is of 64003:64003"),
	ATTACK(open_to_all, SHARED, "web/disk", "has mode 0644"),
	ATTACK(open_directory, SHARED, "production/web", "can put files in it"),
	ATTACK(give_directory, SHARED, "/acme", "can put files in it"),
	ATTACK(make_fifo, SHARED, "web/raw", "neither a file nor"),
	ATTACK(write_base, SHARED, "os.qcow2", "others than root can write"),
	ATTACK(open_base, SHARED, "os.qcow2", "others than root can write"),
	ATTACK(lose_base, SHARED, "os.qcow2", "is not there"),
	ATTACK(back_other, SHARED, "db/disk",
	       "globex/test/db's and reached by acme/"),
	ATTACK(back_outside, SHARED, "/etc/shadow", "neither below"),
	ATTACK(back_around, SHARED, "db/disk", "no plain path"),
	ATTACK(back_json, SHARED, "web/disk", "no local file"),
	ATTACK(back_network, SHARED, "web/disk", "no local file"),
	ATTACK(back_itself, SHARED, "web/disk", "has no end"),
	ATTACK(back_unprintable, SHARED, "\\x1b[31m", "neither below"),
	ATTACK(raw_is_qcow2, SHARED, "web/raw", "begins like qcow2"),
	ATTACK(raw_is_vmdk, SHARED, "web/raw", "begins like vmdk"),
	ATTACK(qcow2_is_raw, SHARED, "web/disk", "begins like raw"),
	ATTACK(data_elsewhere, SHARED, "web/disk", "in another file, /run/"),
	ATTACK(format_unsaid, SHARED, "web/disk", "does not say its backing"),
	ATTACK(chain_deep, SHARED, "web/15", "is the 16th image"),
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

static void expect_one(struct tree *tree, const char *control,
		       const char *where, const char *text)
{
	const struct clo_finding *found = tree->findings.list;

	for (size_t i = 0; i < tree->findings.n; i++)
		if (tree->findings.n != 1 || !strstr(found[i].text, text) ||
		    !ends_with(found[i].where, where) ||
		    strcmp(found[i].control, control) != 0)
			print_error("%s %s: %s (want %s at %s)\n",
				    found[i].control, found[i].where,
				    found[i].text, text, where);
	assert_int_equal(tree->findings.n, 1);
	assert_string_equal(found->control, control);
	assert_true(ends_with(found->where, where));
	assert_non_null(strstr(found->text, text));
	clo_findings_done(&tree->findings);
}

static void what_is_clean_has_no_finding(void **state)
{
	struct tree *tree = *state;

	look(tree);
	tree_look_at(tree, TEST, "acme/test/web/disk", CLO_IMAGE_QCOW2, true);
	for (size_t i = 0; i < tree->findings.n; i++)
		print_error("%s: %s\n", tree->findings.list[i].where,
			    tree->findings.list[i].text);
	assert_int_equal(tree->findings.n, 0);
}

static void attack_is_named(void **state)
{
	struct tree *tree = *state;
	const struct attack *attack = tree->with;

	look(tree);
	assert_int_equal(tree->findings.n, 0);
	attack->plant(tree);
	look(tree);
	expect_one(tree, attack->control, attack->where, attack->text);
}

/* All of a workload's files are behind the link: each says so. */
static void a_linked_directory_is_refused(void **state)
{
	struct tree *tree = *state;

	link_directory(tree);
	look(tree);
	assert_int_equal(tree->findings.n, 2);
	assert_non_null(strstr(tree->findings.list[0].text, "symbolic link"));
	assert_non_null(strstr(tree->findings.list[1].text, "symbolic link"));
}

static void a_mount_below_is_refused(void **state)
{
	struct tree *tree = *state;

	/* of this process only: nobody else sees the mount */
	if (unshare(CLONE_NEWNS) < 0)
		skip();
	assert_int_equal(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	(void)close(tree->root); /* it leads to the mounts of before */
	tree->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mount_below(tree);
	look(tree);
	expect_one(tree, SHARED, "web/m/disk", "is behind a mount");
}

/* The classic: a test disk made on top of production's. */
static void production_behind_test_is_named(void **state)
{
	struct tree *tree = *state;

	tree_make(tree, "acme/test/web/disk", TEST, "qcow2",
		  "../../production/web/disk");
	tree_look_at(tree, TEST, "acme/test/web/disk", CLO_IMAGE_QCOW2, true);
	expect_one(tree, DATA, "production/web/disk",
		   "is acme/production/web's and reached by acme/test/web");
}

static void a_base_is_not_written(void **state)
{
	struct tree *tree = *state;

	tree_look_at(tree, WEB, "base/os.qcow2", CLO_IMAGE_QCOW2, true);
	expect_one(tree, SHARED, "os.qcow2", "is a base and used writable");
	tree_look_at(tree, WEB, "base/os.qcow2", CLO_IMAGE_QCOW2, false);
	assert_int_equal(tree->findings.n, 0);
}

/* Before a start libvirt has yet to give the files away; modes it never sets. */
static void before_a_start_files_may_be_roots(void **state)
{
	struct tree *tree = *state;

	assert_int_equal(
		chown(tree_path(tree, "acme/production/web/disk"), 0, 0), 0);
	look(tree);
	expect_one(tree, SHARED, "web/disk", "is of 0:0");
	tree->running = false;
	look(tree);
	assert_int_equal(tree->findings.n, 0);
	open_to_all(tree);
	look(tree);
	expect_one(tree, SHARED, "web/disk", "has mode 0644");
}

static void check_uses(struct tree *tree, enum tree_who who)
{
	assert_int_equal(
		clo_uses_check(&tree->uses, tree_names[who], &tree->findings),
		0);
}

static void bases_are_shared_and_nothing_else(void **state)
{
	struct tree *tree = *state;

	look(tree);
	tree_make(tree, "globex/test/db/disk", OTHER, "qcow2",
		  "../../../base/os.qcow2");
	tree_look_at(tree, OTHER, "globex/test/db/disk", CLO_IMAGE_QCOW2, true);
	check_uses(tree, WEB);
	check_uses(tree, OTHER);
	assert_int_equal(tree->findings.n, 0);
}

static void one_file_of_two_workloads_is_named(void **state)
{
	struct tree *tree = *state;

	link_hard(tree);
	look(tree);
	tree_look_at(tree, OTHER, "globex/test/db/mine", CLO_IMAGE_QCOW2,
		     false);
	clo_findings_done(&tree->findings); /* of the hard link itself */
	check_uses(tree, WEB);
	expect_one(tree, SHARED, "web/disk", "is also globex/test/db's, as ");
	check_uses(tree, OTHER);
	expect_one(tree, DATA, "db/mine", "is also acme/production/web's");
	check_uses(tree, TEST);
	assert_int_equal(tree->findings.n, 0);
}

/* Two nodes, one disk: no name and no inode is the same. */
static void one_device_of_two_workloads_is_named(void **state)
{
	struct tree *tree = *state;
	struct stat st = {.st_mode = S_IFBLK, .st_rdev = makedev(259, 7)};

	st.st_ino = 1;
	assert_int_equal(
		clo_uses_add(&tree->uses, &st, tree_names[WEB], "/a", true), 0);
	st.st_ino = 2;
	assert_int_equal(
		clo_uses_add(&tree->uses, &st, tree_names[OTHER], "/b", true),
		0);
	check_uses(tree, WEB);
	expect_one(tree, SHARED, "/a", "is also globex/test/db's, as /b");
}

int main(void)
{
#define HERE(test)                                                             \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)
	const struct CMUnitTest tests[] = {
		HERE(what_is_clean_has_no_finding),
		HERE(a_linked_directory_is_refused),
		HERE(production_behind_test_is_named),
		HERE(a_base_is_not_written),
		HERE(before_a_start_files_may_be_roots),
		HERE(bases_are_shared_and_nothing_else),
		HERE(one_file_of_two_workloads_is_named),
		HERE(one_device_of_two_workloads_is_named),
		HERE(a_mount_below_is_refused), /* last: unshares */
	};
	struct CMUnitTest planted[CLO_ARRAY_LEN(attacks)];
	int failed;

	if (geteuid() != 0 || access("/usr/bin/qemu-img", X_OK) < 0)
		return skip_all("root, and qemu-img");
	for (size_t i = 0; i < CLO_ARRAY_LEN(attacks); i++)
		planted[i] = (struct CMUnitTest){attacks[i].name,
						 attack_is_named, tree_set_up,
						 tree_tear_down, &attacks[i]};
	failed = cmocka_run_group_tests(planted, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
