/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"
#include "skel/guard.skel.h"

static struct clo_bpf_guard query(struct sandbox *box)
{
	struct clo_bpf_guard guard;

	assert_int_equal(clo_bpf_guard_query(box->bpf, box->ifindex, &guard),
			 0);
	return guard;
}

static int open_result(const struct sandbox *box)
{
	struct clo_bpf *bpf = NULL;
	bool adopted = true;
	struct clo_bpf_config config = {box->dir, CLO_ATTACH_AUTO,
					SANDBOX_CONNECTIONS};
	int r = clo_bpf_open(&config, &bpf, &adopted);

	if (r < 0)
		assert_null(bpf);
	clo_bpf_free(bpf);
	return r;
}

static void replace_pin(const struct sandbox *box, const char *name, int fd)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", box->dir, name);
	assert_int_equal(unlink(path), 0);
	if (fd >= 0)
		assert_int_equal(bpf_obj_pin(fd, path), 0);
}

/* The guards outlive their agent; the next one finds the very same. */
static void test_adopt(void **state)
{
	static const enum clo_attach modes[] = {CLO_ATTACH_TCX,
						CLO_ATTACH_CLSACT};
	struct sandbox *box = *state;

	for (size_t i = sandbox_has_tcx() ? 0 : 1; i < 2; i++) {
		struct clo_bpf_guard before;
		struct clo_bpf_guard after;

		assert_false(sandbox_open(box, modes[i]));
		assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex),
				 0);
		before = query(box);
		sandbox_close(box);
		assert_true(sandbox_open(box, modes[i]));
		after = query(box);
		assert_true(after.from_guest.ours && after.to_guest.ours);
		assert_int_equal(before.from_guest.prog_id,
				 after.from_guest.prog_id);
		assert_int_equal(before.to_guest.prog_id,
				 after.to_guest.prog_id);
		assert_int_equal(before.from_guest.others, 0);
		assert_int_equal(after.to_guest.others, 0);
		sandbox_close(box);
		assert_int_equal(clo_bpf_remove(box->dir), 0);
	}
}

/* As an upgrade finds it: an older program in the pin and in the links. */
static void test_other_program_is_replaced(void **state)
{
	CLO_AUTO_FD int older = sandbox_program("clo_from_guest");
	struct clo_bpf_program programs[2];
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;
	CLO_AUTO_FD int link = -1;
	char name[64];

	if (!sandbox_has_tcx())
		skip();
	(void)sandbox_open(box, CLO_ATTACH_TCX);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	(void)snprintf(name, sizeof(name), "link/%u/from_guest", box->ifindex);
	link = sandbox_pin(box, name);
	assert_int_equal(bpf_link_update(link, older, NULL), 0);
	guard = query(box);
	assert_false(guard.from_guest.ours);
	assert_int_equal(guard.from_guest.others, 1);
	sandbox_close(box);
	replace_pin(box, "prog/from_guest", older);

	assert_true(sandbox_open(box, CLO_ATTACH_TCX));
	guard = query(box);
	assert_true(guard.from_guest.ours);
	assert_int_equal(guard.from_guest.others, 0);
	assert_int_not_equal(guard.from_guest.prog_id,
			     sandbox_program_id(older));
	assert_int_equal(clo_bpf_programs_read(box->bpf, programs), 0);
	assert_true(programs[0].as_built);
	assert_int_equal(programs[0].id, guard.from_guest.prog_id);
}

static void test_other_filter_is_replaced(void **state)
{
	CLO_AUTO_FD int older = sandbox_program("clo_to_guest");
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)box->ifindex,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = older, .priority = 1,
		    .handle = 0xc10, .flags = BPF_TC_F_REPLACE);

	(void)sandbox_open(box, CLO_ATTACH_CLSACT);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	guard = query(box);
	assert_false(guard.to_guest.ours);
	sandbox_close(box);
	replace_pin(box, "prog/to_guest", older);

	assert_true(sandbox_open(box, CLO_ATTACH_CLSACT));
	guard = query(box);
	assert_true(guard.to_guest.ours);
	assert_int_equal(guard.to_guest.others, 0);
}

