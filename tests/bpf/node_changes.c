/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/replay.h"
#include "bpf/node.h"

/* The first endpoint of acme's production, as `endpoints` shows it. */
static const json_t *shop(void)
{
	const json_t *result = ask(op("endpoints"));
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(result, "endpoints"), i, one)
		if (strcmp(text(one, "name"), "acme/production/shop/0") == 0)
			return one;
	fail_msg("no endpoint");
	return NULL;
}

static struct clo_bpf_guard hooks_of(uint32_t ifindex)
{
	struct clo_bpf_guard guard;

	assert_int_equal(clo_bpf_guard_query(node.bpf, ifindex, &guard), 0);
	assert_true(guard.from_guest.ours && guard.to_guest.ours);
	return guard;
}

/* Each is read back from the kernel; no guard is taken off meanwhile. */
static void test_an_apply_changes_mode_and_limits(void **state)
{
	json_t *changed = fixture_documents(false);
	struct sandbox *box = *state;
	struct clo_bpf_guard before;
	struct clo_bpf_guard after;
	const json_t *one;

	(void)ask(apply());
	before = hooks_of(box->ifindex);
	one = shop();
	assert_string_equal(text(one, "mode"), "enforce");
	assert_int_equal(number(json_object_get(one, "connections"), "used"),
			 0);
	assert_true(number(json_object_get(one, "connections"), "limit") > 77);

	fixture_edit(changed, "workloads.json", "\"device\": \"tap0\"",
		     "\"device\": \"tap0\", \"limits\": {\"connections\": 77, "
		     "\"toGuest\": {\"packetsPerSecond\": 1000}}");
	fixture_edit(changed, "workloads.json", "\"name\": \"shop\"",
		     "\"name\": \"shop\", \"mode\": \"audit\"");
	assert_string_equal(text(ask(json_pack("{s:s, s:o}", "op", "apply",
					       "documents", changed)),
				 "verdict"),
			    "FAILED"); /* judged only: never PASSED */
	one = shop();
	assert_string_equal(text(one, "mode"), "audit");
	assert_int_equal(number(json_object_get(one, "connections"), "limit"),
			 77);
	assert_int_equal(
		number(json_object_get(ask(op("status")), "modes"), "audit"),
		1);
	after = hooks_of(box->ifindex);
	assert_int_equal(before.from_guest.prog_id, after.from_guest.prog_id);
	assert_int_equal(before.to_guest.prog_id, after.to_guest.prog_id);

	assert_string_equal(text(ask(apply()), "verdict"), "PASSED");
	assert_string_equal(text(shop(), "mode"), "enforce");
}

static size_t accounts(void)
{
	CLO_AUTO_MEM struct clo_bpf_account *read = NULL;
	size_t n = 0;

	assert_int_equal(clo_bpf_accounts_read(node.bpf, &read, &n), 0);
	return n;
}

/* Of every endpoint, scope and tenant; what no policy has goes in time. */
static void test_accounts_follow_the_policy(void **state)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;

	(void)state;
	(void)ask(apply());
	assert_int_equal(accounts(), node.force->n_quotas);
	assert_int_equal(clo_bpf_account_set(node.bpf, 4711, 0, 1), 0);
	assert_int_equal(clo_bpf_account_set(node.bpf,
					     node.force->quotas[0].key,
					     node.force->quotas[0].parent, 1),
			 0);
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, CLO_REPAIR_QUOTAS);
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "PASSED");
	assert_int_equal(accounts(), node.force->n_quotas + 1);
	assert_int_equal(clo_tend_sweep(&node), 0);
	assert_int_equal(accounts(), node.force->n_quotas);
}

/* Nothing is flooded to guarded taps; undone by hand, found and repaired. */
static void test_bridges_do_not_flood_guarded_taps(void **state)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;

	(void)state;
	(void)ask(apply());
	sandbox_run("bridge -d link show dev tap0 | grep -q ' flood off'");
	sandbox_run("bridge -d link show dev tap1 | grep -q ' flood off'");
	sandbox_run("bridge -d fdb show dev tap0 | "
		    "grep -q '52:54:00:00:00:01.*sticky.*static'");
	sandbox_run("ip link set tap1 type bridge_slave flood on && "
		    "bridge fdb del 52:54:00:00:00:01 dev tap0 master");
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, CLO_REPAIR_BRIDGES);
	assert_non_null(strstr(first_of(audit, "net.default-deny"), "tap1"));
	assert_non_null(strstr(first_of(audit, "net.no-bypass-path"), "tap0"));

	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "PASSED");
	sandbox_run("bridge -d link show dev tap1 | grep -q ' flood off'");
	sandbox_run("bridge -d fdb show dev tap0 | "
		    "grep -q '52:54:00:00:00:01.*sticky.*static'");
}

/* A tap that left its bridge and came back is settled in it again. */
static void test_a_tap_that_changes_its_bridge(void **state)
{
	bool changed = false;

	(void)state;
	(void)ask(apply());
	sandbox_run("ip link set tap0 nomaster && "
		    "ip link set tap0 master clobr0");
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "PASSED");
	sandbox_run("ip link set tap0 nomaster");
	assert_int_equal(clo_tend_reconcile(&node, &changed), 0);
	sandbox_run("ip link set tap0 master clobr0");
	assert_int_equal(clo_tend_reconcile(&node, &changed), 0);
	assert_true(changed);
	sandbox_run("bridge -d link show dev tap0 | grep -q ' flood off'");
}

