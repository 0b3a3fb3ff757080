/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

/* Every test runs with both mechanisms. */
static enum clo_attach attach = CLO_ATTACH_TCX;

static struct clo_bpf_guard query(struct sandbox *box)
{
	struct clo_bpf_guard guard;

	assert_int_equal(clo_bpf_guard_query(box->bpf, box->ifindex, &guard),
			 0);
	return guard;
}

static void assert_hook(const struct clo_bpf_hook *hook, bool ours,
			uint32_t position, uint32_t others)
{
	assert_int_equal(hook->ours, ours);
	assert_int_equal(hook->prog_id != 0, ours);
	assert_int_equal(hook->position, position);
	assert_int_equal(hook->others, others);
}

static void assert_guarded(struct sandbox *box)
{
	struct clo_bpf_guard guard = query(box);

	assert_hook(&guard.from_guest, true, 0, 0);
	assert_hook(&guard.to_guest, true, 0, 0);
}

static void assert_bare(struct sandbox *box)
{
	struct clo_bpf_guard guard = query(box);

	assert_hook(&guard.from_guest, false, 0, 0);
	assert_hook(&guard.to_guest, false, 0, 0);
}

static void open_attached(struct sandbox *box)
{
	(void)sandbox_open(box, attach);
	assert_string_equal(clo_bpf_attach_name(box->bpf),
			    attach == CLO_ATTACH_TCX ? "tcx" : "clsact");
	assert_bare(box);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_guarded(box);
}

static int tcx_before(int program, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	int fd = bpf_link_create(program, (int)ifindex,
				 (enum bpf_attach_type)TCX_INGRESS, &opts);

	assert_true(fd >= 0);
	return fd;
}

static void detach_by_hand(struct sandbox *box)
{
	char name[64];

	if (attach == CLO_ATTACH_CLSACT) {
		sandbox_run("tc filter del dev tap0 ingress");
		return;
	}
	(void)snprintf(name, sizeof(name), "link/%u/from_guest", box->ifindex);
	CLO_AUTO_FD int fd = sandbox_pin(box, name);

	assert_int_equal(bpf_link_detach(fd), 0);
}

static void test_attach_detach(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_guard before;
	struct clo_bpf_guard after;

	open_attached(box);
	before = query(box);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	after = query(box);
	assert_int_equal(before.from_guest.prog_id, after.from_guest.prog_id);
	assert_int_equal(before.to_guest.prog_id, after.to_guest.prog_id);
	assert_guarded(box);
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
	assert_bare(box);
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
}

/* Off means now, not when the last descriptor of the link is closed. */
static void test_detach_is_at_once(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO_FD int held = -1;
	char name[64];

	open_attached(box);
	(void)snprintf(name, sizeof(name), "link/%u/to_guest", box->ifindex);
	if (attach == CLO_ATTACH_TCX)
		held = sandbox_pin(box, name);
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
	assert_bare(box);
	assert_int_equal(held >= 0, attach == CLO_ATTACH_TCX);
}

static void test_programs(void **state)
{
	struct clo_bpf_program programs[2];
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;

	open_attached(box);
	guard = query(box);
	assert_int_equal(clo_bpf_programs_read(box->bpf, programs), 0);
	assert_int_equal(programs[0].id, guard.from_guest.prog_id);
	assert_int_equal(programs[1].id, guard.to_guest.prog_id);
	assert_true(programs[0].as_built);
	assert_true(programs[1].as_built);
	assert_memory_not_equal(programs[0].xlated, programs[1].xlated, 32);
	assert_memory_not_equal(programs[0].tag, programs[1].tag, 8);
}

/* The digest of one text is the same in every load, whatever the map ids. */
static void test_digest_is_stable(void **state)
{
	struct clo_bpf_program before[2];
	struct clo_bpf_program after[2];
	struct sandbox *box = *state;

	(void)sandbox_open(box, attach);
	assert_int_equal(clo_bpf_programs_read(box->bpf, before), 0);
	sandbox_close(box);
	assert_int_equal(clo_bpf_remove(box->dir), 0);
	(void)sandbox_open(box, attach);
	assert_int_equal(clo_bpf_programs_read(box->bpf, after), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_not_equal(before[i].id, after[i].id);
		assert_memory_equal(before[i].tag, after[i].tag, 8);
		assert_memory_equal(before[i].xlated, after[i].xlated, 32);
	}
}

static void test_foreign_ahead(void **state)
{
	CLO_AUTO_FD int program = sandbox_program("foreign");
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;
	CLO_AUTO_FD int link = -1;

	if (!sandbox_has_tcx())
		skip();
	open_attached(box);
	link = tcx_before(program, box->ifindex);
	guard = query(box);
	assert_hook(&guard.from_guest, true, 1, 1);
	assert_hook(&guard.to_guest, true, 0, 0);
	assert_int_equal(bpf_link_detach(link), 0);
	assert_guarded(box);
}

/* A guard that comes later still runs first among its own kind. */
static void test_foreign_was_first(void **state)
{
	CLO_AUTO_FD int program = sandbox_program("foreign");
	struct sandbox *box = *state;
	CLO_AUTO_FD int link = -1;
	struct clo_bpf_guard guard;

	if (!sandbox_has_tcx())
		skip();
	link = tcx_before(program, box->ifindex);
	assert_true(link >= 0);
	(void)sandbox_open(box, attach);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	guard = query(box);
	assert_hook(&guard.from_guest, true, attach == CLO_ATTACH_TCX ? 0 : 1,
		    1);
}

