/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The decision on every pair and class, and on every slot of the services, by
 * the lines that judge packets, over the maps that they read. For the agent,
 * which knows what must come out.
 */

#include "ebpf/prog/view.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct clo_enumerated);
} clo_enumerated SEC(".maps");

/* Where an enumeration is. Rows are long: one step is one word of one. */
struct walk {
	__u32 slot; /* of the tables */
	__u32 identities;
	__u32 words;
	__u32 src;
	__u32 dst;
	__u32 set; /* of that pair's row */
	__u32 at; /* the word that is next */
	__u32 pairs; /* done */
	__u32 written; /* words */
	__u32 first; /* slots */
};

CLO_INLINE struct clo_enumerated *page_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&clo_enumerated, &zero);
}

/* 1: it was the last, or the page is full. */
CLO_INLINE long next_pair(struct walk *walk)
{
	walk->at = 0;
	walk->pairs++;
	walk->dst++;
	if (walk->dst >= walk->identities) {
		walk->dst = 0;
		walk->src++;
	}
	return walk->src >= walk->identities ||
	       walk->pairs >= CLO_ENUMERATE_MAX;
}

/* CLO_ROW_NONE: the pair is allowed nothing. */
CLO_INLINE __u32 set_of(const struct clo_view *view, const struct walk *walk)
{
	__u32 index = clo_judge_row(view, walk->src, walk->dst);
	const struct clo_row *row =
		index == CLO_ROW_NONE ? NULL : clo_view_row(view, index);

	return row ? row->set : CLO_ROW_NONE;
}

static long enumerate_word(__u32 index, struct walk *walk)
{
	struct clo_view view = {.slot = walk->slot};
	struct clo_enumerated *page = page_of();

	(void)index;
	if (!page)
		return 1;
	if (walk->at == 0) {
		if (walk->written + walk->words > CLO_ENUMERATE_MAX)
			return 1;
		walk->set = set_of(&view, walk);
		page->allowed[walk->pairs & (CLO_ENUMERATE_MAX - 1)] =
			walk->set != CLO_ROW_NONE;
	}
	if (walk->set == CLO_ROW_NONE)
		return next_pair(walk);

	page->word[walk->written & (CLO_ENUMERATE_MAX - 1)] =
		clo_judge_word(&view, walk->set, walk->words, walk->at);
	walk->written++;
	walk->at++;
	return walk->at < walk->words ? 0 : next_pair(walk);
}

static long enumerate_slot(__u32 index, struct walk *walk)
{
	struct clo_view view = {.slot = walk->slot};
	struct clo_enumerated *page = page_of();
	__u32 slot = walk->first + index;
	struct clo_verdict verdict;

	if (!page || slot >= CLO_SLOTS)
		return 1;
	clo_judge_pair(&view, walk->src, walk->dst, clo_judge_proto(slot),
		       (__u16)slot, &verdict);
	page->word[index & (CLO_ENUMERATE_MAX - 1)] =
		verdict.drop | (__u64)verdict.class << 16 |
		(__u64)verdict.rule << 32;
	walk->written++;
	return 0;
}

/* 0: no policy is in force. */
CLO_INLINE __u64 epoch_in_force(void)
{
	__u32 zero = 0;
	const struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);

	return live ? *(const volatile __u64 *)&live->epoch : 0;
}

SEC("syscall")

int clo_enumerate_pairs(struct clo_enumerate_args *args)
{
	struct walk walk = {
		.identities = args->identities,
		.src = args->src,
		.dst = args->dst,
	};
	struct clo_view view = {0};
	__u64 epoch = epoch_in_force();

	if (!epoch)
		return -ENOENT;
	view.slot = epoch & 1;
	walk.slot = epoch & 1;
	walk.words = clo_view_words(&view);
	if (walk.src >= walk.identities || walk.dst >= walk.identities)
		return -EINVAL;
	/* each step writes an answer or goes on to the next pair */
	bpf_loop(2 * CLO_ENUMERATE_MAX, enumerate_word, &walk, 0);
	args->epoch = epoch;
	args->words = walk.words;
	args->src = walk.src;
	args->dst = walk.dst;
	args->n = walk.pairs;
	return 0;
}

SEC("syscall")

int clo_enumerate_slots(struct clo_enumerate_args *args)
{
	struct walk walk = {
		.src = args->src, .dst = args->dst, .first = args->first};
	__u64 epoch = epoch_in_force();

	if (!epoch)
		return -ENOENT;
	walk.slot = epoch & 1;
	bpf_loop(CLO_ENUMERATE_MAX, enumerate_slot, &walk, 0);
	args->epoch = epoch;
	args->n = walk.written;
	return 0;
}
