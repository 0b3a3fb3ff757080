/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_selftest.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/prove_plants.h"
#include "policy/witness_frame.h"

struct selftest {
	const struct clo_tables *tables;
	bool clean;
	bool *none, *all; /* by rule: what exceptions admit */
	struct clo_proof *before; /* of the tables as they are */
	struct clo_proof *after;
	struct clo_proof *change; /* by what is not as it was */
	struct clo_proved *proved; /* the tables as they are */
	struct clo_selftest *ret;
};

static void done(struct selftest *test)
{
	free(test->none);
	free(test->all);
	free(test->before);
	free(test->after);
	free(test->change);
	clo_proved_free(test->proved);
}

/* With room for one more entry in each table. */
static int copy_tables(const struct clo_tables *tables,
		       struct clo_tables **ret_copy)
{
	CLO_AUTO(clo_tables) struct clo_tables *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	copy->gen = tables->gen;
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		size_t n = tables->table[t].n;
		uint32_t size = clo_table_types[t].entry_size;

		copy->table[t].n = n;
		copy->table[t].entries = calloc(n + 1, size);
		if (!copy->table[t].entries)
			return -ENOMEM;
		if (n)
			memcpy(copy->table[t].entries, tables->table[t].entries,
			       n * size);
	}
	*ret_copy = CLO_TAKE(copy);
	return 0;
}

/* false, and why the plant was missed. */
__attribute__((format(printf, 2, 3))) static bool
missed(struct clo_plant_result *result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(result->text, sizeof(result->text), fmt, args);
	va_end(args);
	return false;
}

static bool good_comparison(const struct clo_planting *planting,
			    struct clo_plant_result *result)
{
	const struct clo_expected *expected = &planting->expected;
	const struct clo_difference *first = &expected->first;
	struct clo_difference found[2] = {0};
	size_t n = clo_tables_compare(planting->tables, planting->copy, found,
				      CLO_ARRAY_LEN(found));

	if (n != expected->differences)
		return missed(result, "%zu entries differ, compared were %zu",
			      expected->differences, n);
	if (n == 0)
		return true;
	if (found->table != first->table || found->how != first->how ||
	    (first->index != CLO_INDEX_ANY && found->index != first->index))
		return missed(result, "the difference was seen elsewhere");
	if (found->has_pair != first->has_pair ||
	    (first->has_pair && (found->pair.src != first->pair.src ||
				 found->pair.dst != first->pair.dst ||
				 found->class != first->class)))
		return missed(result, "another pair or class was told");
	return true;
}

/* Every breach has a packet, where one can be, and it reproduces. */
static bool good_witnesses(const struct selftest *test,
			   const struct clo_planting *planting,
			   struct clo_plant_result *result)
{
	static const uint8_t mac[6] = {0x02};

	for (size_t i = 0; i < test->after->n_breaches; i++) {
		const struct clo_breach *breach = &test->after->breaches[i];
		struct clo_witness_frame frame;

		/* a class may have no packet of a family that both have */
		if (!breach->witness.family && !test->clean)
			continue;
		if (!breach->witness.family)
			return missed(result, "the breach has no witness");
		clo_witness_build(&breach->witness, mac, mac, &frame);
		if (clo_witness_replay(planting->copy, breach, &frame) ==
		    CLO_REPLAY_DIFFERS)
			return missed(result, "a witness does not reproduce");
	}
	return true;
}

static bool good_counts(const struct selftest *test,
			const struct clo_planting *planting,
			struct clo_plant_result *result)
{
	const struct clo_expected *expected = &planting->expected;
	const struct clo_proof *before = test->before;
	const struct clo_proof *after = test->after;
	uint64_t broken = 0;

	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		uint64_t more = after->broken[i] - before->broken[i];

		broken += expected->broken[i];
		if (more != expected->broken[i])
			return missed(result,
				      "invariant %d: %llu broken, %llu counted",
				      clo_invariants[i].number,
				      (unsigned long long)expected->broken[i],
				      (unsigned long long)more);
		if (expected->broken[i] &&
		    clo_proof_verdict(after, i) != CLO_VIOLATED)
			return missed(
				result, "invariant %d is %s",
				clo_invariants[i].number,
				clo_proven_text(clo_proof_verdict(after, i)));
	}
	if (test->clean && before->breached)
		return missed(result, "a breach was seen where there is none");
	if (after->breached - before->breached != broken ||
	    (broken && after->n_breaches == 0))
		return missed(result, "breaches were not counted");
	if (after->excepted != (expected->admitted ? after->breached : 0))
		return missed(result, "exceptions were miscounted");
	if ((int64_t)(after->allowed - before->allowed) != expected->allowed)
		return missed(result, "what is allowed was miscounted");
	return true;
}

