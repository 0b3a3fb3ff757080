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
		"ICMP message only a router may send",
		"frame was not approved for this endpoint",
	};
	size_t found = 0;
	const json_t *drop;
	size_t i;

	(void)state;
	(void)ask(apply());
	json_array_foreach (json_object_get(ask(op("status")), "drops"), i,
			    drop) {
		bool twice = false;

		if (strcmp(text(drop, "interface"), "tap0") != 0)
			continue;
		for (size_t k = 0; k < CLO_ARRAY_LEN(reasons); k++)
			if (strcmp(text(drop, "reason"), reasons[k]) == 0) {
				twice = k == 5;
				found |= 1U << k;
			}
		/* at least: the namespace's own neighbour discovery, too */
		assert_true(number(drop, "count") >= 1 + twice);
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
	const struct clo_port stray = {.endpoint = 1, .space = 1};
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	struct sandbox *box = *state;
	struct clo_port port;

	(void)ask(apply());
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->problems.n, 0);
	assert_int_equal(audit->repair, 0);
	assert_int_equal(audit->n_guarded, 2);
	clo_audit_free(audit);
	audit = NULL;

	assert_int_equal(clo_bpf_guard_detach(node.bpf, box->ifindex), 0);
	assert_int_equal(clo_bpf_port_set(node.bpf, 4711, &stray), 0);
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
	clo_tap_port(clo_inventory_find(node.inventory, box->ifindex), &port);
	port.mac[5] ^= 1;
	assert_int_equal(clo_bpf_port_set(node.bpf, box->ifindex, &port), 0);
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, CLO_REPAIR_PORTS);
	assert_non_null(strstr(first_of(audit, "env.label-integrity"), "tap0"));
	/* a probe notices on its own: its lawful frame no longer passes */
	assert_non_null(strstr(first_of(audit, "spoof.source-binding"),
			       "own ARP passes"));
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
	};

	if (!sandbox_enter())
		return 77;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
