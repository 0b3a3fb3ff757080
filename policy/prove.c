/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove.h"

#include <errno.h>
#include <string.h>

#include "policy/prove_impl.h"

/*
 * What invariants forbid is counted over all verdicts (prove_forbidden.c); what
 * is allowed is walked, entry by entry of table pairs: no other pair has a bit.
 */

/* What a walk over one row found; its bits are the same for every pair. */
struct walked {
	uint32_t done; /* by invariant, a bit each */
	uint32_t excepted;
};

/* An entry of table pairs that an invariant forbids. */
struct offence {
	size_t index;
	struct clo_pair pair;
	uint32_t row;
};

struct clo_proved {
	struct clo_checked checked;
	struct offence *offences; /* in the order of table pairs */
	size_t n_offences;
	uint64_t allowed; /* verdicts */
	uint64_t forbidden[CLO_INVARIANTS];
	bool bound; /* every address to whom it should be */
};

struct proof {
	const struct clo_tables *tables;
	const struct clo_proved *before; /* NULL: there is none */
	struct clo_change change;
	const bool *excepted;
	size_t n_excepted;
	const struct clo_identity *identities;
	uint32_t *allowed; /* classes, by row */
	uint32_t *rules; /* of the row under way, by class */
	struct walked *walked; /* by row */
	uint8_t *shown; /* by rule: invariants with a breach kept */
	struct offence *offences;
	size_t n_offences, room;
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
	free(proof->offences);
	free(proof);
}
CLO_DEFINE_FREEP(proof)

void clo_proved_free(struct clo_proved *proved)
{
	if (!proved)
		return;

	free(proved->checked.allowed);
	free(proved->offences);
	free(proved);
}

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
	const uint64_t *bits = clo_tables_bits(proof->tables, offence->row);
	struct walked *walked = &proof->walked[offence->row];
	uint32_t *rules = proof->rules;
	struct clo_breach breach = {.invariant = &clo_invariants[invariant],
				    .pair = offence->pair};

	clo_tables_row_rules(proof->tables, offence->row, rules);
	walked->excepted = 0;
	for (uint32_t w = 0; w < proof->tables->gen.words; w++) {
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

static bool is_forbidden(const struct clo_identity *src,
			 const struct clo_identity *dst)
{
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (clo_invariants[i].forbids(src, dst))
			return true;
	return false;
}

static int add_offence(struct proof *proof, const struct offence *offence)
{
	struct offence *moved =
		clo_array_room(proof->offences, proof->n_offences, &proof->room,
			       sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	proof->offences = moved;
	moved[proof->n_offences++] = *offence;
	return 0;
}

/* Entries that no proof has looked at. */
static int find_offences(struct proof *proof, size_t first, size_t end)
{
	const struct clo_tables *tables = proof->tables;
	int r = 0;

	for (size_t i = first; i < end && r == 0; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		const struct offence offence = {i, *pair, *row};

		if (is_forbidden(&proof->identities[pair->src],
				 &proof->identities[pair->dst]))
			r = add_offence(proof, &offence);
	}
	return r;
}

/* Of the proof before, those in its first `head` entries or its last `tail`. */
static int keep_offences(struct proof *proof, size_t head, size_t tail)
{
	const struct clo_proved *before = proof->before;
	size_t was = before->checked.tables->table[CLO_TABLE_PAIRS].n;
	size_t is = proof->tables->table[CLO_TABLE_PAIRS].n;
	int r = 0;

	for (size_t i = 0; i < before->n_offences && r == 0; i++) {
		struct offence kept = before->offences[i];

		if (kept.index >= head && kept.index < was - tail)
			continue;
		if (kept.index >= head)
			kept.index += is - was;
		r = add_offence(proof, &kept);
	}
	return r;
}

/* Every pair has the row that it had, and each row as many classes. */
static bool same_counts(const struct proof *proof)
{
	const struct clo_proved *before = proof->before;
	size_t n = proof->tables->table[CLO_TABLE_ROWS].n;

	return before && proof->change.same[CLO_TABLE_PAIRS] &&
	       before->checked.tables->table[CLO_TABLE_ROWS].n == n &&
	       !memcmp(proof->allowed, before->checked.allowed,
		       n * sizeof(*proof->allowed));
}

static void count_allowed(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;

	if (same_counts(proof)) {
		proof->result.allowed = proof->before->allowed;
		return;
	}
	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);

		proof->result.allowed += proof->allowed[*row];
	}
}

/* Pairs to which something is allowed that an invariant forbids. */
static int enumerate(struct proof *proof)
{
	size_t n = proof->tables->table[CLO_TABLE_PAIRS].n;
	size_t head = proof->change.head[CLO_TABLE_PAIRS];
	size_t tail = proof->change.tail[CLO_TABLE_PAIRS];
	int r = 0;

	if (!proof->change.same[CLO_TABLE_IDENTITIES])
		return find_offences(proof, 0, n);

	r = keep_offences(proof, head, 0);
	if (r == 0)
		r = find_offences(proof, head, n - tail);
	return r < 0 ? r : keep_offences(proof, 0, tail);
}

static int order_offences(const void *left, const void *right)
{
	const struct clo_pair *a = &((const struct offence *)left)->pair;
	const struct clo_pair *b = &((const struct offence *)right)->pair;

	if (a->src != b->src)
		return a->src < b->src ? -1 : 1;
	return (a->dst > b->dst) - (a->dst < b->dst);
}

