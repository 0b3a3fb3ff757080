/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/hex.h"
#include "check.h"
#include "policy/explain.h"
#include "policy/explain_trace.h"
#include "policy/parse.h"
#include "policy/prove.h"

/* What a trace shows, and that the rule which it suggests is what it says. */

static const char node_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Node\", \"name\": \"n\","
	" \"bridges\": [\"br0\"], \"addresses\": [\"192.0.2.1\"],"
	" \"uplinks\": [{\"interface\": \"eth9\","
	"   \"segment\": \"acme/production/front\"}],"
	" \"services\": ["
	"  {\"name\": \"dns\", \"kind\": \"node\","
	"   \"addresses\": [\"169.254.1.1\"], \"ports\": [\"udp/53\"]},"
	"  {\"name\": \"ntp\", \"kind\": \"node\","
	"   \"addresses\": [\"169.254.1.2\"], \"ports\": [\"udp/123\"]}]}";

static const char acme_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\","
	" \"name\": \"acme\", \"qualification\": 1,"
	" \"allowTestDevelopment\": true, \"services\": [\"dns\"],"
	" \"environments\": {"
	"  \"production\": {\"groups\": [\"web\", \"db\", \"all\"],"
	"   \"segments\": ["
	"    {\"name\": \"front\", \"cidrs\": [\"10.0.0.0/24\", \"fd00::/64\"]},"
	"    {\"name\": \"back\", \"cidrs\": [\"10.0.1.0/24\"]}],"
	"   \"rules\": ["
	"    {\"name\": \"web-db\", \"from\": {\"group\": \"web\"},"
	"     \"to\": {\"group\": \"db\"}, \"ports\": [\"tcp/443\", \"udp/53\"]}]},"
	"  \"test\": {\"groups\": [\"web\"], \"rules\": [], \"segments\": ["
	"   {\"name\": \"t\", \"cidrs\": [\"10.0.2.0/24\"]}]},"
	"  \"development\": {\"groups\": [\"web\"], \"rules\": [],"
	"   \"segments\": [{\"name\": \"d\", \"cidrs\": [\"10.0.3.0/24\"]}]}}}";

static const char globex_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\","
	" \"name\": \"globex\", \"qualification\": 1, \"environments\": {"
	"  \"production\": {\"groups\": [\"web\"], \"rules\": [],"
	"   \"segments\": [{\"name\": \"g\", \"cidrs\": [\"10.9.0.0/24\"]}]}}}";

#define WORKLOAD(name, tenant, environment, mac, segment, address, groups)     \
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Workload\","             \
	" \"name\": \"" name "\", \"tenant\": \"" tenant "\","                 \
	" \"environment\": \"" environment "\", \"interfaces\": [{"            \
	"  \"mac\": \"52:54:00:00:00:" mac "\", \"segment\": \"" segment       \
	"\",  \"addresses\": [" address "], \"groups\": [" groups "]}]}"

static const char workloads_text[] = "[" WORKLOAD("shop", "acme", "production", "01", "front", "\"10.0.0.1\", \"fd00::1\"", "\"all\", \"web\"") "," WORKLOAD(
	"base", "acme", "production", "02", "front",
	"\"10.0.0.2\", \"fd00::2\"",
	"\"all\", \"db\"") "," WORKLOAD("more", "acme", "production", "03",
					"front", "\"10.0.0.3\"",
					"\"all\"") "," WORKLOAD("bare", "acme",
								"production",
								"04", "back",
								"\"10.0.1.4\"",
								"") "," WORKLOAD("try",
										 "acme",
										 "test",
										 "05",
										 "t",
										 "\"10.0.2.5\"",
										 "\"web\"") "," WORKLOAD("dev",
													 "acme",
													 "development",
													 "06",
													 "d",
													 "\"10.0.3.6\"",
													 "\"web\"") "," WORKLOAD("blog",
																 "globex",
																 "production",
																 "07",
																 "g",
																 "\"10.9.0.7\"",
																 "\"web\"") "]";

