/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/enumerate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "policy/host_view.h"

/* The expected pairs by source: the tables sort them by their bytes. */
struct index {
	const struct clo_tables *tables;
	uint32_t identities;
	uint32_t words;
	size_t *begin; /* by source, and one more: into `entry` */
	size_t *entry; /* into table pairs */
	uint32_t source; /* that `row` is of */
	uint32_t *row; /* by destination; CLO_ROW_NONE: none */
};

static struct clo_pair pair_at(const struct index *index, size_t i)
{
	struct clo_pair pair;

	memcpy(&pair, clo_tables_key(index->tables, CLO_TABLE_PAIRS, i),
	       sizeof(pair));
	return pair;
}

static void index_done(struct index *index)
{
	free(index->begin);
	free(index->entry);
	free(index->row);
}

static void fill_by_source(struct index *index)
{
	size_t n = index->tables->table[CLO_TABLE_PAIRS].n;
	size_t total;

	for (size_t i = 0; i < n; i++) {
		uint32_t src = pair_at(index, i).src;

		if (src < index->identities)
			index->begin[src + 1]++;
	}
	for (uint32_t src = 0; src < index->identities; src++)
		index->begin[src + 1] += index->begin[src];
	total = index->begin[index->identities];
	for (size_t i = n; i-- > 0;) {
		uint32_t src = pair_at(index, i).src;

		/* from the back: begin[src + 1] comes down to begin[src] */
		if (src < index->identities)
			index->entry[--index->begin[src + 1]] = i;
	}
	/* each is now where the one before it was */
	for (uint32_t src = 0; src < index->identities; src++)
		index->begin[src] = index->begin[src + 1];
	index->begin[index->identities] = total;
}

static int index_init(const struct clo_tables *tables, struct index *index)
{
	size_t n = tables->table[CLO_TABLE_PAIRS].n;

	*index = (struct index){
		.tables = tables,
		.identities = tables->gen.identities,
		.words = tables->gen.words,
		.source = UINT32_MAX,
	};
	index->begin =
		calloc((size_t)index->identities + 2, sizeof(*index->begin));
	index->entry = calloc(n + 1, sizeof(*index->entry));
	index->row =
		malloc(((size_t)index->identities + 1) * sizeof(*index->row));
	if (!index->begin || !index->entry || !index->row)
		return -ENOMEM;

	fill_by_source(index);
	return 0;
}

static void turn_to(struct index *index, uint32_t src)
{
	uint32_t row;

	memset(index->row, 0xff, index->identities * sizeof(*index->row));
	index->source = src;
	for (size_t i = index->begin[src]; i < index->begin[src + 1]; i++) {
		struct clo_pair pair = pair_at(index, index->entry[i]);

		if (pair.dst >= index->identities || !src || !pair.dst)
			continue;
		memcpy(&row,
		       clo_tables_value(index->tables, CLO_TABLE_PAIRS,
					index->entry[i]),
		       sizeof(row));
		index->row[pair.dst] = row;
	}
}

/* Its words, or NULL where nothing is allowed. */
static const uint64_t *expected_row(struct index *index, struct clo_pair pair)
{
	uint32_t row;

	if (index->source != pair.src)
		turn_to(index, pair.src);
	row = index->row[pair.dst];
	return row == CLO_ROW_NONE ? NULL : clo_tables_bits(index->tables, row);
}

struct clo_enumerating {
	struct index index;
	struct clo_bpf_pairs pairs;
	struct clo_bpf_slots slots; /* behind them */
	struct clo_enumeration found; /* so far */
};

static bool is_own(struct clo_pair pair)
{
	return pair.src == pair.dst;
}

/* One between two identities is kept rather: a packet may show it. */
static void contradict(struct clo_enumeration *found,
		       const struct clo_contradiction *contradiction,
		       uint64_t n)
{
	if (found->wrong == 0 ||
	    (is_own(found->first.pair) && !is_own(contradiction->pair)))
		found->first = *contradiction;
	found->wrong += n;
}

static void compare_row(struct clo_enumerating *now, struct clo_pair pair,
			const uint64_t *said, const uint64_t *expected)
{
	for (uint32_t w = 0; w < now->index.words; w++) {
		uint64_t is = said ? said[w] : 0;
		uint64_t wrong = is ^ (expected ? expected[w] : 0);
		struct clo_contradiction first = {.pair = pair,
						  .slot = CLO_SLOTS};

		now->found.allowed += (unsigned int)__builtin_popcountll(is);
		if (!wrong)
			continue;
		first.class = w * 64 + (uint32_t)__builtin_ctzll(wrong);
		first.allowed = is >> (first.class % 64) & 1;
		first.expected = !first.allowed;
		contradict(&now->found, &first,
			   (unsigned int)__builtin_popcountll(wrong));
	}
}

