/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/predicate.h"

#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/statement.h"
#include "agent/attest/verify.h"
#include "check.h"
#include "fixture_node.h"

#define NOW (FIXTURE_START - 1) /* no exception is in force */

static struct fixture f;
static struct clo_gap gap;
static json_t *predicate;

static int set_up(void **state)
{
	(void)state;
	fixture_init(&f, NOW);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(predicate);
	predicate = NULL;
	fixture_done(&f);
	return 0;
}

static void make(const char *scope)
{
	json_decref(predicate);
	predicate = clo_predicate_make(&f.node, &f.audit, &f.occasion, scope);
	assert_non_null(predicate);
}

static const json_t *coverage(const char *member)
{
	return json_object_get(json_object_get(predicate, "coverage"), member);
}

static void assert_coverage(json_int_t expected, json_int_t observed,
			    const char *missing)
{
	const json_t *names = coverage("missing");

	assert_int_equal(json_integer_value(coverage("expected")), expected);
	assert_int_equal(json_integer_value(coverage("observed")), observed);
	assert_int_equal(json_is_true(coverage("complete")),
			 expected == observed);
	assert_int_equal(json_array_size(names), expected - observed);
	if (missing)
		assert_string_equal(json_string_value(json_array_get(names, 0)),
				    missing);
}

static void test_coverage(void **state)
{
	(void)state;
	make(NULL);
	assert_coverage(3, 3, NULL);
	make(ACME);
	assert_coverage(1, 1, NULL);
	make("acme/test");
	assert_coverage(0, 0, NULL);

	f.results[TAP_GLOBEX].guarded = false;
	make(NULL);
	assert_coverage(3, 2, "vnet-g");
	make(GLOBEX);
	assert_coverage(1, 0, "vnet-g");
	make(ACME);
	assert_coverage(1, 1, NULL);

	f.results[TAP_UNDECLARED].guarded = false;
	make(NULL);
	assert_coverage(3, 1, "vnet-g");
}

static void test_where_it_was_looked(void **state)
{
	(void)state;
	make(NULL);
	assert_string_equal(
		json_string_value(json_array_get(coverage("sources"), 0)),
		"rtnetlink");
	assert_string_equal(
		json_string_value(json_array_get(coverage("sources"), 1)),
		"policy devices");
}

static void test_who_when_and_why(void **state)
{
	static const struct {
		const char *object, *member, *text;
	} cases[] = {
		{"node", "name", "node-1"},
		{"node", "bootId", "00000000-0000-0000-0000-000000000b07"},
		{"node", "agent", CLO_VERSION},
		{NULL, "time", "2025-12-31T23:59:59Z"},
		{NULL, "trigger", "request"},
		{NULL, "nonce", "00ff"},
		{NULL, "scope", ACME},
		{"policy", "attached", "tcx"},
		{"key", "protection", "file"},
	};

	char id[65];

	(void)state;
	f.occasion.trigger = "request";
	f.occasion.nonce = "00ff";
	make(ACME);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const json_t *in =
			cases[i].object
				? json_object_get(predicate, cases[i].object)
				: predicate;

		assert_string_equal(
			json_string_value(json_object_get(in, cases[i].member)),
			cases[i].text);
	}
	assert_int_equal(
		json_integer_value(json_object_get(predicate, "period")), 60);
	assert_int_equal(clo_key_id(f.node.key, id), 0);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(predicate, "key"), "id")),
			    id);

	f.occasion.nonce = NULL;
	make(NULL);
	assert_true(json_is_null(json_object_get(predicate, "nonce")));
	assert_true(json_is_null(json_object_get(predicate, "scope")));
	assert_null(json_object_get(predicate, "verdict"));
	assert_null(json_object_get(predicate, "chain"));
}

/* A scope reads that its borders were enumerated, not how large others are. */
static void test_the_size_of_the_node_is_its_own(void **state)
{
	const json_t *proof;

	(void)state;
	make(NULL);
	proof = json_object_get(predicate, "proof");
	assert_non_null(json_object_get(proof, "proveMs"));
	make(ACME);
	proof = json_object_get(predicate, "proof");
	assert_int_equal(json_object_size(proof), 1);
	assert_int_equal(
		json_integer_value(json_object_get(proof, "invariants")),
		clo_invariants_count);
}

/* Everything of one tenant that could show in a statement. */
struct secrets {
	const char *scope; /* whose */
	const char *words[8];
};

static const struct secrets secrets[] = {
	{GLOBEX,
	 {"globex", "blog", "vnet-g", "52:54:00:00:00:03",
	  "6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b11", "bbbbbbbb"}},
	{ACME,
	 {"acme", "shop", "vnet-a", "tap0", "52:54:00:00:00:01", "fd00:1::5",
	  "00000000-0000-0000-0000-00000000000a", "aaaaaaaa"}},
};