/* A policy with, perhaps, one more rule of acme or globex. */
struct site {
	char *tenants[2];
	struct clo_policy *policy;
	struct clo_compiled *compiled;
	struct clo_tracer *tracer;
	struct clo_trace_run run;
	char text[160];
};

static char *tenant_with(const char *document, const json_t *allow)
{
	json_auto_t *tenant = json_loads(document, 0, NULL);
	const char *name = json_string_value(json_object_get(tenant, "name"));
	const char *wanted =
		json_string_value(json_object_get(allow, "tenant"));
	json_t *scope;

	assert_non_null(tenant);
	if (wanted && strcmp(wanted, name) == 0) {
		scope = json_object_get(json_object_get(tenant, "environments"),
					json_string_value(json_object_get(
						allow, "environment")));
		assert_int_equal(
			json_array_append(json_object_get(scope, "rules"),
					  json_object_get(allow, "rule")),
			0);
	}
	return json_dumps(tenant, 0);
}

static void site_init(struct site *site, const json_t *allow)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document documents[] = {
		{"node.json", node_text, sizeof(node_text) - 1},
		{"workloads.json", workloads_text, sizeof(workloads_text) - 1},
		{"acme.json", NULL, 0},
		{"globex.json", NULL, 0},
	};

	*site = (struct site){.text = ""};
	site->tenants[0] = tenant_with(acme_text, allow);
	site->tenants[1] = tenant_with(globex_text, allow);
	for (size_t i = 0; i < 2; i++) {
		documents[2 + i].text = site->tenants[i];
		documents[2 + i].len = strlen(site->tenants[i]);
	}
	assert_int_equal(clo_flaws_new(&flaws), 0);
	if (clo_policy_parse(documents, 4, 1, &site->policy, flaws) < 0)
		fail_msg("%s: %s", clo_flaws_get(flaws, 0)->path,
			 clo_flaws_get(flaws, 0)->text);
	assert_int_equal(clo_compile(site->policy, 1, &site->compiled, flaws),
			 0);
	assert_int_equal(clo_tracer_new(site->compiled, site->compiled->tables,
					NULL, &site->tracer),
			 0);
}

static void site_done(struct site *site)
{
	clo_tracer_free(site->tracer);
	clo_compiled_free(site->compiled);
	clo_policy_free(site->policy);
	free(site->tenants[0]);
	free(site->tenants[1]);
}

static json_t *fields(struct site *site, const char *from, const char *to,
		      const char *proto, uint16_t number)
{
	const struct clo_trace_fields ask = {
		.from = from, .to = to, .proto = proto, .number = number};
	json_t *trace =
		clo_trace_by_fields(site->tracer, &ask, &site->run, site->text);

	if (!trace)
		fail_msg("%s > %s: %s", from, to, site->text);
	return trace;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(null)";
}

/* The result of the first step with this stage and look-up; "": none. */
static const char *step_of(const json_t *trace, const char *stage,
			   const char *lookup)
{
	const json_t *step;
	size_t i;

	json_array_foreach (json_object_get(trace, "steps"), i, step)
		if (strcmp(text_of(step, "stage"), stage) == 0 &&
		    strcmp(text_of(step, "lookup"), lookup) == 0)
			return text_of(step, "result");
	return "";
}

static void assert_step(const json_t *trace, const char *stage,
			const char *lookup, const char *says)
{
	CLO_AUTO_MEM char *all = NULL;

	if (strstr(step_of(trace, stage, lookup), says))
		return;
	all = json_dumps(json_object_get(trace, "steps"), JSON_INDENT(1));
	fail_msg("%s %s does not say \"%s\" in %s", stage, lookup, says, all);
}

