/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_prove.h"

#include <errno.h>

#include "policy/explain.h"

static json_t *invariants(const struct clo_proof *proof)
{
	json_t *all = json_array();

	for (size_t i = 0; i < clo_invariants_count; i++) {
		const struct clo_invariant *invariant = &clo_invariants[i];
		enum clo_proven proven = clo_proof_verdict(proof, i);

		(void)json_array_append_new(
			all,
			json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:s?}",
				  "number", invariant->number, "name",
				  invariant->name, "control",
				  invariant->control, "verdict",
				  clo_proven_text(proven), "forbidden",
				  (json_int_t)proof->forbidden[i], "broken",
				  (json_int_t)proof->broken[i], "excepted",
				  (json_int_t)proof->admitted[i], "gap",
				  proven == CLO_NOT_COVERED ? invariant->gap
							    : NULL));
	}
	return all;
}

static json_t *explain_proof(const struct clo_proof *proof)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "identities",
			 (json_int_t)proof->identities, "pairs",
			 (json_int_t)proof->pairs, "classes",
			 (json_int_t)proof->classes, "allowed",
			 (json_int_t)proof->allowed, "invariants",
			 invariants(proof));
}

/* *ret_wrong counts those that the decision code does not bear out. */
static json_t *witnesses(const struct clo_proving *proving,
			 const struct clo_leveled *leveled, size_t *ret_wrong)
{
	const struct clo_proof *proof = &leveled->proof;
	json_t *all = json_array();

	for (size_t i = 0; i < proof->n_breaches; i++) {
		enum clo_replay replay = CLO_REPLAY_DIFFERS;

		(void)json_array_append_new(
			all, clo_explain_witness(proving, &proof->breaches[i],
						 &replay));
		*ret_wrong += replay == CLO_REPLAY_DIFFERS;
	}
	return all;
}

static json_t *differences(const struct clo_proving *proving,
			   const struct clo_leveled *leveled)
{
	json_t *all = json_array();

	for (size_t i = 0; i < leveled->n_differences; i++)
		(void)json_array_append_new(
			all, clo_explain_difference(proving->compiled,
						    proving->observed,
						    &leveled->differences[i]));
	return all;
}

json_t *clo_explain_level(const struct clo_proving *proving,
			  const struct clo_level *level,
			  const struct clo_leveled *leveled, double ms,
			  enum clo_proven *ret_proven)
{
	const char *text = leveled->text[0] ? leveled->text : NULL;
	size_t wrong = 0;
	json_t *shown = witnesses(proving, leveled, &wrong);

	*ret_proven = wrong ? CLO_PROOF_ERROR : leveled->proven;
	if (wrong)
		text = "a witness does not reproduce: the prover and the "
		       "decision code disagree";
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:s?, s:f, s:o, s:o, s:o}",
		"name", level->name, "question", level->question, "verdict",
		clo_proven_text(*ret_proven), "counts", level->counts,
		"lookedAt", (json_int_t)leveled->looked_at, "wrong",
		(json_int_t)leveled->wrong, "text", text, "ms", ms,
		"differences", differences(proving, leveled), "proof",
		leveled->has_proof ? explain_proof(&leveled->proof)
				   : json_null(),
		"witnesses", shown);
}

static int add_level(const struct clo_proving *proving,
		     const struct clo_level *level, double (*clock)(void),
		     json_t *levels, enum clo_proven *worst)
{
	CLO_AUTO_MEM struct clo_leveled *leveled = calloc(1, sizeof(*leveled));
	enum clo_proven proven = CLO_PROOF_ERROR;
	double begin = clock();
	json_t *told;
	int r;

	if (!leveled)
		return -ENOMEM;
	r = level->run(proving, leveled);
	if (r < 0)
		return r;
	told = clo_explain_level(proving, level, leveled, clock() - begin,
				 &proven);
	*worst = clo_proven_worse(*worst, proven);
	return json_array_append_new(levels, told) < 0 ? -ENOMEM : 0;
}

json_t *clo_explain_levels(const struct clo_proving *proving,
			   double (*clock)(void), enum clo_proven *ret_proven)
{
	json_auto_t *levels = json_array();
	enum clo_proven worst = CLO_PROVEN;

	for (size_t i = 0; i < clo_levels_count; i++) {
		if (!clo_levels[i].applies(proving))
			continue;
		if (add_level(proving, &clo_levels[i], clock, levels, &worst) <
		    0)
			return NULL;
	}
	*ret_proven = worst;
	return json_incref(levels);
}

json_t *clo_explain_selftest(const struct clo_selftest *selftest)
{
	static const char *const words[] = {
		[CLO_PLANT_FOUND] = "found",
		[CLO_PLANT_MISSED] = "missed",
		[CLO_PLANT_NO_PLACE] = "no place",
	};
	json_t *plants = json_array();

	for (size_t i = 0; i < selftest->n; i++) {
		const struct clo_plant_result *result = &selftest->results[i];

		(void)json_array_append_new(plants,
					    json_pack("{s:s, s:s, s:s}", "name",
						      result->name, "result",
						      words[result->planted],
						      "text", result->text));
	}
	return json_pack("{s:b, s:I, s:I, s:o}", "passed",
			 selftest->planted > 0 &&
				 selftest->found == selftest->planted,
			 "planted", (json_int_t)selftest->planted, "found",
			 (json_int_t)selftest->found, "plants", plants);
}
