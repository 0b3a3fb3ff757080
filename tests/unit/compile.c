/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "unit/judged.h"

#define ACME 7U
#define NOW 1000

static int setup(void **state)
{
	struct made *made = made_new();

	made_tenant(made, "acme", ACME);
	made_tenant(made, "bolt", 9);
	*state = made;
	return 0;
}

static int teardown(void **state)
{
	made_free(*state);
	return 0;
}

static enum clo_drop tcp(const struct clo_compiled *compiled, const char *from,
			 const char *to, uint16_t port)
{
	return judge_flow(compiled, ACME, from, to, IPPROTO_TCP, port).drop;
}

static const struct clo_identity *entry(const struct clo_compiled *compiled,
					uint32_t identity)
{
	return clo_tables_find(compiled->tables, CLO_TABLE_IDENTITIES,
			       &identity);
}

static void empty_policy_is_valid(void **state)
{
	struct made *made = made_new();
	CLO_AUTO(clo_compiled)
	struct clo_compiled *compiled = compile_at(made, NOW);
	const struct clo_tables *tables = compiled->tables;

	(void)state;
	assert_int_equal(tables->gen.identities, 1);
	assert_int_equal(tables->gen.classes, 1);
	assert_int_equal(tables->gen.words, 1);
	assert_int_equal(tables->gen.rules, 1);
	assert_int_equal(tables->gen.epoch, 0);
	assert_int_equal(tables->table[CLO_TABLE_SERVICES].n, CLO_SLOTS / 4);
	assert_int_equal(tables->table[CLO_TABLE_IDENTITIES].n, 1);
	assert_int_equal(tables->table[CLO_TABLE_PAIRS].n, 0);
	assert_int_equal(tables->table[CLO_TABLE_WORDS].n, 0);
	assert_int_equal(tables->table[CLO_TABLE_ROWS].n, 0);
	assert_int_equal(tables->table[CLO_TABLE_RULES].n, 0);
	assert_string_equal(compiled->classes[0].name, "other");
	made_free(made);
}

static void groups_and_direction(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 1, WEB | DB,
		      "10.0.1.3");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/443");
	compiled = compile_at(made, NOW);

	assert_int_equal(compiled->tables->gen.identities, 4);
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.2", 443), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.1.3", 443), 0);
	assert_int_equal(tcp(compiled, "10.0.1.3", "10.0.0.2", 443), 0);
	assert_int_equal(tcp(compiled, "10.0.1.3", "10.0.1.3", 443), 0);
	assert_int_equal(tcp(compiled, "10.0.0.2", "10.0.0.1", 443),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.1", 443),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.2", 442),
			 CLO_DROP_POLICY);
	assert_int_equal(judge_flow(compiled, ACME, "10.0.0.1", "10.0.0.2",
				    IPPROTO_UDP, 443)
				 .drop,
			 CLO_DROP_POLICY);
	assert_string_equal(compiled->identities[1].name,
			    "acme/production/front{web}");
	assert_string_equal(compiled->identities[2].name,
			    "acme/production/front{db}");
	assert_string_equal(compiled->identities[3].name,
			    "acme/production/back{web,db}");
	assert_string_equal(compiled->identities[3].scope, "acme/production");
	assert_string_equal(compiled->identities[3].group, "web,db");
}

static void one_identity_where_nothing_differs(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.8.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "web", "tcp/1");
	compiled = compile_at(made, NOW);

	assert_int_equal(compiled->tables->gen.identities, 4);
	assert_int_equal(side_of(compiled, ACME, "10.0.0.1").identity,
			 side_of(compiled, ACME, "10.0.0.2").identity);
	assert_int_equal(side_of(compiled, ACME, "10.0.0.2").endpoint, 2);
	/* Overlapping tenants: the space tells whose address it is. */
	assert_int_equal(side_of(compiled, 9, "10.0.0.1").endpoint, 4);
	assert_int_equal(side_of(compiled, 9, "10.0.0.2").identity, 0);
	/* Between two endpoints of one identity the same rules decide. */
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.2", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.8.1", 1),
			 CLO_DROP_POLICY);
}