/* Our own object over the pinned maps, but for one that is not pinned. */
static struct guard *load_alike(const struct sandbox *box)
{
	struct guard *object = guard__open();
	struct bpf_map *map;

	assert_non_null(object);
	bpf_object__for_each_map(map, object->obj)
	{
		char name[64];

		(void)snprintf(name, sizeof(name), "map/%s",
			       bpf_map__name(map));
		if (sandbox_exists(box, name)) {
			CLO_AUTO_FD int fd = sandbox_pin(box, name);

			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
		}
	}
	assert_int_equal(bpf_map__set_max_entries(object->maps.clo_scratch, 2),
			 0);
	assert_int_equal(guard__load(object), 0);
	return object;
}

/* The same text, and so the same tag; what the verifier made of it is not. */
static void test_same_tag_is_not_enough(void **state)
{
	struct clo_bpf_program before[2];
	struct clo_bpf_program after[2];
	struct sandbox *box = *state;
	struct guard *alike;
	int fd;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_programs_read(box->bpf, before), 0);
	alike = load_alike(box);
	fd = bpf_program__fd(alike->progs.clo_from_guest);
	replace_pin(box, "prog/from_guest", fd);
	assert_int_equal(clo_bpf_programs_read(box->bpf, after), 0);
	assert_memory_equal(before[0].tag, after[0].tag, 8);
	assert_false(after[0].as_built);
	if (memcmp(before[0].xlated, after[0].xlated, 32) == 0) {
		guard__destroy(alike); /* this kernel calls for the scratch */
		skip();
	}
	sandbox_close(box);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_int_equal(clo_bpf_programs_read(box->bpf, after), 0);
	assert_int_not_equal(after[0].id, sandbox_program_id(fd));
	assert_memory_equal(before[0].xlated, after[0].xlated, 32);
	assert_true(after[0].as_built);
	guard__destroy(alike);
}

/* Died between updating the links and replacing the pins: done again. */
static void test_missing_program_pin(void **state)
{
	struct sandbox *box = *state;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	sandbox_close(box);
	replace_pin(box, "prog/from_guest", -1);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_true(query(box).from_guest.ours);
	assert_true(sandbox_exists(box, "prog/from_guest"));
}

static void test_second_agent_is_refused(void **state)
{
	struct sandbox *box = *state;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(open_result(box), -EBUSY);
	assert_int_equal(clo_bpf_remove(box->dir), -EBUSY);
	sandbox_close(box);
	assert_int_equal(open_result(box), 0);
}

static void test_other_abi_is_refused(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO_FD int fd = -1;
	__u32 version = CLO_ABI_VERSION + 1;
	__u32 key = 0;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	sandbox_close(box);
	fd = sandbox_pin(box, "map/clo_abi");
	assert_int_equal(bpf_map_update_elem(fd, &key, &version, 0), 0);
	assert_int_equal(open_result(box), -EPROTO);
	version = CLO_ABI_VERSION;
	assert_int_equal(bpf_map_update_elem(fd, &key, &version, 0), 0);
	/* Refused means untouched. */
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_true(query(box).from_guest.ours);
}

static void test_other_shape_is_refused(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO_FD int fd = -1;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	sandbox_close(box);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "clo_ports", 4, 24, 8, NULL);
	assert_true(fd >= 0);
	replace_pin(box, "map/clo_ports", fd);
	assert_int_equal(open_result(box), -EPROTO);
	replace_pin(box, "map/clo_ports", -1);
	assert_int_equal(open_result(box), -EPROTO);
}

