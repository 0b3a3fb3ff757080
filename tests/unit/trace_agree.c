/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "policy/explain_trace.h"
#include "unit/judged.h"

/*
 * Random policies and packets, also from the edges of what the policies name:
 * a trace of the whole frame says what the three look-ups of the tables say,
 * by fields and by the bytes that these make, and again in the flow that it
 * began.
 */
#define POLICIES 150
#define PACKETS 160

static uint32_t dice; /* state of the generator: a failure names its seed */

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

#define PICK(list) ((list)[roll((uint32_t)CLO_ARRAY_LEN(list))])

static const char *const tenants[] = {"acme", "bolt"};

static const char *const peers[] = {"web",
				    "db",
				    "app",
				    "ops",
				    "front",
				    "back",
				    "acme/test/web",
				    "acme/production/front",
				    "bolt/production/db",
				    "bolt/development/app",
				    "10.0.1.0/29",
				    "10.0.0.0/16-10.0.1.4/30",
				    "8.0.0.0/8-8.1.0.0/16",
				    "10.0.1.2/31",
				    "fd00::/64",
				    "2001:db8::/32",
				    "fd00::4/126"};

static const char *const ports[] = {"tcp/80",      "tcp/80-89,udp/53",
				    "tcp/1-65535", "udp/1000-2000",
				    "sctp/9",      "sctp",
				    "icmp",        "icmp/8",
				    "icmp/13",     "icmpv6/128",
				    "icmpv6",      "gre",
				    "proto/89",    "any"};

/* First and last of the blocks above, and their neighbours. */
static const char *const edges[] = {"8.0.0.0",
				    "7.255.255.255",
				    "8.255.255.255",
				    "9.0.0.0",
				    "8.0.255.255",
				    "8.1.0.0",
				    "8.1.255.255",
				    "8.2.0.0",
				    "10.0.1.0",
				    "10.0.1.3",
				    "10.0.1.4",
				    "10.0.1.7",
				    "10.0.1.8",
				    "10.0.255.255",
				    "10.1.0.0",
				    "169.254.1.1",
				    "172.16.0.1",
				    "172.16.0.2",
				    "2001:db8::",
				    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
				    "2001:db8:0:ffff:ffff:ffff:ffff:ffff",
				    "2001:db8:1::",
				    "2001:db9::",
				    "fd00::2",
				    "fd00:0:0:1::"};

static const struct {
	const char *name;
	uint8_t number;
	uint16_t numbers[12];
} protos[] = {
	{"tcp", IPPROTO_TCP, {1, 79, 80, 81, 89, 90, 65535, 53, 1000, 2, 3, 4}},
	{"udp", IPPROTO_UDP, {1, 52, 53, 54, 999, 1000, 2000, 2001, 65535, 67}},
	{"sctp", IPPROTO_SCTP, {1, 8, 9, 10, 65535, 80, 2, 3, 4, 5, 6, 7}},
	{"icmp", IPPROTO_ICMP, {8, 8, 8, 13, 14, 15, 8, 8, 8, 255, 8, 8}},
	{"icmpv6", IPPROTO_ICMPV6, {128, 128, 128, 200, 255, 128, 128, 128}},
	{"gre", IPPROTO_GRE, {0}},
	{"ipip", IPPROTO_IPIP, {0}},
	{"89", 89, {0}},
};

static struct made *random_policy(void)
{
	struct made *made = made_new();

	made_tenant(made, "acme", 5);
	made_tenant(made, "bolt", 6);
	made_node(made, "172.16.0.1");
	made_service(made, "dns", true, "169.254.1.1", "udp/53,tcp/53");
	/* the tenants overlap; inside one each address is of one endpoint */
	for (uint32_t n = 1, end = 3 + roll(9); n < end; n++) {
		enum clo_environment environment = 1 + roll(2);
		const char *tenant = PICK(tenants);
		uint32_t segment = roll(2), kind = roll(4);
		char addresses[80];

		(void)snprintf(addresses, sizeof(addresses),
			       kind == 0   ? "10.0.1.%u"
			       : kind == 1 ? "fd00::%u"
					   : "10.0.1.%u,fd00::%u",
			       n, n);
		made_endpoint(made, tenant, environment, segment, roll(16),
			      addresses);
	}
	for (uint32_t n = 20 + roll(60); n > 0; n--) {
		const char *tenant = PICK(tenants);
		enum clo_environment environment = 1 + roll(2);
		const char *from = PICK(peers);
		const char *to = roll(6) ? PICK(peers) : "@dns";

		made_rule(made, tenant, environment, from, to, PICK(ports));
	}
	return made;
}