static void test_foreign_filter(void **state)
{
	CLO_AUTO_FD int program = sandbox_program("foreign");
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)box->ifindex,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .priority = 7,
		    .handle = 1);
	int r;

	open_attached(box);
	r = bpf_tc_hook_create(&hook);
	assert_true(r == 0 || r == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	guard = query(box);
	assert_hook(&guard.from_guest, true, 0, 0);
	assert_hook(&guard.to_guest, true, 0, 1);
	/* Ours goes, theirs and their qdisc stay. */
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
	guard = query(box);
	assert_hook(&guard.from_guest, false, 0, 0);
	assert_hook(&guard.to_guest, false, 0, 1);
}

static void test_detached_by_hand(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;

	open_attached(box);
	detach_by_hand(box);
	guard = query(box);
	assert_hook(&guard.from_guest, false, 0, 0);
	assert_hook(&guard.to_guest, true, 0, 0);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_guarded(box);
}

static void test_other_mechanism_is_taken_over(void **state)
{
	struct sandbox *box = *state;

	if (!sandbox_has_tcx())
		skip();
	open_attached(box);
	sandbox_close(box);
	assert_true(sandbox_open(box, attach == CLO_ATTACH_TCX
					      ? CLO_ATTACH_CLSACT
					      : CLO_ATTACH_TCX));
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_guarded(box);
}

static void test_device_deleted(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;
	char name[64];

	open_attached(box);
	sandbox_run("ip link del tap0");
	assert_int_equal(clo_bpf_guard_query(box->bpf, box->ifindex, &guard),
			 -ENODEV);
	assert_true(clo_bpf_guard_attach(box->bpf, box->ifindex) < 0);
	assert_int_equal(clo_bpf_guard_detach(box->bpf, box->ifindex), 0);
	(void)snprintf(name, sizeof(name), "link/%u", box->ifindex);
	assert_false(sandbox_exists(box, name));
}

static void test_stale_pins_go_at_open(void **state)
{
	struct sandbox *box = *state;
	char name[64];

	open_attached(box);
	sandbox_close(box);
	sandbox_run("ip link del tap0");
	assert_true(sandbox_open(box, attach));
	(void)snprintf(name, sizeof(name), "link/%u", box->ifindex);
	assert_false(sandbox_exists(box, name));
	assert_true(sandbox_exists(box, "link"));
}

/* An interface that belongs to no endpoint: everything is dropped, counted. */
static void test_probe(void **state)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
			     0,    0,    0,    0,    1,    0x08, 0x06};
	CLO_AUTO_FD int foreign = sandbox_program("foreign");
	CLO_AUTO_MEM struct clo_bpf_drop *drops = NULL;
	struct sandbox *box = *state;
	const struct clo_bpf_frame whole = {
		.data = frame, .len = sizeof(frame), .ifindex = box->ifindex};
	struct clo_bpf_said said = {0};
	uint64_t counted = 0;
	bool dropped = false;
	uint32_t id;
	size_t n;

	open_attached(box);
	id = query(box).from_guest.prog_id;
	assert_int_equal(clo_bpf_probe(box->bpf, 0, box->ifindex, 0, frame,
				       sizeof(frame), &dropped),
			 -ENOENT);
	assert_int_equal(clo_bpf_probe(box->bpf, id, box->ifindex, 0, frame,
				       sizeof(frame), &dropped),
			 0);
	assert_true(dropped);
	assert_int_equal(clo_bpf_run(box->bpf, id, &whole, &said), 0);
	assert_true(said.drop);
	assert_int_equal(said.reason, CLO_DROP_NO_ENDPOINT);
	assert_int_equal(clo_bpf_drops_read(box->bpf, &drops, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (drops[i].key.ifindex == box->ifindex &&
		    drops[i].key.reason == CLO_DROP_NO_ENDPOINT &&
		    !drops[i].key.to_guest && !drops[i].key.passed)
			counted += drops[i].count;
	assert_true(counted >= 1); /* its own chatter may add to it */
	assert_true(clo_bpf_probe(box->bpf, id, box->ifindex, 0, frame, 1,
				  &dropped) < 0);
	/* Whose verdict is no drop passes. */
	assert_int_equal(clo_bpf_probe(box->bpf, sandbox_program_id(foreign),
				       box->ifindex, 0, frame, sizeof(frame),
				       &dropped),
			 0);
	assert_false(dropped);
}

static void test_bad_interface(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_guard guard;

	(void)sandbox_open(box, attach);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, 0), -EINVAL);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, UINT32_MAX), -EINVAL);
	assert_true(clo_bpf_guard_attach(box->bpf, 54321) < 0);
	assert_int_equal(clo_bpf_guard_query(box->bpf, 0, &guard), -EINVAL);
	assert_false(sandbox_exists(box, "link/54321"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_attach_detach),
		SANDBOX_TEST(test_detach_is_at_once),
		SANDBOX_TEST(test_programs),
		SANDBOX_TEST(test_digest_is_stable),
		SANDBOX_TEST(test_foreign_ahead),
		SANDBOX_TEST(test_foreign_was_first),
		SANDBOX_TEST(test_foreign_filter),
		SANDBOX_TEST(test_detached_by_hand),
		SANDBOX_TEST(test_other_mechanism_is_taken_over),
		SANDBOX_TEST(test_device_deleted),
		SANDBOX_TEST(test_stale_pins_go_at_open),
		SANDBOX_TEST(test_probe),
		SANDBOX_TEST(test_bad_interface),
	};
	int failures = 0;

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	if (sandbox_has_tcx())
		failures +=
			cmocka_run_group_tests_name("tcx", tests, NULL, NULL);
	attach = CLO_ATTACH_CLSACT;
	failures += cmocka_run_group_tests_name("clsact", tests, NULL, NULL);
	return failures;
}
