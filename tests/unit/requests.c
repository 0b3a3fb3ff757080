/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/requests.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "agent/core/control.h"
#include "check.h"
#include "fixture_force.h"
#include "fixture_key.h"
#include "fixture_store.h"

/* What is answered without a kernel: refusals, and what a plan says. */
static struct clo_options options;
static struct clo_inventory nothing;
static struct clo_node node;
static json_t *reply;

static int begin(void **state)
{
	int r = set_up(state);

	options = (struct clo_options){.period = 60, .state_dir = "/nowhere"};
	nothing = (struct clo_inventory){.domains_known = true};
	node = (struct clo_node){
		.options = &options, .inventory = &nothing, .store = store};
	node.key = fixture_key(FIXTURE_KEY_1);
	return r;
}

static int end(void **state)
{
	clo_key_free(node.key);
	clo_force_free(node.force);
	json_decref(reply);
	reply = NULL;
	return tear_down(state);
}

static void ask(json_t *request, enum clo_caller caller)
{
	json_decref(reply);
	reply = clo_request_answer(&node, request, caller);
	json_decref(request);
	assert_non_null(reply);
}

static json_int_t exit_code(void)
{
	const char *error = json_string_value(json_object_get(reply, "error"));

	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_non_null(error);
	assert_null(strchr(error, '\n'));
	return json_integer_value(json_object_get(reply, "exit"));
}

static const json_t *result(void)
{
	if (!json_is_true(json_object_get(reply, "ok")))
		fail_msg("%s",
			 json_string_value(json_object_get(reply, "error")));
	return json_object_get(reply, "result");
}

static void test_refused(void **state)
{
	static const struct {
		const char *request;
		enum clo_exit code;
	} cases[] = {
		{"{}", CLO_EXIT_USAGE},
		{"{\"op\": \"\"}", CLO_EXIT_USAGE},
		{"{\"op\": 1}", CLO_EXIT_USAGE},
		{"{\"op\": \"destroy\"}", CLO_EXIT_USAGE},
		{"{\"op\": \"key \"}", CLO_EXIT_USAGE},
		{"{\"op\": \"KEY\"}", CLO_EXIT_USAGE},

		{"{\"op\": \"apply\"}", CLO_EXIT_REFUSED},
		{"{\"op\": \"apply\", \"documents\": [1]}", CLO_EXIT_REFUSED},
		{"{\"op\": \"plan\"}", CLO_EXIT_REFUSED},
		{"{\"op\": \"plan\", \"documents\": {}}", CLO_EXIT_REFUSED},

		{"{\"op\": \"matrix\"}", CLO_EXIT_INCONCLUSIVE},
		{"{\"op\": \"prove\"}", CLO_EXIT_INCONCLUSIVE},
		{"{\"op\": \"attest\"}", CLO_EXIT_INCONCLUSIVE},
		{"{\"op\": \"attest\", \"scope\": \"acme/test\"}",
		 CLO_EXIT_INCONCLUSIVE},
		{"{\"op\": \"attest\", \"scope\": null, \"nonce\": null}",
		 CLO_EXIT_INCONCLUSIVE},
		{"{\"op\": \"attest\", \"scope\": 1}", CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": \"\"}", CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": \"abc\"}", CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": \"ABCD\"}", CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": \"0x12\"}", CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": \"\xc3\xa9\"}",
		 CLO_EXIT_USAGE},
		{"{\"op\": \"attest\", \"nonce\": 12}", CLO_EXIT_USAGE},

#define TRACE "{\"op\": \"trace\", \"from\": \"a\", \"to\": \"b\""
		{TRACE ", \"proto\": \"tcp\", \"dport\": 443}",
		 CLO_EXIT_INCONCLUSIVE},
		{TRACE ", \"proto\": \"icmp\"}", CLO_EXIT_INCONCLUSIVE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": 65535}",
		 CLO_EXIT_INCONCLUSIVE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": 65536}",
		 CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": -1}", CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": 4294967739}",
		 CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": \"443\"}",
		 CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"dport\": 4.5}", CLO_EXIT_USAGE},
		{TRACE ", \"proto\": 6, \"dport\": 443}", CLO_EXIT_USAGE},
		{TRACE ", \"dport\": 443}", CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"sport\": 65536}",
		 CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"family\": 5}", CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"flags\": 2}", CLO_EXIT_USAGE},
		{TRACE ", \"proto\": \"tcp\", \"in\": 2}", CLO_EXIT_USAGE},
		{"{\"op\": \"trace\"}", CLO_EXIT_USAGE},
#undef TRACE
#define FRAMES "{\"op\": \"trace\", \"in\": \"w\", \"frames\": "
		{FRAMES "[\"00ff\"]}", CLO_EXIT_INCONCLUSIVE},
		{FRAMES "[]}", CLO_EXIT_USAGE},
		{FRAMES "\"00\"}", CLO_EXIT_USAGE},
		{FRAMES "[1]}", CLO_EXIT_USAGE},
		{FRAMES "[\"0\"]}", CLO_EXIT_USAGE},
		{FRAMES "[\"00\", \"FF\"]}", CLO_EXIT_USAGE},
		{"{\"op\": \"trace\", \"frames\": [\"00\"]}", CLO_EXIT_USAGE},
#undef FRAMES
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_t *request = json_loads(cases[i].request, 0, NULL);

		assert_non_null(request);
		ask(request, CLO_CALLER_ROOT);
		if (exit_code() != cases[i].code)
			fail_msg("%s: exit %lld", cases[i].request,
				 exit_code());
	}
}

