/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/record.h"

#include <string.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/attest/verify.h"
#include "agent/base/hex.h"
#include "fixture_record.h"

/* The latest statement of a scope ("" the node): opened, verified, its digest. */
static json_t *latest(const char *scope, enum clo_verify_exit verdict,
		      const char *nonce, char ret_digest[65])
{
	const struct clo_verify_options options = {
		.now = time(NULL), .max_age = -1, .nonce = nonce};
	struct clo_verify_result result = {0};
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t digest[32];
	json_t *predicate;
	size_t len;
	time_t when;

	assert_int_equal(clo_store_latest(store, scope, &envelope, &when), 0);
	assert_in_range(time(NULL) - when, 0, 60);
	clo_verify(f.node.key, envelope, strlen(envelope), &options, &result);
	if (result.exit != verdict)
		fail_msg("%s: %s", scope, result.reason);
	assert_int_equal(clo_dsse_open(f.node.key, envelope, strlen(envelope),
				       &payload, &len),
			 0);
	assert_int_equal(clo_sha256(payload, len, digest), 0);
	clo_hex_encode(digest, sizeof(digest), ret_digest);
	predicate = json_incref(json_object_get(result.statement, "predicate"));
	clo_verify_result_done(&result);
	return predicate;
}

/* Where a statement stands in the chain. */
static void assert_place(const char *scope, json_int_t sequence,
			 const char *previous, char ret_digest[65])
{
	json_auto_t *predicate =
		latest(scope, CLO_VERIFY_PASSED, NULL, ret_digest);
	const json_t *chain = json_object_get(predicate, "chain");
	const char *before =
		json_string_value(json_object_get(chain, "previous"));

	assert_int_equal(json_integer_value(json_object_get(chain, "sequence")),
			 sequence);
	if (!previous)
		assert_true(json_is_null(json_object_get(chain, "previous")));
	else
		assert_string_equal(before, previous);
}

/* What the first of a boot says of the boot before; the others nothing. */
static void assert_before_boot(const char *scope, const char *boot,
			       json_int_t sequence, const char *digest)
{
	char own[65];
	json_auto_t *predicate = latest(scope, CLO_VERIFY_PASSED, NULL, own);
	const json_t *before = json_object_get(
		json_object_get(predicate, "chain"), "previousBoot");
	json_auto_t *expected =
		boot ? json_pack("{s:s, s:I, s:s}", "bootId", boot, "sequence",
				 sequence, "digest", digest)
		     : NULL;

	assert_true(boot ? json_equal(before, expected) : !before);
}

/* One for each scope that is here, then the node's, each after the other. */
static void test_chained(void **state)
{
	char last[65];
	char digest[65];

	(void)state;
	for (json_int_t round = 0; round < 3; round++) {
		assert_int_equal(
			clo_record_audit(&f.node, &f.audit, "period", NULL), 0);
		assert_int_equal(count(), 3 * (round + 1));
		assert_place(ACME, 3 * round, round ? last : NULL, digest);
		assert_place(GLOBEX, 3 * round + 1, digest, last);
		assert_place("", 3 * round + 2, last, digest);
		memcpy(last, digest, sizeof(last));
	}
}

/* However many statements an audit makes: one sync, one checkpoint. */
static void test_an_audit_is_one_group(void **state)
{
	static const uint64_t sizes[] = {3, 6, 6};
	struct clo_checkpoint checkpoint;
	uint64_t at = 1;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			clo_record_audit(&f.node, &f.audit, "period", NULL), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(sizes); i++) {
		CLO_AUTO_MEM char *note = NULL;

		assert_int_equal(clo_store_checkpoint(store, at, false, &note),
				 0);
		assert_int_equal(clo_checkpoint_open(store_key, note,
						     strlen(note), &checkpoint),
				 0);
		assert_int_equal(checkpoint.size, sizes[i]);
		at = i == 0 ? 4 : 6;
	}
}

/* Another run, of which no gap is told. */
static void begin_again(void)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	size_t n;

	assert_int_equal(begin_run(), 0);
	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_int_equal(clo_store_gaps_signed(store), 0);
}

static void test_the_chain_goes_on_after_a_restart(void **state)
{
	char boot[sizeof(f.node.boot_id)];
	char first[65];
	char again[65];

	(void)state;
	f.inventory.n_taps = 0; /* the node's statement alone */
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "start", NULL), 0);
	assert_place("", 0, NULL, first);
	reopen();
	begin_again();
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "start", NULL), 0);
	assert_place("", 1, first, again);

	/* another boot, another chain, that knows where the other ended */
	assert_before_boot("", NULL, 0, NULL);
	memcpy(boot, f.node.boot_id, sizeof(boot));
	f.node.boot_id[0] = '1';
	begin_again();
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "start", NULL), 0);
	assert_before_boot("", boot, 1, again);
	assert_place("", 0, NULL, again);
}

static void test_only_scopes_that_are_here(void **state)
{
	char *envelope = NULL;
	time_t when;

	(void)state;
	f.inventory.n_taps = 1; /* acme's */
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "event", NULL), 0);
	assert_int_equal(count(), 2);
	assert_int_equal(clo_store_latest(store, GLOBEX, &envelope, &when),
			 -ENOENT);
	assert_int_equal(clo_store_latest(store, "acme/test", &envelope, &when),
			 -ENOENT);
}

