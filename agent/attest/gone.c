/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/gone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void clo_gone_done(struct clo_gone *gone)
{
	free(gone->missing.list);
	free(gone->told.list);
	*gone = (struct clo_gone){0};
}

/* One that begins where the last ends makes it longer. */
static int add(struct clo_ranges *ranges, uint64_t from, uint64_t to)
{
	struct clo_range *grown;

	if (ranges->n > 0 && ranges->list[ranges->n - 1].to == from) {
		ranges->list[ranges->n - 1].to = to;
		return 0;
	}
	if (ranges->n == ranges->room) {
		size_t room = ranges->room ? 2 * ranges->room : 64;

		grown = reallocarray(ranges->list, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		ranges->list = grown;
		ranges->room = room;
	}
	ranges->list[ranges->n++] = (struct clo_range){from, to};
	return 0;
}

int clo_gone_add(struct clo_gone *gone, uint64_t entry)
{
	gone->count++;
	return add(&gone->missing, entry, entry + 1);
}

/* Are they the entries that the statement speaks of? */
static int check_hashes(const struct clo_removal *removal,
			const struct clo_merkle_source *source)
{
	CLO_AUTO_MEM uint8_t(*hashes)[CLO_SHA256_SIZE] = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	size_t n = 0;
	int r = 0;

	hashes = calloc(removal->count, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	for (size_t i = 0; i < removal->n; i++)
		for (uint64_t k = 0; k < removal->spans[i].count && r == 0; k++)
			r = source->node(source->userdata, 0,
					 removal->spans[i].entry + k,
					 hashes[n++]);
	if (r == 0)
		r = clo_sha256(hashes, n * sizeof(*hashes), digest);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	return memcmp(digest, removal->digest, sizeof(digest)) == 0 ? 0
								    : -EBADMSG;
}

int clo_gone_tell(struct clo_gone *gone, const json_t *gap, uint64_t at,
		  const struct clo_merkle_source *source)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	int r;

	r = clo_removal_read(gap, &removal);
	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	r = check_hashes(removal, source);
	for (size_t i = 0; i < removal->n && r == 0; i++) {
		const struct clo_removed *span = &removal->spans[i];
		uint64_t to = span->entry + span->count;

		r = to > at ? -EBADMSG : add(&gone->told, span->entry, to);
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct clo_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void sort(struct clo_ranges *ranges)
{
	if (ranges->n > 0)
		qsort(ranges->list, ranges->n, sizeof(*ranges->list), compare);
}

/* The first that is in `of` and not in `all`, both sorted. */
static bool lacks(const struct clo_ranges *all, const struct clo_ranges *of,
		  uint64_t *ret_entry)
{
	size_t i = 0;

	for (size_t k = 0; k < of->n; k++) {
		uint64_t at = of->list[k].from;

		for (; i < all->n && all->list[i].to <= at; i++)
			;
		for (size_t m = i; m < all->n && all->list[m].from <= at &&
				   at < of->list[k].to;
		     m++)
			at = all->list[m].to > at ? all->list[m].to : at;
		if (at < of->list[k].to) {
			*ret_entry = at;
			return true;
		}
	}
	return false;
}

int clo_gone_check(struct clo_gone *gone, uint64_t *ret_entry, bool *ret_there)
{
	sort(&gone->told);
	*ret_there = false;
	if (lacks(&gone->told, &gone->missing, ret_entry))
		return -EBADMSG;
	*ret_there = lacks(&gone->missing, &gone->told, ret_entry);
	return *ret_there ? -EBADMSG : 0;
}
