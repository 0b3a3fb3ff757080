/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/oracle.h"

#include <arpa/inet.h>

#include "check.h"
#include "policy/address.h"
#include "policy/oracle_compare.h"
#include "unit/judged.h"

/* What the documents mean, sentence by sentence; then: tables that do not. */
#define NOW 1000
#define ACME 7U /* space */
#define BOLT 9U

static int setup(void **state)
{
	struct made *made = made_new();

	made_tenant(made, "acme", ACME);
	made_tenant(made, "bolt", BOLT);
	made_node(made, "172.16.0.1,fd00::1");
	made_service(made, "dns", true, "172.16.0.1", "udp/53");
	made_service(made, "mail", false, "172.16.0.0/24", "tcp/25");
	made_service(made, "dhcp", true, "172.16.0.1", "udp/67");
	made_use(made, "acme", "dhcp");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB | OPS,
		      "10.0.0.1,fd00:1::1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 1, DB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.2");
	*state = made;
	return 0;
}

static int teardown(void **state)
{
	made_free(*state);
	return 0;
}

static struct clo_party at(const struct made *made, uint32_t space,
			   const char *text)
{
	struct clo_cidr addr;

	assert_int_equal(clo_cidr_parse(text, CLO_FORM_ADDRESS, &addr), 0);
	return clo_oracle_find(&made->policy, space, &addr);
}

static size_t judge(const struct made *made, uint32_t space, const char *from,
		    const char *to, uint8_t proto, uint16_t number)
{
	const struct clo_oracle_packet packet = {
		at(made, space, from), at(made, space, to), proto, number};

	return clo_oracle_judge(&made->policy, NOW, &packet, NULL, 0);
}

static struct made *prod(void **state, const char *from, const char *to,
			 const char *ports)
{
	made_rule(*state, "acme", CLO_ENV_PRODUCTION, from, to, ports);
	return *state;
}

static void nothing_is_allowed_by_itself(void **state)
{
	assert_int_equal(
		judge(*state, ACME, "10.0.0.1", "10.0.0.2", IPPROTO_TCP, 80),
		0);
	assert_int_equal(
		judge(*state, ACME, "10.0.0.1", "10.0.0.1", IPPROTO_TCP, 80),
		0);
}

static void rules_add_and_the_first_owns(void **state)
{
	struct made *made = prod(state, "web", "db", "tcp/80");
	const struct clo_rule_doc *rules[2] = {NULL, NULL};
	struct clo_oracle_packet packet;

	(void)prod(state, "web", "db", "udp/80");
	(void)prod(state, "front", "back", "any");
	packet = (struct clo_oracle_packet){at(made, ACME, "10.0.0.1"),
					    at(made, ACME, "10.0.0.2"),
					    IPPROTO_TCP, 80};
	assert_int_equal(
		clo_oracle_judge(&made->policy, NOW, &packet, rules, 2), 2);
	assert_string_equal(rules[0]->full, "acme/production/r1");
	assert_string_equal(rules[1]->full, "acme/production/r3");
	/* A direction is not the other. */
	assert_int_equal(
		judge(made, ACME, "10.0.0.2", "10.0.0.1", IPPROTO_TCP, 80), 0);
}

static void services_end_where_they_say(void **state)
{
	struct made *made = prod(state, "web", "db", "tcp/10-20,icmp/8,gre");

	static const struct {
		uint8_t proto;
		uint16_t number;
		size_t n;
	} cases[] = {
		{IPPROTO_TCP, 9, 0},  {IPPROTO_TCP, 10, 1},
		{IPPROTO_TCP, 20, 1}, {IPPROTO_TCP, 21, 0},
		{IPPROTO_UDP, 15, 0}, {IPPROTO_ICMP, 8, 1},
		{IPPROTO_ICMP, 0, 0}, {IPPROTO_GRE, 0, 1},
		{IPPROTO_ESP, 0, 0},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		assert_int_equal(judge(made, ACME, "10.0.0.1", "10.0.0.2",
				       cases[i].proto, cases[i].number),
				 cases[i].n);
}

static void any_carries_no_packets(void **state)
{
	struct made *made = prod(state, "web", "db", "any");

	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "10.0.0.2", IPPROTO_TCP, 0), 1);
	assert_int_equal(judge(made, ACME, "10.0.0.1", "10.0.0.2", 255, 0), 1);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "10.0.0.2", IPPROTO_GRE, 0), 0);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "10.0.0.2", IPPROTO_IPIP, 0), 0);
}