static void assert_tells(const char *scope, const struct secrets *of,
			 bool expected)
{
	CLO_AUTO_MEM char *text = NULL;

	make(scope);
	text = json_dumps(predicate, JSON_COMPACT);
	assert_non_null(text);
	for (size_t i = 0; i < CLO_ARRAY_LEN(of->words) && of->words[i]; i++)
		if (!expected && strstr(text, of->words[i]))
			fail_msg("%s reads %s: %s", scope, of->words[i], text);
	if (expected) /* the search is a search */
		assert_non_null(strstr(text, of->words[2]));
	/* what belongs to no scope is the node's */
	assert_int_equal(strstr(text, "vnet-u") != NULL, scope == NULL);
}

static void assert_private(void)
{
	assert_tells(ACME, &secrets[1], true);
	assert_tells(ACME, &secrets[0], false);
	assert_tells(GLOBEX, &secrets[0], true);
	assert_tells(GLOBEX, &secrets[1], false);
	assert_tells(NULL, &secrets[0], true);
	assert_tells(NULL, &secrets[1], true);
}

/* Whatever happens, nobody reads of another tenant. */
static void test_a_scope_never_reads_of_another(void **state)
{
	static const char *const controls[] = {
		"net.default-deny",    "net.cross-tenant-deny",
		"net.flow-matrix",     "net.no-bypass-path",
		"env.label-integrity",
	};

	(void)state;
	assert_private();
	for (size_t i = 0; i < N_TAPS; i++)
		f.results[i].guarded = false;
	assert_private();

	for (size_t i = 0; i < CLO_ARRAY_LEN(controls); i++) {
		struct clo_problem *found = clo_problem_add(
			&f.audit.problems, controls[i],
			"acme shop vnet-a to globex blog vnet-g, vnet-u");

		assert_int_equal(clo_problem_scoped(found, ACME,
						    i % 2 ? GLOBEX : NULL,
						    "a flow of this scope"),
				 0);
	}
	assert_private();
}

/* Nor from an exception, whose name is free text. */
static void test_an_exception_is_nobody_elses(void **state)
{
	static const char name[] = "globex-and-acme";

	(void)state;
	f.node.force->policy->exceptions[0].name = name;
	f.occasion.now = FIXTURE_START;
	for (int scope = 0; scope < 2; scope++) {
		CLO_AUTO_MEM char *text = NULL;

		make(scope ? ACME : GLOBEX);
		text = json_dumps(predicate, 0);
		assert_non_null(text);
		assert_null(strstr(text, name));
	}
}

/* Seal, sign, and let a relying party say. */
static enum clo_verify_exit verify(const char *scope)
{
	const struct clo_verify_options options = {.now = f.occasion.now,
						   .max_age = -1,
						   .nonce = f.occasion.nonce};
	struct clo_verify_result result = {0};
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *text = NULL;
	char subject[64];
	enum clo_verdict_word verdict;
	const uint8_t digest[32] = {1};

	make(scope);
	assert_int_equal(json_object_set_new(predicate, "chain",
					     json_pack("{s:i, s:n}", "sequence",
						       0, "previous")),
			 0);
	(void)snprintf(
		subject, sizeof(subject), "%s/%s", scope ? "scope" : "node",
		scope ? scope
		      : json_string_value(json_object_get(
				json_object_get(predicate, "node"), "name")));
	assert_int_equal(
		clo_statement_seal(predicate, subject, digest, &text, &verdict),
		0);
	assert_int_equal(
		clo_dsse_sign(f.node.key, text, strlen(text), &envelope), 0);
	clo_verify(f.node.key, envelope, strlen(envelope), &options, &result);
	if (result.exit == CLO_VERIFY_NOT_AUTHENTIC)
		fail_msg("not authentic: %s", result.reason);
	clo_verify_result_done(&result);
	return result.exit;
}

static void test_verified_end_to_end(void **state)
{
	static const char *const scopes[] = {NULL, ACME, GLOBEX};
	struct clo_problem *found;

	(void)state;
	f.occasion.nonce = "0123";
	for (size_t i = 0; i < CLO_ARRAY_LEN(scopes); i++)
		assert_int_equal(verify(scopes[i]), CLO_VERIFY_PASSED);

	gap = (struct clo_gap){.from = NOW - 60, .to = NOW - 30};
	f.occasion.gaps = &gap;
	f.occasion.n_gaps = 1;
	assert_int_equal(verify(NULL), CLO_VERIFY_PASSED);
	gap.to = 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(scopes); i++)
		assert_int_equal(verify(scopes[i]), CLO_VERIFY_INCONCLUSIVE);
	f.occasion.n_gaps = 0;

	f.results[TAP_GLOBEX].guarded = false;
	assert_int_equal(verify(NULL), CLO_VERIFY_INCONCLUSIVE);
	assert_int_equal(verify(GLOBEX), CLO_VERIFY_INCONCLUSIVE);
	assert_int_equal(verify(ACME), CLO_VERIFY_PASSED);

	found = clo_problem_add(&f.audit.problems, "net.default-deny", "open");
	assert_int_equal(clo_problem_scoped(found, GLOBEX, NULL, "yours"), 0);
	assert_int_equal(verify(NULL), CLO_VERIFY_FAILED);
	assert_int_equal(verify(GLOBEX), CLO_VERIFY_FAILED);
	assert_int_equal(verify(ACME), CLO_VERIFY_PASSED);
}