static void segments_and_both_families(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, 0, "10.0.0.1,fd00::1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 1, 0, "10.0.1.1,fd01::1");
	made_rule(made, "acme", CLO_ENV_TEST, "front", "back", "icmpv6/128");
	compiled = compile_at(made, NOW);

	assert_int_equal(judge_flow(compiled, ACME, "fd00::1", "fd01::1",
				    IPPROTO_ICMPV6, 128)
				 .drop,
			 0);
	assert_int_equal(judge_flow(compiled, ACME, "fd00::1", "fd01::1",
				    IPPROTO_ICMPV6, 129)
				 .drop,
			 CLO_DROP_POLICY);
	assert_int_equal(judge_flow(compiled, ACME, "fd01::1", "fd00::1",
				    IPPROTO_ICMPV6, 128)
				 .drop,
			 CLO_DROP_POLICY);
	assert_string_equal(compiled->identities[1].name, "acme/test/front");
}

static void any_covers_all_but_encapsulations(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	static const struct {
		uint8_t proto;
		uint16_t number;
	} slots[] = {{IPPROTO_TCP, 0},
		     {IPPROTO_TCP, 65535},
		     {IPPROTO_UDP, 53},
		     {IPPROTO_SCTP, 9},
		     {IPPROTO_ICMP, 8},
		     {IPPROTO_ICMPV6, 255},
		     {2, 0},
		     {0, 0},
		     {255, 65535}};

	static const uint8_t encapsulations[] = {4,  41, 47, 50,  51,  55, 94,
						 97, 98, 99, 108, 115, 137};

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, DB, "10.0.0.2");
	made_rule(made, "acme", CLO_ENV_TEST, "db", "web", "tcp/0,udp/53");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "db", "any");
	compiled = compile_at(made, NOW);

	for (size_t i = 0; i < CLO_ARRAY_LEN(slots); i++) {
		struct clo_verdict verdict =
			judge_flow(compiled, ACME, "10.0.0.1", "10.0.0.2",
				   slots[i].proto, slots[i].number);

		assert_int_equal(verdict.drop, 0);
		assert_int_equal(verdict.rule, 2);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(encapsulations); i++)
		assert_int_equal(judge_flow(compiled, ACME, "10.0.0.1",
					    "10.0.0.2", encapsulations[i], 0)
					 .drop,
				 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.2", "10.0.0.1", 0), 0);
	assert_int_equal(tcp(compiled, "10.0.0.2", "10.0.0.1", 1),
			 CLO_DROP_POLICY);
}

static void first_rule_owns_the_bit(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB | APP, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, DB, "10.0.0.2");
	made_rule(made, "acme", CLO_ENV_TEST, "app", "db", "tcp/100-200");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "db", "tcp/150-300");
	made_rule(made, "acme", CLO_ENV_TEST, "app", "db", "any");
	compiled = compile_at(made, NOW);

	assert_int_equal(
		judge_flow(compiled, ACME, "10.0.0.1", "10.0.0.2", 6, 150).rule,
		1);
	assert_int_equal(
		judge_flow(compiled, ACME, "10.0.0.1", "10.0.0.2", 6, 201).rule,
		2);
	assert_int_equal(
		judge_flow(compiled, ACME, "10.0.0.1", "10.0.0.2", 6, 301).rule,
		3);
	assert_string_equal(compiled->rules[2]->full, "acme/test/r2");
	assert_null(compiled->rules[0]);
}