/* A packet in words, and what the tables say of it. */
struct packet {
	struct clo_trace_fields fields;
	const struct clo_interface_doc *from, *to; /* NULL: an address */
	uint8_t proto;
	uint32_t space;
	char addresses[2][INET6_ADDRSTRLEN];
};

static const char *draw_end(const struct made *made,
			    const struct clo_interface_doc **ret_interface,
			    char buffer[INET6_ADDRSTRLEN])
{
	const struct clo_policy *policy = &made->policy;
	const struct clo_workload_doc *workload =
		&policy->workloads[roll((uint32_t)policy->n_workloads)];

	*ret_interface = NULL;
	if (!roll(3)) {
		(void)snprintf(buffer, INET6_ADDRSTRLEN, "%s", PICK(edges));
		return buffer;
	}
	*ret_interface = workload->interfaces;
	return workload->interfaces->name;
}

static bool is_of(const struct clo_workload_doc *workload,
		  const struct clo_peer *peer)
{
	const struct clo_interface_doc *interface = workload->interfaces;
	bool in = peer->kind == CLO_PEER_SEGMENT &&
		  interface->segment == &peer->tenant->scopes[peer->environment]
						 .segments[peer->index];

	for (size_t i = 0; i < interface->n_groups; i++)
		in |= peer->kind == CLO_PEER_GROUP &&
		      interface->groups[i] == peer->index;
	return in && workload->tenant == peer->tenant &&
	       workload->environment == peer->environment;
}

/* Somebody whom the peer names; NULL: by chance. */
static const char *draw_peer(const struct made *made,
			     const struct clo_peer *peer,
			     const struct clo_interface_doc **ret_interface,
			     char buffer[INET6_ADDRSTRLEN])
{
	const struct clo_policy *policy = &made->policy;
	uint32_t n = (uint32_t)policy->n_workloads, from = roll(n);

	if (peer->kind == CLO_PEER_CIDR) {
		*ret_interface = NULL;
		return inet_ntop(peer->cidr.family == 4 ? AF_INET : AF_INET6,
				 peer->cidr.addr, buffer, INET6_ADDRSTRLEN);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct clo_workload_doc *workload =
			&policy->workloads[(from + i) % n];

		if (!is_of(workload, peer))
			continue;
		*ret_interface = workload->interfaces;
		return workload->interfaces->name;
	}
	return NULL;
}

/* At the edges of what a rule allows; false: it names nobody. */
static bool draw_by_rule(const struct made *made, struct packet *ret)
{
	const struct clo_tenant_doc *tenant = &made->policy.tenants[roll(2)];
	const struct clo_scope_doc *scope = &tenant->scopes[1 + roll(2)];
	const struct clo_rule_doc *rule;
	const struct clo_service_spec *spec;
	const char *from, *to;

	if (!scope->n_rules)
		return false;
	rule = &scope->rules[roll((uint32_t)scope->n_rules)];
	spec = &rule->ports[roll((uint32_t)rule->n_ports)];
	from = draw_peer(made, &rule->from, &ret->from, ret->addresses[0]);
	to = draw_peer(made, &rule->to, &ret->to, ret->addresses[1]);
	if (!from || !to || (!ret->from && !ret->to))
		return false;
	ret->fields.from = from;
	ret->fields.to = to;
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++) {
		const uint32_t near[] = {spec->first, spec->last,
					 spec->first - 1U, spec->last + 1U};
		uint32_t number = PICK(near);

		if (spec->any || protos[i].number != spec->proto ||
		    number == 0 || number > 65535 ||
		    spec->proto == IPPROTO_ICMP ||
		    spec->proto == IPPROTO_ICMPV6)
			continue;
		ret->proto = protos[i].number;
		ret->fields.proto = protos[i].name;
		ret->fields.number = (uint16_t)number;
	}
	return true;
}