/* 64 bytes are a nonce, 65 are not. */
static void test_long_nonces(void **state)
{
	char nonce[131] = "";

	(void)state;
	memset(nonce, 'a', 130);
	ask(json_pack("{s:s, s:s}", "op", "attest", "nonce", nonce),
	    CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_USAGE);
}

/* Others read; only root writes, and is told so before anything is parsed. */
static void test_only_root_applies(void **state)
{
	(void)state;
	ask(json_pack("{s:s, s:o}", "op", "apply", "documents",
		      fixture_documents(false)),
	    CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_FORBIDDEN);
	ask(json_pack("{s:s}", "op", "apply"), CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_FORBIDDEN);
	ask(json_pack("{s:s}", "op", "held"), CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_FORBIDDEN);
	assert_null(node.force);
}

static void test_flaws_are_listed(void **state)
{
	json_t *documents = fixture_documents(false);
	const json_t *flaw;

	(void)state;
	fixture_edit(documents, "acme.json", "tcp/5432", "tcp/70000");
	ask(json_pack("{s:s, s:o}", "op", "plan", "documents", documents),
	    CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_REFUSED);
	flaw = json_array_get(json_object_get(reply, "flaws"), 0);
	assert_string_equal(json_string_value(json_object_get(flaw, "file")),
			    "acme.json");
	assert_true(json_integer_value(json_object_get(flaw, "line")) > 1);
	assert_non_null(strstr(json_string_value(json_object_get(flaw, "text")),
			       "70000"));
}

static json_t *breaching(void)
{
	json_t *documents = fixture_documents(false);

	fixture_edit(documents, "workloads.json",
		     "\"addresses\": [\"10.0.0.5\"]",
		     "\"groups\": [\"web\"], \"addresses\": [\"10.0.0.5\"]");
	fixture_edit(documents, "acme.json", "{\"group\": \"db\"}",
		     "{\"tenant\": \"globex\", \"group\": \"web\"}");
	return documents;
}

/* A plan shows what is wrong with a policy that an apply refuses. */
static void test_breaches(void **state)
{
	(void)state;
	ask(json_pack("{s:s, s:o}", "op", "plan", "documents", breaching()),
	    CLO_CALLER_READER);
	assert_true(json_array_size(json_object_get(result(), "breaches")) > 0);

	ask(json_pack("{s:s, s:o}", "op", "apply", "documents", breaching()),
	    CLO_CALLER_ROOT);
	assert_int_equal(exit_code(), CLO_EXIT_REFUSED);
	assert_true(json_array_size(json_object_get(reply, "breaches")) > 0);
	assert_null(node.force);
}