static void cidrs_cover_the_outside(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_rule(made, "acme", CLO_ENV_TEST, "web",
		  "192.0.0.0/8-192.1.0.0/16-192.2.0.0/16", "tcp/1");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "192.1.5.0/24", "tcp/2");
	made_rule(made, "acme", CLO_ENV_TEST, "198.0.0.0/32", "web", "tcp/3");
	compiled = compile_at(made, NOW);

	assert_int_equal(tcp(compiled, "10.0.0.1", "192.0.0.0", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "192.255.255.255", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "193.0.0.0", 1),
			 CLO_DROP_NO_CLASS);
	assert_int_equal(tcp(compiled, "10.0.0.1", "192.1.0.0", 1),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "192.1.5.0", 2), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "192.1.5.0", 1),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "198.0.0.0", "10.0.0.1", 3), 0);
	assert_int_equal(tcp(compiled, "198.0.0.1", "10.0.0.1", 3),
			 CLO_DROP_NO_CLASS);
	/* The two holes have one signature, hence one class. */
	assert_int_equal(side_of(compiled, ACME, "192.1.0.0").identity,
			 side_of(compiled, ACME, "192.2.255.255").identity);
	assert_int_equal(compiled->tables->gen.identities, 1 + 1 + 4);
	assert_string_equal(
		compiled->identities[side_of(compiled, ACME, "192.2.0.1")
					     .identity]
			.name,
		"external 192.1.0.0/16 and 1 more");
	assert_null(compiled->identities[2].scope);
}

static void cidrs_stay_in_their_scope(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1,10.0.9.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.3");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "10.0.0.0/24", "tcp/1");
	compiled = compile_at(made, NOW);

	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.2", 1), 0);
	/* The production endpoint lies in the block and in another scope. */
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.3", 1),
			 CLO_DROP_POLICY);
	/* One endpoint, two identities: the cidr covers one address of it. */
	assert_int_equal(tcp(compiled, "10.0.0.2", "10.0.9.1", 1),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.9.1", "10.0.0.2", 1), 0);
	assert_string_equal(
		compiled->identities[side_of(compiled, ACME, "10.0.9.1")
					     .identity]
			.name,
		"acme/test/front{web}#2");
	assert_string_equal(
		compiled->identities[side_of(compiled, ACME, "10.0.0.1")
					     .identity]
			.name,
		"acme/test/front{web}");
	/* Where nobody lives the block is outside, also for the other scope. */
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.0.77", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.3", "10.0.0.77", 1),
			 CLO_DROP_POLICY);
}

static void only_services_open_the_node(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	const struct clo_identity *identity;

	made_node(made, "172.16.0.1,172.16.0.2");
	made_service(made, "dns", true, "172.16.0.1,169.254.1.1", "udp/53");
	made_service(made, "mirror", false, "172.16.0.0/29", "tcp/80");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "0.0.0.0/0", "any");
	compiled = compile_at(made, NOW);

	assert_int_equal(tcp(compiled, "10.0.0.1", "8.8.8.8", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.1", 53),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.2", 1),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "169.254.1.1", 53),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.3", 80),
			 CLO_DROP_POLICY);
	identity =
		entry(compiled, side_of(compiled, ACME, "172.16.0.2").identity);
	assert_int_equal(identity->kind, CLO_IDENTITY_NODE);
	identity =
		entry(compiled, side_of(compiled, ACME, "172.16.0.1").identity);
	assert_int_equal(identity->kind, CLO_IDENTITY_SERVICE);
	clo_compiled_free(CLO_TAKE(compiled));

	made_rule(made, "acme", CLO_ENV_TEST, "web", "@dns", "udp/53");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "@mirror", "tcp/80");
	compiled = compile_at(made, NOW);
	assert_int_equal(judge_flow(compiled, ACME, "10.0.0.1", "172.16.0.1",
				    IPPROTO_UDP, 53)
				 .rule,
			 2);
	assert_int_equal(judge_flow(compiled, ACME, "10.0.0.1", "169.254.1.1",
				    IPPROTO_UDP, 53)
				 .rule,
			 2);
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.3", 80), 0);
	/* A provider's block does not open the node that lies in it. */
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.1", 80),
			 CLO_DROP_POLICY);
	assert_int_equal(tcp(compiled, "10.0.0.1", "172.16.0.2", 80),
			 CLO_DROP_POLICY);
	assert_string_equal(
		compiled->identities[side_of(compiled, ACME, "169.254.1.1")
					     .identity]
			.name,
		"service dns");
	assert_string_equal(
		compiled->identities[side_of(compiled, ACME, "172.16.0.2")
					     .identity]
			.name,
		"node 172.16.0.2");
}

