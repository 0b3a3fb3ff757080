/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/explain_name.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "policy/service_spec.h"

static const char *const drop_texts[] = {
#define X(name, text) text,
	CLO_DROP_REASONS(X)
#undef X
};

/* One end of the flow: an endpoint, or an address alone. */
struct end {
	const struct clo_workload_doc *workload; /* NULL: an address */
	const struct clo_interface_doc *interface;
	uint8_t addr[16];
	struct clo_side side; /* as the tables of the judging space say */
};

struct trace {
	const struct clo_compiled *compiled;
	struct clo_view view;
	struct end from, to;
	uint32_t space; /* in which it is judged */
	uint8_t family;
	uint8_t proto;
	uint16_t number;
	struct clo_verdict verdict;
	const struct clo_invariant *invariant;
	json_t *steps;
	bool failed; /* no memory for a step */
};

__attribute__((format(printf, 2, 3))) static int bad(char reterr_text[160],
						     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reterr_text, 160, fmt, args);
	va_end(args);
	return -EINVAL;
}

__attribute__((format(printf, 4, 5))) static void step(struct trace *trace,
						       const char *lookup,
						       const char *key,
						       const char *fmt, ...)
{
	CLO_AUTO_MEM char *result = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&result, fmt, args);
	va_end(args);
	if (n < 0)
		result = NULL;
	if (!result ||
	    json_array_append_new(trace->steps,
				  json_pack("{s:s, s:s, s:s}", "lookup", lookup,
					    "key", key, "result", result)) < 0)
		trace->failed = true;
}

static bool find_endpoint(const struct clo_workload_doc *workload,
			  const char *name, struct end *end)
{
	for (size_t i = 0; i < workload->n_interfaces; i++) {
		if (strcmp(workload->interfaces[i].name, name) != 0)
			continue;
		end->workload = workload;
		end->interface = &workload->interfaces[i];
		return true;
	}
	return false;
}

static int find_end(const struct clo_policy *policy, const char *name,
		    struct end *end, char reterr_text[160])
{
	size_t n_found = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		if (find_endpoint(workload, name, end))
			return 0;
		if (!clo_workload_is_called(workload, name))
			continue;
		n_found++;
		end->workload = workload;
		end->interface = workload->interfaces;
	}

	if (n_found > 1)
		return bad(reterr_text,
			   "%.60s: %zu workloads have this name; say "
			   "tenant/environment/workload",
			   name, n_found);
	if (n_found == 0)
		return bad(reterr_text,
			   "%.60s: neither an endpoint, nor a workload, nor an "
			   "address",
			   name);
	if (end->workload->n_interfaces == 0)
		return bad(reterr_text, "%.60s: the workload has no interface",
			   name);
	return 0;
}

/* An address fixes the family; returns 1 for one. */
static int parse_end(struct trace *trace, const char *name, struct end *end,
		     char reterr_text[160])
{
	uint8_t family = 0;

	if (inet_pton(AF_INET, name, end->addr) == 1)
		family = 4;
	else if (inet_pton(AF_INET6, name, end->addr) == 1)
		family = 6;
	if (!family)
		return find_end(trace->compiled->policy, name, end,
				reterr_text);

	trace->family = family;
	return 1;
}

static int parse_proto(struct trace *trace, const char *proto,
		       char reterr_text[160])
{
	unsigned int number = 0;
	size_t n = strlen(proto);

	if (clo_proto_find(proto, &trace->proto))
		return 0;
	if (n == 0 || n > 3 || strspn(proto, "0123456789") != n)
		return bad(reterr_text,
			   "%.60s: not tcp, udp, sctp, icmp, icmpv6, esp, ah, "
			   "gre, ipip, ipv6 or a protocol number",
			   proto);
	for (size_t i = 0; i < n; i++)
		number = number * 10 + (unsigned int)(proto[i] - '0');
	if (number > 255)
		return bad(reterr_text, "%u: protocol numbers end at 255",
			   number);
	trace->proto = (uint8_t)number;
	return 0;
}

static bool pick_address(struct end *end, uint8_t family)
{
	if (!end->interface)
		return true;
	for (size_t i = 0; i < end->interface->n_addresses; i++) {
		const struct clo_cidr *addr = &end->interface->addresses[i];

		if (addr->family != family)
			continue;
		memcpy(end->addr, addr->addr, sizeof(end->addr));
		return true;
	}
	return false;
}