static void draw(const struct made *made, struct packet *ret)
{
	static const uint8_t families[] = {0, 0, 4, 6};
	size_t pick = roll(CLO_ARRAY_LEN(protos));

	*ret = (struct packet){.proto = protos[pick].number};
	ret->fields.from = draw_end(made, &ret->from, ret->addresses[0]);
	for (int tries = 0; tries < 4; tries++) {
		ret->fields.to = draw_end(made, &ret->to, ret->addresses[1]);
		/* flows are rare between scopes */
		if (!ret->from || !ret->to ||
		    ret->from->segment->id / 10 == ret->to->segment->id / 10)
			break;
	}
	ret->fields.proto = protos[pick].name;
	do
		ret->fields.number = PICK(protos[pick].numbers);
	while (!ret->fields.number && pick < 5);
	ret->fields.family = PICK(families);
	if (roll(2) && !draw_by_rule(made, ret)) {
		ret->fields.from =
			draw_end(made, &ret->from, ret->addresses[0]);
		ret->fields.to = draw_end(made, &ret->to, ret->addresses[1]);
	}
	ret->space = (ret->from ? ret->from
		      : ret->to ? ret->to
				: made->policy.workloads->interfaces)
			     ->segment->space;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(null)";
}

/* By the three look-ups, and who may speak for which address. */
static enum clo_drop expect(const struct clo_compiled *compiled,
			    const struct packet *packet, const json_t *trace,
			    uint32_t *ret_rule)
{
	const json_t *told = json_object_get(trace, "packet");
	const char *from = text_of(told, "source");
	const char *to = text_of(told, "destination");
	struct clo_side src = side_of(compiled, packet->space, from);
	struct clo_side dst = side_of(compiled, packet->space, to);
	struct clo_verdict verdict =
		judge_flow(compiled, packet->space, from, to, packet->proto,
			   packet->fields.number);

	*ret_rule = 0;
	if (packet->from ? src.endpoint != packet->from->endpoint
			 : src.endpoint != 0)
		return CLO_DROP_SPOOFED_ADDRESS;
	if (verdict.drop)
		return verdict.drop;
	if (packet->to && dst.endpoint != packet->to->endpoint)
		return CLO_DROP_NOT_FOR_ENDPOINT;
	*ret_rule = verdict.rule;
	return CLO_DROP_NONE;
}

static uint32_t seen[CLO_DROP_COUNT];
static uint32_t seed;

static void compare(const struct packet *packet, const json_t *trace,
		    enum clo_drop drop, const char *rule, const char *how)
{
	if (strcmp(text_of(trace, "reason"), clo_trace_reason(drop)) == 0 &&
	    strcmp(text_of(trace, "rule"), drop || !rule ? "(null)" : rule) ==
		    0 &&
	    strcmp(text_of(trace, "verdict"), drop ? "drop" : "allow") == 0)
		return;
	fail_msg("seed %u, %s: %s > %s %s/%u: %s by %s, not %s by %s", seed,
		 how, packet->fields.from, packet->fields.to,
		 packet->fields.proto, packet->fields.number,
		 text_of(trace, "reason"), text_of(trace, "rule"),
		 clo_trace_reason(drop), rule ? rule : "none");
}

/* The bytes of the frame in place of the words. */
static json_t *by_frame(struct clo_tracer *tracer, const struct packet *packet,
			const struct clo_trace_run *run)
{
	uint8_t frame[sizeof(run->built)];
	struct clo_trace_run again;
	char text[160];

	memcpy(frame, run->built, run->len);
	return clo_trace_by_frame(tracer, packet->fields.from, frame, run->len,
				  &again, text);
}

/* A dropped packet and the rule that it wants; rule NULL: none yet. */
struct wanted {
	struct packet packet;
	json_t *allow;
};

static const char *peer_text(const json_t *peer, const json_t *allow,
			     char buffer[128])
{
	static const char *const kinds[] = {"group", "segment", "cidr"};
	const char *environment =
		json_string_value(json_object_get(peer, "environment"));

	if (json_object_get(peer, "service"))
		(void)snprintf(buffer, 128, "@%s", text_of(peer, "service"));
	for (size_t i = 0; i < CLO_ARRAY_LEN(kinds); i++)
		if (!json_object_get(peer, kinds[i]))
			continue;
		else if (environment)
			(void)snprintf(buffer, 128, "%s/%s/%s",
				       text_of(allow, "tenant"), environment,
				       text_of(peer, kinds[i]));
		else
			(void)snprintf(buffer, 128, "%s",
				       text_of(peer, kinds[i]));
	return buffer;
}

