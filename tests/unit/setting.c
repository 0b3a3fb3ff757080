/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/setting.h"

#include <string.h>

#include "check.h"
#include "ebpf/lib/limit.h"

#define SECOND UINT64_C(1000000000) /* ns */

/* Only buckets are judged here. */
struct clo_view {
	int unused;
};

__attribute__((unused)) CLO_INLINE struct clo_meter *
clo_view_meter(const struct clo_view *view, const struct clo_port *port)
{
	(void)view;
	(void)port;
	return NULL;
}

CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key)
{
	(void)view;
	(void)key;
	return NULL;
}

static struct clo_tenant_doc tenant;
static struct clo_segment_doc segment;
static struct clo_interface_doc nic;
static struct clo_workload_doc workload;
static struct clo_uplink_doc uplink;
static struct clo_tap tap;
static struct clo_setting setting;

static int set_up(void **state)
{
	(void)state;
	tenant = (struct clo_tenant_doc){
		.name = "acme", .space = 7, .connections = 900};
	tenant.scopes[CLO_ENV_PRODUCTION] =
		(struct clo_scope_doc){.present = true, .connections = 600};
	tenant.scopes[CLO_ENV_DEVELOPMENT] =
		(struct clo_scope_doc){.present = true, .connections = 300};
	segment =
		(struct clo_segment_doc){.name = "front", .id = 70, .space = 8};
	nic = (struct clo_interface_doc){
		.mac = {2, 0, 0, 0, 0, 1},
		.endpoint = 11,
		.segment = &segment,
		.name = "acme/production/web/0",
		.limits = {.connections = 100},
	};
	workload = (struct clo_workload_doc){
		.name = "web",
		.tenant = &tenant,
		.environment = CLO_ENV_PRODUCTION,
		.interfaces = &nic,
		.n_interfaces = 1,
	};
	uplink = (struct clo_uplink_doc){
		.interface = "eth1",
		.segment = &segment,
		.tenant = &tenant,
		.environment = CLO_ENV_PRODUCTION,
	};
	tap = (struct clo_tap){
		.ifindex = 20, .workload = &workload, .interface = &nic};
	memset(&setting, 0xff, sizeof(setting));
	return 0;
}

static void test_what_is_bound_to_nothing_is_zero(void **state)
{
	const struct clo_setting zero = {0};

	(void)state;
	tap.workload = NULL;
	tap.interface = NULL;
	clo_setting_make(&tap, &setting);
	assert_memory_equal(&setting, &zero, sizeof(zero));
}

static void test_an_endpoint(void **state)
{
	(void)state;
	nic.mode = CLO_MODE_QUARANTINE;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.kind, CLO_PORT_TAP);
	assert_int_equal(setting.port.endpoint, 11);
	assert_int_equal(setting.port.space, 8); /* not the tenant's */
	assert_int_equal(setting.port.segment, 70);
	assert_memory_equal(setting.port.mac, nic.mac, 6);
	assert_int_equal(setting.port.mode, CLO_MODE_QUARANTINE);
	assert_int_equal(setting.port.flags, 0);
	for (int i = 0; i < CLO_BUCKET_COUNT; i++)
		assert_int_equal(setting.limits[i].cost, 0);
}

static void test_an_uplink(void **state)
{
	static const uint8_t none[6];

	(void)state;
	tap.workload = NULL;
	tap.interface = NULL;
	tap.uplink = &uplink;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.kind, CLO_PORT_UPLINK);
	assert_int_equal(setting.port.endpoint, 0);
	assert_int_equal(setting.port.space, 8); /* not the tenant's */
	assert_int_equal(setting.port.segment, 70);
	assert_memory_equal(setting.port.mac, none, 6);
	assert_int_equal(setting.port.mode, CLO_MODE_ENFORCE);
	assert_int_equal(setting.port.flags, 0);
}