static void a_cidr_means_its_own_scope_and_the_outside(void **state)
{
	struct made *made =
		prod(state, "10.0.0.0/8-10.0.0.4/30", "web", "tcp/80");

	assert_int_equal(
		judge(made, ACME, "10.0.0.2", "10.0.0.1", IPPROTO_TCP, 80), 1);
	/* Of another environment; an except; outside; out of the block. */
	assert_int_equal(
		judge(made, ACME, "10.0.1.1", "10.0.0.1", IPPROTO_TCP, 80), 0);
	assert_int_equal(
		judge(made, ACME, "10.0.0.5", "10.0.0.1", IPPROTO_TCP, 80), 0);
	assert_int_equal(
		judge(made, ACME, "10.9.9.9", "10.0.0.1", IPPROTO_TCP, 80), 1);
	assert_int_equal(
		judge(made, ACME, "11.0.0.1", "10.0.0.1", IPPROTO_TCP, 80), 0);
}

static void a_cidr_never_means_the_node_or_a_service(void **state)
{
	struct made *made = prod(state, "web", "0.0.0.0/0", "any");

	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.17.0.1", IPPROTO_TCP, 1), 1);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.16.0.1", IPPROTO_TCP, 1), 0);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.16.0.9", IPPROTO_TCP, 1), 0);
}

static void a_providers_service_is_not_the_node(void **state)
{
	struct made *made = prod(state, "web", "@mail", "tcp/25");

	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.16.0.9", IPPROTO_TCP, 25),
		1);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.16.0.1", IPPROTO_TCP, 25),
		0);
	(void)prod(state, "web", "@dns", "udp/53");
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "172.16.0.1", IPPROTO_UDP, 53),
		1);
}

static void a_link_local_address_lies_where_another_does(void **state)
{
	struct made *made = prod(state, "fd00:1::/64", "db", "tcp/80");
	struct clo_oracle_packet packet = {
		.src = at(made, ACME, "fe80::5054:ff:fe00:1"),
		.dst = at(made, ACME, "10.0.0.2"),
		.proto = IPPROTO_TCP,
		.number = 80};

	assert_non_null(packet.src.interface);
	assert_int_equal(clo_oracle_judge(&made->policy, NOW, &packet, NULL, 0),
			 1);
	/* By IPv4 it is not in the block. */
	packet.src = at(made, ACME, "10.0.0.1");
	assert_int_equal(clo_oracle_judge(&made->policy, NOW, &packet, NULL, 0),
			 0);
}

static void nothing_runs_between_addresses_outside(void **state)
{
	struct made *made = prod(state, "0.0.0.0/0", "0.0.0.0/0", "any");

	assert_int_equal(
		judge(made, ACME, "192.0.2.1", "192.0.2.2", IPPROTO_TCP, 1), 0);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "192.0.2.2", IPPROTO_TCP, 1), 1);
	/* To the other tenant it is an address like any other. */
	assert_int_equal(
		judge(made, BOLT, "10.0.0.1", "192.0.2.2", IPPROTO_TCP, 1), 0);
}

static void a_listed_rule_sleeps_between_its_exceptions(void **state)
{
	static const struct {
		time_t begin, end;
		size_t n;
	} cases[] = {{NOW + 1, NOW + 9, 0}, {NOW, NOW + 1, 1}};
	struct made *made = prod(state, "web", "db", "tcp/80");

	made_exception(made, "net.cross-tenant-deny", "acme/production/r1",
		       NOW - 9, NOW);
	assert_int_equal(
		judge(made, ACME, "10.0.0.1", "10.0.0.2", IPPROTO_TCP, 80), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		made_exception(made, "net.cross-tenant-deny",
			       "acme/production/r1", cases[i].begin,
			       cases[i].end);
		assert_int_equal(judge(made, ACME, "10.0.0.1", "10.0.0.2",
				       IPPROTO_TCP, 80),
				 cases[i].n);
	}
}

static void whom_guests_ask_answers(void **state)
{
	struct clo_party party = at(*state, ACME, "255.255.255.255");
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(&party.addr, text);
	assert_string_equal(text, "172.16.0.1");
	/* bolt does not use it. */
	party = at(*state, BOLT, "255.255.255.255");
	assert_int_equal(party.addr.addr[0], 255);
}

/* -- the comparison */

