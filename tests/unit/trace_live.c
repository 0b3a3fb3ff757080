/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trace_site.h"

/* A trace on what the kernel holds: ports, limits, connections. */

#define SECOND 1000000000ULL

/* What the kernel would hold: shop and base are here, and t9 is nobody's. */
struct held {
	struct clo_trace_port ports[3];
	struct clo_conn conn; /* of every flow; epoch 0: there is none */
	struct clo_account account; /* limit 0: nobody has one */
	uint64_t epoch;
};

static bool held_conn(void *userdata, uint8_t family, const void *key,
		      struct clo_conn *ret_conn)
{
	const struct held *held = userdata;

	(void)key;
	assert_int_equal(family, 4);
	*ret_conn = held->conn;
	return held->conn.epoch != 0;
}

static bool held_account(void *userdata, uint64_t key,
			 struct clo_account *ret_account)
{
	const struct held *held = userdata;

	(void)key;
	*ret_account = held->account;
	return held->account.limit != 0;
}

static const struct clo_interface_doc *named(const struct site *site,
					     const char *name)
{
	for (size_t i = 0; i < site->policy->n_workloads; i++)
		if (strcmp(site->policy->workloads[i].name, name) == 0)
			return site->policy->workloads[i].interfaces;
	fail_msg("no %s", name);
	return NULL;
}

static void held_init(struct held *held, const struct site *site)
{
	static const char *const names[] = {"shop", "base"};

	*held = (struct held){.epoch = 4, .account = {.limit = 10}};
	for (uint32_t i = 0; i < 2; i++) {
		const struct clo_interface_doc *doc = named(site, names[i]);
		struct clo_port *port = &held->ports[i].port;

		held->ports[i].ifindex = 20 + i;
		*port = (struct clo_port){.endpoint = doc->endpoint,
					  .space = doc->segment->space,
					  .segment = doc->segment->id,
					  .kind = CLO_PORT_TAP};
		memcpy(port->mac, doc->mac, sizeof(port->mac));
	}
	held->ports[2] = (struct clo_trace_port){.ifindex = 30, .name = "t9"};
}

/* The tracer sees what is held; the caller frees nothing. */
static void hold(struct site *site, struct held *held)
{
	const struct clo_trace_live live = {.ports = held->ports,
					    .n_ports = 3,
					    .epoch = held->epoch,
					    .now = 1000 * SECOND,
					    .conn = held_conn,
					    .account = held_account,
					    .userdata = held};

	clo_tracer_free(site->tracer);
	assert_int_equal(clo_tracer_new(site->compiled, site->compiled->tables,
					&live, &site->tracer),
			 0);
}

static void check_held(struct site *site, struct held *held, const char *reason)
{
	json_auto_t *trace = NULL;

	hold(site, held);
	trace = fields(site, "shop", "base", "tcp", 443);
	assert_string_equal(text_of(trace, "reason"), reason);
	assert_int_equal(site->run.pass[0].ifindex, 20);
	held_init(held, site);
}

static void what_the_kernel_holds_counts(void **state)
{
	const struct clo_bucket empty = {
		.paid = UINT64_MAX / 2, .cost = 1, .burst = 1};
	json_auto_t *trace = NULL;
	struct held held;
	struct site site;

	(void)state;
	site_init(&site, NULL);
	held_init(&held, &site);
	check_held(&site, &held, "not dropped");
	held.epoch = 0;
	check_held(&site, &held, "no policy is in force");
	held.account.used = held.account.limit;
	check_held(&site, &held, "connection quota is used up");
	held.account.limit = 0;
	check_held(&site, &held, "connection quota is used up");
	held.ports[0].meter.bucket[CLO_BUCKET_FLOWS] = empty;
	check_held(&site, &held, "new flows faster than the endpoint's limit");
	held.ports[0].meter.bucket[CLO_BUCKET_BYTES_FROM] = empty;
	check_held(&site, &held, "not dropped");
	held.ports[0].meter.bucket[CLO_BUCKET_BYTES_FROM] = empty;
	held.ports[0].port.flags = CLO_PORT_LIMIT_FROM;
	check_held(&site, &held, "traffic faster than the endpoint's limit");
	held.ports[0].port.mode = CLO_MODE_QUARANTINE;
	check_held(&site, &held, "endpoint is in quarantine");
	held.ports[1].port.mode = CLO_MODE_QUARANTINE;
	check_held(&site, &held, "endpoint is in quarantine");
	held.ports[0].port.mac[5] ^= 1; /* not as the policy says: a spoof */
	hold(&site, &held);
	trace = bytes(&site, "shop", BASE SHOP "0800");
	assert_string_equal(text_of(trace, "reason"),
			    "source MAC is not the endpoint's");
	json_decref(CLO_TAKE(trace));
	trace = bytes(&site, "t9", BASE SHOP "0800");
	assert_string_equal(text_of(trace, "reason"),
			    "interface belongs to no endpoint");
	site_done(&site);
}

/* Of an epoch that allowed it: an answer is part of it, nobody else's is. */
static void a_tracked_flow_is_found(void **state)
{
	const struct clo_trace_fields ask = {.from = "base",
					     .to = "shop",
					     .proto = "udp",
					     .sport = 53,
					     .number = 61234};
	json_auto_t *trace = NULL;
	struct held held;
	struct site site;

	(void)state;
	site_init(&site, NULL);
	held_init(&held, &site);
	held.conn = (struct clo_conn){
		.epoch = 4,
		.seen = 1000 * SECOND,
		.endpoint = {held.ports[0].port.endpoint,
			     held.ports[1].port.endpoint},
		.ifindex = {20, 21},
		.rule = 1,
	};
	hold(&site, &held);
	trace = clo_trace_by_fields(site.tracer, &ask, &site.run, site.text);
	assert_string_equal(text_of(trace, "verdict"), "allow");
	assert_string_equal(text_of(trace, "rule"), A "web-db");
	assert_step(trace, "connection", "conn4", "new, epoch 4");
	assert_true(site.run.pass[0].tracked);
	json_decref(CLO_TAKE(trace));

	held.conn.epoch = 0;
	hold(&site, &held);
	trace = clo_trace_by_fields(site.tracer, &ask, &site.run, site.text);
	assert_string_equal(text_of(trace, "verdict"), "drop");
	assert_false(site.run.pass[0].tracked);
	site_done(&site);
}

static void audit_mode_is_said(void **state)
{
	json_auto_t *trace = NULL;
	struct held held;
	struct site site;

	(void)state;
	site_init(&site, NULL);
	held_init(&held, &site);
	held.ports[0].port.mode = CLO_MODE_AUDIT;
	hold(&site, &held);
	trace = fields(&site, "shop", "base", "tcp", 22);
	assert_string_equal(text_of(trace, "verdict"), "drop");
	assert_string_equal(text_of(trace, "mode"), "audit");
	assert_step(trace, "verdict", "drop", "passes all the same");
	site_done(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_holds_counts),
		cmocka_unit_test(a_tracked_flow_is_found),
		cmocka_unit_test(audit_mode_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
