/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/force.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/keep.h"
#include "check.h"
#include "fixture_force.h"

#define BEFORE (FIXTURE_START - 1)
#define NOW (FIXTURE_START + 86400)

static json_t *documents;
static struct clo_force *force;
static struct clo_flaws *flaws;
static char dir[32];

static int set_up(void **state)
{
	(void)state;
	documents = fixture_documents(true);
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-force-XXXXXX");
	return mkdtemp(dir) ? clo_flaws_new(&flaws) : -1;
}

static char *in_dir(const char *name)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int tear_down(void **state)
{
	(void)state;
	clo_force_free(force);
	force = NULL;
	json_decref(documents);
	clo_flaws_free(flaws);
	flaws = NULL;
	clo_keep_forget(dir);
	(void)unlink(in_dir("reserve"));
	return rmdir(dir);
}

static int make(time_t accepted, time_t now)
{
	clo_force_free(force);
	force = NULL;
	return clo_force_make(NULL, documents, accepted, now, &force, flaws);
}

/* A proof can build on the one before it, and says what a new one says. */
static void test_a_proof_on_another(void **state)
{
	struct clo_force *before;
	json_auto_t *others = fixture_documents(false);

	(void)state;
	assert_int_equal(make(NOW, NOW), 0);
	before = CLO_TAKE(force);
	assert_int_equal(
		clo_force_make(before, others, NOW, NOW, &force, flaws), 0);
	clo_force_free(before);
	before = CLO_TAKE(force);
	assert_int_equal(clo_force_make(NULL, others, NOW, NOW, &force, flaws),
			 0);
	assert_true(clo_proof_equal(&before->proof, &force->proof));
	clo_force_free(before);
}

static void test_a_sound_policy(void **state)
{
	(void)state;
	assert_int_equal(make(NOW, NOW), 0);
	assert_int_equal(clo_flaws_count(flaws), 0);
	assert_int_equal(force->accepted, NOW);
	assert_int_equal(force->compiled_at, NOW);
	assert_int_equal(force->policy->n_tenants, 2);
	assert_true(force->proof.verdicts > 0);
	assert_true(force->proof.allowed > 0);
	assert_int_equal(force->proof.breached, 0);
	assert_int_equal(clo_force_breaches(force), 0);
	assert_ptr_equal(force->documents, documents);
}

static size_t n_excepted(void)
{
	size_t n = 0;

	for (uint32_t i = 0; i < force->compiled->tables->gen.rules; i++)
		n += force->excepted[i];
	return n;
}

/* `now` decides which exceptions are in force, `accepted` what is expired. */
static void test_two_clocks(void **state)
{
	(void)state;
	assert_int_equal(make(NOW, NOW), 0);
	assert_int_equal(n_excepted(), 2);
	assert_int_equal(make(BEFORE, BEFORE), 0);
	assert_int_equal(n_excepted(), 0);
	assert_int_equal(make(NOW, FIXTURE_END), 0);
	assert_int_equal(n_excepted(), 0);
	assert_int_equal(clo_flaws_count(flaws), 0);
	assert_int_equal(make(FIXTURE_END, FIXTURE_END), -EINVAL);
	assert_null(force);
	assert_int_equal(clo_flaws_count(flaws), 1);
	assert_string_equal(clo_flaws_get(flaws, 0)->file, "exception.json");
}

static void test_shapes_that_are_refused(void **state)
{
	static const char *const texts[] = {
		"{}",
		"42",
		"null",
		"[1]",
		"[{\"name\": \"a\"}]",
		"[{\"text\": \"{}\"}]",
		"[{\"name\": 1, \"text\": \"{}\"}]",
		"[{\"name\": \"a\", \"text\": {}}]",
		"[]",
	};
	json_t *none = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		size_t before = clo_flaws_count(flaws);
		json_auto_t *bad = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		if (clo_force_make(NULL, bad, NOW, NOW, &force, flaws) !=
		    -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_null(force);
		if (clo_flaws_count(flaws) <= before)
			fail_msg("no flaw: %s", texts[i]);
	}
	assert_int_equal(clo_force_make(NULL, none, NOW, NOW, &force, flaws),
			 -EINVAL);
}

static void test_a_bad_document_names_its_file(void **state)
{
	(void)state;
	fixture_edit(documents, "acme.json", "tcp/5432", "tcp/70000");
	assert_int_equal(make(NOW, NOW), -EINVAL);
	assert_null(force);
	assert_int_equal(clo_flaws_count(flaws), 1);
	assert_string_equal(clo_flaws_get(flaws, 0)->file, "acme.json");
}