static json_t *apply_edited(const char *document, const char *old,
			    const char *new)
{
	json_t *documents = fixture_documents(false);

	fixture_edit(documents, document, old, new);
	return json_pack("{s:s, s:o}", "op", "apply", "documents", documents);
}

/* What the policy no longer governs is as if it had never been. */
static void test_a_bridge_that_is_released(void **state)
{
	struct sandbox *box = *state;

	(void)ask(apply());
	(void)ask(apply_edited("node.json", "\"clobr0\"", "\"clobr2\""));
	sandbox_run("bridge -d link show dev tap1 | grep -q ' flood on'");
	sandbox_run("bridge -d link show dev tap0 | grep -q ' flood on'");
	sandbox_run("! bridge -d fdb show dev tap0 | grep -q sticky");
	(void)hooks_of(box->ifindex); /* by its device's name */
	assert_false(clo_tend_guarded(&node, if_nametoindex("tap1")));
}

/* A segment's uplink carries a guard, which the probes try; it is flooded. */
static void test_an_uplink(void **state)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	uint32_t ifindex = if_nametoindex("tap1");
	const struct clo_tap *tap;
	const json_t *one;
	size_t at;

	(void)state;
	assert_string_equal(
		text(ask(apply_edited("node.json", "{\"interface\": \"eth1\"}",
				      "{\"interface\": \"tap1\", \"segment\": "
				      "\"acme/production/front\"}")),
		     "verdict"),
		"PASSED");
	tap = clo_inventory_find(node.inventory, ifindex);
	assert_non_null(tap);
	assert_non_null(tap->uplink);
	(void)hooks_of(ifindex);
	sandbox_run("bridge -d link show dev tap1 | grep -q ' flood on'");
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->problems.n, 0);
	at = (size_t)(tap - node.inventory->taps);
	assert_int_equal(audit->taps[at].port.kind, CLO_PORT_UPLINK);
	for (size_t i = 0; i < clo_probes_count; i++)
		assert_int_equal(audit->taps[at].probes[i],
				 clo_probes[i].where < CLO_PROBE_UPLINK
					 ? CLO_PROBE_NOT_RUN
					 : CLO_PROBE_RIGHT);
	assert_int_equal(number(ask(op("status")), "undeclared"), 0);
	one = json_array_get(json_object_get(ask(op("endpoints")), "uplinks"),
			     0);
	assert_string_equal(text(one, "interface"), "tap1");
	assert_string_equal(text(one, "segment"), "front");

	/* gone: told, not forgotten */
	sandbox_run("ip link del tap1");
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "FAILED");
}

/* A frame meets the attached program, which says why it refuses. */
static void test_a_frame_is_replayed(void **state)
{
	uint8_t arp[60] = {0x06, 0,    0, 0, 0, 1, 0x52, 0x54, 0, 0, 0,
			   1,    0x08, 6, 0, 1, 8, 0,    6,    4, 0, 1};
	struct sandbox *box = *state;
	const struct clo_bpf_frame frame = {
		.data = arp, .len = sizeof(arp), .ifindex = box->ifindex};
	const struct clo_interface_doc *interface;
	struct clo_replay replay = {0};

	assert_int_equal(
		clo_replay_frame(node.bpf, CLO_REPLAY_FROM, &frame, &replay),
		-ENOENT);
	(void)ask(apply());
	assert_int_equal(
		clo_replay_frame(node.bpf, CLO_REPLAY_FROM, &frame, &replay),
		0);
	assert_true(replay.ours && replay.said.drop);
	assert_int_equal(replay.said.reason, CLO_DROP_SPOOFED_ARP);
	/* it announces its own address */
	interface = clo_inventory_find(node.inventory, box->ifindex)->interface;
	assert_int_equal(interface->addresses[0].family, 4);
	memcpy(arp + 22, arp + 6, 6);
	memcpy(arp + 28, interface->addresses[0].addr, 4);
	memcpy(arp + 38, interface->addresses[0].addr, 4);
	assert_int_equal(clo_replay_frame(node.bpf, CLO_REPLAY_TO,
					  &(struct clo_bpf_frame){
						  .data = arp,
						  .len = sizeof(arp),
						  .ifindex = box->ifindex,
						  .mark = CLO_MARK_ENDPOINT |
							  CLO_ENDPOINT_MAX},
					  &replay),
			 0);
	assert_true(replay.said.drop);
	assert_int_equal(replay.said.reason, CLO_DROP_NOT_FOR_ENDPOINT);
}

#undef TEST

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_an_apply_changes_mode_and_limits),
		NODE_TEST(test_accounts_follow_the_policy),
		NODE_TEST(test_bridges_do_not_flood_guarded_taps),
		NODE_TEST(test_a_tap_that_changes_its_bridge),
		NODE_TEST(test_a_bridge_that_is_released),
		NODE_TEST(test_an_uplink),
		NODE_TEST(test_a_frame_is_replayed),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
