/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/revoke.h"

#include <arpa/inet.h>
#include <systemd/sd-event.h>

#include "agent/core/replay.h"
#include "bpf/node.h"

/* The connection table after a change of tables. */

/* A SYN of the shop's web server to the database, rule web-to-db. */
static void open_flow(const struct sandbox *box, uint16_t sport)
{
	uint8_t syn[60] = {
		6, 0,  0,  0, 0,         1,          0x52,        0x54,
		0, 0,  0,  1, 8,         0,          0x45,        0,
		0, 40, 0,  0, 0,         0,          64,          IPPROTO_TCP,
		0, 0,  10, 0, 0,         5,          10,          0,
		1, 5,  0,  0, 5432 >> 8, 5432 & 255, [46] = 0x50, 2};
	const struct clo_bpf_frame frame = {
		.data = syn, .len = sizeof(syn), .ifindex = box->ifindex};
	struct clo_replay replay = {0};

	sport = htons(sport);
	memcpy(syn + 34, &sport, sizeof(sport));
	assert_int_equal(
		clo_replay_frame(node.bpf, CLO_REPLAY_FROM, &frame, &replay),
		0);
	assert_int_equal(replay.said.reason, CLO_DROP_NONE);
}

static uint64_t tracked(void)
{
	uint64_t n = 0;

	assert_int_equal(clo_bpf_connections_count(node.bpf, &n), 0);
	return n;
}

/* Flows that the endpoints' accounts were charged with. */
static uint64_t charged(void)
{
	CLO_AUTO_MEM struct clo_bpf_account *read = NULL;
	uint64_t used = 0;
	size_t n = 0;

	assert_int_equal(clo_bpf_accounts_read(node.bpf, &read, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (read[i].key <= CLO_ENDPOINT_MAX)
			used += read[i].account.used;
	return used;
}

static json_t *without_the_rule(void)
{
	json_t *documents = fixture_documents(false);

	fixture_edit(documents, "acme.json", "tcp/5432", "tcp/5433");
	return json_pack("{s:s, s:o}", "op", "apply", "documents", documents);
}

static void test_what_is_not_allowed_ends(void **state)
{
	const json_t *flows;

	(void)ask(apply());
	assert_true(node.revoke.done);
	for (uint16_t i = 0; i < 100; i++)
		open_flow(*state, (uint16_t)(40000 + i));
	assert_int_equal(tracked(), 100);
	assert_int_equal(charged(), 100);

	/* the same policy: all go on */
	(void)ask(apply());
	assert_int_equal(node.revoke.epoch, 2);
	assert_int_equal(node.revoke.kept, 100);
	assert_int_equal(node.revoke.removed, 0);
	assert_int_equal(tracked(), 100);

	/* another: none is left, and nobody is charged for them */
	(void)ask(without_the_rule());
	assert_true(node.revoke.done);
	assert_int_equal(node.revoke.walked, 100);
	assert_int_equal(node.revoke.kept, 0);
	assert_int_equal(node.revoke.removed, 100);
	assert_true(node.revoke.ms > 0);
	assert_int_equal(tracked(), 0);
	assert_int_equal(charged(), 0);
	flows = json_object_get(json_object_get(node.last, "proof"), "flows");
	assert_int_equal(number(flows, "ended"), 100);
	assert_true(json_is_true(json_object_get(flows, "done")));
	flows = json_object_get(ask(op("status")), "revoked");
	assert_int_equal(number(flows, "epoch"), 3);
	assert_int_equal(number(flows, "ended"), 100);
	assert_true(json_is_real(json_object_get(flows, "ms")));
}

/* Entries of flows that nobody allows, as many as are not read at once. */
static void add_strangers(const struct sandbox *box, uint32_t n, uint8_t family)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, family == 4 ? "map/clo_conn4"
							  : "map/clo_conn6");
	struct clo_conn conn = {.epoch = 1, .state = CLO_CONN_ESTABLISHED};

	for (uint32_t i = 0; i < n; i++) {
		struct clo_conn6_key key = {.space_proto = 0x0106};

		memcpy(key.lo, &i, sizeof(i)); /* a conn4 key is shorter */
		key.hi[0] = 1;
		assert_int_equal(bpf_map_update_elem(fd, &key, &conn, BPF_ANY),
				 0);
	}
}

