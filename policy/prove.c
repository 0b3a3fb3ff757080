/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/partition.h"
#include "policy/prove_check.h"

static bool both_endpoints(const struct clo_identity *src,
			   const struct clo_identity *dst)
{
	return src->kind == CLO_IDENTITY_ENDPOINTS &&
	       dst->kind == CLO_IDENTITY_ENDPOINTS;
}

static bool separates_tenants(const struct clo_identity *src,
			      const struct clo_identity *dst)
{
	return both_endpoints(src, dst) && src->space != dst->space;
}

/* Only test and development of a tenant that says so may meet. */
static bool separates_environments(const struct clo_identity *src,
				   const struct clo_identity *dst)
{
	if (!both_endpoints(src, dst) || src->space != dst->space ||
	    src->environment == dst->environment)
		return false;
	return src->environment == CLO_ENV_PRODUCTION ||
	       dst->environment == CLO_ENV_PRODUCTION ||
	       !(src->flags & dst->flags & CLO_IDENTITY_TEST_DEV);
}

/* A declared service has a kind of its own: here is the rest of the node. */
static bool guards_node(const struct clo_identity *src,
			const struct clo_identity *dst)
{
	return (src->kind == CLO_IDENTITY_ENDPOINTS &&
		dst->kind == CLO_IDENTITY_NODE) ||
	       (src->kind == CLO_IDENTITY_NODE &&
		dst->kind == CLO_IDENTITY_ENDPOINTS);
}

const struct clo_invariant clo_invariants[] = {
	{1, "tenant separation", "net.cross-tenant-deny", separates_tenants},
	{2, "environment separation", "env.prod-nonprod-deny",
	 separates_environments},
	{3, "node services only", "net.no-bypass-path", guards_node},
};
const size_t clo_invariants_count = CLO_ARRAY_LEN(clo_invariants);

#define INVARIANTS CLO_ARRAY_LEN(clo_invariants)

_Static_assert(INVARIANTS <= CLO_ARRAY_LEN(((struct clo_proof *)0)->broken),
	       "struct clo_proof has a counter for each invariant");

/* What a walk over one row found; its bits are the same for every pair. */
struct walked {
	bool done[INVARIANTS];
	uint32_t excepted;
};

struct proof {
	const struct clo_tables *tables;
	const bool *excepted;
	size_t n_excepted;
	const struct clo_identity *identities;
	uint32_t *allowed; /* classes, by row */
	struct walked *walked; /* by row */
	uint8_t *shown; /* by rule: invariants with a breach kept */
	uint32_t *rows; /* of one source: row + 1 by destination */
	struct clo_index pairs; /* source -> entries of table pairs */
	struct clo_proof result;
	struct clo_breach admitted[CLO_BREACHES_MAX];
	size_t n_admitted;
};

static void proof_free(struct proof *proof)
{
	if (!proof)
		return;

	free(proof->allowed);
	free(proof->walked);
	free(proof->shown);
	free(proof->rows);
	clo_index_done(&proof->pairs);
	free(proof);
}
CLO_DEFINE_FREEP(proof)

static bool is_excepted(const struct proof *proof, uint32_t rule)
{
	return proof->excepted && rule < proof->n_excepted &&
	       proof->excepted[rule];
}

static void keep(struct proof *proof, const struct clo_breach *breach)
{
	bool excepted = is_excepted(proof, breach->rule);
	struct clo_breach *kept =
		excepted ? proof->admitted : proof->result.breaches;
	size_t *n = excepted ? &proof->n_admitted : &proof->result.n_breaches;
	size_t invariant = (size_t)(breach->invariant - clo_invariants);

	if (*n == CLO_BREACHES_MAX ||
	    proof->shown[breach->rule] & 1U << invariant)
		return;
	proof->shown[breach->rule] |= (uint8_t)(1U << invariant);

	kept += (*n)++;
	*kept = *breach;
	/* Without a witness it is a breach all the same. */
	(void)clo_witness_find(proof->tables, breach->pair, breach->class,
			       &kept->witness);
}

