/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#define OPENED 3ULL

static struct clo_bpf_account account(struct sandbox *box, uint64_t key)
{
	CLO_AUTO_MEM struct clo_bpf_account *accounts = NULL;
	struct clo_bpf_account found = {0};
	size_t n;

	assert_int_equal(clo_bpf_accounts_read(box->bpf, &accounts, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (accounts[i].key == key)
			found = accounts[i];
	return found;
}

static void test_accounts(void **state)
{
	static const uint64_t keys[] = {7, CLO_ACCOUNT_SCOPE | 7,
					CLO_ACCOUNT_TENANT | 7};
	struct sandbox *box = *state;
	struct clo_account used;
	CLO_AUTO_FD int fd = -1;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_account_set(box->bpf, 0, 0, 1), -EINVAL);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(clo_bpf_account_set(box->bpf, keys[i],
						     i < 2 ? keys[i + 1] : 0,
						     100),
				 0);
	assert_int_equal(account(box, 7).account.parent, keys[1]);
	assert_int_equal(account(box, keys[2]).account.limit, 100);

	/* A new limit and parent leave alone what was counted. */
	fd = sandbox_pin(box, "map/clo_accounts");
	used = (struct clo_account){keys[1], 100, 42, 3, 4};
	assert_int_equal(bpf_map_update_elem(fd, &keys[0], &used, BPF_EXIST),
			 0);
	assert_int_equal(clo_bpf_account_set(box->bpf, 7, keys[2], 50), 0);
	used = account(box, 7).account;
	assert_int_equal(used.limit, 50);
	assert_int_equal(used.parent, keys[2]);
	assert_int_equal(used.used, 42);
	assert_int_equal(used.pressure, 3);
	assert_int_equal(used.refused, 4);

	assert_int_equal(clo_bpf_account_del(box->bpf, 7), 0);
	assert_int_equal(clo_bpf_account_del(box->bpf, 7), 0);
	assert_int_equal(account(box, 7).key, 0);
	assert_int_equal(account(box, keys[1]).key, keys[1]);
}

/* seen 0: timed out on every machine that has been up for 10 s. */
static struct clo_conn flow(uint64_t seen)
{
	return (struct clo_conn){.seen = seen,
				 .opened = OPENED,
				 .endpoint = {7, 0},
				 .state = seen ? CLO_CONN_ESTABLISHED
					       : CLO_CONN_RESET};
}

static void add_flows(const struct sandbox *box, __u32 n4, __u32 n6,
		      uint64_t seen)
{
	CLO_AUTO_FD int fd4 = sandbox_pin(box, "map/clo_conn4");
	CLO_AUTO_FD int fd6 = sandbox_pin(box, "map/clo_conn6");
	struct clo_conn conn = flow(seen);

	for (__u32 i = 0; i < n4; i++) {
		struct clo_conn4_key key = {.space_proto = 256 * i + 17};

		assert_int_equal(bpf_map_update_elem(fd4, &key, &conn, 0), 0);
	}
	for (__u32 i = 0; i < n6; i++) {
		struct clo_conn6_key key = {.space_proto = 256 * i + 17};

		assert_int_equal(bpf_map_update_elem(fd6, &key, &conn, 0), 0);
	}
}

static void test_flows_read(void **state)
{
	CLO_AUTO_MEM struct clo_bpf_flow *flows = NULL;
	struct sandbox *box = *state;
	uint64_t count = 77;
	size_t n4 = 0;
	size_t n;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_connections_count(box->bpf, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(clo_bpf_flows_read(box->bpf, &flows, &n), 0);
	assert_int_equal(n, 0);
	free(flows);
	add_flows(box, 5000, 7, 1);
	assert_int_equal(clo_bpf_connections_count(box->bpf, &count), 0);
	assert_int_equal(count, 5007);
	assert_int_equal(clo_bpf_flows_read(box->bpf, &flows, &n), 0);
	assert_int_equal(n, 5007);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(flows[i].conn.opened, OPENED);
		n4 += flows[i].family == 4;
		assert_int_equal((flows[i].family == 4
					  ? flows[i].key.v4.space_proto
					  : flows[i].key.v6.space_proto) %
					 256,
				 17);
	}
	assert_int_equal(n4, 5000);
}

/* What timed out ends, and is given back; what lives stays. */
static void test_sweep(void **state)
{
	struct sandbox *box = *state;
	struct clo_bpf_swept swept;
	struct clo_account used = {0, 100, 3000, 0, 0};
	CLO_AUTO_FD int fd = -1;
	uint64_t count;
	__u64 key = 7;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	fd = sandbox_pin(box, "map/clo_accounts");
	assert_int_equal(bpf_map_update_elem(fd, &key, &used, BPF_ANY), 0);
	assert_int_equal(clo_bpf_sweep(box->bpf, &swept), 0);
	assert_int_equal(swept.live + swept.ended, 0);
	/* Far ahead of the clock: not timed out for long. */
	add_flows(box, 3000, 9, 1ULL << 62);
	assert_int_equal(clo_bpf_sweep(box->bpf, &swept), 0);
	assert_int_equal(swept.live, 3009);
	assert_int_equal(swept.ended, 0);
	add_flows(box, 1000, 0, 0);
	assert_int_equal(clo_bpf_sweep(box->bpf, &swept), 0);
	assert_int_equal(clo_bpf_connections_count(box->bpf, &count), 0);
	assert_int_equal(swept.live, 2009);
	assert_int_equal(swept.ended, 1000);
	assert_int_equal(count, 2009);
	assert_int_equal(account(box, 7).account.used, 2000);
}

struct heard {
	size_t n;
	size_t captured;
	uint32_t ifindex;
	int result;
};

static int on_event(const struct clo_event *event, const uint8_t *captured,
		    void *userdata)
{
	struct heard *heard = userdata;

	heard->n++;
	heard->ifindex = event->ifindex;
	heard->captured = event->captured;
	for (size_t i = 0; i < event->captured; i++)
		assert_int_equal(captured[i], 0xa0 + i);
	return heard->result;
}

/* Drops of a port with a meter are told; `n` of them. */
static void make_events(struct sandbox *box, size_t n)
{
	uint8_t frame[60];
	struct clo_port port = {.endpoint = 1,
				.space = 2,
				.segment = 3,
				.mac = {2},
				.kind = CLO_PORT_TAP};
	struct clo_bucket none[CLO_BUCKET_COUNT] = {{0}};
	struct clo_bpf_guard guard;
	bool drop = false;

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(0xa0 + i);
	/* Silence: only what the test sends makes events. */
	sandbox_run("ip link set peer0 down");
	assert_int_equal(clo_bpf_port_set(box->bpf, box->ifindex, &port, none),
			 0);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, box->ifindex), 0);
	assert_int_equal(clo_bpf_guard_query(box->bpf, box->ifindex, &guard),
			 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(clo_bpf_probe(box->bpf,
					       guard.from_guest.prog_id,
					       box->ifindex, 0, frame,
					       sizeof(frame), &drop),
				 0);
	assert_true(drop);
}