static void test_a_plan_knows_what_is_in_force(void **state)
{
	json_auto_t *documents = fixture_documents(false);
	json_auto_t *edited = json_deep_copy(documents);

	(void)state;
	ask(json_pack("{s:s, s:O}", "op", "plan", "documents", documents),
	    CLO_CALLER_READER);
	assert_true(json_is_true(json_object_get(result(), "changed")));
	assert_int_equal(fixture_make(documents, time(NULL), &node.force), 0);
	ask(json_pack("{s:s, s:O}", "op", "plan", "documents", documents),
	    CLO_CALLER_READER);
	assert_true(json_is_false(json_object_get(result(), "changed")));
	fixture_edit(edited, "acme.json", "tcp/5432", "tcp/5433");
	ask(json_pack("{s:s, s:O}", "op", "plan", "documents", edited),
	    CLO_CALLER_READER);
	assert_true(json_is_true(json_object_get(result(), "changed")));
}

static json_t *by_digest(const char *name, const char *digest)
{
	return json_pack("{s:s, s:s}", "name", name, "sha256", digest);
}

/* Texts that are held need not be sent; their names still must. */
static void test_a_plan_of_what_is_held(void **state)
{
	json_auto_t *documents = fixture_documents(false);
	json_auto_t *same = fixture_documents(false), *held = NULL;
	json_t *first = json_array_get(documents, 0);

	(void)state;
	assert_int_equal(fixture_make(same, time(NULL), &node.force), 0);
	ask(json_pack("{s:s}", "op", "held"), CLO_CALLER_ROOT);
	held = json_incref(json_object_get(result(), "held"));
	assert_int_equal(json_array_size(held), json_array_size(documents));
	for (size_t i = 1; i < json_array_size(documents); i++)
		(void)json_array_set_new(
			documents, i,
			by_digest("w.json",
				  json_string_value(json_array_get(held, i))));
	ask(json_pack("{s:s, s:O}", "op", "plan", "documents", documents),
	    CLO_CALLER_ROOT);
	assert_true(json_is_false(json_object_get(result(), "changed")));

	fixture_edit(documents,
		     json_string_value(json_object_get(first, "name")),
		     "tcp/5432", "tcp/70000");
	ask(json_pack("{s:s, s:O}", "op", "plan", "documents", documents),
	    CLO_CALLER_ROOT);
	assert_int_equal(exit_code(), CLO_EXIT_REFUSED);
	assert_non_null(json_object_get(reply, "flaws"));
	assert_null(json_object_get(reply, "unheld"));
}

/* Nothing is parsed, and what is in force stays. */
static void test_an_apply_of_what_is_not_held(void **state)
{
	json_auto_t *documents = fixture_documents(false);
	json_auto_t *same = fixture_documents(false);
	struct clo_force *before;
	char digest[65] = "";

	(void)state;
	assert_int_equal(fixture_make(same, time(NULL), &node.force), 0);
	before = node.force;
	memset(digest, '0', 64);
	(void)json_array_set_new(documents, 0, by_digest("a.json", digest));
	ask(json_pack("{s:s, s:O}", "op", "apply", "documents", documents),
	    CLO_CALLER_ROOT);
	assert_int_equal(exit_code(), CLO_EXIT_REFUSED);
	assert_true(json_is_true(json_object_get(reply, "unheld")));
	assert_null(json_object_get(reply, "flaws"));
	assert_ptr_equal(node.force, before);
}

static void test_key(void **state)
{
	char id[65];

	(void)state;
	ask(json_pack("{s:s}", "op", "key"), CLO_CALLER_READER);
	assert_int_equal(clo_key_id(node.key, id), 0);
	assert_string_equal(json_string_value(json_object_get(result(), "id")),
			    id);
	assert_non_null(
		strstr(json_string_value(json_object_get(result(), "pem")),
		       "BEGIN PUBLIC KEY"));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(result(), "log"), "id")),
			    id);
}

/* Such as only another's hand writes. */
static void spoil_envelopes(void)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE records SET envelope = 'rubbish'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_log_of_rubbish(void **state)
{
	const uint8_t digest[32] = {0};
	const struct clo_record record = {
		.boot_id = "boot",
		.kind = "isolation/v1",
		.scope = "acme/test",
		.time = NOW,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = ENVELOPE("AAAA"),
	};

	(void)state;
	assert_int_equal(clo_store_append(store, &record), 0);
	ask(json_pack("{s:s, s:s}", "op", "attest", "scope", "acme/test"),
	    CLO_CALLER_READER);
	assert_non_null(json_object_get(result(), "envelope"));
	spoil_envelopes();
	ask(json_pack("{s:s, s:s}", "op", "attest", "scope", "acme/test"),
	    CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_FAILED);
}

