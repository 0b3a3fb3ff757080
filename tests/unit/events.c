/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "fixture_force.h"

#define EPOCH 7
#define MS UINT64_C(1000000)
/* 2026-01-02T03:04:05.678Z is 1 s on the monotonic clock */
#define WALL (INT64_C(1767323045678000000) - INT64_C(1000000000))

static struct clo_force *force;
static struct clo_names *names;
static uint32_t shop, back, blog; /* endpoint ids */

static uint32_t id_of(const char *name)
{
	const struct clo_policy *policy = force->policy;

	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces; i++)
			if (strcmp(policy->workloads[w].interfaces[i].name,
				   name) == 0)
				return policy->workloads[w]
					.interfaces[i]
					.endpoint;
	fail_msg("no endpoint %s", name);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	force = fixture_force(FIXTURE_START);
	assert_int_equal(clo_names_new(&names), 0);
	assert_int_equal(clo_names_add(names, force->compiled, EPOCH), 0);
	shop = id_of("acme/production/shop/0");
	back = id_of("acme/production/shop/1");
	blog = id_of("globex/production/blog/0");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	clo_names_free(names);
	clo_force_free(force);
	force = NULL;
	return 0;
}

static uint32_t rule_of(const char *full)
{
	for (uint32_t i = 1; i < force->compiled->tables->gen.rules; i++)
		if (strcmp(force->compiled->rules[i]->full, full) == 0)
			return i;
	fail_msg("no rule %s", full);
	return 0;
}

/* A TCP packet from shop to its second interface. */
static struct clo_event event(enum clo_event_kind kind)
{
	struct clo_event e = {
		.time = 1000 * MS,
		.epoch = EPOCH,
		.ifindex = 5,
		.endpoint = {shop, back},
		.kind = (uint8_t)kind,
		.family = 4,
		.proto = IPPROTO_TCP,
		.src = {10, 0, 0, 5},
		.dst = {10, 0, 1, 5},
		.src_mac = {0x52, 0x54, 0, 0, 0, 1},
		.dst_mac = {0x52, 0x54, 0, 0xaa, 0, 2},
		.sport = htons(40000),
		.dport = htons(5432),
		.ethertype = 0x0800,
	};

	if (kind == CLO_EVENT_DENIED)
		e.reason = CLO_DROP_POLICY;
	else
		e.rule = rule_of("acme/production/web-to-db");
	return e;
}

static void expect(const struct clo_event *e, const char *wanted)
{
	json_auto_t *got = clo_event_json(e, names, WALL);
	json_auto_t *want = json_loads(wanted, 0, NULL);
	CLO_AUTO_MEM char *text = json_dumps(got, JSON_COMPACT);

	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("%s\nis not\n%s", text, wanted);
}

#define HEAD                                                                   \
	"{\"time\":\"2026-01-02T03:04:05.678Z\",\"direction\":\"from_guest\"," \
	"\"tenant\":\"acme\",\"environment\":\"production\",\"endpoint\":"     \
	"\"acme/production/shop/0\",\"peer\":\"acme/production/shop/1\","      \
	"\"ifindex\":5,"
#define PACKET                                                                 \
	"\"family\":4,\"protocol\":\"tcp\",\"source\":\"10.0.0.5\","           \
	"\"destination\":\"10.0.1.5\",\"sourcePort\":40000,"                   \
	"\"destinationPort\":5432,"
#define MACS                                                                   \
	"\"sourceMac\":\"52:54:00:00:00:01\","                                 \
	"\"destinationMac\":\"52:54:00:aa:00:02\","

static void test_new(void **state)
{
	struct clo_event e = event(CLO_EVENT_NEW);

	(void)state;
	expect(&e, HEAD PACKET
	       "\"kind\":\"new\",\"rule\":\"acme/production/web-to-db\"}");
}

static void test_denied(void **state)
{
	struct clo_event e = event(CLO_EVENT_DENIED);

	(void)state;
	expect(&e, HEAD PACKET MACS
	       "\"kind\":\"denied\",\"rule\":\"acme/production/default-deny\","
	       "\"reason\":\"POLICY\",\"text\":\"no rule allows the flow\"}");
	e.passed = 1;
	expect(&e, HEAD PACKET MACS
	       "\"kind\":\"denied\",\"rule\":\"acme/production/default-deny\","
	       "\"reason\":\"POLICY\",\"text\":\"no rule allows the flow\","
	       "\"audit\":true}");
}