/* What a limit lets through at once and in ten seconds of ten times as much. */
static void flood(const struct clo_bucket *limit, uint64_t rate, uint64_t unit,
		  uint64_t *ret_at_once, uint64_t *ret_over_time)
{
	const uint64_t step = SECOND * unit / (rate * 10);
	struct clo_bucket bucket = *limit;
	uint64_t now = 100 * SECOND;

	*ret_at_once = 0;
	*ret_over_time = 0;
	while (clo_limit_take(&bucket, unit, now))
		*ret_at_once += unit;
	for (uint64_t t = 0; t < 10 * SECOND; t += step)
		if (clo_limit_take(&bucket, unit, now + t))
			*ret_over_time += unit;
}

/* As the datapath counts: the rate holds, and a burst as large as is told. */
static void test_limits_hold_in_the_datapath(void **state)
{
	static const struct {
		enum clo_bucket_kind kind;
		uint64_t rate, unit, burst;
	} cases[] = {
		{CLO_BUCKET_BYTES_FROM, 1000000, 1500, 131072},
		{CLO_BUCKET_BYTES_FROM, 125000000, 1500, 6250000},
		{CLO_BUCKET_BYTES_TO, 1000, 100, 131072},
		{CLO_BUCKET_PACKETS_FROM, 10, 1, 32},
		{CLO_BUCKET_PACKETS_TO, 100000, 1, 5000},
		{CLO_BUCKET_FLOWS, 50, 1, 50},
		{CLO_BUCKET_MULTICAST, 20, 1, 20},
		{CLO_BUCKET_EVENTS, 100, 1, 100},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_limits limits = {0};
		uint64_t at_once;
		uint64_t over_time;

		limits.from.bytes = limits.to.bytes = cases[i].rate;
		limits.from.packets = limits.to.packets = cases[i].rate;
		limits.new_flows = limits.multicast = limits.events =
			(uint32_t)cases[i].rate;
		nic.limits = limits;
		clo_setting_make(&tap, &setting);
		flood(&setting.limits[cases[i].kind], cases[i].rate,
		      cases[i].unit, &at_once, &over_time);
		assert_in_range(at_once, cases[i].burst,
				cases[i].burst + cases[i].burst / 100 +
					2 * cases[i].unit);
		/* within 1 %, and what was left of the last interval */
		assert_in_range(over_time, cases[i].rate * 99 / 10,
				cases[i].rate * 101 / 10 + 2 * cases[i].unit);
	}
}

static void test_no_rate_is_too_large_to_limit(void **state)
{
	(void)state;
	nic.limits.from.bytes = UINT64_MAX;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.limits[CLO_BUCKET_BYTES_FROM].cost, 1);
	assert_true(setting.limits[CLO_BUCKET_BYTES_FROM].burst > 0);
}

/* The datapath asks a meter only where a flag says so. */
static void test_flags_follow_the_limits(void **state)
{
	(void)state;
	nic.limits.from.bytes = 1;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags, CLO_PORT_LIMIT_FROM);
	nic.limits.from.bytes = 0;
	nic.limits.to.packets = 1;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags, CLO_PORT_LIMIT_TO);
	nic.limits.from.packets = 1;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags,
			 CLO_PORT_LIMIT_FROM | CLO_PORT_LIMIT_TO);
	nic.limits.from.packets = nic.limits.to.packets = 0;
	nic.limits.new_flows = nic.limits.multicast = nic.limits.events = 1;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags, 0);
}

static void test_guards_answer_where_the_segment_says_so(void **state)
{
	(void)state;
	segment.answer = true;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags, CLO_PORT_ANSWER);
	tap.interface = NULL;
	tap.uplink = &uplink;
	clo_setting_make(&tap, &setting);
	assert_int_equal(setting.port.flags, 0);
}

static struct clo_bpf_port as_read(void)
{
	struct clo_bpf_port port = {.ifindex = 20, .port = setting.port};

	port.port.slot = 3; /* the datapath's choice */
	for (int i = 0; i < CLO_BUCKET_COUNT; i++) {
		port.meter.bucket[i] = setting.limits[i];
		port.meter.bucket[i].paid = 4711; /* of traffic */
	}
	return port;
}

