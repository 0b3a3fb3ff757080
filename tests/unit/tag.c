/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/lib/tag.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/auto.h"
#include "check.h"

#define OURS 1001U
#define THEIRS 1002U
#define KERNEL(major, minor) CLO_TAG_DEVICE(major, minor)

static const struct clo_tag_range range = {.first = 1000, .count = 10};

static struct clo_tag_inode file(uint32_t uid, uint32_t mode)
{
	return (struct clo_tag_inode){.uid = uid, .gid = uid, .mode = mode};
}

static void owns_its_range_only(void **state)
{
	static const struct clo_tag_range nothing;

	(void)state;
	assert_false(clo_tag_owned(&range, 999));
	assert_true(clo_tag_owned(&range, 1000));
	assert_true(clo_tag_owned(&range, 1009));
	assert_false(clo_tag_owned(&range, 1010));
	assert_false(clo_tag_owned(&nothing, 0));
	assert_false(clo_tag_owned(&range, CLO_TAG_CANARY));
}

/* Of each: what it is, may it be read, may it be written. */
static void opens(void **state)
{
	static const struct {
		struct clo_tag_inode inode;
		bool read, write;
	} cases[] = {
		{{.uid = OURS, .mode = S_IFREG | 0600}, true, true},
		{{.uid = OURS, .mode = S_IFBLK | 0600}, true, true},
		{{.uid = OURS, .mode = S_IFCHR | 0600, .rdev = KERNEL(136, 1)},
		 true,
		 true},
		{{.uid = THEIRS, .mode = S_IFREG | 0666}, false, false},
		{{.uid = THEIRS, .mode = S_IFDIR | 0777}, false, false},
		{{.uid = THEIRS, .mode = S_IFCHR | 0666, .rdev = KERNEL(1, 3)},
		 false,
		 false},
		{{.mode = S_IFREG | 0644}, true, false},
		{{.mode = S_IFREG | 0666}, true, false},
		{{.mode = S_IFREG | 0600}, false, false},
		{{.gid = OURS, .mode = S_IFREG | 0640}, true, false},
		{{.gid = THEIRS, .mode = S_IFREG | 0640}, false, false},
		{{.mode = S_IFBLK | 0666}, false, false},
		{{.mode = S_IFCHR | 0666, .rdev = KERNEL(1, 3)}, true, true},
		{{.mode = S_IFCHR | 0666, .rdev = KERNEL(10, 232)}, true, true},
		{{.mode = S_IFCHR | 0666, .rdev = KERNEL(1, 1)}, false, false},
		{{.mode = S_IFCHR | 0666, .rdev = KERNEL(136, 1)},
		 false,
		 false},
		{{.mode = S_IFIFO | 0600}, true, true},
		{{.mode = S_IFDIR | 0755}, true, true},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		assert_int_equal(
			clo_tag_may_open(&range, OURS, &cases[i].inode, false),
			cases[i].read);
		assert_int_equal(
			clo_tag_may_open(&range, OURS, &cases[i].inode, true),
			cases[i].write);
	}
}

