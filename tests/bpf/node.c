/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"
#include "agent/core/audit.h"
#include "agent/core/control.h"
#include "agent/core/requests.h"
#include "agent/core/tend.h"
#include "fixture_force.h"
#include "sandbox.h"

/* Its names would be shadowed in the others. */
#include "fixture_store.h"

/*
 * A whole node against the real kernel: tap0 is the device of an endpoint of
 * acme, tap1 is nobody's, both on a governed bridge; no libvirt.
 */
static struct clo_options options;
static struct clo_node node;
static json_t *reply;

static void on_link(const struct clo_link *link, bool gone, void *userdata)
{
	(void)link;
	(void)gone;
	(void)userdata;
}

static int begin(void **state)
{
	struct clo_gap gap;
	struct sandbox *box;

	if (set_up(NULL) < 0 || sandbox_setup(state) < 0)
		return -1;
	box = *state;
	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	sandbox_run("ip link add clobr0 type bridge && "
		    "ip link add tap1 type veth peer name peer1 && "
		    "ip link set tap0 master clobr0 && "
		    "ip link set tap1 master clobr0");
	options = (struct clo_options){.period = 60, .state_dir = dir};
	node = (struct clo_node){.options = &options, .bpf = box->bpf};
	strcpy(node.boot_id, "00000000-0000-0000-0000-000000000b07");
	node.started = time(NULL);
	node.store = store;
	if (asprintf(&node.key_path, "%s/node.key", dir) < 0 ||
	    clo_key_generate(node.key_path) < 0 ||
	    clo_key_load(node.key_path, &node.key) < 0 ||
	    clo_rtnl_new(on_link, NULL, &node.rtnl) < 0)
		return -1;
	return clo_store_run_begin(store, node.boot_id, node.started, &gap);
}

static int end(void **state)
{
	char saved[64];
	int r;

	clo_inventory_free(node.inventory);
	clo_force_free(node.force);
	json_decref(node.last);
	json_decref(reply);
	reply = NULL;
	free(node.known);
	clo_rtnl_free(node.rtnl);
	clo_key_free(node.key);
	(void)unlink(node.key_path);
	free(node.key_path);
	node = (struct clo_node){0};
	(void)snprintf(saved, sizeof(saved), "%s/policy.json", dir);
	(void)unlink(saved);
	(void)snprintf(saved, sizeof(saved), "%s/policy.json.new", dir);
	(void)unlink(saved);
	r = tear_down(NULL);
	if (if_nametoindex("tap1"))
		sandbox_run("ip link del tap1");
	sandbox_run("ip link del clobr0");
	return sandbox_teardown(state) < 0 ? -1 : r;
}

/* Its result; the test fails if it was refused. */
static const json_t *ask(json_t *request)
{
	json_decref(reply);
	reply = clo_request_answer(&node, request, true);
	json_decref(request);
	if (!json_is_true(json_object_get(reply, "ok")))
		fail_msg("%s",
			 json_string_value(json_object_get(reply, "error")));
	return json_object_get(reply, "result");
}

static json_int_t refused(json_t *request)
{
	json_decref(reply);
	reply = clo_request_answer(&node, request, true);
	json_decref(request);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	return json_integer_value(json_object_get(reply, "exit"));
}

static json_t *op(const char *name)
{
	return json_pack("{s:s}", "op", name);
}

static json_t *apply(void)
{
	return json_pack("{s:s, s:o}", "op", "apply", "documents",
			 fixture_documents(false));
}

static const char *text(const json_t *object, const char *member)
{
	const char *value = json_string_value(json_object_get(object, member));

	assert_non_null(value);
	return value;
}

