/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove.h"

#include <errno.h>
#include <string.h>

#include "policy/prove_check.h"

/*
 * Invariants see of an identity its kind, space, environment and flags alone:
 * the many identities that have these in common, a bucket, are judged at once.
 * What a bucket pair forbids is counted by multiplication; the allowed bits are
 * walked, entry by entry of table pairs: the rest of the pairs has none.
 */

/* What a walk over one row found; its bits are the same for every pair. */
struct walked {
	uint32_t done; /* by invariant, a bit each */
	uint32_t excepted;
};

/* An entry of table pairs that an invariant forbids. */
struct offence {
	struct clo_pair pair;
	uint32_t row;
};

struct proof {
	const struct clo_tables *tables;
	const bool *excepted;
	size_t n_excepted;
	const struct clo_identity *identities;
	uint32_t *allowed; /* classes, by row */
	uint32_t *rules; /* of the row under way, by class */
	struct walked *walked; /* by row */
	uint8_t *shown; /* by rule: invariants with a breach kept */
	struct clo_identity *buckets; /* without their segments */
	uint64_t *members; /* by bucket */
	size_t n_buckets;
	struct offence *offences;
	size_t n_offences;
	struct clo_proof result;
	struct clo_breach admitted[CLO_BREACHES_MAX];
	size_t n_admitted;
};

static void proof_free(struct proof *proof)
{
	if (!proof)
		return;

	free(proof->allowed);
	free(proof->rules);
	free(proof->walked);
	free(proof->shown);
	free(proof->buckets);
	free(proof->members);
	free(proof->offences);
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
static void walk(struct proof *proof, const struct offence *offence,
		 size_t invariant)
{
	uint32_t words = proof->tables->gen.words;
	size_t first = (size_t)offence->row * words;
	const uint64_t *bits =
		clo_tables_value(proof->tables, CLO_TABLE_ROWS, first);
	struct walked *walked = &proof->walked[offence->row];
	uint32_t *rules = proof->rules;
	struct clo_breach breach = {.invariant = &clo_invariants[invariant],
				    .pair = offence->pair};

	clo_tables_row_rules(proof->tables, offence->row, rules);
	walked->excepted = 0;
	for (uint32_t w = 0; w < words; w++) {
		for (uint64_t word = bits[w]; word; word &= word - 1) {
			breach.class = w * 64 + (uint32_t)__builtin_ctzll(word);
			breach.rule = rules[breach.class];
			walked->excepted += is_excepted(proof, breach.rule);
			keep(proof, &breach);
		}
	}
	walked->done |= 1U << invariant;
}

static void judge(struct proof *proof, const struct offence *offence)
{
	const struct clo_identity *src = &proof->identities[offence->pair.src];
	const struct clo_identity *dst = &proof->identities[offence->pair.dst];
	struct clo_proof *result = &proof->result;
	const struct walked *walked = &proof->walked[offence->row];
	uint32_t allowed = proof->allowed[offence->row];

	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		if (!clo_invariants[i].forbids(src, dst))
			continue;
		if (!(walked->done & 1U << i))
			walk(proof, offence, i);
		result->broken[i] += allowed;
		result->breached += allowed;
		result->admitted[i] += walked->excepted;
		result->excepted += walked->excepted;
	}
}

static int order_identities(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct clo_identity));
}

/* Sort, then fold what is equal. */
static int make_buckets(struct proof *proof)
{
	size_t n = proof->tables->gen.identities - 1;
	struct clo_identity *buckets = calloc(n + 1, sizeof(*buckets));

	proof->buckets = buckets;
	proof->members = calloc(n + 1, sizeof(*proof->members));
	if (!buckets || !proof->members)
		return -ENOMEM;

	for (size_t i = 0; i < n; i++) {
		buckets[i] = proof->identities[i + 1];
		buckets[i].segment = 0;
	}
	if (n)
		qsort(buckets, n, sizeof(*buckets), order_identities);
	for (size_t i = 0; i < n; i++) {
		size_t last = proof->n_buckets;

		if (last && !order_identities(&buckets[last - 1], &buckets[i]))
			last--;
		else
			buckets[proof->n_buckets++] = buckets[i];
		proof->members[last]++;
	}
	return 0;
}