static int order_entries(const void *left, const void *right)
{
	const struct offence *a = left;
	const struct offence *b = right;

	return (a->index > b->index) - (a->index < b->index);
}

static void sort_offences(struct proof *proof,
			  int (*order)(const void *, const void *))
{
	if (proof->n_offences)
		qsort(proof->offences, proof->n_offences,
		      sizeof(*proof->offences), order);
}

/* Room for what walks over rows find. */
static int make_walked(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;
	size_t n_rows = tables->table[CLO_TABLE_ROWS].n;

	proof->walked = calloc(n_rows, sizeof(*proof->walked));
	proof->shown = calloc((size_t)tables->gen.rules + 1, 1);
	proof->rules =
		calloc((size_t)tables->gen.words * 64, sizeof(*proof->rules));
	return proof->walked && proof->shown && proof->rules ? 0 : -ENOMEM;
}

static int judge_all(struct proof *proof)
{
	int r;

	if (proof->n_offences == 0)
		return 0;
	r = make_walked(proof);
	if (r < 0)
		return r;

	/* By number, so that the same breaches are kept wherever they stand. */
	sort_offences(proof, order_offences);
	for (size_t i = 0; i < proof->n_offences; i++)
		judge(proof, &proof->offences[i]);
	return 0;
}

/* What is forbidden is as much as before if the identities are the same. */
static int count_all(struct proof *proof)
{
	if (proof->change.same[CLO_TABLE_IDENTITIES] &&
	    proof->change.same_classes) {
		for (size_t i = 0; i < CLO_INVARIANTS; i++)
			if (!clo_invariants[i].bindings)
				proof->result.forbidden[i] =
					proof->before->forbidden[i];
		return 0;
	}
	return clo_count_forbidden(proof->tables, proof->result.forbidden);
}

static int prove_flows(struct proof *proof)
{
	int r = count_all(proof);

	if (r == 0)
		r = enumerate(proof);
	count_allowed(proof);
	return r < 0 ? r : judge_all(proof);
}

static int prove_bindings(struct proof *proof)
{
	struct clo_proof *result = &proof->result;
	bool same = proof->before && proof->before->bound &&
		    clo_change_same_addresses(&proof->change);
	struct clo_bound bound;

	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		int r;

		if (!clo_invariants[i].bindings)
			continue;
		if (same) {
			result->forbidden[i] = proof->before->forbidden[i];
			continue;
		}
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

static void count(struct proof *proof)
{
	const struct clo_tables *tables = proof->tables;
	struct clo_proof *result = &proof->result;

	proof->identities = clo_tables_value(tables, CLO_TABLE_IDENTITIES, 0);
	result->identities = tables->gen.identities - 1;
	result->classes = tables->gen.classes;
	result->pairs = result->identities * result->identities;
	result->verdicts = result->pairs * result->classes;
}

static struct clo_proved *take_proved(struct proof *proof)
{
	struct clo_proved *proved = calloc(1, sizeof(*proved));

	if (!proved)
		return NULL;
	sort_offences(proof, order_entries);
	proved->checked.tables = proof->tables;
	proved->checked.allowed = CLO_TAKE(proof->allowed);
	proved->offences = CLO_TAKE(proof->offences);
	proved->n_offences = proof->n_offences;
	proved->allowed = proof->result.allowed;
	memcpy(proved->forbidden, proof->result.forbidden,
	       sizeof(proved->forbidden));
	proved->bound = true;
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (clo_invariants[i].bindings && proof->result.broken[i])
			proved->bound = false;
	return proved;
}

static int run(struct proof *proof, char reterr_text[160])
{
	struct clo_proof *result = &proof->result;
	int r;

	proof->change = clo_tables_change(
		proof->before ? &proof->before->checked : NULL, proof->tables);
	r = clo_tables_check(proof->tables, &proof->change, &proof->allowed,
			     reterr_text);
	if (r == 0)
		count(proof);
	if (r == 0)
		r = prove_bindings(proof);
	if (r == 0)
		r = prove_flows(proof);
	if (r < 0)
		return r;

	for (size_t i = 0;
	     i < proof->n_admitted && result->n_breaches < CLO_BREACHES_MAX;
	     i++)
		result->breaches[result->n_breaches++] = proof->admitted[i];
	return 0;
}

int clo_prove_change(const struct clo_proved *before,
		     const struct clo_tables *tables, const bool *excepted,
		     size_t n_excepted, struct clo_proof *ret_proof,
		     struct clo_proved **ret_proved, char reterr_text[160])
{
	CLO_AUTO(proof) struct proof *proof = calloc(1, sizeof(*proof));
	struct clo_proved *proved = NULL;
	int r;

	if (!proof)
		return -ENOMEM;
	proof->before = before;
	proof->tables = tables;
	proof->excepted = excepted;
	proof->n_excepted = n_excepted;
	r = run(proof, reterr_text);
	if (r < 0)
		return r;

	if (ret_proved) {
		proved = take_proved(proof);
		if (!proved)
			return -ENOMEM;
		*ret_proved = proved;
	}
	*ret_proof = proof->result;
	return 0;
}

int clo_prove(const struct clo_tables *tables, const bool *excepted,
	      size_t n_excepted, struct clo_proof *ret_proof,
	      char reterr_text[160])
{
	return clo_prove_change(NULL, tables, excepted, n_excepted, ret_proof,
				NULL, reterr_text);
}
