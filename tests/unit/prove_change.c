/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "policy/prove.h"
#include "random_tables.h"

/*
 * Chains of tables, each a change of the one before, sound or not: the proof by
 * the change says what the whole one does, in the same words.
 */
#ifdef CLO_SANITIZED /* slow */
#define CHAINS 200
#else
#define CHAINS 4000
#endif
#define STEPS 8

static uint32_t seed; /* told at the end: a failure's is the last one */

static struct {
	uint64_t sound, refused, breached;
} seen;

/* What a chain stands on. */
struct stand {
	struct clo_tables *tables;
	struct clo_proved *proved;
};

static void stand_free(struct stand *stand)
{
	clo_proved_free(stand->proved);
	clo_tables_free(stand->tables);
	*stand = (struct stand){0};
}

static struct clo_tables *next_tables(const struct clo_tables *tables)
{
	struct clo_tables *next;

	if (roll(12) == 0)
		return random_tables();
	next = copy_tables(tables);
	if (roll(4) == 0)
		corrupt_tables(next);
	else
		for (uint32_t n = roll(4); n > 0; n--)
			change_tables(next);
	return next;
}

/* Takes a step if the tables are sound; exceptions are others at each. */
static void step(struct stand *stand)
{
	static struct clo_proof whole, change;
	struct stand next = {.tables = next_tables(stand->tables)};
	bool excepted[RANDOM_RULES] = {false};
	char texts[2][160] = {"", ""};
	int r;

	for (size_t i = 1; i < RANDOM_RULES; i++)
		excepted[i] = roll(3) == 0;
	r = clo_prove(next.tables, excepted, RANDOM_RULES, &whole, texts[0]);
	assert_int_equal(clo_prove_change(stand->proved, next.tables, excepted,
					  RANDOM_RULES, &change, &next.proved,
					  texts[1]),
			 r);
	assert_string_equal(texts[1], texts[0]);
	if (r < 0) {
		seen.refused++;
		stand_free(&next);
		return;
	}
	assert_true(clo_proof_equal(&change, &whole));
	seen.sound++;
	seen.breached += whole.breached > 0;
	stand_free(stand);
	*stand = next;
}

static void change_equals_whole(void **state)
{
	(void)state;
	for (seed = 1; seed <= CHAINS; seed++) {
		static struct clo_proof proof;
		struct stand stand = {0};
		char text[160] = "";

		random_begin(seed);
		stand.tables = random_tables();
		assert_int_equal(clo_prove_change(NULL, stand.tables, NULL, 0,
						  &proof, &stand.proved, text),
				 0);
		for (int i = 0; i < STEPS; i++)
			step(&stand);
		stand_free(&stand);
	}

	assert_in_range(seen.sound, CHAINS, CHAINS * STEPS);
	assert_in_range(seen.refused, CHAINS / 10, CHAINS * STEPS);
	assert_in_range(seen.breached, CHAINS / 10, CHAINS * STEPS);
}

static int tell_seed(void **state)
{
	(void)state;
	print_message("last seed: %u, %llu sound, %llu refused\n", seed,
		      (unsigned long long)seen.sound,
		      (unsigned long long)seen.refused);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(change_equals_whole, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