static void every_stage_is_shown(void **state)
{
	struct site site;
	json_auto_t *trace = NULL;

	(void)state;
	site_init(&site, NULL);
	trace = fields(&site, "shop", "base", "tcp", 443);
	assert_string_equal(text_of(trace, "verdict"), "allow");
	assert_string_equal(text_of(trace, "rule"), "acme/production/web-db");
	assert_step(trace, "port", "ports", "acme/production/shop/0");
	assert_step(trace, "policy", "live", "1");
	assert_step(trace, "frame", "Ethernet header", "accepted");
	assert_step(trace, "link layer", "source MAC", "the endpoint's");
	assert_step(trace, "parse", "ethertype",
		    "tcp 10.0.0.1 port 61234 > 10.0.0.2 port 443, flags syn");
	assert_step(trace, "connection", "conn4", "no entry");
	assert_step(trace, "address", "addr4", "acme/production/front{");
	assert_step(trace, "class", "services", "tcp/443 (class");
	assert_step(trace, "pair", "pairs", "row 0");
	assert_step(trace, "row bit", "rows", "allowed: bit");
	assert_step(trace, "rule", "rules", "acme/production/web-db");
	assert_step(trace, "limits", "meters", "no limit");
	assert_step(trace, "verdict", "mark", "approved for endpoint");
	assert_step(trace, "verdict", "receive", "as approved");
	assert_true(json_is_null(json_object_get(trace, "allow")));
	assert_int_equal(site.run.n, 2);
	json_decref(CLO_TAKE(trace));

	/* its answer is of the flow that it began */
	trace = fields(&site, "base", "shop", "udp", 53);
	assert_string_equal(text_of(trace, "verdict"), "drop");
	assert_step(trace, "row bit", "rows", "");
	site_done(&site);
}

/* The same port answers: part of the flow; another port does not. */
static void an_answer_is_of_its_flow(void **state)
{
	static const struct {
		uint16_t port;
		const char *reason;
	} cases[] = {
		{61234, "not dropped"},
		{61235, "packet belongs to no tracked flow"},
	};
	struct site site;

	(void)state;
	site_init(&site, NULL);
	json_decref(fields(&site, "shop", "base", "tcp", 443));
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const struct clo_trace_fields ask = {.from = "base",
						     .to = "shop",
						     .proto = "tcp",
						     .sport = 443,
						     .number = cases[i].port,
						     .flags = "syn,ack"};
		json_auto_t *trace = clo_trace_by_fields(site.tracer, &ask,
							 &site.run, site.text);

		assert_string_equal(text_of(trace, "reason"), cases[i].reason);
	}
	site_done(&site);
}

static json_t *bytes(struct site *site, const char *in, const char *hex)
{
	uint8_t frame[2048];
	size_t n = strlen(hex) / 2;
	json_t *trace;

	assert_int_equal(clo_hex_decode(hex, n, frame), 0);
	trace = clo_trace_by_frame(site->tracer, in, frame, n, &site->run,
				   site->text);
	if (!trace)
		fail_msg("%s: %s", in, site->text);
	return trace;
}

#define SHOP "525400000001"
#define BASE "525400000002"

