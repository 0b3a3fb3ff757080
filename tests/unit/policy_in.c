/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/attest/dsse.h"
#include "agent/attest/policy_bundle.h"
#include "agent/attest/verify.h"
#include "agent/base/file.h"
#include "agent/core/bundle.h"
#include "agent/core/control.h"
#include "agent/core/reserve.h"
#include "agent/core/seen.h"
#include "check.h"
#include "fixture_force.h"
#include "fixture_key.h"
#include "fixture_store.h"

/* What is decided without a kernel: all but that a policy is in force. */
#undef NOW
static struct clo_options options;
static struct clo_inventory nothing;
static struct clo_node node;
static struct clo_key *plane;
static char trust_path[64], seen_path[64];
static json_t *reply;

static void write_trust(const char *more)
{
	CLO_AUTO_MEM char *pem = NULL;
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *root = NULL;
	json_t *entry = json_loads(more, 0, NULL);

	assert_int_equal(clo_key_public_pem(plane, &pem), 0);
	(void)json_object_update_new(entry, json_pack("{s:s, s:s, s:[s]}",
						      "name", "plane", "pem",
						      pem, "roles", "policy"));
	root = json_pack("{s:s, s:s, s:[o]}", "apiVersion", "cloison/v1",
			 "kind", "TrustStore", "keys", entry);
	text = json_dumps(root, 0);
	(void)unlink(trust_path);
	assert_int_equal(clo_file_write(trust_path, text, strlen(text)), 0);
	assert_int_equal(chmod(trust_path, 0644), 0);
}

static int begin(void **state)
{
	int r = set_up(state);

	(void)snprintf(trust_path, sizeof(trust_path), "%s/trust.json", dir);
	(void)snprintf(seen_path, sizeof(seen_path), "%s/bundle.json", dir);
	options = (struct clo_options){
		.period = 60, .state_dir = dir, .policy_trust = trust_path};
	nothing = (struct clo_inventory){.domains_known = true};
	node = (struct clo_node){.options = &options,
				 .inventory = &nothing,
				 .store = store,
				 .boot_id = "b1"};
	node.key = fixture_key(FIXTURE_KEY_1);
	plane = fixture_key(FIXTURE_KEY_2);
	write_trust("{}");
	return r;
}

