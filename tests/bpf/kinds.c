/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include "agent/core/kind_run.h"
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
	assert_int_equal(json_array_size(node.kinds.uncovered),
			 clo_kind_gaps_count);
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
	assert_int_equal(node.kinds.kinds,
			 clo_kinds_link.n + clo_kinds_ip4.n + clo_kinds_ip6.n +
				 clo_kinds_flow.n + clo_kind_gaps_count);
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

/* Of tap0, the two ways that it has. */
static struct clo_kind_runner *runner;
static struct clo_audit *looked;

static bool run_right(const struct clo_kind_vector *kind, int way)
{
	struct clo_kind_outcome outcome = {0};
	struct clo_kind_subject subject;
	const char *why = NULL;

	clo_kind_subject_init(&subject, &node, &node.inventory->taps[0],
			      &looked->taps[0], (enum clo_kind_way)way);
	assert_non_null(subject.tap->interface);
	assert_int_equal(clo_kind_run(runner, &subject, kind, &outcome, &why),
			 0);
	if (why)
		fail_msg("%s: %s", kind->name, why);
	return outcome.right;
}

static void make_runner(void)
{
	(void)ask(apply());
	runner = calloc(1, sizeof(*runner));
	assert_non_null(runner);
	runner->bpf = node.bpf;
	looked = audit_of(0);
}

static void free_runner(void)
{
	clo_audit_free(looked);
	free(runner);
}

/* Another flow, or none of the packets before, and the verdict is another. */
static struct clo_kind_vector spoil(const struct clo_kind_vector *kind)
{
	struct clo_kind_vector spoilt = *kind;

	if (kind->n_before)
		spoilt.n_before = 0;
	else
		spoilt.flow = kind->flow == CLO_KIND_FLOW_OWN
				      ? CLO_KIND_FLOW_OTHERS
				      : CLO_KIND_FLOW_OWN;
	return spoilt;
}

static void test_what_went_before_counts(void **state)
{
	size_t spoilt = 0;

	(void)state;
	make_runner();
	for (size_t i = 0; i < clo_kinds_flow.n; i++) {
		const struct clo_kind_vector *kind = &clo_kinds_flow.vectors[i];
		const struct clo_kind_vector other = spoil(kind);

		for (int way = CLO_KIND_FROM; way <= CLO_KIND_TO; way++) {
			assert_true(run_right(kind, way));
			/* without its first it is refused all the same */
			if (kind->flow == CLO_KIND_FLOW_NONE)
				continue;
			if (run_right(&other, way))
				fail_msg("%s stands alone", kind->name);
			spoilt++;
		}
	}
	assert_int_equal(spoilt, 2 * clo_kinds_flow.n - 4);
	free_runner();
}

static void check_empty(const struct sandbox *box, const char *pin)
{
	CLO_AUTO_FD int map = sandbox_pin(box, pin);
	uint8_t key[64];

	assert_int_equal(bpf_map_get_next_key(map, NULL, key), -ENOENT);
}

static uint64_t drops_counted(void)
{
	CLO_AUTO_MEM struct clo_bpf_drop *drops = NULL;
	uint64_t sum = 0;
	size_t n;

	assert_int_equal(clo_bpf_drops_read(node.bpf, &drops, &n), 0);
	for (size_t i = 0; i < n; i++)
		sum += drops[i].count;
	return sum;
}

/*
 * All the flows and fragments of the twin are nothing to the guards: a packet
 * of a flow that is under way there is one of no flow here.
 */