static void test_without_a_policy(void **state)
{
	struct clo_force *force = f.node.force;
	json_auto_t *predicate = NULL;
	char digest[65];

	(void)state;
	f.node.force = NULL;
	f.audit.observed = NULL;
	f.inventory.n_taps = 0;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "start", NULL), 0);
	f.node.force = force;
	assert_int_equal(count(), 1);
	predicate = latest("", CLO_VERIFY_INCONCLUSIVE, NULL, digest);
	assert_true(json_is_null(json_object_get(predicate, "proof")));
	assert_string_equal(f.node.verdict, "INCONCLUSIVE");
}

static void assert_nonce(const char *scope, const char *nonce)
{
	char digest[65];
	json_auto_t *predicate = latest(scope, CLO_VERIFY_PASSED, NULL, digest);
	const char *found =
		json_string_value(json_object_get(predicate, "nonce"));

	if (nonce)
		assert_string_equal(found, nonce);
	else
		assert_null(found);
}

/* A tenant's challenge is nothing that another tenant reads. */
static void test_a_challenge_stays_in_its_scope(void **state)
{
	const struct clo_challenge node = {.nonce = "beef"};
	const struct clo_challenge acme = {.nonce = "cafe", .scope = ACME};
	struct clo_problem *found;

	(void)state;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "request", &node),
			 0);
	assert_int_equal(count(), 3);
	assert_nonce("", "beef");
	assert_nonce(ACME, NULL);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "request", &acme),
			 0);
	assert_int_equal(count(), 4);
	assert_nonce("", "beef");
	assert_nonce(GLOBEX, NULL);
	assert_nonce(ACME, "cafe");

	/* what is wrong is told to everybody, the nonce is not */
	found = clo_problem_add(&f.audit.problems, "net.default-deny", "open");
	assert_non_null(found);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "request", &acme),
			 0);
	/* and, being new, as a violation of its own */
	assert_int_equal(count(), 8);
}

/* Once, when it is new, to whom it concerns. */
static void test_a_violation_is_told_once(void **state)
{
	struct clo_problem *found =
		clo_problem_add(&f.audit.problems, "net.default-deny",
				"tap t-a-web of acme has no guard");

	(void)state;
	assert_int_equal(clo_problem_scoped(found, ACME, NULL,
					    "an interface has no guard"),
			 0);
	/* three statements; the node's and acme's violation */
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_int_equal(count(), 5);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_int_equal(count(), 8);
	/* gone and there again: new again */
	f.audit.problems.n = 0;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	f.audit.problems.n = 1;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_int_equal(count(), 16);
	/* one that an exception admits is none */
	found->excepted = true;
	json_decref(f.node.told);
	f.node.told = NULL;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_int_equal(count(), 19);
}

/* What `status` shows afterwards is what was signed. */
static void test_remembered(void **state)
{
	const struct clo_challenge asked = {.nonce = "beef"};
	json_auto_t *predicate = NULL;
	struct clo_problem *found;
	char digest[65];

	(void)state;
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "request", &asked),
			 0);
	assert_string_equal(f.node.verdict, "PASSED");
	assert_in_range(time(NULL) - f.node.last_time, 0, 60);
	predicate = latest("", CLO_VERIFY_PASSED, "beef", digest);
	assert_true(json_equal(f.node.last, predicate));
	json_decref(predicate);

	found = clo_problem_add(&f.audit.problems, "net.default-deny", "open");
	assert_non_null(found);
	assert_int_equal(clo_record_audit(&f.node, &f.audit, "period", NULL),
			 0);
	assert_string_equal(f.node.verdict, "FAILED");
	predicate = latest("", CLO_VERIFY_FAILED, NULL, digest);
	assert_true(json_equal(f.node.last, predicate));
}

/* A closed gap is signed once, an open one until it closes. */
static void test_gaps(void **state)
{
	const json_t *gaps;
	int64_t id = 0;

	(void)state;
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &id), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			clo_record_audit(&f.node, &f.audit, "period", NULL), 0);
		gaps = json_object_get(f.node.last, "gaps");
		assert_int_equal(json_array_size(gaps), 1);
		assert_string_equal(f.node.verdict, "INCONCLUSIVE");
	}
	assert_int_equal(clo_store_gap_close(store, id, NOW + 1), 0);
	for (size_t n = 2; n-- > 0;) {
		assert_int_equal(
			clo_record_audit(&f.node, &f.audit, "period", NULL), 0);
		gaps = json_object_get(f.node.last, "gaps");
		assert_int_equal(json_array_size(gaps), n);
		assert_string_equal(f.node.verdict, "PASSED");
	}
}

/* Never PASSED then, whatever was signed; and no gap counts as told. */
static void test_a_log_that_refuses(void **state)
{
	struct clo_gap *gaps = NULL;
	int64_t id = 0;
	size_t n = 0;

	(void)state;
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &id), 0);
	assert_int_equal(clo_store_gap_close(store, id, NOW + 1), 0);
	/* it takes one record of each kind, and no other */
	meddle("CREATE UNIQUE INDEX one ON records (kind)");
	assert_true(clo_record_audit(&f.node, &f.audit, "period", NULL) < 0);
	assert_int_equal(count(), 2);
	assert_string_equal(f.node.verdict, "INCONCLUSIVE");
	assert_string_equal(
		json_string_value(json_object_get(f.node.last, "trigger")),
		"period");
	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_int_equal(n, 1);
	free(gaps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_chained),
		TEST(test_an_audit_is_one_group),
		TEST(test_the_chain_goes_on_after_a_restart),
		TEST(test_only_scopes_that_are_here),
		TEST(test_without_a_policy),
		TEST(test_a_challenge_stays_in_its_scope),
		TEST(test_a_violation_is_told_once),
		TEST(test_remembered),
		TEST(test_gaps),
		TEST(test_a_log_that_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
