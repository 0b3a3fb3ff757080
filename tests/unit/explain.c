/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"

#include <stdio.h>

#include <jansson.h>

#include "check.h"
#include "unit/judged.h"

static struct made *base(void)
{
	struct made *made = made_new();

	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 9);
	made_node(made, "172.16.0.1");
	made_service(made, "dns", true, "169.254.1.1", "udp/53");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB,
		      "10.0.0.1,fd00::1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.2");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.9");
	return made;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(null)";
}

/* "from>to service by rule", one to a line. */
static char *flows_text(const json_t *plan, const char *list)
{
	const json_t *flows = json_object_get(plan, list);
	char *text = calloc(1, 4096);
	const json_t *flow;
	size_t i;

	assert_non_null(text);
	json_array_foreach (flows, i, flow) {
		size_t n = strlen(text);

		(void)snprintf(text + n, 4096 - n, "%s>%s %s by %s\n",
			       text_of(flow, "from"), text_of(flow, "to"),
			       text_of(flow, "service"), text_of(flow, "rule"));
	}
	return text;
}

static void check_plan(struct made *before, struct made *after,
		       const char *gained, const char *lost, int unchanged)
{
	CLO_AUTO(clo_compiled)
	struct clo_compiled *a = before ? compile_at(before, 0) : NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *b = compile_at(after, 0);
	json_auto_t *plan = clo_explain_plan(a, b, 0);
	CLO_AUTO_MEM char *is_gained = flows_text(plan, "gained");
	CLO_AUTO_MEM char *is_lost = flows_text(plan, "lost");

	assert_non_null(plan);
	assert_string_equal(is_gained, gained);
	assert_string_equal(is_lost, lost);
	assert_int_equal(json_integer_value(json_object_get(plan, "unchanged")),
			 unchanged);
	if (before)
		made_free(before);
	made_free(after);
}

#define WEB_NAME "acme/production/front{web}"
#define DB_NAME "acme/production/front{db}"

static void plan_from_nothing(void **state)
{
	struct made *after = base();

	(void)state;
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/443,tcp/444,udp");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "@dns", "udp/53");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "db", "web", "any");
	check_plan(NULL, after,
		   WEB_NAME ">" DB_NAME
			    " tcp/443-444 by acme/production/r1\n" WEB_NAME
			    ">" DB_NAME " udp by acme/production/r1\n" WEB_NAME
			    ">service dns udp/53 by "
			    "acme/production/r2\n" DB_NAME ">" WEB_NAME
			    " any by acme/production/r3\n",
		   "", 0);
}

static void plan_of_the_same_is_empty(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/1-9");
	/* Split into two rules and other classes, the meaning is the same. */
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/1-4");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/3-9");
	check_plan(before, after, "", "", 1);
}

static void plan_with_other_classes(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/100-200");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/150-250,icmp/8");
	check_plan(before, after,
		   WEB_NAME ">" DB_NAME
			    " tcp/201-250 by acme/production/r1\n" WEB_NAME
			    ">" DB_NAME " icmp/8 by acme/production/r1\n",
		   WEB_NAME ">" DB_NAME " tcp/100-149 by acme/production/r1\n",
		   1);
}

static void plan_with_other_externals(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "8.0.0.0/8",
		  "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web",
		  "8.0.0.0/8-8.1.0.0/16", "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "db", "8.1.0.0/16",
		  "tcp/2");
	check_plan(before, after,
		   DB_NAME ">external 8.1.0.0/16 tcp/2 by acme/production/r2\n",
		   WEB_NAME
		   ">external 8.1.0.0/16 tcp/1 by acme/production/r1\n",
		   1);
}

/* Two halves are the whole: no address is left to lose anything. */
static void plan_with_a_block_cut_in_two(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "8.0.0.0/8",
		  "tcp/1");
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "::/0", "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "8.0.0.0/9",
		  "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "8.128.0.0/9",
		  "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "::/1", "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "8000::/1",
		  "tcp/1");
	/* Two sources, for ::/0 tells fd00::1 apart, by four blocks and fd00::1. */
	check_plan(before, after, "", "", 10);
}

