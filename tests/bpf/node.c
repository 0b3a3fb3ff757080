/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/node.h"

#include "agent/attest/verify.h"

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

/* 1: the attached program agrees, 0: it does not, -1: it was not run. */
static int agreed(const json_t *traced)
{
	const json_t *agrees =
		json_object_get(json_object_get(traced, "kernel"), "agrees");

	return json_is_null(agrees) ? -1 : json_is_true(agrees);
}

static uint64_t flows(void)
{
	uint64_t count = 0;

	assert_int_equal(clo_bpf_connections_count(node.bpf, &count), 0);
	return count;
}

/* Through the attached program for root, and nothing of it stays. */
static void test_a_trace_runs_the_attached_program(void **state)
{
	struct sandbox *box = *state;
	const char *shop = "acme/production/shop/0";
	json_t *request = trace(shop, "acme/production/shop/1", 5432);
	json_int_t before;

	(void)ask(apply());
	assert_int_equal(agreed(ask(json_incref(request))), 1);
	assert_string_equal(text(json_object_get(reply, "result"), "verdict"),
			    "allow");
	assert_int_equal(flows(), 0);
	before = number(
		json_object_get(
			json_object_get(ask(json_incref(request)), "counters"),
			"rule"),
		"flows");
	assert_int_equal(before, 1);

	/* another reason than that of the tables would not do */
	assert_int_equal(agreed(ask(trace(shop, "acme/production/shop/1", 22))),
			 1);
	assert_int_equal(agreed(ask(trace(shop, "8.8.8.8", 22))), 1);
	assert_int_equal(agreed(ask(trace("198.51.100.1", shop, 22))), 1);

	/* others learn what the tables say, and count nothing */
	json_decref(reply);
	reply = clo_request_answer(&node, request, CLO_CALLER_READER);
	assert_int_equal(agreed(json_object_get(reply, "result")), -1);
	assert_int_equal(
		number(json_object_get(
			       json_object_get(ask(json_incref(request)),
					       "counters"),
			       "rule"),
		       "flows"),
		before + 1);

	assert_int_equal(clo_bpf_guard_detach(node.bpf, box->ifindex), 0);
	assert_int_equal(agreed(ask(request)), 0);
}

static uint32_t dice = 2463534242U;

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

/* A frame in hex with up to three digits turned, perhaps cut. */
static json_t *bent(const char *hex)
{
	char text[512];
	size_t n = strlen(hex);

	assert_in_range(n, 28, sizeof(text) - 1);
	memcpy(text, hex, n + 1);
	for (uint32_t i = roll(4); i > 0; i--)
		text[roll((uint32_t)n)] = "0123456789abcdef"[roll(16)];
	if (!roll(16))
		n = 28 + 2 * (size_t)roll((uint32_t)n / 2 - 13);
	return json_stringn(text, n);
}

/* Well-formed frames bent at random: the attached program says the same. */
static void test_traces_of_noise_agree(void **state)
{
	static const char shop[] = "acme/production/shop/0";

	static const struct {
		const char *to, *proto;
		int dport;
	} seeds[] = {
		{"acme/production/shop/1", "tcp", 5432},
		{"acme/production/shop/1", "tcp", 22},
		{"203.0.113.53", "udp", 53},
		{"8.8.8.8", "icmp", 8},
		{"2001:db8::1", "icmpv6", 135},
		{"224.0.0.251", "udp", 5353},
	};

	size_t n[3] = {0}, i;
	const json_t *traced;

	(void)state;
	(void)ask(apply());
	for (size_t s = 0; s < CLO_ARRAY_LEN(seeds); s++) {
		json_t *frames = json_array();
		const json_t *traces;
		CLO_AUTO_MEM char *hex = strdup(
			text(ask(json_pack("{s:s, s:s, s:s, s:s, s:i}", "op",
					   "trace", "from", shop, "to",
					   seeds[s].to, "proto", seeds[s].proto,
					   "dport", seeds[s].dport)),
			     "hex"));

		for (i = 0; i < 300; i++)
			(void)json_array_append_new(frames, bent(hex));
		traces = json_object_get(
			ask(json_pack("{s:s, s:s, s:o}", "op", "trace", "in",
				      shop, "frames", frames)),
			"traces");
		json_array_foreach (traces, i, traced) {
			n[1 + agreed(traced)]++;
			if (agreed(traced) == 0)
				fail_msg("%s: %s", text(traced, "hex"),
					 text(json_object_get(traced, "kernel"),
					      "text"));
		}
	}
	print_message("%zu agree, %zu were not run\n", n[2], n[0]);
	assert_true(n[2] > n[0]);
	assert_int_equal(flows(), 0);
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
	/* the node with its scope, then the scope alone */
	assert_int_equal(after, before + 3);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_before_the_first_policy),
		NODE_TEST(test_apply),
		NODE_TEST(test_drops_are_reported),
		NODE_TEST(test_endpoints),
		NODE_TEST(test_questions_about_the_tables),
		NODE_TEST(test_a_trace_runs_the_attached_program),
		NODE_TEST(test_traces_of_noise_agree),
		NODE_TEST(test_attest),
		NODE_TEST(test_an_apply_that_fails_changes_nothing),
		NODE_TEST(test_a_running_workload_keeps_its_label),
		NODE_TEST(test_an_audit_names_what_is_wrong),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