static int end(void **state)
{
	clo_key_free(plane);
	clo_key_free(node.key);
	clo_force_free(node.force);
	json_decref(reply);
	reply = NULL;
	(void)unlink(trust_path);
	(void)unlink(seen_path);
	(void)clo_reserve_drop(dir);
	return tear_down(state);
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

/* Takes documents. */
static char *seal(const struct clo_key *key, const char *name, int64_t revision,
		  json_t *documents, time_t not_after)
{
	const struct clo_policy_bundle parts = {.node = name,
						.revision = revision,
						.not_after = not_after,
						.documents = documents};
	char *envelope = NULL;

	assert_int_equal(clo_policy_bundle_seal(key, &parts, &envelope), 0);
	json_decref(documents);
	return envelope;
}

static void hand_in(const char *envelope)
{
	json_auto_t *request =
		json_pack("{s:s, s:s}", "op", "bundle", "envelope", envelope);

	json_decref(reply);
	reply = clo_bundle_answer(&node, request);
	assert_non_null(reply);
}

static void bring(const char *name, int64_t revision, json_t *documents,
		  time_t not_after)
{
	CLO_AUTO_MEM char *envelope =
		seal(plane, name, revision, documents, not_after);

	hand_in(envelope);
}

static uint64_t records(void)
{
	uint64_t n = 0;

	assert_int_equal(clo_store_count(store, &n), 0);
	return n;
}

static void assert_turned_away(const char *words)
{
	const char *error = json_string_value(json_object_get(reply, "error"));

	assert_true(json_is_false(json_object_get(reply, "ok")));
	if (!error || !strstr(error, words) || strchr(error, '\n'))
		fail_msg("\"%s\", not \"%s\"", error ? error : "-", words);
	assert_int_equal(records(), 0);
}

static void assert_decided(const char *outcome, const char *words)
{
	const char *is = "-", *why = "-";
	json_int_t revision;

	if (json_unpack(reply, "{s:{s:I, s:s, s:s}}", "result", "revision",
			&revision, "outcome", &is, "reason", &why) < 0)
		fail_msg("%s",
			 json_string_value(json_object_get(reply, "error")));
	assert_string_equal(is, outcome);
	if (!strstr(why, words))
		fail_msg("\"%s\", not \"%s\"", why, words);
}

/* The last record: opened and verified, and what is said of it. */
static void assert_last(const char *words)
{
	const struct clo_verify_options now = {.now = time(NULL),
					       .max_age = -1};
	CLO_AUTO_MEM char *envelope = NULL;
	struct clo_verify_result result;

	assert_int_equal(clo_store_last(store, &envelope), 0);
	clo_verify(node.key, envelope, strlen(envelope), &now, &result);
	assert_int_equal(result.exit, CLO_VERIFY_FAILED);
	if (!strstr(result.reason, words))
		fail_msg("\"%s\", not \"%s\"", result.reason, words);
	clo_verify_result_done(&result);
}

static void test_who_is_let_in(void **state)
{
	CLO_AUTO_MEM char *own =
		seal(plane, "hv-1", 1, fixture_documents(false), 0);
	CLO_AUTO_MEM char *foreign =
		seal(node.key, "hv-1", 1, fixture_documents(false), 0);

	(void)state;
	hand_in(foreign);
	assert_turned_away("not trusted with policies");
	own[strlen(own) / 2] ^= 1;
	hand_in(own);
	assert_turned_away("");
	assert_int_equal(chmod(trust_path, 0664), 0);
	hand_in(foreign);
	assert_turned_away("written by nobody else");
	assert_int_equal(clo_file_write(trust_path, "{}", 2), 0);
	assert_int_equal(chmod(trust_path, 0644), 0);
	hand_in(foreign);
	assert_turned_away("TrustStore");
	assert_int_equal(unlink(trust_path), 0);
	hand_in(foreign);
	assert_turned_away("no key for policies is installed");
	assert_int_equal(mkdir(trust_path, 0755), 0);
	hand_in(foreign);
	assert_turned_away(trust_path);
	assert_int_equal(rmdir(trust_path), 0);
	assert_int_equal(access(seen_path, F_OK), -1);
}

static void test_a_refusal_is_told(void **state)
{
	struct clo_seen seen;
	struct utsname kernel;

	(void)state;
	(void)uname(&kernel);
	bring(kernel.nodename, 3, breaching(), 0);
	assert_decided("refused", "breaks an invariant, tenant separation");
	assert_int_equal(records(), 1);
	assert_last("policy bundle 3 refused: rule ");
	assert_null(node.force);
	/* decided is decided */
	bring(kernel.nodename, 3, breaching(), 0);
	assert_decided("refused", "breaks an invariant");
	assert_int_equal(records(), 1);

	bring(kernel.nodename, 4,
	      json_pack("[{s:s, s:s}]", "name", "x.json", "text", "{\x7f}"), 0);
	assert_decided("refused", "x.json:1: ");
	assert_last("policy bundle 4 refused: x.json:1: ");
	bring(kernel.nodename, 5, json_pack("{}"), 0);
	assert_decided("refused", "not a list");
	/* they say that they are of another node than the bundle */
	bring(kernel.nodename, 6, fixture_documents(false), 0);
	assert_decided("refused", "the policy is of node ");
	bring(kernel.nodename, 7, fixture_documents(false), 1);
	assert_decided("expired", "notAfter");
	assert_last("policy bundle 7 expired: ");
	assert_int_equal(records(), 5);
	assert_int_equal(clo_seen_load(dir, &seen), 0);
	assert_int_equal(seen.revision, 7);
	assert_int_equal(seen.in_force, 0);
}

/* Also what is older than a bundle that was refused, and each said once. */
static void test_rollback(void **state)
{
	struct utsname kernel;

	(void)state;
	(void)uname(&kernel);
	bring(kernel.nodename, 9, breaching(), 0);
	assert_int_equal(records(), 1);
	for (int i = 0; i < 3; i++) {
		bring(kernel.nodename, 8, fixture_documents(false), 0);
		assert_decided("replayed", "revision 8 came after revision 9");
		assert_int_equal(records(), 3); /* violation and ack */
	}
	assert_last("policy bundle 8 replayed: ");
	bring(kernel.nodename, 9, fixture_documents(false), 0);
	assert_decided("replayed", "revision 9 came as another of revision 9");
	assert_int_equal(records(), 5);
	for (int64_t i = 1; i < 30; i++)
		bring(kernel.nodename, 5, json_pack("[I]", (json_int_t)i), 0);
	assert_int_equal(records(), 1 + 2 * CLO_SEEN_TOLD_MAX);
	assert_null(node.force);
}

static void test_whose_it_is(void **state)
{
	(void)state;
	bring("hv-2", 1, breaching(), 0);
	assert_decided("foreign", "it is for node hv-2");
	assert_last("policy bundle 1 foreign: ");
	bring("hv-2", 1, breaching(), 0);
	assert_int_equal(records(), 1);
	/* a key of one node says which this is, until a policy does */
	write_trust("{\"node\": \"hv-2\"}");
	bring("hv-2", 1, breaching(), 0);
	assert_decided("refused", "breaks an invariant");
	node.force = fixture_force(FIXTURE_START);
	bring("hv-2", 2, breaching(), 0);
	assert_decided("foreign", "hv-2");
}

/* Doubt about what was seen lets nothing in. */
static void test_what_was_seen_is_damaged(void **state)
{
	struct utsname kernel;

	(void)state;
	(void)uname(&kernel);
	assert_int_equal(clo_file_write(seen_path, "{", 1), 0);
	bring(kernel.nodename, 9, breaching(), 0);
	assert_turned_away("bundle.json");
}

static void test_an_operator_overrides(void **state)
{
	struct clo_seen seen;
	json_auto_t *request = json_pack("{s:s, s:o}", "op", "apply",
					 "documents", breaching());

	(void)state;
	assert_int_equal(clo_seen_load(dir, &seen), 0);
	memset(seen.digest, 'a', 64);
	memset(seen.in_force_digest, 'a', 64);
	seen.revision = seen.in_force = 3;
	seen.outcome = CLO_OUTCOME_APPLIED;
	assert_int_equal(clo_seen_save(&seen, dir), 0);
	reply = clo_bundle_apply(&node, request);
	assert_turned_away("revision 3 is in force");
	assert_null(json_object_get(reply, "breaches"));
	json_decref(reply);
	(void)json_object_set_new(request, "override", json_true());
	reply = clo_bundle_apply(&node, request);
	assert_non_null(json_object_get(reply, "breaches"));
	/* it was refused: the bundle is in force still */
	assert_int_equal(clo_seen_load(dir, &seen), 0);
	assert_int_equal(seen.in_force, 3);
	assert_int_equal(records(), 0);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_is_let_in),
		TEST(test_a_refusal_is_told),
		TEST(test_rollback),
		TEST(test_whose_it_is),
		TEST(test_what_was_seen_is_damaged),
		TEST(test_an_operator_overrides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
