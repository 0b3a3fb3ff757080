/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"
#include "policy/prove.h"
#include "unit/trace_site.h"

/* What a trace shows, and that the rule which it suggests is what it says. */

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
	assert_step(trace, "row", "rows", "acme/production/web-db");
	assert_step(trace, "class bit", "words", "allowed: bit");
	assert_step(trace, "limits", "meters", "no limit");
	assert_step(trace, "verdict", "mark",
		    "approved for acme/production/base/0 (endpoint");
	assert_step(trace, "verdict", "receive", "as approved");
	assert_true(json_is_null(json_object_get(trace, "allow")));
	assert_int_equal(site.run.n, 2);
	json_decref(CLO_TAKE(trace));

	/* its answer is of the flow that it began */
	trace = fields(&site, "base", "shop", "udp", 53);
	assert_string_equal(text_of(trace, "verdict"), "drop");
	assert_step(trace, "class bit", "words", "");
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

/* By number, by size and all together. */
static void requests_are_bounded(void **state)
{
	static const struct {
		size_t frames, bytes;
		const char *says; /* NULL: it is taken */
	} cases[] = {
		{1, 0, NULL},
		{CLO_TRACE_FRAMES_MAX, 60, NULL},
		{CLO_TRACE_FRAMES_MAX + 1, 60, "1 to 1000 frames"},
		{1, CLO_TRACE_FRAME_MAX, NULL},
		{1, CLO_TRACE_FRAME_MAX + 1, "at most 65535 bytes"},
		{256, 65535, NULL},
		{257, 65535, "more than 16 MiB"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		size_t digits = 2 * cases[i].bytes;
		CLO_AUTO_MEM char *hex = malloc(digits + 1);
		json_t *frames = json_array();
		json_auto_t *json =
			json_pack("{s:s, s:o}", "in", "w", "frames", frames);
		json_auto_t *frame = NULL;
		struct clo_trace_request request;
		char text[160] = "";
		int r;

		assert_non_null(hex);
		memset(hex, '0', digits);
		hex[digits] = '\0';
		frame = json_string(hex);
		for (size_t n = 0; n < cases[i].frames; n++)
			(void)json_array_append(frames, frame);
		r = clo_trace_request_parse(json, &request, text);
		assert_int_equal(r < 0, cases[i].says != NULL);
		if (cases[i].says && !strstr(text, cases[i].says))
			fail_msg("%s", text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stage_is_shown),
		cmocka_unit_test(an_answer_is_of_its_flow),
		cmocka_unit_test(frames_of_all_kinds),
		cmocka_unit_test(the_suggested_rule_is_enough_and_no_more),
		cmocka_unit_test(no_rule_is_suggested_that_would_be_refused),
		cmocka_unit_test(requests_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