static void frames_of_all_kinds(void **state)
{
	static const struct {
		const char *in, *hex, *reason, *stage, *lookup, *says;
	} cases[] = {
		{"shop", "5254", "frame shorter than its headers", "frame",
		 "Ethernet header", "shorter"},
		{"shop", BASE SHOP "8100000708004500",
		 "VLAN tag from or to a guest", "frame", "Ethernet header",
		 "VLAN"},
		{"shop", BASE BASE "0800", "source MAC is not the endpoint's",
		 "link layer", "source MAC", "not the endpoint's"},
		{"shop", BASE SHOP "88b50000",
		 "ethertype is not IPv4, IPv6 or ARP", "parse", "ethertype",
		 "ethertype is not"},
		{"shop", "0180c2000000" SHOP "0026424203",
		 "IEEE 802.3 frame (LLC, SNAP, STP)", "parse", "ethertype",
		 "LLC"},
		{"shop",
		 "ffffffffffff" SHOP "08060001080006040001" SHOP "0a000001"
		 "0000000000000a000002",
		 "not dropped", "parse", "ethertype",
		 "ARP: request of 10.0.0.1 for 10.0.0.2"},
		{"shop",
		 "ffffffffffff" SHOP "08060001080006040001" SHOP "0a000003"
		 "0000000000000a000002",
		 "ARP sender is not the endpoint", "link layer", "addr4",
		 "endpoint"},
		/* from the wire, a neighbour's address that is here */
		{"eth9",
		 BASE "060000000066"
		      "08004500001c00000000401100000a000001"
		      "0a000002c00000350008"
		      "0000",
		 "source address is not the endpoint's", "port", "ports",
		 "uplink of segment"},
		/* a later fragment of nothing */
		{"shop",
		 BASE SHOP "08004500001c00010025401100000a0000010a000002"
			   "0000000000000000",
		 "fragment of no datagram that was judged", "fragments",
		 "datagram", "fragment of no datagram"},
		/* loose source route */
		{"shop",
		 BASE SHOP "08004700002400000000401100000a0000010a000002"
			   "830704cb00710100c00000350008"
			   "0000",
		 "source route or routing header", "parse", "ethertype",
		 "source route"},
	};
	struct site site;

	(void)state;
	site_init(&site, NULL);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_auto_t *trace = bytes(&site, cases[i].in, cases[i].hex);

		assert_string_equal(text_of(trace, "reason"), cases[i].reason);
		assert_step(trace, cases[i].stage, cases[i].lookup,
			    cases[i].says);
		assert_string_equal(text_of(trace, "hex"), cases[i].hex);
	}
	site_done(&site);
}

/* What the rules of the plan's gain are: each "from > to service". */
static void check_gain(const struct site *before, const struct site *after,
		       const char *rule, const char *const *gained)
{
	json_auto_t *plan =
		clo_explain_plan(before->compiled, after->compiled, 1000);
	const json_t *flow;
	size_t i, n = 0;

	assert_int_equal(json_array_size(json_object_get(plan, "lost")), 0);
	json_array_foreach (json_object_get(plan, "gained"), i, flow) {
		char text[200];
		bool known = false;

		assert_string_equal(text_of(flow, "rule"), rule);
		(void)snprintf(text, sizeof(text), "%s > %s %s",
			       text_of(flow, "from"), text_of(flow, "to"),
			       text_of(flow, "service"));
		for (n = 0; gained[n]; n++)
			known |= strcmp(gained[n], text) == 0;
		if (!known)
			fail_msg("%s gains %s too", rule, text);
	}
	for (n = 0; gained[n]; n++)
		;
	assert_int_equal(i, n);
}

#define A "acme/production/"
#define WEB A "front{all,web}"
#define DB A "front{all,db}"

