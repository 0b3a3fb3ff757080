/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/inventory.h"

#include <string.h>

#include "check.h"

/* A policy of two workloads: web (by domain name) and db (by UUID). */
static const char *bridges[] = {"clobr0"};
static struct clo_tenant_doc tenant = {.name = "acme", .space = 7};
static struct clo_segment_doc segment = {.name = "front", .id = 70};
static struct clo_uplink_doc uplinks[] = {
	{.interface = "eth0"}, /* of no segment */
	{.interface = "eth1",
	 .segment = &segment,
	 .tenant = &tenant,
	 .environment = CLO_ENV_PRODUCTION},
};
static struct clo_interface_doc web_nic = {
	.mac = {2, 0, 0, 0, 0, 1},
	.endpoint = 11,
	.segment = &segment,
	.name = "acme/production/web/0",
};
static struct clo_interface_doc db_nic = {
	.mac = {2, 0, 0, 0, 0, 2},
	.endpoint = 12,
	.device = "tap-db",
	.segment = &segment,
	.name = "acme/production/db/0",
};
static struct clo_workload_doc workloads[] = {
	{.name = "db",
	 .uuid = "00000000-0000-0000-0000-0000000000db",
	 .tenant = &tenant,
	 .environment = CLO_ENV_PRODUCTION,
	 .interfaces = &db_nic,
	 .n_interfaces = 1},
	{.name = "web",
	 .domain = "web-domain",
	 .tenant = &tenant,
	 .environment = CLO_ENV_PRODUCTION,
	 .interfaces = &web_nic,
	 .n_interfaces = 1},
};
static const struct clo_policy policy = {
	.node = {.name = "node",
		 .bridges = bridges,
		 .n_bridges = 1,
		 .uplinks = uplinks,
		 .n_uplinks = 1}, /* the second in tests of its own */
	.workloads = workloads,
	.n_workloads = 2,
};

static struct clo_link links[] = {
	{.ifindex = 2, .master = 10, .name = "eth0"},
	{.ifindex = 10, .name = "clobr0", .bridge = true},
	{.ifindex = 21, .master = 10, .name = "vnet1"},
	{.ifindex = 20, .master = 10, .name = "vnet0"},
	{.ifindex = 30, .master = 99, .name = "elsewhere"},
};
#define N_LINKS CLO_ARRAY_LEN(links)

static struct clo_virt_nic web_live = {
	.mac = {2, 0, 0, 0, 0, 1}, .device = "vnet0", .type = "bridge"};
static char web_name[] = "web-domain";
static struct clo_virt_domain web_domain = {
	.name = web_name,
	.uuid = "00000000-0000-0000-0000-000000000001",
	.nics = &web_live,
	.n_nics = 1,
};

static struct clo_inventory *make(const struct clo_policy *of,
				  const struct clo_virt_domain *domains,
				  size_t n)
{
	struct clo_inventory *inventory = NULL;

	assert_int_equal(clo_inventory_make(of, links, N_LINKS, domains, n,
					    true, &inventory),
			 0);
	return inventory;
}

static void test_ports_of_governed_bridges_are_taps(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;

	(void)state;
	inventory = make(&policy, NULL, 0);
	assert_int_equal(inventory->n_taps, 2); /* not eth0, not elsewhere */
	assert_int_equal(inventory->taps[0].ifindex, 20);
	assert_int_equal(inventory->taps[1].ifindex, 21);
	assert_string_equal(inventory->taps[0].bridge, "clobr0");
	assert_int_equal(inventory->taps[0].master, 10);
	assert_false(clo_tap_bound(&inventory->taps[0]));
	assert_null(clo_tap_label(&inventory->taps[0]));
	assert_null(inventory->taps[0].interface);
}

static void test_a_domain_binds_its_tap_by_mac(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	const struct clo_tap *tap;

	(void)state;
	inventory = make(&policy, &web_domain, 1);
	tap = clo_inventory_find(inventory, 20);
	assert_ptr_equal(tap->interface, &web_nic);
	assert_string_equal(tap->domain, web_domain.uuid);
	assert_true(clo_tap_bound(tap));
	assert_string_equal(clo_tap_label(tap), "acme/production/web/0");
	assert_int_equal(inventory->n_conflicts, 0);
}

static void test_a_foreign_mac_binds_nothing(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_virt_nic nic = web_live;
	struct clo_virt_domain domain = web_domain;

	(void)state;
	nic.mac[5] = 9;
	domain.nics = &nic;
	inventory = make(&policy, &domain, 1);
	assert_null(clo_inventory_find(inventory, 20)->interface);
	assert_int_equal(inventory->n_conflicts, 1);
	assert_string_equal(inventory->conflicts[0].control,
			    "env.label-integrity");
}

static void test_a_nic_without_a_tap_is_a_bypass(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_virt_nic nic = web_live;
	struct clo_virt_domain domain = web_domain;

	(void)state;
	memcpy(nic.type, "direct", sizeof("direct"));
	domain.nics = &nic;
	inventory = make(&policy, &domain, 1);
	assert_int_equal(inventory->n_conflicts, 1);
	assert_string_equal(inventory->conflicts[0].control,
			    "net.no-bypass-path");
}

static void test_metadata_and_name_of_two_workloads_bind_nothing(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_virt_domain domain = web_domain;
	char db[] = "db";
	bool ambiguous;

	(void)state;
	domain.workload = db; /* its name says web */
	assert_null(clo_inventory_workload(&policy, &domain, &ambiguous));
	assert_true(ambiguous);
	inventory = make(&policy, &domain, 1);
	assert_null(clo_inventory_find(inventory, 20)->interface);
	assert_int_equal(inventory->n_conflicts, 1);
}