/* With the rule in place, the packet passes, and by that rule. */
static void check_wanted(struct made *made, const struct wanted *wanted)
{
	const json_t *allow = wanted->allow;
	const json_t *rule = json_object_get(allow, "rule");
	const char *service = json_string_value(
		json_array_get(json_object_get(rule, "ports"), 0));
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	json_auto_t *trace = NULL;
	enum clo_environment environment = CLO_ENV_PRODUCTION;
	const struct clo_rule_doc *added;
	struct clo_trace_run run;
	char from[128], to[128], text[160];

	while (strcmp(clo_environment_name(environment),
		      text_of(allow, "environment")) != 0)
		environment++;
	added = made_rule(made, text_of(allow, "tenant"), environment,
			  peer_text(json_object_get(rule, "from"), allow, from),
			  peer_text(json_object_get(rule, "to"), allow, to),
			  service ? service : "udp/53,tcp/53");
	compiled = compile_at(made, 0);
	assert_int_equal(
		clo_tracer_new(compiled, compiled->tables, NULL, &tracer), 0);
	trace = clo_trace_by_fields(tracer, &wanted->packet.fields, &run, text);
	compare(&wanted->packet, trace, CLO_DROP_NONE, added->full,
		"suggested");
}

static void keep_wanted(const struct packet *packet, const json_t *trace,
			struct wanted *wanted)
{
	json_t *allow = json_object_get(trace, "allow");

	/* made_rule() has no name for it */
	if (packet->proto == IPPROTO_IPIP || !json_object_get(allow, "rule"))
		return;
	json_decref(wanted->allow);
	wanted->allow = json_incref(allow);
	wanted->packet = *packet;
	if (!packet->from)
		wanted->packet.fields.from = wanted->packet.addresses[0];
	if (!packet->to)
		wanted->packet.fields.to = wanted->packet.addresses[1];
}

static void check(const struct clo_compiled *compiled,
		  const struct packet *packet, struct wanted *wanted)
{
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	json_auto_t *trace = NULL, *again = NULL;
	struct clo_trace_run run;
	enum clo_drop drop;
	const char *name;
	char text[160];
	uint32_t rule;

	assert_int_equal(
		clo_tracer_new(compiled, compiled->tables, NULL, &tracer), 0);
	trace = clo_trace_by_fields(tracer, &packet->fields, &run, text);
	if (!trace) /* no family in which both have an address */
		return;
	drop = expect(compiled, packet, trace, &rule);
	name = rule ? compiled->rules[rule]->full : NULL;
	compare(packet, trace, drop, name, "by fields");
	seen[drop]++;
	keep_wanted(packet, trace, wanted);

	/* in the flow that it began, or refused again */
	again = clo_trace_by_fields(tracer, &packet->fields, &run, text);
	compare(packet, again, drop, name, "again");
	if (!packet->from || drop == CLO_DROP_NOT_FOR_ENDPOINT)
		return;
	json_decref(again);
	again = by_frame(tracer, packet, &run);
	compare(packet, again, drop, name, "by bytes");
}

static void traces_say_what_the_tables_say(void **state)
{
	uint32_t n_wanted = 0;

	(void)state;
	for (seed = 1; seed <= POLICIES; seed++) {
		CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
		struct wanted wanted = {.allow = NULL};
		struct made *made;

		dice = seed * 2654435761U;
		made = random_policy();
		compiled = compile_at(made, 0);
		for (int i = 0; i < PACKETS; i++) {
			struct packet packet;

			draw(made, &packet);
			check(compiled, &packet, &wanted);
		}
		if (wanted.allow) {
			n_wanted++;
			check_wanted(made, &wanted);
		}
		json_decref(wanted.allow);
		made_free(made);
	}
	for (int i = 0; i < CLO_DROP_COUNT; i++)
		if (seen[i])
			print_message("%6u %s\n", seen[i],
				      clo_trace_reason((enum clo_drop)i));
	assert_in_range(n_wanted, POLICIES / 2, POLICIES);
	assert_in_range(seen[CLO_DROP_NONE], 800, UINT32_MAX);
	assert_in_range(seen[CLO_DROP_POLICY], 2000, UINT32_MAX);
	assert_in_range(seen[CLO_DROP_NO_CLASS], 500, UINT32_MAX);
	assert_in_range(seen[CLO_DROP_NOT_FOR_ENDPOINT], 30, UINT32_MAX);
	assert_in_range(seen[CLO_DROP_SPOOFED_ADDRESS], 50, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traces_say_what_the_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