static int compare_stretch(const struct clo_bpf_verdicts *verdicts,
			   void *userdata)
{
	struct clo_enumerating *now = userdata;
	struct index *index = &now->index;
	const uint64_t *word = verdicts->word;
	struct clo_pair pair = verdicts->first;

	now->found.epoch = verdicts->epoch;
	if (verdicts->words != index->words)
		return -EBADMSG;
	for (size_t i = 0; i < verdicts->n; i++) {
		const uint64_t *said = verdicts->allowed[i] ? word : NULL;
		const uint64_t *expected;

		if (pair.src >= index->identities)
			return -EBADMSG; /* more than it was asked for */
		expected = expected_row(index, pair);
		if (said || expected)
			compare_row(now, pair, said, expected);
		word += said ? index->words : 0;
		if (++pair.dst == index->identities) {
			pair.dst = 0;
			pair.src++;
		}
	}
	now->found.pairs += verdicts->n;
	return 0;
}

/* The pair whose row has most of what it has least: allowed and denied. */
static struct clo_pair most_mixed(struct index *index)
{
	size_t n = index->tables->table[CLO_TABLE_PAIRS].n;
	struct clo_pair best = {1, 1};
	uint32_t score = 0;

	for (size_t i = 0; i < n && i < 4096; i++) {
		struct clo_pair pair = pair_at(index, i);
		const uint64_t *bits;
		uint32_t allowed = 0;
		uint32_t denied;
		uint32_t row;

		memcpy(&row,
		       clo_tables_value(index->tables, CLO_TABLE_PAIRS, i),
		       sizeof(row));
		bits = clo_tables_bits(index->tables, row);
		for (uint32_t w = 0; bits && w < index->words; w++)
			allowed += (uint32_t)__builtin_popcountll(bits[w]);
		denied = index->tables->gen.classes - allowed;
		if ((allowed < denied ? allowed : denied) < score)
			continue;
		score = allowed < denied ? allowed : denied;
		best = pair;
	}
	return best;
}

/* By the whole judgement of one pair, class and rule included. */
static void compare_slot(struct clo_enumerating *now, uint32_t slot,
			 const struct clo_bpf_judged *judged)
{
	const struct clo_view view = {now->index.tables};
	struct clo_pair pair = now->slots.pair;
	struct clo_verdict want;

	clo_judge_pair(&view, pair.src, pair.dst, clo_judge_proto(slot),
		       (uint16_t)slot, &want);
	if (want.drop == judged->drop &&
	    (uint16_t)want.class == judged->class && want.rule == judged->rule)
		return;
	contradict(&now->found,
		   &(struct clo_contradiction){
			   .pair = pair,
			   .class = judged->class,
			   .slot = slot,
			   .allowed = judged->drop == CLO_DROP_NONE,
			   .expected = want.drop == CLO_DROP_NONE,
		   },
		   1);
}

static int compare_slots(struct clo_bpf *bpf, struct clo_enumerating *now)
{
	CLO_AUTO_MEM struct clo_bpf_judged *judged =
		calloc(CLO_ENUMERATE_MAX, sizeof(*judged));
	uint32_t first = now->slots.next;
	size_t n = 0;
	int r;

	if (!judged)
		return -ENOMEM;
	if (first == 0) {
		now->slots.pair = most_mixed(&now->index);
		now->slots.epoch = now->pairs.epoch;
	}
	r = clo_bpf_enumerate_slots(bpf, &now->slots, judged, &n);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++)
		compare_slot(now, first + i, &judged[i]);
	now->found.slots += n;
	return 0;
}

int clo_enumerating_new(const struct clo_tables *expected,
			struct clo_enumerating **ret_now)
{
	CLO_AUTO(clo_enumerating) struct clo_enumerating *now = NULL;
	double begin = clo_milliseconds();
	int r;

	now = calloc(1, sizeof(*now));
	if (!now)
		return -ENOMEM;
	r = index_init(expected, &now->index);
	if (r < 0)
		return r;
	now->pairs.identities = expected->gen.identities;
	now->found.classes = expected->gen.classes;
	now->found.ms = clo_milliseconds() - begin;

	*ret_now = CLO_TAKE(now);
	return 0;
}

void clo_enumerating_free(struct clo_enumerating *now)
{
	if (!now)
		return;

	index_done(&now->index);
	free(now);
}

int clo_enumerating_step(struct clo_bpf *bpf, struct clo_enumerating *now)
{
	double begin = clo_milliseconds();
	int r;

	if (now->pairs.next.src < now->pairs.identities)
		r = clo_bpf_enumerate_pairs(bpf, &now->pairs, compare_stretch,
					    now);
	else
		r = compare_slots(bpf, now);
	now->found.verdicts = now->found.pairs * now->found.classes;
	now->found.ms += clo_milliseconds() - begin;
	now->found.at = time(NULL);
	return r < 0 ? r : now->slots.next == CLO_SLOTS;
}

const struct clo_enumeration *
clo_enumerating_found(const struct clo_enumerating *now)
{
	return &now->found;
}

int clo_enumerate(struct clo_bpf *bpf, const struct clo_tables *expected,
		  struct clo_enumeration *ret_enumeration)
{
	CLO_AUTO(clo_enumerating) struct clo_enumerating *now = NULL;
	int r;

	r = clo_enumerating_new(expected, &now);
	while (r == 0)
		r = clo_enumerating_step(bpf, now);
	if (r < 0)
		return r;

	*ret_enumeration = now->found;
	return 0;
}
