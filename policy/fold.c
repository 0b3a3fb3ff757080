/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/fold.h"

#include <errno.h>

#include "agent/base/auto.h"

int clo_fold_init(struct clo_fold *fold, size_t n_members)
{
	*fold = (struct clo_fold){0};
	fold->scratch = calloc(n_members + 1, sizeof(*fold->scratch));
	if (!fold->scratch)
		return -ENOMEM;
	return clo_lists_init(&fold->destinations, CLO_LISTS_MAX);
}

void clo_fold_done(struct clo_fold *fold)
{
	clo_lists_done(&fold->destinations);
	free(fold->sources);
	free(fold->scratch);
	*fold = (struct clo_fold){0};
}

/* Sources, and where their destinations stand in the list of lists. */
static int list_sources(struct clo_fold *fold, const struct clo_pair *pairs,
			size_t n)
{
	size_t i = 0;

	fold->n_sources = 0;
	while (i < n) {
		uint32_t from = pairs[i].src;
		struct clo_edge *moved;
		uint32_t list;
		size_t n_to = 0;
		int r;

		for (; i < n && pairs[i].src == from; i++)
			fold->scratch[n_to++] = pairs[i].dst;
		r = clo_lists_intern(&fold->destinations, fold->scratch, n_to,
				     &list);
		if (r < 0)
			return r;
		moved = clo_array_room(fold->sources, fold->n_sources,
				       &fold->cap_sources, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		fold->sources = moved;
		moved[fold->n_sources++] = (struct clo_edge){list, from};
	}
	return 0;
}

static int order_sources(const void *left, const void *right)
{
	const struct clo_edge *a = left;
	const struct clo_edge *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

int clo_fold_run(struct clo_fold *fold, const struct clo_pair *pairs, size_t n,
		 clo_fold_product *product, void *userdata)
{
	size_t i = 0;
	int r = list_sources(fold, pairs, n);

	if (r == 0 && fold->n_sources)
		qsort(fold->sources, fold->n_sources, sizeof(*fold->sources),
		      order_sources);
	while (r == 0 && i < fold->n_sources) {
		uint32_t list = fold->sources[i].from;
		size_t n_from = 0;
		const uint32_t *to;
		size_t n_to;

		for (; i < fold->n_sources && fold->sources[i].from == list;
		     i++)
			fold->scratch[n_from++] = fold->sources[i].to;
		to = clo_lists_get(&fold->destinations, list, &n_to);
		r = product(userdata, fold->scratch, n_from, to, n_to);
	}
	return r;
}