static void plan_with_members_and_twins(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/1");
	/* A new member of a class changes no flow between classes. */
	made_endpoint(after, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.77");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/1");
	check_plan(before, after, "", "", 1);

	/* A cidr that tells members apart does, for those that it covers. */
	before = base();
	after = base();
	made_endpoint(before, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.77");
	made_endpoint(after, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.77");
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/1");
	made_rule(after, "acme", CLO_ENV_PRODUCTION, "10.0.0.77/32", "db",
		  "tcp/1");
	check_plan(before, after,
		   "external 10.0.0.77>" DB_NAME
		   " tcp/1 by acme/production/r1\n",
		   WEB_NAME ">" DB_NAME " tcp/1 by acme/production/r1\n", 1);
}

static void plan_with_what_goes(void **state)
{
	struct made *before = base();
	struct made *after = base();

	(void)state;
	made_endpoint(before, "acme", CLO_ENV_PRODUCTION, 1, OPS, "10.0.5.1");
	made_rule(before, "acme", CLO_ENV_PRODUCTION, "ops", "db", "any");
	check_plan(before, after, "",
		   "acme/production/back{ops}>" DB_NAME
		   " any by acme/production/r1\n",
		   0);
}

static void matrix_counts_and_names(void **state)
{
	struct made *made = base();
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	json_auto_t *matrix = NULL;
	const json_t *cells;
	const json_t *cell;

	(void)state;
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/80,tcp/81,icmp");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "8.0.0.0/8", "any");
	compiled = compile_at(made, 0);
	matrix = clo_explain_matrix(compiled, compiled->tables);
	assert_non_null(matrix);

	cells = json_object_get(matrix, "cells");
	assert_int_equal(json_array_size(json_object_get(matrix, "scopes")), 7);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(matrix, "scopes"), 6)),
			    "outside");
	cell = json_array_get(json_array_get(cells, 0), 0);
	assert_int_equal(json_integer_value(json_object_get(cell, "allowed")),
			 3);
	assert_true(json_is_false(json_object_get(cell, "forbidden")));
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(cell, "services"), 0)),
			    "tcp/80-81");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(cell, "services"), 1)),
			    "icmp");
	cell = json_array_get(json_array_get(cells, 0), 6);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(cell, "services"), 0)),
			    "any");
	assert_true(json_is_false(json_object_get(cell, "forbidden")));
	for (size_t to = 1; to < 6; to++) {
		cell = json_array_get(json_array_get(cells, 0), to);
		assert_true(json_is_true(json_object_get(cell, "forbidden")));
		assert_int_equal(
			json_integer_value(json_object_get(cell, "allowed")),
			0);
	}
	made_free(made);
}

struct trace_case {
	const char *from, *to, *proto;
	uint16_t number;
	const char *verdict, *reason, *rule, *invariant;
};

static const char *const no_rule = "no rule allows the flow";
static const char *const no_class = "address belongs to no class of the policy";
static const char *const not_for = "frame was not approved for this endpoint";