static void rest_class_only_where_covered(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1,fd00::1");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "0.0.0.0/0", "tcp/1");
	compiled = compile_at(made, NOW);

	assert_int_equal(tcp(compiled, "10.0.0.1", "255.255.255.255", 1), 0);
	assert_int_equal(tcp(compiled, "10.0.0.1", "0.0.0.0", 1), 0);
	assert_int_equal(
		judge_flow(compiled, ACME, "fd00::1", "2001::1", IPPROTO_TCP, 1)
			.drop,
		CLO_DROP_NO_CLASS);
	assert_int_equal(compiled->tables->table[CLO_TABLE_CIDR4].n, 1);
	assert_int_equal(compiled->tables->table[CLO_TABLE_CIDR6].n, 0);
}

static void link_local_follows_the_mac(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	struct clo_side side;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB,
		      "10.0.0.1,fd00::1,fd00::2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB,
		      "fe80::5054:ff:fe00:4");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "fd00::1/128", "tcp/1");
	compiled = compile_at(made, NOW);

	side = side_of(compiled, ACME, "fe80::5054:ff:fe00:1");
	assert_int_equal(side.endpoint, 1);
	assert_int_equal(side.identity,
			 side_of(compiled, ACME, "fd00::1").identity);
	assert_int_not_equal(side.identity,
			     side_of(compiled, ACME, "fd00::2").identity);
	side = side_of(compiled, ACME, "fe80::5054:ff:fe00:2");
	assert_int_equal(side.endpoint, 2);
	assert_int_equal(side.identity,
			 side_of(compiled, ACME, "10.0.0.2").identity);
	assert_int_equal(
		side_of(compiled, ACME, "fe80::5054:ff:fe00:3").endpoint, 3);
	assert_int_equal(
		side_of(compiled, ACME, "fe80::5054:ff:fe00:4").endpoint, 4);
	assert_int_equal(compiled->tables->table[CLO_TABLE_ADDR6].n, 6);
}

static void scopes_cross_only_where_named(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "acme/test/web",
		  "tcp/5");
	compiled = compile_at(made, NOW);

	/* Compiled as written: refusing it is the proof's part. */
	assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.1.1", 5), 0);
	assert_int_equal(tcp(compiled, "10.0.1.1", "10.0.0.1", 5),
			 CLO_DROP_POLICY);
}

static void rows_are_shared(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 1, WEB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, DB, "10.0.0.3");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "db", "tcp/5");
	compiled = compile_at(made, NOW);

	assert_int_equal(compiled->tables->table[CLO_TABLE_PAIRS].n, 2);
	assert_int_equal(compiled->tables->table[CLO_TABLE_WORDS].n, 1);
	assert_int_equal(compiled->tables->table[CLO_TABLE_ROWS].n, 1);
	assert_int_equal(compiled->tables->table[CLO_TABLE_RULES].n, 0);
}

static void rules_without_effect_leave_no_pair(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_rule(made, "acme", CLO_ENV_TEST, "web", "web", "");
	made_rule(made, "acme", CLO_ENV_TEST, "ops", "web", "any");
	/* Outside to outside touches no endpoint. */
	made_rule(made, "acme", CLO_ENV_TEST, "8.0.0.0/8", "9.0.0.0/8", "any");
	compiled = compile_at(made, NOW);

	assert_int_equal(compiled->tables->table[CLO_TABLE_PAIRS].n, 0);
	assert_int_equal(compiled->tables->table[CLO_TABLE_WORDS].n, 0);
	assert_int_equal(compiled->tables->gen.rules, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_policy_is_valid),
		TEST(groups_and_direction),
		TEST(one_identity_where_nothing_differs),
		TEST(segments_and_both_families),
		TEST(any_covers_all_but_encapsulations),
		TEST(first_rule_owns_the_bit),
		TEST(cidrs_cover_the_outside),
		TEST(cidrs_stay_in_their_scope),
		TEST(only_services_open_the_node),
		TEST(rest_class_only_where_covered),
		TEST(link_local_follows_the_mac),
		TEST(scopes_cross_only_where_named),
		TEST(rows_are_shared),
		TEST(rules_without_effect_leave_no_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