/* Refused, and given all the same: its proof says how. */
static void test_a_broken_invariant(void **state)
{
	static const struct {
		const char *to, *control;
	} cases[] = {
		{"{\"tenant\": \"globex\", \"group\": \"web\"}",
		 "net.cross-tenant-deny"},
		{"{\"environment\": \"test\", \"group\": \"web\"}",
		 "env.prod-nonprod-deny"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_decref(documents);
		documents = fixture_documents(false);
		fixture_edit(documents, "acme.json", "{\"group\": \"db\"}",
			     cases[i].to);
		/* members of both groups, so that the flow has two ends */
		fixture_edit(documents, "workloads.json",
			     "\"segment\": \"front\",\n        \"addresses\": "
			     "[\"10.0.0.5\"]",
			     "\"segment\": \"front\", \"groups\": [\"web\"], "
			     "\"addresses\": [\"10.0.0.5\"]");
		fixture_edit(
			documents, "workloads.json", "[\n",
			"[{\"apiVersion\": \"cloison/v1\", \"kind\": "
			"\"Workload\", \"name\": \"trial\", \"domain\": \"t\", "
			"\"tenant\": \"acme\", \"environment\": \"test\", "
			"\"interfaces\": [{\"mac\": \"52:54:00:00:00:09\", "
			"\"segment\": \"front\", \"addresses\": "
			"[\"10.1.0.9\"], \"groups\": [\"web\"]}]},\n");
		assert_int_equal(make(NOW, NOW), -EKEYREJECTED);
		assert_int_equal(clo_flaws_count(flaws), 0);
		assert_true(clo_force_breaches(force) > 0);
		assert_true(force->proof.n_breaches > 0);
		assert_string_equal(force->proof.breaches[0].invariant->control,
				    cases[i].control);
	}
}

static void restore(void)
{
	clo_force_free(force);
	force = NULL;
	assert_int_equal(clo_force_restore(dir, &force), 0);
}

static void test_restored(void **state)
{
	(void)state;
	restore();
	assert_null(force); /* none was saved */
	assert_int_equal(make(NOW, NOW + 5), 0);
	assert_int_equal(clo_force_save(force, dir), 0);
	restore();
	assert_int_equal(force->accepted, NOW);
	assert_true(json_equal(force->documents, documents));

	assert_int_equal(truncate(in_dir("policy.json"), 1), 0);
	assert_int_equal(clo_force_restore(dir, &force), -EBADMSG);
}

/* The kernel refused the tables of one that was saved already. */
static void test_put_back(void **state)
{
	json_auto_t *others = fixture_documents(false);
	struct clo_force *before;

	(void)state;
	assert_int_equal(make(NOW, NOW), 0);
	assert_int_equal(clo_force_save(force, dir), 0);
	before = CLO_TAKE(force);
	assert_int_equal(
		clo_force_make(NULL, others, NOW + 1, NOW + 1, &force, flaws),
		0);
	assert_int_equal(clo_force_save(force, dir), 0);
	clo_force_put_back(before, dir);
	clo_force_free(before);
	restore();
	assert_int_equal(force->accepted, NOW);
	assert_true(json_equal(force->documents, documents));

	clo_force_put_back(NULL, dir);
	restore();
	assert_null(force);
}

static void test_outdated(void **state)
{
	static const struct {
		time_t compiled, now;
		bool outdated;
	} cases[] = {
		{BEFORE, BEFORE, false},
		{BEFORE, FIXTURE_START, true},
		{FIXTURE_START, FIXTURE_START, false},
		{FIXTURE_START, FIXTURE_END - 1, false},
		{FIXTURE_START, FIXTURE_END, true},
		{FIXTURE_END, FIXTURE_END + 1, false},
		/* the clock was set back */
		{FIXTURE_END, FIXTURE_END - 1, true},
		{FIXTURE_START, BEFORE, true},
		/* it came and went between two looks */
		{BEFORE, FIXTURE_END, false},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		assert_int_equal(make(FIXTURE_START, cases[i].compiled), 0);
		if (clo_force_outdated(force, cases[i].now) !=
		    cases[i].outdated)
			fail_msg("case %zu", i);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_sound_policy),
		TEST(test_a_proof_on_another),
		TEST(test_two_clocks),
		TEST(test_shapes_that_are_refused),
		TEST(test_a_bad_document_names_its_file),
		TEST(test_a_broken_invariant),
		TEST(test_restored),
		TEST(test_put_back),
		TEST(test_outdated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
