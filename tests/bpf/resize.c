/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "sandbox.h"

/*
 * The option `connections` changed from one start to the next: tables of the
 * old size give way to new ones, and the flows in them go on.
 */

#define SMALL 4096U
#define LARGE 10000U

static struct clo_conn4_key key_of(__u32 i)
{
	return (struct clo_conn4_key){.space_proto = 256 * (i + 1) + 6};
}

static struct clo_conn conn_of(__u32 i)
{
	return (struct clo_conn){.opened = i + 1,
				 .seen = i + 2,
				 .endpoint = {0, 7},
				 .initiator = i % 2,
				 .state = CLO_CONN_ESTABLISHED,
				 .next = {i, i + 1},
				 .packets = {i, 5}};
}

static void add(int fd, __u32 from, __u32 to)
{
	for (__u32 i = from; i < to; i++) {
		struct clo_conn4_key key = key_of(i);
		struct clo_conn conn = conn_of(i);

		assert_int_equal(bpf_map_update_elem(fd, &key, &conn, 0), 0);
	}
}

static struct bpf_map_info info_of(const struct sandbox *box, const char *name)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, name);
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info;
}

static void assert_flows(const struct sandbox *box, __u32 n)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, "map/clo_conn4");
	uint64_t count;

	for (__u32 i = 0; i < n; i++) {
		struct clo_conn4_key key = key_of(i);
		struct clo_conn want = conn_of(i);
		struct clo_conn conn;

		assert_int_equal(bpf_map_lookup_elem(fd, &key, &conn), 0);
		assert_memory_equal(&conn, &want, sizeof(conn));
	}
	assert_int_equal(clo_bpf_connections_count(box->bpf, &count), 0);
	assert_int_equal(count, n);
}

static void assert_guarded(struct sandbox *box)
{
	struct clo_bpf_guard guard;

	assert_int_equal(clo_bpf_guard_query(box->bpf, box->ifindex, &guard),
			 0);
	assert_true(guard.from_guest.ours && guard.to_guest.ours);
	assert_int_equal(guard.from_guest.others, 0);
	assert_int_equal(guard.to_guest.others, 0);
}

static __u32 used(const struct sandbox *box, __u64 key)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, "map/clo_accounts");
	struct clo_account account;

	assert_int_equal(bpf_map_lookup_elem(fd, &key, &account), 0);
	return account.used;
}

static void charge(const struct sandbox *box, __u64 key, __u64 parent, __u32 n)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, "map/clo_accounts");
	struct clo_account account = {parent, 1000, n, 0, 0};

	assert_int_equal(bpf_map_update_elem(fd, &key, &account, 0), 0);
}

static void open_guarded(struct sandbox *box, enum clo_attach attach)
{
	CLO_AUTO_FD int fd = -1;

	(void)sandbox_open_sized(box, attach, SMALL);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	fd = sandbox_pin(box, "map/clo_conn4");
	add(fd, 0, 3000);
	charge(box, 7, CLO_ACCOUNT_SCOPE | 7, 3000);
	charge(box, CLO_ACCOUNT_SCOPE | 7, 0, 3000);
}

static void test_flows_go_on(void **state)
{
	static const enum clo_attach modes[] = {CLO_ATTACH_TCX,
						CLO_ATTACH_CLSACT};
	struct sandbox *box = *state;

	for (size_t i = sandbox_has_tcx() ? 0 : 1; i < 2; i++) {
		__u32 old;

		open_guarded(box, modes[i]);
		old = info_of(box, "map/clo_conn4").id;
		assert_int_equal(info_of(box, "map/clo_conn6").max_entries,
				 SMALL);
		sandbox_close(box);
		assert_true(sandbox_open_sized(box, modes[i], LARGE));
		assert_int_equal(info_of(box, "map/clo_conn4").max_entries,
				 LARGE);
		assert_int_equal(info_of(box, "map/clo_conn6").max_entries,
				 LARGE);
		assert_int_not_equal(info_of(box, "map/clo_conn4").id, old);
		assert_flows(box, 3000);
		assert_guarded(box);
		assert_int_equal(used(box, 7), 3000);
		assert_false(sandbox_exists(box, "map/clo_conn4-old"));
		assert_false(sandbox_exists(box, "map/clo_conn6-old"));

		/* And smaller again; then nothing is left to change. */
		sandbox_close(box);
		assert_true(sandbox_open_sized(box, modes[i], SMALL));
		assert_flows(box, 3000);
		old = info_of(box, "map/clo_conn4").id;
		sandbox_close(box);
		assert_true(sandbox_open_sized(box, modes[i], SMALL));
		assert_int_equal(info_of(box, "map/clo_conn4").id, old);
		assert_guarded(box);
		sandbox_close(box);
		assert_int_equal(clo_bpf_remove(box->dir), 0);
	}
}

/* For a while a flow in its middle may begin: what the copies missed. */
static void test_pickup(void **state)
{
	struct sandbox *box = *state;
	struct timespec now;
	struct clo_live live;
	CLO_AUTO_FD int fd = -1;
	__u32 key = 0;

	open_guarded(box, CLO_ATTACH_AUTO);
	fd = sandbox_pin(box, "map/clo_live");
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &live), 0);
	assert_int_equal(live.pickup, 0);
	sandbox_close(box);
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	assert_true(sandbox_open_sized(box, CLO_ATTACH_AUTO, LARGE));
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &live), 0);
	assert_in_range(live.pickup / 1000000000U, now.tv_sec + 10,
			now.tv_sec + 30);
}