/* Without the mark of a complete set: start anew, but never under guards. */
static void test_fragments(void **state)
{
	struct sandbox *box = *state;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	sandbox_close(box);
	replace_pin(box, "map/clo_abi", -1);
	assert_int_equal(open_result(box), -EPROTO);
	replace_pin(box, "prog/from_guest", -1);
	replace_pin(box, "prog/to_guest", -1);
	assert_false(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_true(query(box).to_guest.ours);
}

static void test_not_a_bpffs(void **state)
{
	char dir[] = "/tmp/cloison-XXXXXX";
	struct clo_bpf_config config = {.dir = dir};
	struct clo_bpf *bpf = NULL;
	bool adopted;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(clo_bpf_open(&config, &bpf, &adopted), -EINVAL);
	assert_int_equal(clo_bpf_remove(dir), -EINVAL);
	assert_int_equal(rmdir(dir), 0);
	config.dir = "/tmp/cloison-none/x";
	assert_int_equal(clo_bpf_open(&config, &bpf, &adopted), -ENOENT);
}

/* Hidden below another mount: still in force, and pinned again on top. */
static void test_pins_follow_their_name(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_guard before, after;
	char name[64];

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	before = query(box);
	assert_int_equal(clo_bpf_pins_check(box->bpf), 0);
	assert_int_equal(clo_bpf_pins_restore(box->bpf), 0); /* nothing to do */

	assert_int_equal(mount("tmpfs", box->mount, "tmpfs", 0, NULL), 0);
	assert_int_equal(clo_bpf_pins_check(box->bpf), -ENOENT);
	assert_int_equal(clo_bpf_pins_restore(box->bpf), -EINVAL);
	assert_int_equal(mount("bpf", box->mount, "bpf", 0, "mode=0700"), 0);
	assert_int_equal(clo_bpf_pins_check(box->bpf), -ENOENT);
	/* a tap that comes meanwhile is guarded all the same */
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);

	assert_int_equal(clo_bpf_pins_restore(box->bpf), 0);
	assert_int_equal(clo_bpf_pins_check(box->bpf), 0);
	assert_true(sandbox_exists(box, "map/clo_abi"));
	assert_true(sandbox_exists(box, "gen/1"));
	(void)snprintf(name, sizeof(name), "link/%u/to_guest", box->ifindex);
	assert_true(sandbox_exists(box, name) || !sandbox_has_tcx());
	sandbox_close(box);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	after = query(box);
	assert_true(after.from_guest.ours && after.to_guest.ours);
	assert_int_equal(before.to_guest.prog_id, after.to_guest.prog_id);

	/* what lies below comes back, and is brought up to date */
	assert_int_equal(umount2(box->mount, MNT_DETACH), 0);
	assert_int_equal(umount2(box->mount, MNT_DETACH), 0);
	assert_int_equal(clo_bpf_pins_check(box->bpf), -EBUSY);
	assert_int_equal(clo_bpf_pins_restore(box->bpf), 0);
	assert_int_equal(clo_bpf_pins_check(box->bpf), 0);
	assert_true(query(box).from_guest.ours);
}

static void test_remove_leaves_nothing(void **state)
{
	static const enum clo_attach modes[] = {CLO_ATTACH_AUTO,
						CLO_ATTACH_CLSACT};
	struct sandbox *box = *state;

	for (size_t i = 0; i < 2; i++) {
		struct clo_bpf_guard guard;

		(void)sandbox_open(box, modes[i]);
		assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex),
				 0);
		sandbox_close(box);
		assert_int_equal(clo_bpf_remove(box->dir), 0);
		assert_false(sandbox_exists(box, ""));
		sandbox_run("! tc qdisc show dev tap0 | grep -q clsact");
		assert_false(sandbox_open(box, modes[i]));
		guard = query(box);
		assert_int_equal(guard.from_guest.others, 0);
		assert_int_equal(guard.to_guest.others, 0);
		assert_false(guard.from_guest.ours || guard.to_guest.ours);
		sandbox_close(box);
		assert_int_equal(clo_bpf_remove(box->dir), 0);
		assert_int_equal(clo_bpf_remove(box->dir), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_adopt),
		SANDBOX_TEST(test_other_program_is_replaced),
		SANDBOX_TEST(test_other_filter_is_replaced),
		SANDBOX_TEST(test_same_tag_is_not_enough),
		SANDBOX_TEST(test_missing_program_pin),
		SANDBOX_TEST(test_second_agent_is_refused),
		SANDBOX_TEST(test_other_abi_is_refused),
		SANDBOX_TEST(test_other_shape_is_refused),
		SANDBOX_TEST(test_fragments),
		SANDBOX_TEST(test_not_a_bpffs),
		SANDBOX_TEST(test_pins_follow_their_name),
		SANDBOX_TEST(test_remove_leaves_nothing),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