static void the_suggested_rule_is_enough_and_no_more(void **state)
{
	static const struct {
		const char *from, *to, *proto;
		uint16_t number;
		const char *rule; /* that allows it then */
		const char *gained[4];
	} cases[] = {
		{"shop",
		 "base",
		 "tcp",
		 80,
		 A "allow-tcp-80",
		 {WEB " > " DB " tcp/80"}},
		{"base",
		 "shop",
		 "tcp",
		 443,
		 A "allow-tcp-443",
		 {DB " > " WEB " tcp/443"}},
		/* "all" has more members than "web", but is all that it has */
		{"more",
		 "shop",
		 "sctp",
		 9,
		 A "allow-sctp-9",
		 {A "front{all} > " WEB " sctp/9", WEB " > " WEB " sctp/9",
		  DB " > " WEB " sctp/9"}},
		{"bare",
		 "shop",
		 "icmp",
		 8,
		 A "allow-icmp-8",
		 {A "back > " WEB " icmp/8"}},
		{"shop",
		 "base",
		 "89",
		 0,
		 A "allow-proto-89",
		 {WEB " > " DB " proto/89"}},
		{"shop",
		 "base",
		 "gre",
		 0,
		 A "allow-gre",
		 {WEB " > " DB " gre"}},
		{"shop",
		 "8.8.8.8",
		 "udp",
		 53,
		 A "allow-udp-53",
		 {WEB " > external 8.8.8.8 udp/53"}},
		{"8.8.8.8",
		 "shop",
		 "tcp",
		 443,
		 A "allow-tcp-443",
		 {"external 8.8.8.8 > " WEB " tcp/443"}},
		{"shop",
		 "169.254.1.1",
		 "udp",
		 53,
		 A "allow-udp-53",
		 {WEB " > service dns udp/53"}},
		{"try",
		 "dev",
		 "tcp",
		 22,
		 "acme/test/allow-tcp-22",
		 {"acme/test/t{web} > acme/development/d{web} tcp/22"}},
		{"blog", "2001:db8::1", "tcp", 22, NULL, {NULL}},
	};
	struct site before;

	(void)state;
	site_init(&before, NULL);
	for (size_t i = 0; cases[i].rule; i++) {
		CLO_AUTO_MEM struct clo_proof *proof =
			calloc(1, sizeof(*proof));
		json_auto_t *dropped =
			fields(&before, cases[i].from, cases[i].to,
			       cases[i].proto, cases[i].number);
		json_auto_t *allowed = NULL;
		const json_t *allow = json_object_get(dropped, "allow");
		struct site after;

		assert_string_equal(text_of(dropped, "verdict"), "drop");
		assert_true(json_is_object(json_object_get(allow, "rule")));
		site_init(&after, allow);
		allowed = fields(&after, cases[i].from, cases[i].to,
				 cases[i].proto, cases[i].number);
		assert_string_equal(text_of(allowed, "verdict"), "allow");
		assert_string_equal(text_of(allowed, "rule"), cases[i].rule);
		check_gain(&before, &after, cases[i].rule, cases[i].gained);
		assert_int_equal(clo_prove(after.compiled->tables, NULL, 0,
					   proof, after.text),
				 0);
		assert_int_equal(proof->breached, 0);
		site_done(&after);
	}
	site_done(&before);
}

static void no_rule_is_suggested_that_would_be_refused(void **state)
{
	static const struct {
		const char *from, *to, *proto;
		uint16_t number;
		const char *why;
	} cases[] = {
		{"shop", "blog", "tcp", 443, "invariant 1, tenant separation"},
		{"shop", "try", "tcp", 443, "environment separation"},
		{"shop", "192.0.2.1", "tcp", 22, "node services only"},
		{"192.0.2.1", "shop", "tcp", 22, "node services only"},
		{"shop", "169.254.1.2", "udp", 123,
		 "tenant acme does not declare to use service ntp"},
		{"shop", "169.254.1.1", "tcp", 53, "not on this port"},
		{"169.254.1.1", "shop", "tcp", 53, "opens no flow"},
		{"shop", "224.0.0.99", "udp", 53, "no rule decides this"},
		{"shop", "base", "icmp", 0, "packets that open a flow"},
	};
	struct site site;

	(void)state;
	site_init(&site, NULL);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_auto_t *trace = fields(&site, cases[i].from, cases[i].to,
					    cases[i].proto, cases[i].number);
		const json_t *allow = json_object_get(trace, "allow");

		assert_string_equal(text_of(trace, "verdict"), "drop");
		assert_null(json_object_get(allow, "rule"));
		if (!strstr(text_of(allow, "none"), cases[i].why))
			fail_msg("%s > %s: %s", cases[i].from, cases[i].to,
				 text_of(allow, "none"));
	}
	site_done(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stage_is_shown),
		cmocka_unit_test(an_answer_is_of_its_flow),
		cmocka_unit_test(frames_of_all_kinds),
		cmocka_unit_test(the_suggested_rule_is_enough_and_no_more),
		cmocka_unit_test(no_rule_is_suggested_that_would_be_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