/* What leaves: to a file or a pipe, into a network. */
static void receives(void **state)
{
	static const struct {
		struct clo_tag_inode inode;
		bool writes, network;
		uint32_t needs; /* permit; ~0: none helps */
	} cases[] = {
		{{.uid = OURS, .mode = S_IFREG}, true, false, 0},
		{{.uid = THEIRS, .mode = S_IFREG | 0666}, false, false, ~0U},
		{{.uid = THEIRS, .mode = S_IFREG | 0666}, true, false, ~0U},
		{{.uid = THEIRS, .mode = S_IFIFO | 0666}, true, false, ~0U},
		{{.mode = S_IFREG | 0644}, false, false, 0},
		{{.mode = S_IFREG | 0600}, true, false, CLO_TAG_PERMIT_FILE},
		{{.mode = S_IFIFO | 0600}, true, false, CLO_TAG_PERMIT_FILE},
		{{.mode = S_IFIFO | 0600}, false, false, 0},
		{{.mode = S_IFSOCK | 0777}, true, false, 0},
		{{.mode = S_IFSOCK | 0777}, true, true, CLO_TAG_PERMIT_NETWORK},
		{{.mode = S_IFBLK | 0660}, true, false, ~0U},
		{{.mode = S_IFCHR | 0666, .rdev = KERNEL(10, 200)},
		 true,
		 false,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		for (uint32_t permits = 0; permits < 4; permits++) {
			const struct clo_tag_scope scope = {OURS, permits};
			uint32_t needs = cases[i].needs;

			assert_int_equal(clo_tag_may_receive(&range, &scope,
							     &cases[i].inode,
							     cases[i].writes,
							     cases[i].network),
					 needs == 0 || (needs != ~0U &&
							permits & needs));
		}
}

static void gives(void **state)
{
	const struct clo_tag_inode ours = file(OURS, S_IFREG);
	const struct clo_tag_inode theirs = file(THEIRS, S_IFREG);
	const struct clo_tag_inode hosts = file(0, S_IFREG);

	(void)state;
	/* the host: everything, but not from one scope to another */
	assert_true(clo_tag_may_give(&range, 0, &hosts, OURS));
	assert_true(clo_tag_may_give(&range, 0, &ours, 0));
	assert_true(clo_tag_may_give(&range, 0, &ours, OURS));
	assert_true(clo_tag_may_give(&range, 0, &ours, ~0U));
	assert_false(clo_tag_may_give(&range, 0, &ours, THEIRS));
	/* a tenant: nothing, to nobody */
	assert_true(clo_tag_may_give(&range, OURS, &ours, OURS));
	assert_true(clo_tag_may_give(&range, OURS, &ours, ~0U));
	assert_false(clo_tag_may_give(&range, OURS, &ours, 0));
	assert_false(clo_tag_may_give(&range, OURS, &ours, THEIRS));
	assert_false(clo_tag_may_give(&range, OURS, &theirs, OURS));
	assert_false(clo_tag_may_give(&range, OURS, &hosts, ~0U));
}

static void makes_and_changes(void **state)
{
	const struct clo_tag_inode ours = file(OURS, S_IFDIR | 0700);
	const struct clo_tag_inode theirs = file(THEIRS, S_IFDIR | 0777);
	const struct clo_tag_inode hosts = file(0, S_IFDIR | 0755);
	const struct clo_tag_inode tmp = file(0, S_IFDIR | 01777);

	(void)state;
	assert_true(clo_tag_may_make(&range, OURS, &ours));
	assert_true(clo_tag_may_make(&range, OURS, &tmp));
	assert_false(clo_tag_may_make(&range, OURS, &theirs));
	assert_false(clo_tag_may_make(&range, OURS, &hosts));
	assert_true(clo_tag_may_change(OURS, &ours));
	assert_false(clo_tag_may_change(OURS, &theirs));
	assert_false(clo_tag_may_change(OURS, &hosts));
	assert_false(clo_tag_may_execute(&range, &ours));
	assert_true(clo_tag_may_execute(&range, &hosts));
}

static void becomes_and_reaches(void **state)
{
	(void)state;
	assert_true(clo_tag_may_become(&range, OURS, OURS));
	assert_true(clo_tag_may_become(&range, OURS, 0));
	assert_false(clo_tag_may_become(&range, OURS, THEIRS));
	assert_true(clo_tag_may_reach(OURS, OURS));
	assert_false(clo_tag_may_reach(OURS, THEIRS));
	assert_false(clo_tag_may_reach(OURS, 0));
	assert_true(clo_tag_may_use(CAP_SETUID));
	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		assert_int_equal(clo_tag_may_use(capability),
				 capability == CAP_SETUID ||
					 capability == CAP_SETGID ||
					 capability == CAP_SETPCAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owns_its_range_only),
		cmocka_unit_test(opens),
		cmocka_unit_test(receives),
		cmocka_unit_test(gives),
		cmocka_unit_test(makes_and_changes),
		cmocka_unit_test(becomes_and_reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