static json_int_t number(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_before_the_first_policy(void **state)
{
	const json_t *status;

	(void)state;
	status = ask(op("status"));
	assert_string_equal(text(status, "verdict"), "NONE");
	assert_true(json_is_null(json_object_get(status, "policy")));
	assert_true(json_is_null(json_object_get(status, "node")));
	assert_true(json_is_null(json_object_get(status, "lastProof")));
	assert_int_equal(number(status, "epoch"), 0);
	assert_int_equal(number(status, "statements"), 0);
	assert_int_equal(json_array_size(json_object_get(ask(op("endpoints")),
							 "endpoints")),
			 0);
}

static void test_apply(void **state)
{
	const json_t *result;

	(void)state;
	result = ask(apply());
	assert_string_equal(text(result, "verdict"), "PASSED");
	assert_int_equal(number(result, "endpoints"), 3);
	assert_int_equal(number(result, "epoch"), 1);
	assert_true(number(result, "rules") > 0);

	result = ask(op("status"));
	assert_string_equal(text(result, "node"), "node-1");
	assert_string_equal(text(result, "verdict"), "PASSED");
	assert_int_equal(number(result, "undeclared"), 1);
	assert_int_equal(
		number(json_object_get(result, "endpoints"), "expected"), 2);
	assert_int_equal(
		number(json_object_get(result, "endpoints"), "guarded"), 2);
	assert_int_equal(number(result, "statements"), 2);
	assert_int_equal(json_array_size(json_object_get(result, "findings")),
			 0);
	assert_int_equal(json_array_size(json_object_get(result, "rules")),
			 node.force->compiled->tables->gen.rules - 1);
	assert_int_equal(number(ask(apply()), "epoch"), 2);
}

/* Each drop of the probes is counted, under its own reason. */
static void test_drops_are_reported(void **state)
{
	static const char *const reasons[] = {
		"ethertype is not IPv4, IPv6 or ARP",
		"source MAC is not the endpoint's",
		"source address is not the endpoint's",
		"ARP sender is not the endpoint",
		"message only a router may send",
		"IEEE 802.3 frame (LLC, SNAP, STP)",
		"fragment of no datagram that was judged",
		"source route or routing header",
		"DHCP other than of the endpoint's own client",
		"frame was not approved for this endpoint",
	};
	size_t found = 0;
	const json_t *drop;
	size_t i;

	(void)state;
	(void)ask(apply());
	json_array_foreach (json_object_get(ask(op("status")), "drops"), i,
			    drop) {
		json_int_t least = 1;

		if (strcmp(text(drop, "interface"), "tap0") != 0)
			continue;
		for (size_t k = 0; k < CLO_ARRAY_LEN(reasons); k++)
			if (strcmp(text(drop, "reason"), reasons[k]) == 0) {
				if (k + 1 == CLO_ARRAY_LEN(reasons))
					least = 3; /* three approvals */
				found |= 1U << k;
			}
		/* at least: the namespace's own neighbour discovery, too */
		assert_true(number(drop, "count") >= least);
	}
	assert_int_equal(found, (1U << CLO_ARRAY_LEN(reasons)) - 1);
}

static void test_endpoints(void **state)
{
	const json_t *result;
	const json_t *one;
	size_t bound = 0;
	size_t i;

	struct sandbox *box = *state;

	(void)ask(apply());
	result = ask(op("endpoints"));
	json_array_foreach (json_object_get(result, "endpoints"), i, one) {
		if (json_is_null(json_object_get(one, "interface"))) {
			assert_true(
				json_is_false(json_object_get(one, "guarded")));
			continue;
		}
		bound++;
		assert_string_equal(text(one, "name"),
				    "acme/production/shop/0");
		assert_string_equal(text(one, "interface"), "tap0");
		assert_int_equal(number(one, "ifindex"), box->ifindex);
		assert_string_equal(text(one, "mac"), "52:54:00:00:00:01");
		assert_string_equal(text(one, "tenant"), "acme");
		assert_string_equal(text(one, "environment"), "production");
		assert_string_equal(text(one, "segment"), "front");
		assert_non_null(
			strstr(text(one, "identity"), "acme/production/front"));
		assert_true(json_is_true(json_object_get(one, "guarded")));
		assert_int_equal(
			json_array_size(json_object_get(one, "addresses")), 2);
		assert_string_equal(json_string_value(json_array_get(
					    json_object_get(one, "groups"), 0)),
				    "web");
	}
	assert_int_equal(i, 3);
	assert_int_equal(bound, 1);

	result = json_object_get(result, "undeclared");
	assert_int_equal(json_array_size(result), 1);
	one = json_array_get(result, 0);
	assert_string_equal(text(one, "interface"), "tap1");
	assert_string_equal(text(one, "bridge"), "clobr0");
	assert_true(json_is_true(json_object_get(one, "guarded")));
}

static json_t *trace(const char *from, const char *to, int dport)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i}", "op", "trace", "from",
			 from, "to", to, "proto", "tcp", "dport", dport);
}