/* Verdicts that each invariant forbids, whatever the tables say of them. */
static void count_forbidden(struct proof *proof)
{
	struct clo_proof *result = &proof->result;

	for (size_t src = 0; src < proof->n_buckets; src++) {
		for (size_t dst = 0; dst < proof->n_buckets; dst++) {
			uint64_t verdicts = proof->members[src] *
					    proof->members[dst] *
					    result->classes;

			for (size_t i = 0; i < CLO_INVARIANTS; i++)
				if (clo_invariants[i].forbids(
					    &proof->buckets[src],
					    &proof->buckets[dst]))
					result->forbidden[i] += verdicts;
		}
	}
}

static bool is_forbidden(const struct clo_identity *src,
			 const struct clo_identity *dst)
{
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (clo_invariants[i].forbids(src, dst))
			return true;
	return false;
}

/* All that is allowed, and what of it should not be. */
static int enumerate(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;
	size_t room = 0;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		struct offence *moved;

		proof->result.allowed += proof->allowed[*row];
		if (!is_forbidden(&proof->identities[pair->src],
				  &proof->identities[pair->dst]))
			continue;
		moved = clo_array_room(proof->offences, proof->n_offences,
				       &room, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		proof->offences = moved;
		moved[proof->n_offences++] = (struct offence){*pair, *row};
	}
	return 0;
}

static int order_offences(const void *left, const void *right)
{
	const struct clo_pair *a = &((const struct offence *)left)->pair;
	const struct clo_pair *b = &((const struct offence *)right)->pair;

	if (a->src != b->src)
		return a->src < b->src ? -1 : 1;
	return (a->dst > b->dst) - (a->dst < b->dst);
}

static int prove_flows(struct proof *proof)
{
	int r = make_buckets(proof);

	if (r == 0)
		r = enumerate(proof);
	if (r < 0)
		return r;

	count_forbidden(proof);
	/* By number, so that the same breaches are kept wherever they stand. */
	if (proof->n_offences)
		qsort(proof->offences, proof->n_offences,
		      sizeof(*proof->offences), order_offences);
	for (size_t i = 0; i < proof->n_offences; i++)
		judge(proof, &proof->offences[i]);
	return 0;
}

static int prove_bindings(struct proof *proof)
{
	struct clo_proof *result = &proof->result;
	struct clo_bound bound;

	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		int r;

		if (!clo_invariants[i].bindings)
			continue;
		r = clo_invariants[i].bindings(proof->tables, &bound);
		if (r < 0)
			return r;
		result->forbidden[i] += bound.subjects;
		result->broken[i] += bound.broken;
		result->breached += bound.broken;
		for (size_t b = 0; b < bound.n_breaches; b++) {
			bound.breaches[b].invariant = &clo_invariants[i];
			result->breaches[result->n_breaches++] =
				bound.breaches[b];
		}
	}
	return 0;
}

_Static_assert(CLO_BOUND_MAX < CLO_BREACHES_MAX, "there is room for flows");
_Static_assert(CLO_INVARIANTS <= 8, "a bit of `shown` for each invariant");

static int prepare(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;
	size_t n_rows = tables->table[CLO_TABLE_ROWS].n / tables->gen.words;

	proof->identities = clo_tables_value(tables, CLO_TABLE_IDENTITIES, 0);
	proof->walked = calloc(n_rows + 1, sizeof(*proof->walked));
	proof->shown = calloc((size_t)tables->gen.rules + 1, 1);
	proof->rules =
		calloc((size_t)tables->gen.words * 64, sizeof(*proof->rules));
	if (!proof->walked || !proof->shown || !proof->rules)
		return -ENOMEM;

	proof->result.identities = tables->gen.identities - 1;
	proof->result.classes = tables->gen.classes;
	proof->result.pairs =
		proof->result.identities * proof->result.identities;
	proof->result.verdicts = proof->result.pairs * proof->result.classes;
	return 0;
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
	if (r == 0)
		r = prove_bindings(proof);
	if (r == 0)
		r = prove_flows(proof);
	if (r < 0)
		return r;

	result = &proof->result;
	for (size_t i = 0;
	     i < proof->n_admitted && result->n_breaches < CLO_BREACHES_MAX;
	     i++)
		result->breaches[result->n_breaches++] = proof->admitted[i];

	*ret_proof = *result;
	return 0;
}
