/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kind.h"
#include "bpf/node.h"

/* Every packet kind, through the programs that hang on the taps. */

static bool is_uncovered(const char *name)
{
	const json_t *line;
	size_t i;

	json_array_foreach (node.kinds.uncovered, i, line)
		if (strncmp(json_string_value(line), name, strlen(name)) == 0)
			return true;
	return false;
}

static void check_run(size_t taps)
{
	assert_int_equal(node.kinds.wrong, 0);
	assert_int_equal(node.kinds.right, node.kinds.run);
	assert_int_equal(node.kinds.taps, taps);
	/* what no frame can show, and what a kernel may refuse to run */
	assert_in_range(json_array_size(node.kinds.uncovered),
			clo_kind_gaps_count, clo_kind_gaps_count + 2);
	for (size_t i = 0; i < clo_kind_gaps_count; i++)
		assert_true(is_uncovered(clo_kind_gaps[i].name));
}

static void test_all_as_promised(void **state)
{
	const json_t *kinds;

	(void)state;
	assert_string_equal(text(ask(apply()), "verdict"), "PASSED");
	/* two ways on each of two taps, of which one drops all */
	check_run(2);
	assert_true(node.kinds.run > 3 * clo_kinds_ip4.n);
	assert_int_equal(node.kinds.kinds, clo_kinds_link.n + clo_kinds_ip4.n +
						   clo_kinds_ip6.n +
						   clo_kind_gaps_count);
	kinds = json_object_get(json_object_get(node.last, "proof"),
				"packetKinds");
	assert_int_equal(number(kinds, "run"), node.kinds.run);
	assert_int_equal(number(kinds, "wrong"), 0);
	assert_int_equal(json_array_size(json_object_get(kinds, "notCovered")),
			 json_array_size(node.kinds.uncovered));
}

/* In the other modes, and from an uplink's wire. */
static void test_modes_and_the_wire(void **state)
{
	static const char *const modes[] = {"audit", "quarantine"};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(modes); i++) {
		json_t *documents = fixture_documents(false);
		char with[64];

		(void)snprintf(with, sizeof(with),
			       "\"name\": \"shop\", \"mode\": \"%s\"",
			       modes[i]);
		fixture_edit(documents, "workloads.json", "\"name\": \"shop\"",
			     with);
		fixture_edit(documents, "node.json",
			     "{\"interface\": \"eth1\"}",
			     "{\"interface\": \"tap1\", \"segment\": "
			     "\"acme/production/front\"}");
		(void)ask(json_pack("{s:s, s:o}", "op", "apply", "documents",
				    documents));
		check_run(2);
	}
}

static struct clo_audit *audit_of(unsigned int repair)
{
	struct clo_audit *audit = NULL;

	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(audit->repair, repair);
	return audit;
}

static void audit_wants(unsigned int repair)
{
	clo_audit_free(audit_of(repair));
}

/* Not at each audit; but whenever something is another, until it is right. */
static void test_run_when_something_changed(void **state)
{
	struct sandbox *box = *state;

	(void)ask(apply());
	node.kinds.ms = -1;
	audit_wants(0);
	assert_true(node.kinds.ms < 0);
	assert_int_equal(clo_bpf_guard_detach(node.bpf, box->ifindex), 0);
	audit_wants(CLO_REPAIR_GUARDS);
	assert_true(node.kinds.ms > 0);
	assert_int_equal(node.kinds.taps, 1);
	assert_int_equal(clo_bpf_guard_attach(node.bpf, box->ifindex), 0);
	audit_wants(0);
	check_run(2);
}

/* A wrong verdict names the tap, the kind and the frame, each time. */
static void test_a_wrong_verdict_is_told(void **state)
{
	struct sandbox *box = *state;
	struct clo_setting setting;

	(void)ask(apply());
	clo_setting_make(clo_inventory_find(node.inventory, box->ifindex),
			 &setting);
	setting.port.mac[5] ^= 1;
	assert_int_equal(clo_bpf_port_set(node.bpf, box->ifindex, &setting.port,
					  setting.limits),
			 0);
	for (int i = 0; i < 2; i++) {
		CLO_AUTO(clo_audit)
		struct clo_audit *audit = audit_of(CLO_REPAIR_PORTS);
		const char *told = NULL;

		assert_true(node.kinds.wrong > 10);
		for (size_t k = 0; k < audit->problems.n && !told; k++)
			if (strstr(audit->problems.list[k].text,
				   "packet kind \"unknown ethertype\" from "
				   "the guest was dropped"))
				told = audit->problems.list[k].text;
		assert_non_null(told);
		assert_memory_equal(told, "tap0", 4);
		assert_non_null(strstr(told, "source MAC is not"));
		assert_non_null(strstr(told, "frame of 60 bytes "
					     "06000000006652540000000188b5"));
	}
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	assert_string_equal(node.verdict, "PASSED");
	check_run(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_all_as_promised),
		NODE_TEST(test_modes_and_the_wire),
		NODE_TEST(test_run_when_something_changed),
		NODE_TEST(test_a_wrong_verdict_is_told),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