/* The gateway asks for strangers: a table of what it may, and how often. */
static void test_the_gateway_may_ask_little(void **state)
{
	static const char *const forbidden[] = {
		"apply", "define", "endpoints", "harden", "held",
		"hook",  "matrix", "plan",      "trace",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(forbidden); i++) {
		ask(json_pack("{s:s, s:[], s:s}", "op", forbidden[i],
			      "documents", "xml", ""),
		    CLO_CALLER_GATEWAY);
		assert_int_equal(exit_code(), CLO_EXIT_FORBIDDEN);
	}
	assert_null(node.force);
	ask(json_pack("{s:s}", "op", "key"), CLO_CALLER_GATEWAY);
	assert_non_null(json_object_get(result(), "pem"));
	ask(json_pack("{s:s}", "op", "flows"), CLO_CALLER_GATEWAY);
	assert_int_equal(exit_code(), CLO_EXIT_USAGE);
}

/* The stream brings bundles; whoever it is, the signature lets them in. */
static void test_who_brings_a_bundle(void **state)
{
	static const char *const forbidden[] = {
		"activate", "apply",  "attest", "define", "endpoints",
		"harden",   "held",   "hook",   "key",    "matrix",
		"plan",     "status", "trace",
	};
	size_t looked_at = 0;

	(void)state;
	options.policy_trust = "/nowhere";
	for (size_t i = 0; i < CLO_ARRAY_LEN(forbidden); i++) {
		ask(json_pack("{s:s, s:[], s:s, s:b}", "op", forbidden[i],
			      "documents", "xml", "", "override", 1),
		    CLO_CALLER_STREAM);
		assert_int_equal(exit_code(), CLO_EXIT_FORBIDDEN);
	}
	for (int caller = CLO_CALLER_READER; caller <= CLO_CALLER_STREAM;
	     caller++) {
		bool may = caller == CLO_CALLER_ROOT ||
			   caller == CLO_CALLER_STREAM;

		ask(json_pack("{s:s, s:s}", "op", "bundle", "envelope", "{}"),
		    (enum clo_caller)caller);
		assert_int_equal(exit_code(),
				 may ? CLO_EXIT_REFUSED : CLO_EXIT_FORBIDDEN);
	}
	ask(json_pack("{s:s, s:{}}", "op", "bundle", "envelope"),
	    CLO_CALLER_ROOT);
	assert_int_equal(exit_code(), CLO_EXIT_USAGE);
	for (int i = 0; i < 50; i++) {
		ask(json_pack("{s:s, s:s}", "op", "bundle", "envelope", ""),
		    CLO_CALLER_STREAM);
		looked_at += exit_code() == CLO_EXIT_REFUSED;
	}
	assert_in_range(looked_at, 9, 10);
	assert_int_equal(exit_code(), CLO_EXIT_UNREACHABLE);
	assert_null(node.force);
}

static void test_strangers_challenge_seldom(void **state)
{
	size_t admitted = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		ask(json_pack("{s:s, s:s, s:s}", "op", "attest", "nonce", "00",
			      "scope", "nobody/test"),
		    CLO_CALLER_GATEWAY);
		admitted += exit_code() == CLO_EXIT_INCONCLUSIVE;
	}
	assert_in_range(admitted, 10, 11);
	assert_int_equal(exit_code(), CLO_EXIT_UNREACHABLE);
	/* who is of this node is not held up by them */
	ask(json_pack("{s:s, s:s, s:s}", "op", "attest", "nonce", "00", "scope",
		      "nobody/test"),
	    CLO_CALLER_READER);
	assert_int_equal(exit_code(), CLO_EXIT_INCONCLUSIVE);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused),
		TEST(test_long_nonces),
		TEST(test_only_root_applies),
		TEST(test_flaws_are_listed),
		TEST(test_breaches),
		TEST(test_a_plan_knows_what_is_in_force),
		TEST(test_a_plan_of_what_is_held),
		TEST(test_an_apply_of_what_is_not_held),
		TEST(test_key),
		TEST(test_a_log_of_rubbish),
		TEST(test_the_gateway_may_ask_little),
		TEST(test_who_brings_a_bundle),
		TEST(test_strangers_challenge_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