static void test_events(void **state)
{
	struct sandbox *box = *state;
	struct heard heard = {0};

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_events_fd(box->bpf), -1);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 1), -EINVAL);
	assert_int_equal(clo_bpf_events_open(box->bpf, on_event, &heard), 0);
	assert_int_equal(clo_bpf_events_open(box->bpf, on_event, &heard),
			 -EBUSY);
	assert_true(clo_bpf_events_fd(box->bpf) >= 0);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 10), 0);

	make_events(box, 7);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 5);
	assert_int_equal(heard.n, 5);
	assert_int_equal(heard.ifindex, box->ifindex);
	assert_int_equal(heard.captured, 0);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 2);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 0);
	assert_int_equal(heard.n, 7);

	/* Whoever listens may end it; what was heard is not heard again. */
	make_events(box, 3);
	heard.result = -EIO;
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), -EIO);
	heard.result = 0;
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 2);
	assert_int_equal(heard.n, 10);
}

static void test_capture(void **state)
{
	struct sandbox *box = *state;
	struct heard heard = {0};

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_capture_set(box->bpf, CLO_CAPTURE_MAX + 1),
			 -EINVAL);
	assert_int_equal(clo_bpf_capture_set(box->bpf, 20), 0);
	assert_int_equal(clo_bpf_events_open(box->bpf, on_event, &heard), 0);
	make_events(box, 1);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 1);
	assert_int_equal(heard.captured, 20);
	assert_int_equal(clo_bpf_capture_set(box->bpf, CLO_CAPTURE_MAX), 0);
	make_events(box, 1);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 1);
	assert_int_equal(heard.captured, 60);
	assert_int_equal(clo_bpf_capture_set(box->bpf, 0), 0);
	make_events(box, 1);
	assert_int_equal(clo_bpf_events_drain(box->bpf, 5), 1);
	assert_int_equal(heard.captured, 0);
}

/* More than the ring holds, piece by piece: none is lost, none comes twice. */
static void test_ring_goes_round(void **state)
{
	struct sandbox *box = *state;
	struct heard heard = {0};
	size_t drained = 0;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_capture_set(box->bpf, CLO_CAPTURE_MAX), 0);
	assert_int_equal(clo_bpf_events_open(box->bpf, on_event, &heard), 0);
	for (size_t i = 0; i < 15; i++) {
		int r;

		make_events(box, 1000);
		do {
			r = clo_bpf_events_drain(box->bpf, 37 + i);
			assert_true(r >= 0);
			drained += (size_t)r;
		} while (r > 0);
		assert_int_equal(drained, 1000 * (i + 1));
	}
	assert_int_equal(heard.n, drained);
	assert_int_equal(heard.captured, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_accounts), SANDBOX_TEST(test_flows_read),
		SANDBOX_TEST(test_sweep),    SANDBOX_TEST(test_events),
		SANDBOX_TEST(test_capture),  SANDBOX_TEST(test_ring_goes_round),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