static struct clo_compiled *compiled_world(void **state)
{
	(void)prod(state, "web", "db", "tcp/10-20,icmp");
	(void)prod(state, "10.0.0.0/24-10.0.0.128/25", "web", "tcp/80");
	(void)prod(state, "db", "0.0.0.0/0", "any");
	(void)prod(state, "web", "@dns", "udp/53");
	(void)prod(state, "front", "back", "tcp/15-30");
	return compile_at(*state, NOW);
}

static void good_tables_are_what_is_meant(void **state)
{
	struct clo_compiled *compiled = compiled_world(state);
	struct clo_oracle_report report;
	json_t *json;

	assert_int_equal(
		clo_oracle_compare(compiled, compiled->tables, NOW, &report),
		0);
	assert_int_equal(report.differences, 0);
	assert_int_equal(report.rules, 5);
	assert_int_equal(report.pairs, report.identities * report.identities);
	assert_int_equal(report.verdicts, report.pairs * report.classes);
	/* Each address, the link-local one and the number of 4 endpoints, and
	 * of acme's 3 also whom it asks by DHCP; and the outside. */
	assert_in_range(report.parties, 5 + 4 + 4 + 3 + 10, 100);
	assert_in_range(report.allowed, 5, 1000);
	json = clo_oracle_explain(&report);
	assert_true(json_is_null(json_object_get(json, "first")));
	json_decref(json);
	clo_compiled_free(compiled);
}

/* What is wrong with tables, and whether a packet shows it. */
struct defect {
	const char *name;
	void (*plant)(struct clo_tables *tables);
	bool packet;
	bool meant; /* by the documents: the packet is allowed */
};

static void flip_bit(struct clo_tables *tables, uint32_t proto, uint32_t number,
		     bool set)
{
	const struct clo_view view = {tables};
	uint32_t class = clo_view_class(
		&view, clo_judge_slot((uint8_t)proto, (uint16_t)number));
	uint64_t *rows = (void *)tables->table[CLO_TABLE_WORDS].entries;
	size_t n = tables->table[CLO_TABLE_WORDS].n / tables->gen.words;

	for (size_t row = 0; row < n; row++) {
		uint64_t *word = &rows[row * tables->gen.words + class / 64];
		uint64_t bit = (uint64_t)1 << (class % 64);

		if (!(*word & bit) != set)
			continue;
		*word ^= bit;
		return;
	}
	abort(); /* no such bit */
}

static void extra_bit(struct clo_tables *tables)
{
	flip_bit(tables, IPPROTO_TCP, 80, true);
}

static void missing_bit(struct clo_tables *tables)
{
	flip_bit(tables, IPPROTO_TCP, 12, false);
}

static void wrong_owner(struct clo_tables *tables)
{
	struct clo_row *owner = (void *)tables->table[CLO_TABLE_ROWS].entries;

	owner->rule = 5 - owner->rule;
}

static void missing_pair(struct clo_tables *tables)
{
	tables->table[CLO_TABLE_PAIRS].n -= 3;
}

static void put_class(struct clo_tables *tables, uint32_t slot, uint16_t class)
{
	struct clo_services *services =
		(void *)tables->table[CLO_TABLE_SERVICES].entries;

	services[slot / 4].class[slot % 4] = class;
}

/* One port in the middle of a range. */
static void wrong_class(struct clo_tables *tables)
{
	const struct clo_view view = {tables};

	put_class(tables, CLO_SLOT_TCP + 40000,
		  (uint16_t)clo_view_class(&view, CLO_SLOT_TCP + 12));
}

static void no_class(struct clo_tables *tables)
{
	put_class(tables, CLO_SLOT_UDP + 7, CLO_CLASS_NONE);
}

/* The database's address is the web server's of the same tenant. */
static void wrong_identity(struct clo_tables *tables)
{
	const struct clo_addr6_key web = {ACME, {10, 0, 0, 1}};
	const struct clo_addr6_key db = {ACME, {10, 0, 0, 2}};
	const struct clo_addr *from =
		clo_tables_find(tables, CLO_TABLE_ADDR4, &web);
	const struct clo_addr *to =
		clo_tables_find(tables, CLO_TABLE_ADDR4, &db);
	struct clo_addr *entry =
		(void *)(tables->table[CLO_TABLE_ADDR4].entries +
			 ((const uint8_t *)to -
			  tables->table[CLO_TABLE_ADDR4].entries));

	entry->identity = from->identity;
}