/* A family that the protocol allows and in which both ends have an address. */
static int pick_family(struct trace *trace, char reterr_text[160])
{
	static const uint8_t families[] = {4, 6};

	for (size_t i = 0; i < sizeof(families); i++) {
		uint8_t alien =
			families[i] == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

		if ((trace->family && trace->family != families[i]) ||
		    trace->proto == alien ||
		    !pick_address(&trace->from, families[i]) ||
		    !pick_address(&trace->to, families[i]))
			continue;
		trace->family = families[i];
		return 0;
	}
	return bad(reterr_text, "the two have no address of one family that "
				"the protocol can use");
}

static int parse(struct trace *trace, const char *from, const char *to,
		 const char *proto, uint16_t number, char reterr_text[160])
{
	int r = parse_proto(trace, proto, reterr_text);
	bool icmp =
		trace->proto == IPPROTO_ICMP || trace->proto == IPPROTO_ICMPV6;

	if (r == 0 && icmp && number > 255)
		return bad(reterr_text, "%u: ICMP types end at 255", number);
	if (r == 0)
		r = parse_end(trace, from, &trace->from, reterr_text);
	if (r >= 0)
		r = parse_end(trace, to, &trace->to, reterr_text);
	if (r < 0)
		return r;
	if (!trace->from.workload && !trace->to.workload)
		return bad(reterr_text, "both are addresses: one must be an "
					"endpoint or a workload");

	trace->number = number;
	trace->space = trace->from.workload
			       ? trace->from.interface->segment->space
			       : trace->to.interface->segment->space;
	return pick_family(trace, reterr_text);
}

/* Look-up 1 for one end, in the space of the endpoint whose port judges. */
static void look_up(struct trace *trace, struct end *end, const char *which)
{
	char text[INET6_ADDRSTRLEN] = "";
	char name[CLO_NAME_MAX];
	char key[INET6_ADDRSTRLEN + 24];

	clo_judge_side(&trace->view, trace->space, trace->family, end->addr,
		       &end->side);
	(void)inet_ntop(trace->family == 4 ? AF_INET : AF_INET6, end->addr,
			text, sizeof(text));
	(void)snprintf(key, sizeof(key), "%s in space %u", text, trace->space);
	if (!end->side.identity)
		step(trace, which, key, "no class");
	else if (end->side.endpoint)
		step(trace, which, key, "%s (identity %u), endpoint %u",
		     clo_name_identity(trace->compiled, end->side.identity,
				       name),
		     end->side.identity, end->side.endpoint);
	else
		step(trace, which, key, "%s (external class %u)",
		     clo_name_identity(trace->compiled, end->side.identity,
				       name),
		     end->side.identity);
}

/* An endpoint sends from its own addresses only. */
static bool check_source(struct trace *trace)
{
	const struct clo_interface_doc *interface = trace->from.interface;
	bool own;

	if (!interface)
		return true;

	own = trace->from.side.endpoint == interface->endpoint &&
	      trace->from.side.segment == interface->segment->id;
	step(trace, "anti-spoof", interface->name,
	     own ? "endpoint %u of segment %s has this address"
		 : "endpoint %u of segment %s does not have this address",
	     interface->endpoint, interface->segment->name);
	if (!own)
		trace->verdict.drop = CLO_DROP_SPOOFED_ADDRESS;
	return own;
}

static void judge(struct trace *trace)
{
	const struct clo_compiled *compiled = trace->compiled;
	uint32_t slot = clo_judge_slot(trace->proto, trace->number);
	struct clo_verdict *verdict = &trace->verdict;
	const char *rule;
	char names[3][CLO_NAME_MAX];
	char service[CLO_SERVICE_TEXT];
	char key[64];

	clo_judge_pair(&trace->view, trace->from.side.identity,
		       trace->to.side.identity, trace->proto, trace->number,
		       verdict);
	if (verdict->drop == CLO_DROP_NO_CLASS)
		return;

	clo_service_text(slot, slot, service);
	step(trace, "service", service, "%s (class %u)",
	     clo_name_class(compiled, verdict->class, names[0]),
	     verdict->class);
	if (verdict->drop == CLO_DROP_PROTOCOL)
		return;

	(void)snprintf(key, sizeof(key), "%u > %u", trace->from.side.identity,
		       trace->to.side.identity);
	if (verdict->row == CLO_ROW_NONE) {
		step(trace, "pair", key, "no row: nothing is allowed");
		return;
	}
	step(trace, "pair", key, "row %u", verdict->row);

	(void)snprintf(key, sizeof(key), "row %u, class %u", verdict->row,
		       verdict->class);
	step(trace, "bit", key, "%s",
	     verdict->drop == CLO_DROP_NONE ? "allowed" : "denied");
	if (verdict->drop != CLO_DROP_NONE)
		return;
	rule = clo_name_rule(compiled, verdict->rule);
	step(trace, "rule", key, "%s", rule ? rule : "none that has a name");
}