static void test_ended(void **state)
{
	struct clo_event e = event(CLO_EVENT_ENDED);

	(void)state;
	e.ifindex = 0;
	e.endpoint[0] = 0; /* from outside */
	e.endpoint[1] = shop;
	e.family = 6;
	e.proto = IPPROTO_ICMPV6;
	e.type = 128;
	e.src[0] = 0xfd;
	e.src[1] = e.src[2] = e.src[3] = 0;
	e.rule = rule_of("acme/production/public");
	e.opened = 400 * MS;
	e.packets[0] = 3;
	e.packets[1] = 2;
	e.bytes[0] = 300;
	e.bytes[1] = UINT64_C(5000000000);
	expect(&e, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"ended\","
		   "\"direction\":\"to_guest\",\"tenant\":\"acme\","
		   "\"environment\":\"production\",\"endpoint\":"
		   "\"acme/production/shop/0\",\"family\":6,\"protocol\":"
		   "\"icmpv6\",\"source\":\"fd00::\",\"destination\":"
		   "\"a00:105::\",\"icmpType\":128,"
		   "\"rule\":\"acme/production/public\",\"durationMs\":600,"
		   "\"initiator\":{\"packets\":3,\"bytes\":300},"
		   "\"responder\":{\"packets\":2,\"bytes\":5000000000}}");
}

static void test_without_ip_and_without_an_endpoint(void **state)
{
	struct clo_event e = event(CLO_EVENT_DENIED);

	(void)state;
	e.family = 0;
	e.ethertype = 0x88cc;
	e.endpoint[0] = e.endpoint[1] = 0;
	e.reason = CLO_DROP_ETHERTYPE;
	expect(&e,
	       "{\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"denied\","
	       "\"direction\":\"from_guest\",\"ifindex\":5," MACS
	       "\"ethertype\":\"0x88cc\",\"rule\":\"frame-check\",\"reason\":"
	       "\"ETHERTYPE\",\"text\":\"ethertype is not IPv4, IPv6 or "
	       "ARP\"}");
}

static const char *text_of(const struct clo_event *e, const char *key)
{
	static char text[128];
	json_auto_t *object = clo_event_json(e, names, WALL);
	const char *value = json_string_value(json_object_get(object, key));

	(void)snprintf(text, sizeof(text), "%s", value ? value : "none");
	return text;
}

/* Who is `endpoint`: the one at whose tap it was judged. */
static void test_both_directions(void **state)
{
	struct clo_event e = event(CLO_EVENT_DENIED);

	(void)state;
	e.endpoint[1] = blog;
	e.to_guest = 1;
	assert_string_equal(text_of(&e, "direction"), "to_guest");
	assert_string_equal(text_of(&e, "endpoint"),
			    "globex/production/blog/0");
	assert_string_equal(text_of(&e, "peer"), "acme/production/shop/0");
	assert_string_equal(text_of(&e, "rule"),
			    "globex/production/default-deny");

	/* an uplink judges what comes in for a guest */
	e.to_guest = 0;
	e.endpoint[0] = 0;
	assert_string_equal(text_of(&e, "direction"), "to_guest");
	assert_string_equal(text_of(&e, "endpoint"),
			    "globex/production/blog/0");
	assert_string_equal(text_of(&e, "peer"), "none");
}

/* Each drop names one of the built-in rules of its scope, never nothing. */
static void test_every_reason_has_a_rule(void **state)
{
	struct clo_event e = event(CLO_EVENT_DENIED);
	static const char *const rules[] = {"default-deny", "anti-spoofing",
					    "frame-check",  "flow-state",
					    "limits",       "quarantine"};

	(void)state;
	for (e.reason = 0; e.reason < CLO_DROP_COUNT; e.reason++) {
		const char *rule = text_of(&e, "rule");
		bool known = false;

		assert_int_equal(strncmp(rule, "acme/production/", 16), 0);
		for (size_t i = 0; i < CLO_ARRAY_LEN(rules); i++)
			known |= strcmp(rule + 16, rules[i]) == 0;
		assert_true(known);
	}
	e.reason = CLO_DROP_SPOOFED_MAC;
	assert_string_equal(text_of(&e, "rule"),
			    "acme/production/anti-spoofing");
	e.reason = CLO_DROP_QUOTA;
	assert_string_equal(text_of(&e, "rule"), "acme/production/limits");
	/* of a kernel side that knows more */
	e.reason = 999;
	assert_string_equal(text_of(&e, "reason"), "999");
	e.kind = 77;
	assert_string_equal(text_of(&e, "kind"), "unknown");
}