static void trace_agrees_with_tables(void **state)
{
	const struct trace_case cases[] = {
		{"acme/production/w1/0", "w2", "tcp", 443, "allow",
		 "not dropped", "acme/production/r1", NULL},
		{"w1", "w2", "tcp", 444, "drop", no_rule, NULL, NULL},
		{"w2", "w1", "6", 443, "drop", no_rule, NULL, NULL},
		{"w1", "acme/test/w3", "tcp", 443, "drop", no_rule, NULL,
		 "environment separation"},
		{"w1", "8.8.8.8", "udp", 9, "allow", "not dropped",
		 "acme/production/r2", NULL},
		{"w1", "9.9.9.9", "udp", 9, "drop", no_class, NULL, NULL},
		{"w1", "172.16.0.1", "tcp", 22, "drop", no_rule, NULL,
		 "node services only"},
		{"w1", "169.254.1.1", "udp", 53, "allow", "not dropped",
		 "acme/production/r3", NULL},
		{"8.8.8.8", "w1", "icmp", 8, "drop", no_rule, NULL, NULL},
		/* bolt's db lives at an address that acme knows nothing of. */
		{"w1", "w5", "tcp", 443, "drop", no_class, NULL,
		 "tenant separation"},
		/* bolt's web shares an address with acme's db: never bolt's. */
		{"w1", "w4", "tcp", 443, "drop", not_for, NULL,
		 "tenant separation"},
		{"w1", "fd00::2", "icmpv6", 128, "drop", no_class, NULL, NULL},
	};
	struct made *made = base();
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	(void)state;
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/443");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "8.0.0.0/8", "any");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@dns", "udp/53");
	compiled = compile_at(made, 0);

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		char text[160] = "";
		json_auto_t *trace = clo_explain_trace(
			compiled, compiled->tables, cases[i].from, cases[i].to,
			cases[i].proto, cases[i].number, text);

		assert_string_equal(text, "");
		assert_string_equal(text_of(trace, "verdict"),
				    cases[i].verdict);
		assert_string_equal(text_of(trace, "reason"), cases[i].reason);
		assert_string_equal(text_of(trace, "rule"),
				    cases[i].rule ? cases[i].rule : "(null)");
		assert_string_equal(text_of(trace, "invariant"),
				    cases[i].invariant ? cases[i].invariant
						       : "(null)");
		assert_true(json_array_size(json_object_get(trace, "steps")) >=
			    2);
	}
	made_free(made);
}

static void trace_runs_on_the_tables_given(void **state)
{
	struct made *made = base();
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *live = NULL;
	json_auto_t *trace = NULL;
	struct clo_addr *addr;
	char text[160] = "";
	size_t i = 0;

	(void)state;
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/443");
	compiled = compile_at(made, 0);
	live = compile_at(made, 0);
	/* In the live tables the source's address is another endpoint's. */
	while (clo_tables_addr_kind(live->tables, CLO_TABLE_ADDR4, i) !=
	       CLO_ADDR_ENDPOINT)
		i++;
	addr = (void *)(live->tables->table[CLO_TABLE_ADDR4].entries +
			i * (sizeof(struct clo_addr4_key) + sizeof(*addr)) +
			sizeof(struct clo_addr4_key));
	addr->endpoint = 99;
	trace = clo_explain_trace(compiled, live->tables, "w1", "w2", "tcp",
				  443, text);
	assert_string_equal(text_of(trace, "verdict"), "drop");
	assert_string_equal(text_of(trace, "reason"),
			    "source address is not the endpoint's");
	made_free(made);
}

static void trace_refuses_bad_arguments(void **state)
{
	static const struct {
		const char *from, *to, *proto, *says;
		uint16_t number;
	} cases[] = {
		{"nobody", "w1", "tcp", "nobody", 1},
		{"w1", "10.0.0.300", "tcp", "10.0.0.300", 1},
		{"8.8.8.8", "8.8.4.4", "tcp", "both are addresses", 1},
		{"w1", "w2", "ipx", "ipx", 1},
		{"w1", "w2", "256", "256", 1},
		{"w1", "w2", "", "protocol", 1},
		{"w1", "w2", "icmp", "ICMP types", 256},
		{"w1", "w2", "icmpv6", "family", 128},
		{"w2", "2001::1", "tcp", "family", 80},
	};
	struct made *made = base();
	CLO_AUTO(clo_compiled)
	struct clo_compiled *compiled = compile_at(made, 0);

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		char text[160] = "";

		assert_null(clo_explain_trace(
			compiled, compiled->tables, cases[i].from, cases[i].to,
			cases[i].proto, cases[i].number, text));
		assert_non_null(strstr(text, cases[i].says));
	}
	made_free(made);
}