/* The last block of IPv4 outside, one bit longer. */
static void longer_prefix(struct clo_tables *tables)
{
	struct clo_table_data *data = &tables->table[CLO_TABLE_CIDR4];
	uint32_t *prefixlen = (void *)(data->entries + 12 * (data->n - 1));

	(*prefixlen)++;
}

static void missing_block(struct clo_tables *tables)
{
	tables->table[CLO_TABLE_CIDR4].n--;
}

static void wrong_kind(struct clo_tables *tables)
{
	struct clo_identity *identities =
		(void *)tables->table[CLO_TABLE_IDENTITIES].entries;

	for (size_t i = 0; i < tables->table[CLO_TABLE_IDENTITIES].n; i++) {
		if (identities[i].kind == CLO_IDENTITY_NODE)
			identities[i].kind = CLO_IDENTITY_EXTERNAL;
	}
}

static void wrong_environment(struct clo_tables *tables)
{
	struct clo_identity *identities =
		(void *)tables->table[CLO_TABLE_IDENTITIES].entries;

	identities[1].environment = CLO_ENV_TEST;
}

static const struct defect defects[] = {
	{"extra bit", extra_bit, true, false},
	{"missing bit", missing_bit, true, true},
	{"wrong owner", wrong_owner, false, false},
	{"missing pair", missing_pair, true, true},
	{"wrong class", wrong_class, true, false},
	{"no class", no_class, false, false},
	{"wrong identity", wrong_identity, false, false},
	{"longer prefix", longer_prefix, false, false},
	{"missing block", missing_block, false, false},
	{"wrong kind", wrong_kind, false, false},
	{"wrong environment", wrong_environment, false, false},
};

static void tables_that_are_not_are_found(void **state)
{
	struct clo_compiled *good = compiled_world(state);

	for (size_t i = 0; i < CLO_ARRAY_LEN(defects); i++) {
		const struct defect *defect = &defects[i];
		struct clo_compiled *bad = compile_at(*state, NOW);
		const struct clo_oracle_difference *first;
		struct clo_oracle_report report;

		defect->plant(bad->tables);
		assert_int_equal(
			clo_oracle_compare(good, bad->tables, NOW, &report), 0);
		first = &report.first;
		if (report.differences == 0 || !first->text[0])
			fail_msg(": %s is not found", defect->name);
		if (defect->packet &&
		    (!first->has_packet || first->meant != defect->meant))
			fail_msg(": %s: %s: packet %d, meant %d", defect->name,
				 first->text, first->has_packet, first->meant);
		if (first->has_packet)
			assert_true(first->meant != first->allowed ||
				    first->meant_by != first->allowed_by);
		clo_compiled_free(bad);
	}
	clo_compiled_free(good);
}

static void a_difference_has_its_packet_and_rules(void **state)
{
	struct clo_compiled *good = compiled_world(state);
	struct clo_compiled *bad = compile_at(*state, NOW);
	struct clo_oracle_report report;
	const json_t *first;
	json_t *json;

	missing_bit(bad->tables);
	assert_int_equal(clo_oracle_compare(good, bad->tables, NOW, &report),
			 0);
	json = clo_oracle_explain(&report);
	first = json_object_get(json, "first");
	assert_string_equal(json_string_value(json_object_get(first, "packet")),
			    "10.0.0.1 > 10.0.0.2 tcp/10");
	assert_string_equal(
		json_string_value(json_object_get(first, "documents")),
		"allow");
	assert_string_equal(json_string_value(json_object_get(first, "tables")),
			    "deny");
	assert_string_equal(
		json_string_value(json_object_get(first, "documentsRule")),
		"acme/production/r1");
	assert_true(json_is_null(json_object_get(first, "tablesRule")));
	json_decref(json);
	clo_compiled_free(bad);
	clo_compiled_free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(nothing_is_allowed_by_itself),
		TEST(rules_add_and_the_first_owns),
		TEST(services_end_where_they_say),
		TEST(any_carries_no_packets),
		TEST(a_cidr_means_its_own_scope_and_the_outside),
		TEST(a_cidr_never_means_the_node_or_a_service),
		TEST(a_providers_service_is_not_the_node),
		TEST(a_link_local_address_lies_where_another_does),
		TEST(nothing_runs_between_addresses_outside),
		TEST(a_listed_rule_sleeps_between_its_exceptions),
		TEST(whom_guests_ask_answers),
		TEST(good_tables_are_what_is_meant),
		TEST(tables_that_are_not_are_found),
		TEST(a_difference_has_its_packet_and_rules),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
