/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "policy/prove_selftest.h"
#include "random_tables.h"
#include "unit/plain.h"

/*
 * Random tables, whole and corrupt: the fast proof says what the plain one
 * does, to the last count, and refuses what contradicts itself and no more.
 */
#ifdef CLO_SANITIZED /* slow */
#define TABLES 100
#else
#define TABLES 1200
#endif
#define CORRUPTIONS 3

static uint32_t seed; /* told at the end: a failure's is the last one */

static struct {
	uint64_t sound, refused, broken[CLO_INVARIANTS], idle[CLO_INVARIANTS],
		admitted, planted;
} seen;

static void compare_breaches(const struct clo_proof *fast,
			     const struct clo_proof *plain)
{
	size_t at = 0;

	while (at < fast->n_breaches &&
	       fast->breaches[at].class == CLO_CLASS_NONE)
		at++;
	assert_int_equal(fast->n_breaches - at, plain->n_breaches);
	for (size_t i = 0; i < plain->n_breaches; i++, at++) {
		const struct clo_breach *a = &fast->breaches[at];
		const struct clo_breach *b = &plain->breaches[i];

		assert_ptr_equal(a->invariant, b->invariant);
		assert_int_equal(a->pair.src, b->pair.src);
		assert_int_equal(a->pair.dst, b->pair.dst);
		assert_int_equal(a->class, b->class);
		assert_int_equal(a->rule, b->rule);
	}
}

static void compare(const struct clo_proof *fast, const struct clo_proof *plain)
{
	assert_int_equal(fast->identities, plain->identities);
	assert_int_equal(fast->pairs, plain->pairs);
	assert_int_equal(fast->classes, plain->classes);
	assert_int_equal(fast->verdicts, plain->verdicts);
	assert_int_equal(fast->allowed, plain->allowed);
	assert_int_equal(fast->breached, plain->breached);
	assert_int_equal(fast->excepted, plain->excepted);
	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		assert_int_equal(fast->forbidden[i], plain->forbidden[i]);
		assert_int_equal(fast->broken[i], plain->broken[i]);
		assert_int_equal(fast->admitted[i], plain->admitted[i]);
		assert_int_equal(clo_proof_verdict(fast, i),
				 plain->broken[i]      ? CLO_VIOLATED
				 : plain->forbidden[i] ? CLO_PROVEN
						       : CLO_NOT_COVERED);
		seen.broken[i] += plain->broken[i] != 0;
		seen.idle[i] += plain->forbidden[i] == 0;
	}
	seen.admitted += plain->excepted;
	compare_breaches(fast, plain);
}

static void prove_both(const struct clo_tables *tables)
{
	static struct clo_proof fast;
	static struct clo_proof plain;
	bool excepted[RANDOM_RULES] = {false};
	bool sound = plain_is_sound(tables);
	char text[160] = "";
	int r;

	for (size_t i = 1; i < RANDOM_RULES; i++)
		excepted[i] = roll(3) == 0;
	r = clo_prove(tables, excepted, RANDOM_RULES, &fast, text);
	if (r != (sound ? 0 : -EBADMSG))
		fail_msg("%d, and plainly %s: %s", r,
			 sound ? "sound" : "not sound", text);
	if (!sound) {
		seen.refused++;
		assert_int_not_equal(text[0], '\0');
		return;
	}
	assert_true(plain_prove(tables, excepted, &plain));
	compare(&fast, &plain);
	seen.sound++;
}

/* Whatever the tables are: what can be planted there is found. */
static void plant_all(const struct clo_tables *tables)
{
	static struct clo_selftest selftest;
	char text[160] = "";

	assert_int_equal(clo_selftest_run(tables, false, &selftest, text), 0);
	for (size_t i = 0; i < selftest.n; i++)
		if (selftest.results[i].planted == CLO_PLANT_MISSED)
			fail_msg("%s: %s", selftest.results[i].name,
				 selftest.results[i].text);
	seen.planted += selftest.planted;
}

static void fast_equals_plain(void **state)
{
	(void)state;
	for (seed = 1; seed <= TABLES; seed++) {
		struct clo_tables *tables;

		random_begin(seed);
		tables = random_tables();
		assert_true(plain_is_sound(tables));
		prove_both(tables);
		if (seed % 10 == 0)
			plant_all(tables);
		for (int i = 0; i < CORRUPTIONS; i++) {
			corrupt_tables(tables);
			prove_both(tables);
		}
		clo_tables_free(tables);
	}

	/* Nothing of it was always, or never, so. */
	assert_in_range(seen.refused, TABLES / 10, 3 * TABLES);
	assert_in_range(seen.sound, TABLES, 3 * TABLES);
	assert_true(seen.admitted > 0);
	assert_true(seen.planted > TABLES);
	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		assert_true(seen.broken[i] > 0);
		assert_true(seen.idle[i] > 0);
	}
}

static int tell_seed(void **state)
{
	(void)state;
	print_message("last seed: %u\n", seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(fast_equals_plain, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
