/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/core/control.h"
#include "agent/core/reply.h"

/* What the kernel holds beside the tables, as of one request. */
struct held {
	struct clo_node *node;
	bool run; /* through the attached programs too */
	bool began; /* a flow that a run began is to be swept */
	struct clo_trace_port *ports;
	size_t n_ports;
	struct clo_bpf_account *accounts;
	size_t n_accounts;
	struct clo_hits *hits; /* by rule */
	size_t n_hits;
	struct clo_bpf_drop *drops;
	size_t n_drops;
};

static void held_done(struct held *held)
{
	free(held->ports);
	free(held->accounts);
	free(held->hits);
	free(held->drops);
}

static bool find_conn(void *userdata, uint8_t family, const void *key,
		      struct clo_conn *ret_conn)
{
	const struct held *held = userdata;

	return clo_bpf_flow_find(held->node->bpf, family, key, ret_conn) == 0;
}

static bool find_account(void *userdata, uint64_t key,
			 struct clo_account *ret_account)
{
	const struct held *held = userdata;

	for (size_t i = 0; i < held->n_accounts; i++) {
		if (held->accounts[i].key != key)
			continue;
		*ret_account = held->accounts[i].account;
		return true;
	}
	return false;
}

static void add_port(struct held *held, const struct clo_tap *tap,
		     const struct clo_bpf_port *port)
{
	struct clo_trace_port *made = &held->ports[held->n_ports++];

	if (port) {
		made->ifindex = port->ifindex;
		made->port = port->port;
		made->meter = port->meter;
	}
	if (tap) {
		made->ifindex = tap->ifindex;
		(void)snprintf(made->name, sizeof(made->name), "%s", tap->name);
	}
}

/* Ports as the kernel has them, and guarded interfaces that have none. */
static int read_ports(struct held *held)
{
	const struct clo_inventory *inventory = held->node->inventory;
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	int r = clo_bpf_ports_read(held->node->bpf, &ports, &n);

	if (r < 0)
		return r;
	held->ports = calloc(n + inventory->n_taps + 1, sizeof(*held->ports));
	if (!held->ports)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		add_port(held, clo_inventory_find(inventory, ports[i].ifindex),
			 &ports[i]);
	for (size_t t = 0; t < inventory->n_taps; t++) {
		bool has = false;

		for (size_t i = 0; i < n; i++)
			has |= ports[i].ifindex == inventory->taps[t].ifindex;
		if (!has)
			add_port(held, &inventory->taps[t], NULL);
	}
	return 0;
}

static int held_read(struct held *held)
{
	struct clo_bpf *bpf = held->node->bpf;
	int r = read_ports(held);

	if (r == 0)
		r = clo_bpf_accounts_read(bpf, &held->accounts,
					  &held->n_accounts);
	if (r == 0)
		r = clo_bpf_hits_read(bpf, &held->hits, &held->n_hits);
	if (r == 0)
		r = clo_bpf_drops_read(bpf, &held->drops, &held->n_drops);
	return r;
}

static uint64_t coarse_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static json_t *drop_count(const struct held *held,
			  const struct clo_trace_pass *pass)
{
	const struct clo_tap *tap =
		clo_inventory_find(held->node->inventory, pass->ifindex);
	uint64_t count = 0;

	if (!pass->drop || !pass->ifindex)
		return json_null();
	for (size_t i = 0; i < held->n_drops; i++)
		if (held->drops[i].key.ifindex == pass->ifindex &&
		    held->drops[i].key.reason == pass->drop &&
		    held->drops[i].key.to_guest == pass->to_guest)
			count += held->drops[i].count;
	return json_pack("{s:s, s:I}", "interface", tap ? tap->name : "-",
			 "count", (json_int_t)count);
}

static json_t *rule_count(const struct held *held,
			  const struct clo_trace_pass *pass)
{
	const struct clo_hits *hits;

	if (pass->drop || !pass->rule || pass->rule >= held->n_hits)
		return json_null();
	hits = &held->hits[pass->rule];
	return json_pack("{s:I, s:I, s:I}", "flows", (json_int_t)hits->flows,
			 "packets", (json_int_t)hits->packets, "bytes",
			 (json_int_t)hits->bytes);
}

/* Counters are as before this trace; the kernel's answer is new. */
static int complete(void *userdata, const struct clo_trace_run *run,
		    json_t *trace)
{
	struct held *held = userdata;
	const struct clo_trace_pass *last = &run->pass[run->n - 1];
	json_t *kernel;
	bool began = false;

	if (held->run)
		kernel = clo_trace_kernel(held->node, run, &began);
	else
		kernel = json_pack("{s:n, s:s}", "agrees", "text",
				   "only root may send frames through the "
				   "attached program");
	held->began |= began;
	/* the rule stands at the hook that judged the flow, the first */
	return json_object_set_new(trace, "counters",
				   json_pack("{s:o, s:o}", "rule",
					     rule_count(held, &run->pass[0]),
					     "drop", drop_count(held, last))) <
				       0 ||
			       json_object_set_new(trace, "kernel", kernel) < 0
		       ? -ENOMEM
		       : 0;
}

static json_t *run(struct held *held, const struct clo_trace_request *request)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	struct clo_node *node = held->node;
	struct clo_trace_live live = {.ports = held->ports,
				      .n_ports = held->n_ports,
				      .now = coarse_now(),
				      .conn = find_conn,
				      .account = find_account,
				      .userdata = held};
	char why[160] = "out of memory";
	json_t *result;
	int r = clo_bpf_tables_read(node->bpf, &tables);

	if (r == 0)
		r = clo_bpf_epoch(node->bpf, &live.epoch);
	if (r < 0)
		return clo_reply_failure("the tables cannot be read back", r);
	r = clo_tracer_new(node->force->compiled, tables, &live, &tracer);
	if (r < 0)
		return clo_reply_failure("no trace", r);
	result = clo_trace_request_run(tracer, request, complete, held, why);
	return result ? clo_reply_accept(result)
		      : clo_reply_refuse(CLO_EXIT_USAGE, why);
}

static json_t *answer(struct clo_node *node, const json_t *request,
		      bool through)
{
	struct held held = {.node = node, .run = through};
	struct clo_trace_request parsed;
	struct clo_bpf_swept swept;
	char why[160];
	json_t *reply;
	int r;

	if (clo_trace_request_parse(request, &parsed, why) < 0)
		return clo_reply_refuse(CLO_EXIT_USAGE, why);
	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	r = held_read(&held);
	reply = r < 0 ? clo_reply_failure("the datapath cannot be read", r)
		      : run(&held, &parsed);
	if (held.began)
		(void)clo_bpf_sweep(node->bpf, &swept);
	held_done(&held);
	return reply;
}

json_t *clo_trace_answer(struct clo_node *node, const json_t *request)
{
	return answer(node, request, false);
}

json_t *clo_trace_answer_root(struct clo_node *node, const json_t *request)
{
	return answer(node, request, true);
}