static void breach_and_proof(void **state)
{
	struct made *made = base();
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	json_auto_t *explained = NULL;
	const json_t *breach;
	const json_t *one;
	char text[160];

	(void)state;
	assert_non_null(proof);
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "acme/test/web",
		  "tcp/80");
	compiled = compile_at(made, 0);
	assert_int_equal(clo_prove(compiled->tables, NULL, 0, proof, text), 0);
	explained = clo_explain_proof(compiled, proof);
	assert_int_equal(
		json_integer_value(json_object_get(explained, "breached")), 1);
	assert_int_equal(
		json_array_size(json_object_get(explained, "invariants")),
		clo_invariants_count);
	one = json_array_get(json_object_get(explained, "invariants"), 1);
	assert_string_equal(text_of(one, "verdict"), "VIOLATED");
	assert_true(json_is_null(json_object_get(one, "gap")));
	one = json_array_get(json_object_get(explained, "invariants"), 4);
	assert_string_equal(text_of(one, "verdict"), "NOT-COVERED");
	assert_non_null(strstr(text_of(one, "gap"), "no tenant of level 2"));
	breach = json_array_get(json_object_get(explained, "breaches"), 0);
	assert_string_equal(text_of(breach, "invariant"),
			    "environment separation");
	assert_string_equal(text_of(breach, "control"),
			    "env.prod-nonprod-deny");
	assert_string_equal(text_of(breach, "from"), WEB_NAME);
	assert_string_equal(text_of(breach, "to"), "acme/test/front{web}");
	assert_string_equal(text_of(breach, "service"), "tcp/80");
	assert_string_equal(text_of(breach, "rule"), "acme/production/r1");
	assert_string_equal(text_of(breach, "file"), "made.json");
	assert_string_equal(text_of(breach, "packet"),
			    "10.0.0.1 > 10.0.1.1 tcp/80");
	assert_true(json_is_false(json_object_get(breach, "excepted")));
	made_free(made);
}

static void difference_in_words(void **state)
{
	struct made *made = base();
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *live = NULL;
	struct clo_difference difference;
	json_auto_t *words = NULL;

	(void)state;
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/443,tcp/80");
	compiled = compile_at(made, 0);
	live = compile_at(made, 0);
	live->tables->table[CLO_TABLE_WORDS].entries[0] ^= 2;
	assert_int_equal(clo_tables_compare(compiled->tables, live->tables,
					    &difference, 1),
			 1);
	words = clo_explain_difference(compiled, live->tables, &difference);
	assert_string_equal(
		text_of(words, "text"),
		"table words, entry 0 is denied, expected allowed: " WEB_NAME
		" > " DB_NAME " tcp/80");
	json_decref(CLO_TAKE(words));

	live->tables->table[CLO_TABLE_WORDS].entries[0] ^= 2;
	live->tables->table[CLO_TABLE_PAIRS].n = 0;
	assert_int_equal(clo_tables_compare(compiled->tables, live->tables,
					    &difference, 1),
			 1);
	words = clo_explain_difference(compiled, live->tables, &difference);
	assert_string_equal(text_of(words, "how"), "missing");
	assert_string_equal(text_of(words, "text"),
			    "table pairs, entry 0 is missing: " WEB_NAME
			    " > " DB_NAME);
	json_decref(CLO_TAKE(words));

	/* Names of nothing: what the live tables say may be anything. */
	difference = (struct clo_difference){
		.table = CLO_TABLE_PAIRS,
		.how = CLO_DIFF_EXTRA,
		.has_pair = true,
		.pair = {4000000000U, 0},
		.class = 60000,
	};
	words = clo_explain_difference(compiled, live->tables, &difference);
	assert_string_equal(text_of(words, "from"), "identity 4000000000");
	assert_string_equal(text_of(words, "service"), "class 60000");
	made_free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_from_nothing),
		cmocka_unit_test(plan_of_the_same_is_empty),
		cmocka_unit_test(plan_with_other_classes),
		cmocka_unit_test(plan_with_other_externals),
		cmocka_unit_test(plan_with_a_block_cut_in_two),
		cmocka_unit_test(plan_with_members_and_twins),
		cmocka_unit_test(plan_with_what_goes),
		cmocka_unit_test(matrix_counts_and_names),
		cmocka_unit_test(trace_agrees_with_tables),
		cmocka_unit_test(trace_runs_on_the_tables_given),
		cmocka_unit_test(trace_refuses_bad_arguments),
		cmocka_unit_test(breach_and_proof),
		cmocka_unit_test(difference_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
