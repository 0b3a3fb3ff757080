/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/sys/bpf_impl.h"

/* One call; the same tables as the call before (epoch 0: there was none). */
static int enumerate(const struct clo_bpf *bpf, enum clo_bpf_call which,
		     struct clo_enumerate_args *args)
{
	uint64_t epoch = args->epoch;
	int r;

	r = clo_bpf_call(bpf, which, args, sizeof(*args));
	if (r < 0)
		return r;
	if (args->n == 0 || args->n > CLO_ENUMERATE_MAX)
		return -EBADMSG;

	return epoch && epoch != args->epoch ? -EBUSY : 0;
}

/* The program reads no more of a row than it has room for. */
static bool has_room(const struct clo_enumerate_args *args,
		     const struct clo_enumerated *page)
{
	uint64_t words = 0;

	for (size_t i = 0; i < args->n; i++)
		words += page->allowed[i] ? args->words : 0;

	return words <= CLO_ENUMERATE_MAX;
}

static int
pairs_stretch(const struct clo_bpf *bpf, struct clo_bpf_pairs *walk,
	      const struct clo_enumerated *page,
	      int (*on_verdicts)(const struct clo_bpf_verdicts *verdicts,
				 void *userdata),
	      void *userdata)
{
	struct clo_enumerate_args args = {
		.epoch = walk->epoch,
		.src = walk->next.src,
		.dst = walk->next.dst,
		.identities = walk->identities,
	};
	const struct clo_pair first = walk->next;
	int r;

	r = enumerate(bpf, CLO_BPF_CALL_PAIRS, &args);
	if (r < 0)
		return r;
	if (!has_room(&args, page))
		return -EBADMSG;

	walk->next = (struct clo_pair){args.src, args.dst};
	walk->epoch = args.epoch;
	return on_verdicts(
		&(struct clo_bpf_verdicts){
			.epoch = args.epoch,
			.words = args.words,
			.first = first,
			.n = args.n,
			.allowed = page->allowed,
			.word = (const uint64_t *)page->word,
		},
		userdata);
}

int clo_bpf_enumerate_pairs(
	struct clo_bpf *bpf, struct clo_bpf_pairs *walk,
	int (*on_verdicts)(const struct clo_bpf_verdicts *verdicts,
			   void *userdata),
	void *userdata)
{
	struct clo_bpf_memory memory;
	int r;

	r = clo_bpf_memory_map(bpf->enumerated, 0,
			       sizeof(struct clo_enumerated), false, &memory);
	if (r < 0)
		return r;

	r = pairs_stretch(bpf, walk, memory.at, on_verdicts, userdata);
	clo_bpf_memory_unmap(&memory);
	return r;
}

static int slots_stretch(const struct clo_bpf *bpf, struct clo_bpf_slots *walk,
			 const struct clo_enumerated *page,
			 struct clo_bpf_judged *ret_judged, size_t *ret_n)
{
	struct clo_enumerate_args args = {
		.epoch = walk->epoch,
		.src = walk->pair.src,
		.dst = walk->pair.dst,
		.first = walk->next,
	};
	int r;

	r = enumerate(bpf, CLO_BPF_CALL_SLOTS, &args);
	if (r < 0)
		return r;
	if (args.n > CLO_SLOTS - walk->next)
		return -EBADMSG;
	for (size_t i = 0; i < args.n; i++)
		ret_judged[i] = (struct clo_bpf_judged){
			.drop = (uint16_t)page->word[i],
			.class = (uint16_t)(page->word[i] >> 16),
			.rule = (uint32_t)(page->word[i] >> 32),
		};

	walk->epoch = args.epoch;
	walk->next += args.n;
	*ret_n = args.n;
	return 0;
}

int clo_bpf_enumerate_slots(struct clo_bpf *bpf, struct clo_bpf_slots *walk,
			    struct clo_bpf_judged ret_judged[CLO_ENUMERATE_MAX],
			    size_t *ret_n)
{
	struct clo_bpf_memory memory;
	int r;

	r = clo_bpf_memory_map(bpf->enumerated, 0,
			       sizeof(struct clo_enumerated), false, &memory);
	if (r < 0)
		return r;

	r = slots_stretch(bpf, walk, memory.at, ret_judged, ret_n);
	clo_bpf_memory_unmap(&memory);
	return r;
}
