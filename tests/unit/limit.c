/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hooked.h"

enum {
	TAP_WEB = 2,
	TAP_DB,
	TAP_WEB2,
	TAP_DB2,
};

#define MILLISECOND (CLO_SECOND / 1000)

/* `rate` units a second, of which `burst` ms may come at once. */
static struct clo_bucket bucket_of(__u64 rate, __u64 burst)
{
	return (struct clo_bucket){
		.cost = (CLO_SECOND << 10) / rate,
		.burst = burst * MILLISECOND,
	};
}

/* How many of `n` units pass at that moment. */
static unsigned int take(struct clo_bucket *bucket, unsigned int n, __u64 now)
{
	unsigned int passed = 0;

	while (n-- > 0)
		passed += (unsigned int)clo_limit_take(bucket, 1, now);
	return passed;
}

static void test_no_limit(void **state)
{
	struct clo_bucket bucket = {0};

	(void)state;
	assert_int_equal(take(&bucket, 100000, 5), 100000);
	assert_int_equal(bucket.paid, 0);
}

static void test_burst_then_rate(void **state)
{
	struct clo_bucket bucket = bucket_of(1000, 50);
	__u64 now = 7 * CLO_SECOND;
	unsigned int passed = 0;

	(void)state;
	/* one more than the burst: a unit may pass while any time is left */
	assert_int_equal(take(&bucket, 1000, now), 51);
	for (int ms = 0; ms < 3000; ms++)
		passed += take(&bucket, 10, now + (__u64)ms * MILLISECOND);
	assert_in_range(passed, 2990, 3000);
}

/* Silence saves up no more than the burst; a clock that lags gives nothing. */
static void test_silence_saves_no_more_than_the_burst(void **state)
{
	struct clo_bucket bucket = bucket_of(1000, 50);
	__u64 now = CLO_SECOND;

	(void)state;
	assert_int_equal(take(&bucket, 1000, now), 51);
	now += 3600 * CLO_SECOND;
	assert_int_equal(take(&bucket, 1000, now), 51);
	assert_int_equal(take(&bucket, 1000, now - CLO_SECOND), 0);
}

/* A frame larger than the burst passes, and is paid for afterwards. */
static void test_large_units_are_paid_for(void **state)
{
	struct clo_bucket bucket = bucket_of(100000, 10); /* bytes */
	__u64 now = CLO_SECOND;

	(void)state;
	assert_true(clo_limit_take(&bucket, 50000, now));
	assert_false(clo_limit_take(&bucket, 1, now));
	assert_false(clo_limit_take(&bucket, 1, now + 480 * MILLISECOND));
	assert_true(clo_limit_take(&bucket, 1, now + 500 * MILLISECOND));
}

static struct clo_account *account(__u64 key, __u64 parent, __u32 limit)
{
	__u32 i = node.state.n_accounts++;

	node.state.accounts[i].key = key;
	node.state.accounts[i].account =
		(struct clo_account){.parent = parent, .limit = limit};
	return &node.state.accounts[i].account;
}

/* Whoever is full refuses, and whoever was charged below gets it back. */
static void test_accounts_refuse_at_every_level(void **state)
{
	static const __u32 limits[][3] = {{2, 9, 9}, {9, 2, 9}, {9, 9, 2}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct clo_account *level[3];
		struct clo_view view = {&node.worlds[0], &node.state};

		node_reset();
		level[0] = account(101, CLO_ACCOUNT_SCOPE | 1, limits[i][0]);
		level[1] = account(CLO_ACCOUNT_SCOPE | 1,
				   CLO_ACCOUNT_TENANT | 1, limits[i][1]);
		level[2] = account(CLO_ACCOUNT_TENANT | 1, 0, limits[i][2]);
		assert_true(clo_limit_charge(&view, 101));
		assert_true(clo_limit_charge(&view, 101));
		assert_false(clo_limit_charge(&view, 101));
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(level[k]->used, 2);
			assert_int_equal(level[k]->refused, k == i);
		}
		clo_limit_release(&view, 101, CLO_ACCOUNT_LEVELS);
		assert_true(clo_limit_charge(&view, 101));
	}
}

static void test_pressure_is_counted_before_it_is_full(void **state)
{
	struct clo_view view = {&node.worlds[0], &node.state};
	struct clo_account *own;

	(void)state;
	node_reset();
	own = account(101, 0, 16);
	for (int i = 0; i < 14; i++)
		assert_true(clo_limit_charge(&view, 101));
	assert_int_equal(own->pressure, 0);
	for (int i = 0; i < 2; i++)
		assert_true(clo_limit_charge(&view, 101));
	assert_int_equal(own->pressure, 2);
	assert_false(clo_limit_charge(&view, 101));
	assert_int_equal(own->refused, 1);
	assert_int_equal(own->pressure, 2);
}

/* No account, or a chain that breaks off: refused, nothing stays charged. */
static void test_missing_account(void **state)
{
	struct clo_view view = {&node.worlds[0], &node.state};
	struct clo_account *own;

	(void)state;
	node_reset();
	own = account(101, CLO_ACCOUNT_SCOPE | 1, 5);
	assert_false(clo_limit_charge(&view, 102));
	assert_false(clo_limit_charge(&view, 101));
	assert_int_equal(own->used, 0);
}

static void taps(void)
{
	node_reset();
	(void)node_tap(TAP_WEB, WEB);
	(void)node_tap(TAP_DB, DB);
	(void)node_tap(TAP_WEB2, WEB2);
	(void)node_tap(TAP_DB2, DB2);
}