static void test_questions_about_the_tables(void **state)
{
	CLO_AUTO_MEM char *allowed = NULL;
	CLO_AUTO_MEM char *denied = NULL;

	(void)state;
	(void)ask(apply());
	assert_true(json_is_object(ask(op("matrix"))));
	allowed = json_dumps(ask(trace("acme/production/shop/0",
				       "acme/production/shop/1", 5432)),
			     0);
	denied = json_dumps(ask(trace("acme/production/shop/0",
				      "globex/production/blog/0", 5432)),
			    0);
	assert_non_null(strstr(allowed, "acme/production/web-to-db"));
	assert_null(strstr(denied, "acme/production/web-to-db"));
	assert_int_equal(refused(trace("nobody", "nobody", 1)), CLO_EXIT_USAGE);
}

/* A fresh proof with the nonce asked for, which verifies offline. */
static void test_attest(void **state)
{
	static const char *const scopes[] = {NULL, "acme/production"};
	uint64_t before = 0;
	uint64_t after = 0;

	(void)state;
	(void)ask(apply());
	assert_int_equal(clo_store_count(store, &before), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(scopes); i++) {
		const struct clo_verify_options check = {
			.now = time(NULL), .max_age = -1, .nonce = "c0ffee"};
		struct clo_verify_result result = {0};
		CLO_AUTO_MEM char *envelope = json_dumps(
			json_object_get(
				ask(json_pack("{s:s, s:s?, s:s}", "op",
					      "attest", "scope", scopes[i],
					      "nonce", check.nonce)),
				"envelope"),
			0);

		clo_verify(node.key, envelope, strlen(envelope), &check,
			   &result);
		if (result.exit != CLO_VERIFY_PASSED)
			fail_msg("%s", result.reason);
		clo_verify_result_done(&result);
	}
	assert_int_equal(clo_store_count(store, &after), 0);
	assert_int_equal(after, before + 4);
	assert_int_equal(refused(json_pack("{s:s, s:s}", "op", "attest",
					   "scope", "globex/production")),
			 CLO_EXIT_INCONCLUSIVE);
}

/* Not one word of success, and what was in force still is. */
static void test_an_apply_that_fails_changes_nothing(void **state)
{
	const struct clo_force *before;

	(void)state;
	options.state_dir = "/nonexistent";
	assert_int_equal(refused(apply()), CLO_EXIT_FAILED);
	assert_null(node.force);
	options.state_dir = dir;
	(void)ask(apply());
	before = node.force;
	options.state_dir = "/nonexistent";
	assert_int_equal(refused(apply()), CLO_EXIT_FAILED);
	assert_ptr_equal(node.force, before);
	assert_int_equal(number(ask(op("status")), "epoch"), 1);
}