static void test_compare(void **state)
{
	struct clo_bpf_port port;

	(void)state;
	nic.limits.from.bytes = 1000;
	clo_setting_make(&tap, &setting);
	port = as_read();
	assert_int_equal(clo_setting_compare(&setting, &port),
			 CLO_SETTING_SAME);

#define DIFFERS(what, how, as)                                                 \
	do {                                                                   \
		port = as_read();                                              \
		(what) how;                                                    \
		assert_int_equal(clo_setting_compare(&setting, &port), as);    \
	} while (0)
	DIFFERS(port.port.endpoint, ++, CLO_SETTING_OTHER);
	DIFFERS(port.port.space, ++, CLO_SETTING_OTHER);
	DIFFERS(port.port.segment, ++, CLO_SETTING_OTHER);
	DIFFERS(port.port.mac[5], ++, CLO_SETTING_OTHER);
	DIFFERS(port.port.kind, = CLO_PORT_UPLINK, CLO_SETTING_OTHER);
	DIFFERS(port.port.mode, = CLO_MODE_AUDIT, CLO_SETTING_MODE);
	DIFFERS(port.port.flags, = 0, CLO_SETTING_LIMITS);
	DIFFERS(port.port.slot, = 0, CLO_SETTING_LIMITS);
	DIFFERS(port.meter.bucket[0].cost, = 0, CLO_SETTING_LIMITS);
	DIFFERS(port.meter.bucket[6].burst, ++, CLO_SETTING_LIMITS);
#undef DIFFERS
}

/* What makes an apply write the port again. */
static void test_equal(void **state)
{
	struct clo_setting other;

	(void)state;
	clo_setting_make(&tap, &setting);
	clo_setting_make(&tap, &other);
	assert_true(clo_setting_equal(&setting, &other));
	nic.limits.multicast = 5;
	clo_setting_make(&tap, &other);
	assert_false(clo_setting_equal(&setting, &other));
	nic.limits.multicast = 0;
	nic.mode = CLO_MODE_AUDIT;
	clo_setting_make(&tap, &other);
	assert_false(clo_setting_equal(&setting, &other));
}

static void test_quotas(void **state)
{
	const struct clo_policy policy = {
		.tenants = &tenant,
		.n_tenants = 1,
		.workloads = &workload,
		.n_workloads = 1,
	};
	static const struct clo_quota expected[] = {
		{11, CLO_ACCOUNT_SCOPE | 7 << 2 | CLO_ENV_PRODUCTION, 100},
		{CLO_ACCOUNT_SCOPE | 7 << 2 | CLO_ENV_PRODUCTION,
		 CLO_ACCOUNT_TENANT | 7, 600},
		{CLO_ACCOUNT_SCOPE | 7 << 2 | CLO_ENV_DEVELOPMENT,
		 CLO_ACCOUNT_TENANT | 7, 300},
		{CLO_ACCOUNT_TENANT | 7, 0, 900},
	};
	CLO_AUTO_MEM struct clo_quota *quotas = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(clo_quotas_make(&policy, &quotas, &n), 0);
	assert_int_equal(n, CLO_ARRAY_LEN(expected));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(quotas[i].key, expected[i].key);
		assert_int_equal(quotas[i].parent, expected[i].parent);
		assert_int_equal(quotas[i].limit, expected[i].limit);
		assert_ptr_equal(clo_quotas_find(quotas, n, expected[i].key),
				 &quotas[i]);
	}
	assert_null(clo_quotas_find(quotas, n, 12));
	assert_null(clo_quotas_find(NULL, 0, 11));
}

static void test_names_of_modes(void **state)
{
	(void)state;
	assert_string_equal(clo_setting_mode(CLO_MODE_ENFORCE), "enforce");
	assert_string_equal(clo_setting_mode(CLO_MODE_AUDIT), "audit");
	assert_string_equal(clo_setting_mode(CLO_MODE_QUARANTINE),
			    "quarantine");
	assert_string_equal(clo_setting_mode((enum clo_mode)77), "unknown");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_bound_to_nothing_is_zero),
		TEST(test_an_endpoint),
		TEST(test_an_uplink),
		TEST(test_limits_hold_in_the_datapath),
		TEST(test_no_rate_is_too_large_to_limit),
		TEST(test_flags_follow_the_limits),
		TEST(test_guards_answer_where_the_segment_says_so),
		TEST(test_compare),
		TEST(test_equal),
		TEST(test_quotas),
		TEST(test_names_of_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