/* The proof by the change alone, there and back, is the whole one. */
static bool good_change(const struct selftest *test,
			const struct clo_planting *planting, int whole,
			const char *text, struct clo_plant_result *result)
{
	const bool *excepted =
		planting->expected.admitted ? test->all : test->none;
	uint32_t n = test->tables->gen.rules;
	CLO_AUTO(clo_proved) struct clo_proved *proved = NULL;
	char changed[160] = "";
	int r = clo_prove_change(test->proved, planting->copy, excepted, n,
				 test->change, &proved, changed);

	if (r != whole || strcmp(text, changed) != 0)
		return missed(result, "its change is judged otherwise: %.100s",
			      changed);
	if (r < 0)
		return true;
	if (!clo_proof_equal(test->change, test->after))
		return missed(result, "its change is counted otherwise");
	r = clo_prove_change(proved, test->tables, test->none, n, test->change,
			     NULL, changed);
	if (r < 0 || !clo_proof_equal(test->change, test->before))
		return missed(result, "the change back is counted otherwise");
	return true;
}

static bool good_proof(const struct selftest *test,
		       const struct clo_planting *planting,
		       struct clo_plant_result *result)
{
	const char *refused = planting->expected.refused;
	const bool *excepted =
		planting->expected.admitted ? test->all : test->none;
	char text[160] = "";
	int r = clo_prove(planting->copy, excepted, test->tables->gen.rules,
			  test->after, text);

	if (!good_change(test, planting, r, text, result))
		return false;
	if (refused && r == 0)
		return missed(result, "the tables were taken for sound");
	if (refused && strncmp(text, refused, strlen(refused)) != 0)
		return missed(result, "refused in other words: %.100s", text);
	if (refused)
		return true;
	if (r < 0)
		return missed(result, "refused: %.120s", text);
	return good_counts(test, planting, result) &&
	       good_witnesses(test, planting, result);
}

/* What found it, in a few words. */
static void tell(const struct clo_expected *expected,
		 struct clo_plant_result *result)
{
	int n = 0;

	if (expected->differences == 0) {
		(void)snprintf(result->text, sizeof(result->text),
			       "left in peace");
		return;
	}
	if (expected->refused)
		n = snprintf(result->text, sizeof(result->text), "check, ");
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (expected->broken[i])
			n = snprintf(result->text, sizeof(result->text),
				     "invariant %d, ",
				     clo_invariants[i].number);
	(void)snprintf(result->text + n, sizeof(result->text) - (size_t)n,
		       "comparison");
}

static int run_plant(struct selftest *test, const struct clo_plant *plant)
{
	CLO_AUTO(clo_tables) struct clo_tables *copy = NULL;
	struct clo_plant_result *result = &test->ret->results[test->ret->n];
	struct clo_planting planting = {.tables = test->tables};
	int r = copy_tables(test->tables, &copy);

	if (r < 0)
		return r;
	assert(test->ret->n < CLO_PLANTS_MAX);
	test->ret->n++;
	planting.copy = copy;
	result->name = plant->name;
	if (plant->plant(&planting) < 0) {
		result->planted = CLO_PLANT_NO_PLACE;
		(void)snprintf(result->text, sizeof(result->text),
			       "these tables have no place for it");
		return 0;
	}

	test->ret->planted++;
	result->planted = CLO_PLANT_MISSED;
	if (!good_proof(test, &planting, result) ||
	    !good_comparison(&planting, result))
		return 0;
	result->planted = CLO_PLANT_FOUND;
	test->ret->found++;
	tell(&planting.expected, result);
	return 0;
}

/* What was not touched must not be found. */
static int leave_alone(struct clo_planting *planting)
{
	(void)planting;
	return 0;
}

static int prepare(struct selftest *test, char reterr_text[160])
{
	uint32_t n = test->tables->gen.rules;

	test->none = calloc((size_t)n + 1, sizeof(*test->none));
	test->all = calloc((size_t)n + 1, sizeof(*test->all));
	test->before = calloc(1, sizeof(*test->before));
	test->after = calloc(1, sizeof(*test->after));
	test->change = calloc(1, sizeof(*test->change));
	if (!test->none || !test->all || !test->before || !test->after ||
	    !test->change)
		return -ENOMEM;
	memset(test->all, true, n);
	return clo_prove_change(NULL, test->tables, test->none, n, test->before,
				&test->proved, reterr_text);
}

int clo_selftest_run(const struct clo_tables *tables, bool clean,
		     struct clo_selftest *ret_selftest, char reterr_text[160])
{
	static const struct clo_plant untouched = {"untouched tables",
						   leave_alone};

	const struct {
		const struct clo_plant *plants;
		size_t n;
	} lists[] = {{&untouched, 1},
		     {clo_plants, clo_plants_count},
		     {clo_plants_rows, clo_plants_rows_count},
		     {clo_plants_tables, clo_plants_tables_count},
		     {clo_plants_classes, clo_plants_classes_count}};
	struct selftest test = {
		.tables = tables, .clean = clean, .ret = ret_selftest};
	int r = prepare(&test, reterr_text);

	memset(ret_selftest, 0, sizeof(*ret_selftest));
	for (size_t l = 0; l < CLO_ARRAY_LEN(lists); l++)
		for (size_t i = 0; i < lists[l].n && r == 0; i++)
			r = run_plant(&test, &lists[l].plants[i]);
	done(&test);
	if (r < 0)
		return r;

	/* Nothing was planted there: it counts only if something was found. */
	if (ret_selftest->results[0].planted == CLO_PLANT_FOUND) {
		ret_selftest->planted--;
		ret_selftest->found--;
	}
	return 0;
}