static void test_recognised_by_uuid_and_by_metadata(void **state)
{
	struct clo_virt_domain domain = web_domain;
	char other[] = "some-name";
	char db[] = "db";
	bool ambiguous;

	(void)state;
	domain.name = other;
	assert_null(clo_inventory_workload(&policy, &domain, &ambiguous));
	assert_false(ambiguous);
	domain.workload = db;
	assert_ptr_equal(clo_inventory_workload(&policy, &domain, &ambiguous),
			 &workloads[0]);
	domain.workload = NULL;
	memcpy(domain.uuid, workloads[0].uuid, sizeof(domain.uuid));
	assert_ptr_equal(clo_inventory_workload(&policy, &domain, &ambiguous),
			 &workloads[0]);
}

static void test_one_endpoint_on_two_taps_is_on_none(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_virt_nic nic = web_live;
	struct clo_virt_domain domains[2] = {web_domain, web_domain};

	(void)state;
	memcpy(nic.device, "vnet1", sizeof("vnet1"));
	domains[1].nics = &nic;
	inventory = make(&policy, domains, 2);
	assert_null(clo_inventory_find(inventory, 20)->interface);
	assert_null(clo_inventory_find(inventory, 21)->interface);
	assert_int_equal(inventory->n_conflicts, 1);
}

static void test_two_endpoints_on_one_tap_bind_none(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;

	(void)state;
	db_nic.device = "vnet0"; /* that of the domain web */
	inventory = make(&policy, &web_domain, 1);
	db_nic.device = "tap-db";
	assert_null(clo_inventory_find(inventory, 20)->interface);
	assert_int_equal(inventory->n_conflicts, 1);
}

static void test_a_device_binds_by_name(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;

	(void)state;
	db_nic.device = "vnet1";
	inventory = make(&policy, NULL, 0);
	db_nic.device = "tap-db";
	assert_ptr_equal(clo_inventory_find(inventory, 21)->interface, &db_nic);
	assert_null(clo_inventory_find(inventory, 20)->interface);
}

static void test_without_a_policy_nothing_is_governed(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;

	(void)state;
	inventory = make(NULL, &web_domain, 1);
	assert_int_equal(inventory->n_taps, 0);
	assert_null(clo_inventory_find(inventory, 20));
}

/* eth1 is the segment's, on a governed bridge or not; eth0 is nobody's. */
static void test_an_uplink_of_a_segment(void **state)
{
	struct clo_policy with = policy;

	(void)state;
	with.node.uplinks = uplinks;
	with.node.n_uplinks = 2;
	memcpy(links[4].name, "eth1", sizeof("eth1"));
	for (int governed = 0; governed < 2; governed++) {
		CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
		const struct clo_tap *tap;

		links[4].master = governed ? 10 : 99;
		inventory = make(&with, NULL, 0);
		assert_int_equal(inventory->n_taps, 3);
		assert_int_equal(inventory->n_conflicts, 0);
		assert_null(clo_inventory_find(inventory, 2));
		tap = clo_inventory_find(inventory, 30);
		assert_non_null(tap);
		assert_ptr_equal(tap->uplink, &uplinks[1]);
		assert_null(tap->interface);
		assert_true(clo_tap_bound(tap));
		assert_string_equal(clo_tap_label(tap), "eth1");
		assert_int_equal(tap->master, 0); /* it is flooded */
		assert_false(tap->on_bridge);
	}
	memcpy(links[4].name, "elsewhere", sizeof("elsewhere"));
	links[4].master = 99;
}

static void test_a_missing_uplink_is_told(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_policy with = policy;

	(void)state;
	with.node.uplinks = uplinks;
	with.node.n_uplinks = 2;
	inventory = make(&with, NULL, 0);
	assert_int_equal(inventory->n_taps, 2);
	assert_int_equal(inventory->n_conflicts, 1);
	assert_string_equal(inventory->conflicts[0].control,
			    "net.no-bypass-path");
	assert_ptr_equal(inventory->conflicts[0].uplink, &uplinks[1]);
	assert_non_null(strstr(inventory->conflicts[0].text, "eth1"));
}

static void test_an_uplink_that_is_an_endpoint_is_neither(void **state)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	struct clo_uplink_doc uplink = uplinks[1];
	struct clo_policy with = policy;

	(void)state;
	uplink.interface = "vnet0"; /* that of the domain web */
	with.node.uplinks = &uplink;
	with.node.n_uplinks = 1;
	inventory = make(&with, &web_domain, 1);
	assert_false(clo_tap_bound(clo_inventory_find(inventory, 20)));
	assert_int_equal(inventory->n_conflicts, 1);
	assert_string_equal(inventory->conflicts[0].control,
			    "env.label-integrity");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_of_governed_bridges_are_taps),
		cmocka_unit_test(test_a_domain_binds_its_tap_by_mac),
		cmocka_unit_test(test_a_foreign_mac_binds_nothing),
		cmocka_unit_test(test_a_nic_without_a_tap_is_a_bypass),
		cmocka_unit_test(
			test_metadata_and_name_of_two_workloads_bind_nothing),
		cmocka_unit_test(test_recognised_by_uuid_and_by_metadata),
		cmocka_unit_test(test_one_endpoint_on_two_taps_is_on_none),
		cmocka_unit_test(test_two_endpoints_on_one_tap_bind_none),
		cmocka_unit_test(test_a_device_binds_by_name),
		cmocka_unit_test(test_without_a_policy_nothing_is_governed),
		cmocka_unit_test(test_an_uplink_of_a_segment),
		cmocka_unit_test(test_a_missing_uplink_is_told),
		cmocka_unit_test(test_an_uplink_that_is_an_endpoint_is_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