/* A tenant whose quota is used up opens nothing; others do, flows go on. */
static void test_quota(void **state)
{
	struct clo_account *web, *web2;

	(void)state;
	taps();
	web = account(101, CLO_ACCOUNT_TENANT | 1, 2);
	(void)account(CLO_ACCOUNT_TENANT | 1, 0, 100);
	web2 = account(201, CLO_ACCOUNT_TENANT | 2, 2);
	(void)account(CLO_ACCOUNT_TENANT | 2, 0, 100);

	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 1, 5432, SYN));
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 2, 5432, SYN));
	REFUSED(TAP_WEB, QUOTA, TCP(4, WEB, DB, 3, 5432, SYN));
	assert_int_equal(web->used, 2);
	/* what lives goes on, both ways */
	PASSES(TAP_DB, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 1, SYN | ACK));
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 1, 5432, ACK));
	/* the neighbour has its own account */
	PASSES(TAP_WEB2, FOR(202), TAP_DB2, TCP(4, WEB2, DB2, 3, 80, SYN));
	assert_int_equal(web2->used, 1);
	/* a flow that timed out makes room for itself */
	node.now += 61 * CLO_SECOND;
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 2, 5432, SYN));
	assert_int_equal(web->used, 2);
}

/* The reply's side pays nothing, and a refused flow leaves no entry. */
static void test_the_opener_pays(void **state)
{
	struct clo_account *web, *db;

	(void)state;
	taps();
	web = account(101, 0, 10);
	db = account(102, 0, 0);
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 1, 5432, SYN));
	PASSES(TAP_DB, FOR(101), TAP_WEB, TCP(4, DB, WEB, 5432, 1, SYN | ACK));
	assert_int_equal(web->used, 1);
	assert_int_equal(db->used, 0);
	REFUSED(TAP_DB, QUOTA, UDP(4, DB, WEB, 9, 53));
	assert_int_equal(node.state.n_conns, 1);
	/* from outside the endpoint that is reached pays */
	assert_int_equal(node_to(TAP_DB, 0, SPEC(TCP(4, NET, DB, 1, 80, SYN))),
			 CLO_DROP_POLICY);
	assert_int_equal(
		node_to(TAP_WEB, 0, SPEC(TCP(4, NET, WEB, 1, 80, SYN))),
		CLO_DROP_NONE);
	assert_int_equal(web->used, 2);
}

static void test_new_flows(void **state)
{
	struct clo_bucket *flows = &node.state.meter.bucket[CLO_BUCKET_FLOWS];

	(void)state;
	taps();
	*flows = bucket_of(1, 0);
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 1, 5432, SYN));
	REFUSED(TAP_WEB, FLOW_RATE, TCP(4, WEB, DB, 2, 5432, SYN));
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 1, 5432, SYN));
	node.now += CLO_SECOND;
	PASSES(TAP_WEB, FOR(102), TAP_DB, TCP(4, WEB, DB, 2, 5432, SYN));
}

static void test_traffic(void **state)
{
	static const struct {
		enum clo_bucket_kind kind;
		__u32 flag;
		int to;
	} cases[] = {
		{CLO_BUCKET_BYTES_FROM, CLO_PORT_LIMIT_FROM, 0},
		{CLO_BUCKET_PACKETS_FROM, CLO_PORT_LIMIT_FROM, 0},
		{CLO_BUCKET_BYTES_TO, CLO_PORT_LIMIT_TO, 1},
		{CLO_BUCKET_PACKETS_TO, CLO_PORT_LIMIT_TO, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame_spec syn = {TCP(4, WEB, DB, 1, 5432, SYN)};
		struct clo_outcome ret;
		enum clo_drop again;

		taps();
		node.state.meter.bucket[cases[i].kind] = bucket_of(1, 0);
		node.ports[cases[i].to ? TAP_DB : TAP_WEB].flags =
			cases[i].flag;
		assert_int_equal(node_from(TAP_WEB, &syn, &ret), 0);
		assert_int_equal(node_to(TAP_DB, ret.mark, &syn), 0);
		again = node_from(TAP_WEB, &syn, &ret);
		assert_int_equal(again, cases[i].to ? 0 : CLO_DROP_RATE);
		again = node_to(TAP_DB, FOR(102), &syn);
		assert_int_equal(again, cases[i].to ? CLO_DROP_RATE : 0);
	}
}

static void test_multicast(void **state)
{
	(void)state;
	taps();
	node.state.meter.bucket[CLO_BUCKET_MULTICAST] = bucket_of(1, 0);
	PASSES(TAP_WEB, FOR(102), TAP_DB, ARP(WEB, DB, 1));
	REFUSED(TAP_WEB, MULTICAST_RATE, ARP(WEB, DB, 1));
	REFUSED(TAP_WEB, MULTICAST_RATE, SOLICIT(WEB, DB, 0));
	/* what goes to one address has no such limit */
	PASSES(TAP_WEB, FOR(102), TAP_DB, ARP(WEB, DB, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_silence_saves_no_more_than_the_burst),
		cmocka_unit_test(test_large_units_are_paid_for),
		cmocka_unit_test(test_accounts_refuse_at_every_level),
		cmocka_unit_test(test_pressure_is_counted_before_it_is_full),
		cmocka_unit_test(test_missing_account),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_the_opener_pays),
		cmocka_unit_test(test_new_flows),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_multicast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