static void test_the_guards_know_nothing_of_it(void **state)
{
	static const struct clo_kind_vector here = {
		"TCP in mid-flow",
		"",
		CLO_BASE_IP4,
		IPPROTO_TCP,
		0,
		{CLO_DROP_NO_FLOW, CLO_DROP_NO_FLOW, CLO_DROP_NO_FLOW},
		.patch = {{47, 0x10}, {39, 0x08}}};
	static const char *const maps[] = {"map/clo_conn4", "map/clo_conn6",
					   "map/clo_frags"};
	struct clo_kind_vector there = here;
	uint64_t drops;

	make_runner();
	drops = drops_counted();
	for (int way = CLO_KIND_FROM; way <= CLO_KIND_TO; way++) {
		there.want[way] = CLO_DROP_NONE;
		there.flow = CLO_KIND_FLOW_OWN;
		assert_true(run_right(&there, way));
		assert_true(run_right(&here, way));
		assert_int_equal(drops_counted(), ++drops);
	}
	for (size_t i = 0; i < clo_kinds_flow.n; i++)
		assert_true(
			run_right(&clo_kinds_flow.vectors[i], CLO_KIND_FROM));
	assert_int_equal(drops_counted(), drops);
	for (size_t i = 0; i < CLO_ARRAY_LEN(maps); i++)
		check_empty(*state, maps[i]);
	free_runner();
}

/* What is not of the guards' text has no twin that could speak for it. */
static void test_no_twin_of_another(void **state)
{
	CLO_AUTO_FD int foreign = sandbox_program("foreign");
	const uint8_t data[64] = {0};
	const struct clo_bpf_frame frame = {
		.data = data, .len = sizeof(data), .ifindex = 1};
	struct clo_bpf_twin *twin;
	struct clo_bpf_said said;

	(void)state;
	assert_int_equal(clo_bpf_twin_get(node.bpf, &twin), 0);
	assert_int_equal(clo_bpf_twin_run(twin, sandbox_program_id(foreign),
					  &frame, &said),
			 -ESTALE);
	assert_int_equal(clo_bpf_twin_run(twin, 0, &frame, &said), -ENOENT);
}

/* IPv4 of so many bytes; `claims`: what its header says more. */
static enum clo_drop said_of(size_t len, int claims)
{
	struct clo_bpf_frame frame = {
		.len = len, .ifindex = node.inventory->taps[0].ifindex};
	CLO_AUTO_MEM uint8_t *bytes = calloc(1, 20000);
	uint16_t total = htons((uint16_t)((int)len - 14 + claims));
	struct clo_bpf_said said;
	int r;

	assert_non_null(bytes);
	memcpy(bytes + 6, node.inventory->taps[0].interface->mac, 6);
	bytes[0] = 6;
	bytes[12] = 8;
	bytes[14] = 0x45;
	bytes[23] = 253; /* nothing in it is looked at */
	memcpy(bytes + 16, &total, sizeof(total));
	frame.data = bytes;
	r = clo_bpf_run(node.bpf, looked->taps[0].guard.from_guest.prog_id,
			&frame, &said);
	if (r < 0)
		return CLO_DROP_COUNT;
	assert_true(said.drop);
	return said.reason;
}

/* The guard sees each as it is long: a byte more than that is a lie. */
static void test_frames_of_any_length(void **state)
{
	static const size_t whole[] = {60,   100,  526,  527,  1514, 3000, 3500,
				       3600, 3700, 4096, 4500, 9014, 15000};
	static const size_t cut[] = {14, 15, 33};
	static const size_t none[] = {0, 13, 17000};

	(void)state;
	make_runner();
	for (size_t i = 0; i < CLO_ARRAY_LEN(whole); i++) {
		assert_int_equal(said_of(whole[i], 0),
				 CLO_DROP_SPOOFED_ADDRESS);
		assert_int_equal(said_of(whole[i], 1), CLO_DROP_MALFORMED);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(cut); i++)
		assert_int_equal(said_of(cut[i], 0), CLO_DROP_RUNT);
	for (size_t i = 0; i < CLO_ARRAY_LEN(none); i++)
		assert_int_equal(said_of(none[i], 0), CLO_DROP_COUNT);
	free_runner();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_all_as_promised),
		NODE_TEST(test_modes_and_the_wire),
		NODE_TEST(test_run_when_something_changed),
		NODE_TEST(test_a_wrong_verdict_is_told),
		NODE_TEST(test_what_went_before_counts),
		NODE_TEST(test_the_guards_know_nothing_of_it),
		NODE_TEST(test_no_twin_of_another),
		NODE_TEST(test_frames_of_any_length),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