/* Set a member of a member; the digest before and after. */
static bool is_news(const char *object, const char *member, const char *value)
{
	uint8_t before[32];
	uint8_t after[32];
	json_t *in;

	make(NULL);
	in = object ? json_object_get(predicate, object) : predicate;
	in = json_is_array(in) ? json_array_get(in, 0) : in;
	assert_true(json_is_object(in));
	assert_int_equal(clo_standing_judge(predicate, before), 0);
	assert_int_equal(
		json_object_set_new(in, member,
				    json_loads(value, JSON_DECODE_ANY, NULL)),
		0);
	assert_int_equal(clo_standing_judge(predicate, after), 0);
	return memcmp(before, after, sizeof(before)) != 0;
}

static void test_what_is_news(void **state)
{
	static const struct {
		const char *object, *member, *value;
		bool news;
	} cases[] = {
		{NULL, "time", "\"2030-01-01T00:00:00Z\"", false},
		{NULL, "nonce", "\"ab\"", false},
		{NULL, "trigger", "\"stop\"", false},
		{NULL, "quote", "{}", false},
		{"proof", "proveMs", "7", false},
		{"proof", "decided", "{\"epoch\":1,\"ms\":7}", false},
		{"proof", "decided", "{\"epoch\":2}", true},
		{"proof", "decided", "null", true},
		{"proof", "documents", "{\"ms\":7}", false},
		{"proof", "documents", "null", true},
		{NULL, "chain", "{}", false},
		{NULL, "verdict", "\"PASSED\"", false},
		{NULL, "gaps", "[{\"from\":\"x\",\"to\":\"y\"}]", false},
		{NULL, "gaps", "[{\"from\":\"x\",\"to\":null}]", true},
		{NULL, "scope", "\"acme/test\"", true},
		{NULL, "period", "7", true},
		{NULL, "anything", "7", true},
		{"node", "kernel", "\"7\"", true},
		{"key", "protection", "\"tpm\"", true},
		{"policy", "digest", "\"7\"", true},
		{"policy", "epoch", "7", true},
		{"programs", "xlated", "\"7\"", true},
		{"tables", "pairs", "\"7\"", true},
		{"coverage", "observed", "7", true},
		{"controls", "result", "\"FAIL\"", true},
		{"controls", "detail", "\"7\"", true},
		{"controls", "excepted", "true", true},
		{"controls", "evidence", "[{\"mode\":\"audit\"}]", true},
		{"platform", "state", "\"7\"", true},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		if (is_news(cases[i].object, cases[i].member, cases[i].value) !=
		    cases[i].news)
			fail_msg("%s.%s", cases[i].object, cases[i].member);
}

static void test_what_else_does_not_pass(void **state)
{
	struct clo_force *force = f.node.force;

	(void)state;
	f.occasion.now = FIXTURE_START; /* an exception is in force */
	assert_int_equal(verify(NULL), CLO_VERIFY_FAILED);
	f.occasion.now = NOW;
	assert_int_equal(verify(NULL), CLO_VERIFY_PASSED);
	f.audit.programs_read = false;
	f.audit.observed = NULL;
	assert_int_equal(verify(NULL), CLO_VERIFY_FAILED);
	f.node.force = NULL;
	assert_int_equal(verify(NULL), CLO_VERIFY_INCONCLUSIVE);
	f.node.force = force;
}

/* The approved matrix is named only of tables that are the kernel's. */
static void test_the_matrix_in_force(void **state)
{
	struct clo_table_data *words =
		&f.node.force->compiled->tables->table[CLO_TABLE_WORDS];
	const json_t *policy;

	(void)state;
	make(NULL);
	policy = json_object_get(predicate, "policy");
	assert_string_equal(
		json_string_value(json_object_get(policy, "matrix")),
		f.node.force->matrix);
	words->entries[0] ^= 1;
	make(NULL);
	policy = json_object_get(predicate, "policy");
	assert_null(json_object_get(policy, "matrix"));
	words->entries[0] ^= 1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_coverage),
		TEST(test_where_it_was_looked),
		TEST(test_who_when_and_why),
		TEST(test_the_matrix_in_force),
		TEST(test_the_size_of_the_node_is_its_own),
		TEST(test_a_scope_never_reads_of_another),
		TEST(test_an_exception_is_nobody_elses),
		TEST(test_verified_end_to_end),
		TEST(test_what_is_news),
		TEST(test_what_else_does_not_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
