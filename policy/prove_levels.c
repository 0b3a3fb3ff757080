/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_levels.h"

#include <errno.h>
#include <stdio.h>

#include "policy/oracle_compare.h"

static bool always(const struct clo_proving *proving)
{
	(void)proving;
	return true;
}

static bool has_observed(const struct clo_proving *proving)
{
	return proving->observed != NULL;
}

static uint64_t count_entries(const struct clo_tables *tables)
{
	uint64_t n = 0;

	for (int t = 0; t < CLO_TABLE_COUNT; t++)
		n += tables->table[t].n;
	return n;
}

static bool has_documents(const struct clo_proving *proving)
{
	return proving->documents;
}

/* By the oracle, which walks the rules. */
static int compare_meaning(const struct clo_proving *proving,
			   struct clo_leveled *leveled)
{
	const struct clo_compiled *compiled = proving->compiled;
	struct clo_oracle_report report;
	int r = clo_oracle_compare(compiled,
				   proving->observed ? proving->observed
						     : compiled->tables,
				   compiled->now, &report);

	if (r < 0)
		return r;
	leveled->looked_at = report.verdicts;
	leveled->wrong = report.differences;
	leveled->proven = report.differences ? CLO_VIOLATED : CLO_PROVEN;
	if (report.differences)
		(void)snprintf(leveled->text, sizeof(leveled->text), "%.159s",
			       report.first.text);
	return 0;
}

/* Bit for bit, and as many. */
static int compare(const struct clo_proving *proving,
		   struct clo_leveled *leveled)
{
	const struct clo_tables *expected = proving->compiled->tables;
	size_t n = clo_tables_compare(expected, proving->observed,
				      leveled->differences,
				      CLO_LEVEL_DIFFERENCES_MAX);

	leveled->looked_at = count_entries(expected);
	leveled->wrong = n;
	leveled->n_differences =
		n < CLO_LEVEL_DIFFERENCES_MAX ? n : CLO_LEVEL_DIFFERENCES_MAX;
	leveled->proven = n ? CLO_VIOLATED : CLO_PROVEN;
	if (n)
		(void)snprintf(leveled->text, sizeof(leveled->text),
			       "%zu entries differ from the policy's", n);
	return 0;
}

/* The worst of all invariants, and the gaps of those without a subject. */
static void conclude(struct clo_leveled *leveled)
{
	const struct clo_proof *proof = &leveled->proof;
	size_t used = 0;

	leveled->proven = CLO_PROVEN;
	for (size_t i = 0; i < clo_invariants_count; i++) {
		enum clo_proven proven = clo_proof_verdict(proof, i);
		int n;

		leveled->proven = clo_proven_worse(leveled->proven, proven);
		if (proven == CLO_PROVEN || used >= sizeof(leveled->text))
			continue;
		n = snprintf(leveled->text + used, sizeof(leveled->text) - used,
			     "%sinvariant %d is %s", used ? ", " : "",
			     clo_invariants[i].number, clo_proven_text(proven));
		used += n > 0 ? (size_t)n : 0;
	}
}

int clo_prove_compiled(const struct clo_compiled *compiled,
		       const struct clo_tables *tables,
		       struct clo_proof *ret_proof, char reterr_text[160])
{
	uint32_t n_rules = compiled->tables->gen.rules;
	CLO_AUTO_MEM bool *excepted = calloc(n_rules, sizeof(*excepted));

	if (!excepted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_rules; i++)
		excepted[i] = compiled->excepted[i] != NULL;
	return clo_prove(tables, excepted, n_rules, ret_proof, reterr_text);
}

static int prove(const struct clo_proving *proving, struct clo_leveled *leveled)
{
	const struct clo_compiled *compiled = proving->compiled;
	int r = clo_prove_compiled(compiled,
				   proving->observed ? proving->observed
						     : compiled->tables,
				   &leveled->proof, leveled->text);

	if (r == -EBADMSG) {
		leveled->proven = CLO_PROOF_ERROR;
		return 0;
	}
	if (r < 0)
		return r;

	leveled->has_proof = true;
	leveled->looked_at = leveled->proof.verdicts;
	leveled->wrong = leveled->proof.breached;
	conclude(leveled);
	return 0;
}

const struct clo_level clo_levels[] = {
	{"documents", "every verdict is what the documents mean", "verdicts",
	 has_documents, compare_meaning},
	{"kernel tables", "every entry read back is the compiled one",
	 "entries", has_observed, compare},
	{"invariants", "no verdict and no binding breaks one", "verdicts",
	 always, prove},
};
const size_t clo_levels_count = CLO_ARRAY_LEN(clo_levels);