/*
 * The address may be somebody else's in the space that judges: the frame is
 * then approved for that one, or for the outside, and never for this endpoint.
 */
static void check_delivery(struct trace *trace)
{
	const struct clo_interface_doc *interface = trace->to.interface;

	if (!interface || trace->verdict.drop != CLO_DROP_NONE ||
	    trace->to.side.endpoint == interface->endpoint)
		return;
	step(trace, "delivery", interface->name,
	     "the frame was approved for %s %u, not for endpoint %u",
	     trace->to.side.endpoint ? "endpoint" : "external class",
	     trace->to.side.endpoint ? trace->to.side.endpoint
				     : trace->to.side.identity,
	     interface->endpoint);
	trace->verdict.drop = CLO_DROP_NOT_FOR_ENDPOINT;
	trace->verdict.rule = 0;
}

/* Who is meant, whatever the addresses resolve to where the flow is judged. */
static struct clo_identity meant(const struct trace *trace,
				 const struct end *end)
{
	const struct clo_identity *identity = clo_tables_find(
		trace->view.tables, CLO_TABLE_IDENTITIES, &end->side.identity);

	if (end->workload)
		return (struct clo_identity){
			.space = end->workload->tenant->space,
			.kind = CLO_IDENTITY_ENDPOINTS,
			.environment = (uint8_t)end->workload->environment,
			.flags = end->workload->tenant->test_dev
					 ? CLO_IDENTITY_TEST_DEV
					 : 0,
		};
	return identity ? *identity : (struct clo_identity){0};
}

static void check_invariants(struct trace *trace)
{
	const struct clo_identity src = meant(trace, &trace->from);
	const struct clo_identity dst = meant(trace, &trace->to);

	for (size_t i = 0; i < clo_invariants_count; i++) {
		if (!clo_invariants[i].forbids(&src, &dst))
			continue;
		trace->invariant = &clo_invariants[i];
		step(trace, "invariant", clo_invariants[i].control,
		     "%s: no policy may allow this flow",
		     clo_invariants[i].name);
		return;
	}
}

static void run(struct trace *trace)
{
	const struct clo_interface_doc *interface = trace->from.interface;

	assert(trace->space); /* one end is an endpoint */
	if (interface)
		step(trace, "endpoint", interface->name,
		     "endpoint %u, segment %s, space %u (%s)",
		     interface->endpoint, interface->segment->name,
		     trace->space, trace->from.workload->tenant->name);
	look_up(trace, &trace->from, "source");
	if (check_source(trace)) {
		look_up(trace, &trace->to, "destination");
		judge(trace);
		check_delivery(trace);
	}
	check_invariants(trace);
}

json_t *clo_explain_trace(const struct clo_compiled *compiled,
			  const struct clo_tables *tables, const char *from,
			  const char *to, const char *proto, uint16_t number,
			  char reterr_text[160])
{
	json_auto_t *steps = json_array();
	struct trace trace = {
		.compiled = compiled, .view = {tables}, .steps = steps};
	bool allowed;

	if (parse(&trace, from, to, proto, number, reterr_text) < 0)
		return NULL;
	run(&trace);
	if (!steps || trace.failed) {
		(void)bad(reterr_text, "out of memory");
		return NULL;
	}

	allowed = trace.verdict.drop == CLO_DROP_NONE;
	return json_pack(
		"{s:s, s:s, s:s?, s:s?, s:O}", "verdict",
		allowed ? "allow" : "drop", "reason",
		drop_texts[trace.verdict.drop], "rule",
		allowed ? clo_name_rule(compiled, trace.verdict.rule) : NULL,
		"invariant", trace.invariant ? trace.invariant->name : NULL,
		"steps", steps);
}