/* Refused, and everything as it was. */
static void test_too_small(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_config config = {box->dir, CLO_ATTACH_AUTO, 1000};
	struct clo_bpf *bpf = NULL;
	bool adopted = false;
	__u32 old;

	open_guarded(box, CLO_ATTACH_AUTO);
	old = info_of(box, "map/clo_conn4").id;
	sandbox_close(box);
	assert_int_equal(clo_bpf_open(&config, &bpf, &adopted), -ENOSPC);
	assert_null(bpf);
	assert_int_equal(info_of(box, "map/clo_conn4").id, old);
	assert_true(sandbox_open_sized(box, CLO_ATTACH_AUTO, SMALL));
	assert_flows(box, 3000);
	assert_guarded(box);
	config.connections = UINT32_MAX;
	sandbox_close(box);
	assert_int_equal(clo_bpf_open(&config, &bpf, &adopted), -EINVAL);
}

static void pin_as(const struct sandbox *box, int fd, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", box->dir, name);
	(void)unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
}

static __u64 begin_resize(const struct sandbox *box)
{
	struct clo_live live = {.pickup = 1000000000000ULL};
	CLO_AUTO_FD int fd = sandbox_pin(box, "map/clo_live");
	__u32 key = 0;

	assert_int_equal(bpf_map_update_elem(fd, &key, &live, 0), 0);
	return live.pickup - 10000000000ULL;
}

static void put(int fd, __u32 i, __u64 opened, __u8 state)
{
	struct clo_conn4_key key = key_of(i);
	struct clo_conn conn = conn_of(i);

	conn.opened = opened;
	conn.state = state;
	assert_int_equal(bpf_map_update_elem(fd, &key, &conn, 0), 0);
}

static int get(int fd, __u32 i, struct clo_conn *ret_conn)
{
	struct clo_conn4_key key = key_of(i);

	return bpf_map_lookup_elem(fd, &key, ret_conn);
}

/*
 * A start died after the first copy: what the old programs did since is
 * brought after by the next, and each flow is charged once.
 */
static void test_finished_by_the_next(void **state)
{
	struct sandbox *box = *state;
	struct clo_conn conn;
	CLO_AUTO_FD int new = -1;
	CLO_AUTO_FD int old = -1;
	__u64 begin;

	(void)sandbox_open_sized(box, CLO_ATTACH_AUTO, LARGE);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	begin = begin_resize(box);
	new = sandbox_pin(box, "map/clo_conn4");
	old = bpf_map_create(BPF_MAP_TYPE_HASH, "older",
			     sizeof(struct clo_conn4_key), sizeof(conn), SMALL,
			     NULL);
	assert_true(old >= 0);
	pin_as(box, old, "map/clo_conn4-old");
	/* 0: copied. 1: ended in the old one since. 2: ended in the new one. */
	put(old, 0, 5, CLO_CONN_ESTABLISHED);
	put(new, 0, 5, CLO_CONN_ESTABLISHED);
	put(new, 1, 5, CLO_CONN_ESTABLISHED);
	put(old, 2, 5, CLO_CONN_ESTABLISHED);
	/* 3: began since. 4: and was picked up as well. 5: shook hands. */
	put(old, 3, begin + 1, CLO_CONN_NEW);
	put(old, 4, begin + 1, CLO_CONN_ESTABLISHED);
	put(new, 4, begin + 2, CLO_CONN_ESTABLISHED);
	put(old, 5, 5, CLO_CONN_ESTABLISHED);
	put(new, 5, 5, CLO_CONN_NEW);
	/* 0, 3, 4 twice, 5. */
	charge(box, 7, CLO_ACCOUNT_SCOPE | 7, 5);
	charge(box, CLO_ACCOUNT_SCOPE | 7, 0, 5);
	sandbox_close(box);

	assert_true(sandbox_open_sized(box, CLO_ATTACH_AUTO, LARGE));
	assert_int_equal(get(new, 0, &conn), 0);
	assert_int_equal(get(new, 1, &conn), -ENOENT);
	assert_int_equal(get(new, 2, &conn), -ENOENT);
	assert_int_equal(get(new, 3, &conn), 0);
	assert_int_equal(conn.opened, begin + 1);
	assert_int_equal(get(new, 4, &conn), 0);
	assert_int_equal(conn.opened, begin + 2);
	assert_int_equal(get(new, 5, &conn), 0);
	assert_int_equal(conn.state, CLO_CONN_ESTABLISHED);
	assert_int_equal(used(box, 7), 4);
	assert_int_equal(used(box, CLO_ACCOUNT_SCOPE | 7), 4);
	assert_false(sandbox_exists(box, "map/clo_conn4-old"));
	assert_guarded(box);
}

/* A start died before the new table was in place of the old. */
static void test_begun_again(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO_FD int fd = -1;

	open_guarded(box, CLO_ATTACH_AUTO);
	fd = sandbox_pin(box, "map/clo_conn4");
	pin_as(box, fd, "map/clo_conn4-old");
	sandbox_close(box);
	assert_true(sandbox_open_sized(box, CLO_ATTACH_AUTO, LARGE));
	assert_int_equal(info_of(box, "map/clo_conn4").max_entries, LARGE);
	assert_flows(box, 3000);
	assert_false(sandbox_exists(box, "map/clo_conn4-old"));
	assert_guarded(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_flows_go_on),
		SANDBOX_TEST(test_pickup),
		SANDBOX_TEST(test_too_small),
		SANDBOX_TEST(test_finished_by_the_next),
		SANDBOX_TEST(test_begun_again),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