/* Every allowed bit of a row that an invariant forbids to this pair. */
static void walk(struct proof *proof, const struct clo_pair *pair, uint32_t row,
		 size_t invariant)
{
	uint32_t words = proof->tables->gen.words;
	const struct clo_rules *rules = clo_tables_value(
		proof->tables, CLO_TABLE_RULES, (size_t)row * words * 32);
	const uint64_t *bits = clo_tables_value(proof->tables, CLO_TABLE_ROWS,
						(size_t)row * words);
	struct walked *walked = &proof->walked[row];
	struct clo_breach breach = {.invariant = &clo_invariants[invariant],
				    .pair = *pair};

	walked->excepted = 0;
	for (uint32_t w = 0; w < words; w++) {
		for (uint64_t word = bits[w]; word; word &= word - 1) {
			breach.class = w * 64 + (uint32_t)__builtin_ctzll(word);
			breach.rule =
				rules[breach.class / 2].rule[breach.class % 2];
			walked->excepted += is_excepted(proof, breach.rule);
			keep(proof, &breach);
		}
	}
	walked->done[invariant] = true;
}

static void judge(struct proof *proof, const struct clo_pair *pair,
		  uint32_t row_plus_1)
{
	const struct clo_identity *src = &proof->identities[pair->src];
	const struct clo_identity *dst = &proof->identities[pair->dst];
	struct clo_proof *result = &proof->result;

	for (size_t i = 0; i < INVARIANTS; i++) {
		uint32_t row = row_plus_1 - 1;

		if (!clo_invariants[i].forbids(src, dst))
			continue;
		result->forbidden[i] += result->classes;
		if (!row_plus_1)
			continue;
		if (!proof->walked[row].done[i])
			walk(proof, pair, row, i);
		result->broken[i] += proof->allowed[row];
		result->breached += proof->allowed[row];
		result->excepted += proof->walked[row].excepted;
	}
}

static void enumerate_source(struct proof *proof, uint32_t src)
{
	uint32_t n_identities = proof->tables->gen.identities;
	size_t n;
	const uint32_t *entries = clo_index_get(&proof->pairs, src, &n);

	memset(proof->rows, 0, n_identities * sizeof(*proof->rows));
	for (size_t i = 0; i < n; i++) {
		const struct clo_pair *pair = clo_tables_key(
			proof->tables, CLO_TABLE_PAIRS, entries[i]);
		const uint32_t *row = clo_tables_value(
			proof->tables, CLO_TABLE_PAIRS, entries[i]);

		proof->rows[pair->dst] = *row + 1;
		proof->result.allowed += proof->allowed[*row];
	}

	for (uint32_t dst = 1; dst < n_identities; dst++) {
		const struct clo_pair pair = {src, dst};

		proof->result.pairs++;
		proof->result.verdicts += proof->result.classes;
		judge(proof, &pair, proof->rows[dst]);
	}
}

static int prepare(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;
	size_t n_rows = tables->table[CLO_TABLE_ROWS].n / tables->gen.words;

	proof->identities = clo_tables_value(tables, CLO_TABLE_IDENTITIES, 0);
	proof->walked = calloc(n_rows + 1, sizeof(*proof->walked));
	proof->shown = calloc((size_t)tables->gen.rules + 1, 1);
	proof->rows = calloc(tables->gen.identities, sizeof(*proof->rows));
	if (!proof->walked || !proof->shown || !proof->rows)
		return -ENOMEM;
	return clo_pairs_index(tables, &proof->pairs);
}

int clo_prove(const struct clo_tables *tables, const bool *excepted,
	      size_t n_excepted, struct clo_proof *ret_proof,
	      char reterr_text[160])
{
	CLO_AUTO(proof) struct proof *proof = calloc(1, sizeof(*proof));
	struct clo_proof *result;
	int r;

	if (!proof)
		return -ENOMEM;
	proof->tables = tables;
	proof->excepted = excepted;
	proof->n_excepted = n_excepted;
	r = clo_tables_check(tables, &proof->allowed, reterr_text);
	if (r == 0)
		r = prepare(proof);
	if (r < 0)
		return r;

	result = &proof->result;
	result->identities = tables->gen.identities - 1;
	result->classes = tables->gen.classes;
	for (uint32_t src = 1; src < tables->gen.identities; src++)
		enumerate_source(proof, src);
	for (size_t i = 0;
	     i < proof->n_admitted && result->n_breaches < CLO_BREACHES_MAX;
	     i++)
		result->breaches[result->n_breaches++] = proof->admitted[i];

	*ret_proof = *result;
	return 0;
}