static void test_a_running_workload_keeps_its_label(void **state)
{
	json_t *moved = fixture_documents(false);

	(void)state;
	(void)ask(apply());
	fixture_edit(moved, "workloads.json", "\"device\": \"tap0\"",
		     "\"device\": \"tap9\"");
	fixture_edit(moved, "workloads.json", "\"mac\": \"52:54:00:00:00:03\",",
		     "\"mac\": \"52:54:00:00:00:03\", \"device\": \"tap0\",");
	assert_int_equal(refused(json_pack("{s:s, s:o}", "op", "apply",
					   "documents", moved)),
			 CLO_EXIT_REFUSED);
	assert_non_null(strstr(text(reply, "error"), "while it runs"));
}

static const char *first_of(const struct clo_audit *audit, const char *control)
{
	for (size_t i = 0; i < audit->problems.n; i++)
		if (strcmp(audit->problems.list[i].control, control) == 0)
			return audit->problems.list[i].text;
	return "";
}

static bool is_shown_guarded(const char *interface)
{
	const json_t *result = ask(op("endpoints"));
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(result, "endpoints"), i, one) {
		const char *name =
			json_string_value(json_object_get(one, "interface"));

		if (name && strcmp(name, interface) == 0)
			return json_is_true(json_object_get(one, "guarded"));
	}
	fail_msg("no endpoint on %s", interface);
	return false;
}

/* What an audit finds wrong, each under its control, and nothing else. */
static void test_an_audit_names_what_is_wrong(void **state)
{
	const struct clo_port stray = {
		.endpoint = 1, .space = 1, .kind = CLO_PORT_TAP};
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	struct sandbox *box = *state;
	struct clo_setting setting;

	(void)ask(apply());
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->problems.n, 0);
	assert_int_equal(audit->repair, 0);
	assert_int_equal(audit->n_guarded, 2);
	clo_audit_free(audit);
	audit = NULL;

	assert_int_equal(clo_bpf_guard_detach(node.bpf, box->ifindex), 0);
	clo_setting_make(clo_inventory_find(node.inventory, box->ifindex),
			 &setting);
	assert_int_equal(
		clo_bpf_port_set(node.bpf, 4711, &stray, setting.limits), 0);
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, CLO_REPAIR_GUARDS | CLO_REPAIR_PORTS);
	assert_int_equal(audit->n_guarded, 1);
	assert_false(is_shown_guarded("tap0"));
	assert_int_equal(number(json_object_get(ask(op("status")), "endpoints"),
				"guarded"),
			 1);
	assert_non_null(strstr(first_of(audit, "net.default-deny"), "tap0"));
	assert_non_null(strstr(first_of(audit, "env.label-integrity"), "4711"));
	clo_audit_free(audit);
	audit = NULL;

	/* repaired after it was attested; then another endpoint's port */
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "PASSED");
	setting.port.mac[5] ^= 1;
	assert_int_equal(clo_bpf_port_set(node.bpf, box->ifindex, &setting.port,
					  setting.limits),
			 0);
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, CLO_REPAIR_PORTS);
	assert_non_null(strstr(first_of(audit, "env.label-integrity"), "tap0"));
	/* a probe notices on its own: its lawful frame no longer passes */
	assert_non_null(strstr(first_of(audit, "spoof.source-binding"),
			       "own ARP passes"));
}

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
	assert_memory_equal(&before, &after, sizeof(before));

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

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_before_the_first_policy),
		TEST(test_apply),
		TEST(test_drops_are_reported),
		TEST(test_endpoints),
		TEST(test_questions_about_the_tables),
		TEST(test_attest),
		TEST(test_an_apply_that_fails_changes_nothing),
		TEST(test_a_running_workload_keeps_its_label),
		TEST(test_an_audit_names_what_is_wrong),
		TEST(test_an_apply_changes_mode_and_limits),
		TEST(test_accounts_follow_the_policy),
		TEST(test_bridges_do_not_flood_guarded_taps),
		TEST(test_a_tap_that_changes_its_bridge),
		TEST(test_a_bridge_that_is_released),
		TEST(test_an_uplink),
	};

	if (!sandbox_enter())
		return 77;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