/* A rule's index means nothing in another epoch. */
static void test_epochs(void **state)
{
	json_auto_t *documents = fixture_documents(true);
	struct clo_event e = event(CLO_EVENT_NEW);
	uint32_t rule = e.rule;
	struct clo_force *other = NULL;

	(void)state;
	fixture_edit(documents, "acme.json", "\"web-to-db\"", "\"a-new-name\"");
	assert_int_equal(fixture_make(documents, FIXTURE_START, &other), 0);
	assert_int_equal(clo_names_add(names, other->compiled, EPOCH + 1), 0);
	assert_int_equal(clo_names_epoch(names), EPOCH + 1);
	clo_force_free(other); /* nothing is borrowed */

	assert_string_equal(text_of(&e, "rule"), "acme/production/web-to-db");
	e.epoch = EPOCH + 1;
	assert_string_equal(text_of(&e, "rule"), "acme/production/a-new-name");
	e.epoch = EPOCH + 2;
	assert_string_equal(text_of(&e, "rule"), "none");
	e.epoch = EPOCH - 1;
	assert_string_equal(text_of(&e, "rule"), "none");
	assert_string_equal(text_of(&e, "endpoint"), "acme/production/shop/0");

	e.epoch = EPOCH;
	e.rule = 100000;
	assert_string_equal(text_of(&e, "rule"), "none");
	e.rule = 0;
	assert_string_equal(text_of(&e, "rule"), "none");
	e.rule = rule;
	for (uint64_t epoch = EPOCH + 2; epoch < EPOCH + 6; epoch++)
		assert_int_equal(clo_names_add(names, force->compiled, epoch),
				 0);
	assert_string_equal(text_of(&e, "rule"), "none"); /* long ago */
}

static void test_filters(void **state)
{
	static const struct {
		const char *request;
		bool new, denied, foreign; /* which of three it lets through */
	} cases[] = {
		{"{}", true, true, true},
		{"{\"kind\":\"new\"}", true, false, false},
		{"{\"kind\":\"denied\"}", false, true, true},
		{"{\"kind\":\"ended\"}", false, false, false},
		{"{\"reason\":\"POLICY\"}", false, true, false},
		{"{\"reason\":\"spoofed_mac\"}", false, false, true},
		{"{\"reason\":\"RATE\"}", false, false, false},
		{"{\"tenant\":\"acme\"}", true, true, false},
		{"{\"tenant\":\"acme/production\"}", true, true, false},
		{"{\"tenant\":\"acme/test\"}", false, false, false},
		{"{\"tenant\":\"acm\"}", false, false, false},
		{"{\"tenant\":\"globex\"}", false, false, true},
		{"{\"endpoint\":\"acme/production/shop/0\"}", true, true,
		 false},
		/* the other end, too */
		{"{\"endpoint\":\"acme/production/shop/1\"}", true, true,
		 false},
		{"{\"endpoint\":\"acme/production/shop\"}", true, true, false},
		{"{\"endpoint\":\"acme/production/sho\"}", false, false, false},
		{"{\"tenant\":\"acme\",\"kind\":\"new\"}", true, false, false},
		{"{\"tenant\":\"globex\",\"kind\":\"new\"}", false, false,
		 false},
		{"{\"tenant\":\"globex\",\"endpoint\":\"acme/production/shop\"}",
		 false, false, false},
		{"{\"kind\":null,\"tenant\":null}", true, true, true},
	};

	struct clo_event new = event(CLO_EVENT_NEW);
	struct clo_event denied = event(CLO_EVENT_DENIED);
	struct clo_event foreign = event(CLO_EVENT_DENIED);

	(void)state;
	foreign.endpoint[0] = blog;
	foreign.endpoint[1] = 0;
	foreign.reason = CLO_DROP_SPOOFED_MAC;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_t *request = json_loads(cases[i].request, 0, NULL);
		struct clo_event_filter filter;
		const char *text;

		assert_int_equal(clo_event_filter_init(&filter, request, &text),
				 0);
		json_decref(request);
		if (clo_event_filter_match(&filter, &new, names) !=
			    cases[i].new ||
		    clo_event_filter_match(&filter, &denied, names) !=
			    cases[i].denied ||
		    clo_event_filter_match(&filter, &foreign, names) !=
			    cases[i].foreign)
			fail_msg("%s", cases[i].request);
		clo_event_filter_done(&filter);
	}
}

static void test_bad_filters(void **state)
{
	static const char *const requests[] = {
		"{\"kind\":\"NONE\"}", "{\"kind\":1}",    "{\"reason\":\"x\"}",
		"{\"reason\":[]}",     "{\"tenant\":1}",  "{\"tenant\":\"\"}",
		"{\"endpoint\":{}}",   "{\"kind\":\"\"}",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(requests); i++) {
		json_auto_t *request = json_loads(requests[i], 0, NULL);
		struct clo_event_filter filter;
		const char *text = NULL;

		assert_non_null(request);
		assert_int_equal(clo_event_filter_init(&filter, request, &text),
				 -EINVAL);
		assert_non_null(text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_denied),
		TEST(test_ended),
		TEST(test_without_ip_and_without_an_endpoint),
		TEST(test_both_directions),
		TEST(test_every_reason_has_a_rule),
		TEST(test_epochs),
		TEST(test_filters),
		TEST(test_bad_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