static void test_slice_by_slice(void **state)
{
	struct clo_revoke *revoke = &node.revoke;
	size_t turns = 0;

	(void)ask(apply());
	add_strangers(*state, 5000, 4);
	add_strangers(*state, 3000, 6);
	node.revoke = (struct clo_revoke){0};
	assert_true(clo_revoke_is_due(&node));
	/* of this epoch they would be the datapath's own */
	while (clo_revoke_is_due(&node) && turns++ < 100)
		assert_int_equal(clo_revoke_some(&node, 0), 0);
	assert_true(turns >= 8000 / CLO_BPF_SLICE);
	assert_int_equal(revoke->walked, 8000);
	assert_int_equal(revoke->removed, 0);

	(void)ask(apply());
	while (clo_revoke_is_due(&node))
		assert_int_equal(clo_revoke_some(&node, 0), 0);
	assert_int_equal(revoke->removed, 8000);
	assert_int_equal(tracked(), 0);
	assert_false(clo_revoke_is_due(&node));
}

/* What passed under the new tables meanwhile is nobody's to end. */
static void test_allowed_anew_stays(void **state)
{
	struct clo_bpf_cursor cursor = {0};
	struct clo_bpf_flow *flows = calloc(CLO_BPF_SLICE, sizeof(*flows));
	size_t n = 0;

	assert_non_null(flows);
	(void)ask(apply());
	open_flow(*state, 40000);
	assert_int_equal(clo_bpf_flows_slice(node.bpf, &cursor, flows, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(clo_bpf_flow_revoke(node.bpf, &flows[0], 1), 0);
	assert_int_equal(tracked(), 1);
	assert_int_equal(clo_bpf_flow_revoke(node.bpf, &flows[0], 2), 1);
	assert_int_equal(clo_bpf_flow_revoke(node.bpf, &flows[0], 2), 0);
	assert_int_equal(tracked(), 0);
	free(flows);
}

static int happens(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	return 0;
}

/* What a forensic address may reach, no rule does. */
static void test_quarantine_is_left_alone(void **state)
{
	json_t *documents = fixture_documents(false);

	(void)ask(apply());
	open_flow(*state, 40000);
	fixture_edit(documents, "acme.json", "tcp/5432", "tcp/5433");
	fixture_edit(documents, "workloads.json", "\"name\": \"shop\"",
		     "\"name\": \"shop\", \"mode\": \"quarantine\"");
	(void)ask(
		json_pack("{s:s, s:o}", "op", "apply", "documents", documents));
	assert_true(node.revoke.done);
	assert_int_equal(node.revoke.kept, 1);
	assert_int_equal(tracked(), 1);
}

/* By itself, behind whatever happened. */
static void test_in_the_event_loop(void **state)
{
	struct clo_revoker *revoker = NULL;
	sd_event *event = NULL;
	uint64_t epoch;

	(void)ask(apply());
	open_flow(*state, 40000);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(clo_revoker_new(event, &node, &revoker), 0);
	assert_int_equal(clo_bpf_tables_write(node.bpf,
					      node.force->compiled->tables,
					      &epoch),
			 0);
	assert_true(clo_revoke_is_due(&node));
	assert_true(sd_event_add_defer(event, NULL, happens, NULL) >= 0);
	for (int i = 0; i < 100 && clo_revoke_is_due(&node); i++)
		assert_true(sd_event_run(event, 0) >= 0);
	assert_int_equal(node.revoke.epoch, epoch);
	assert_true(node.revoke.done);
	assert_int_equal(node.revoke.kept, 1);
	clo_revoker_free(revoker);
	(void)sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_what_is_not_allowed_ends),
		NODE_TEST(test_slice_by_slice),
		NODE_TEST(test_allowed_anew_stays),
		NODE_TEST(test_quarantine_is_left_alone),
		NODE_TEST(test_in_the_event_loop),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
