/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
	char *boot; /* "node boot" */
	uint64_t sequence;
	uint8_t previous[32], digest[32];
	char *boot_before; /* or NULL */
	uint64_t last_before;
	uint8_t digest_before[32];
};

/* Sequences that were removed. */
struct hole {
	char *boot; /* as a link's */
	uint64_t from, to; /* to is outside */
};

struct clo_links {
	struct link *list;
	size_t n, room;
	struct hole *holes;
	size_t n_holes, holes_room;
};

int clo_links_new(struct clo_links **ret_links)
{
	*ret_links = calloc(1, sizeof(**ret_links));
	return *ret_links ? 0 : -ENOMEM;
}

static void link_done(struct link *link)
{
	free(link->boot);
	free(link->boot_before);
}

static int link_init(struct link *link, const struct clo_link_of *of)
{
	const struct clo_chain_place *chain = of->chain;

	*link = (struct link){.sequence = chain->sequence,
			      .last_before = chain->boot_sequence};
	memcpy(link->previous, chain->previous, sizeof(link->previous));
	memcpy(link->digest, of->digest, sizeof(link->digest));
	memcpy(link->digest_before, chain->boot_digest,
	       sizeof(link->digest_before));
	if (asprintf(&link->boot, "%s %s", of->node, of->boot) < 0) {
		link->boot = NULL;
		return -ENOMEM;
	}
	if (chain->boot_id[0] && asprintf(&link->boot_before, "%s %s", of->node,
					  chain->boot_id) < 0) {
		link->boot_before = NULL;
		return -ENOMEM;
	}
	return 0;
}

void clo_links_free(struct clo_links *links)
{
	if (!links)
		return;

	for (size_t i = 0; i < links->n; i++)
		link_done(&links->list[i]);
	for (size_t i = 0; i < links->n_holes; i++)
		free(links->holes[i].boot);
	free(links->holes);
	free(links->list);
	free(links);
}

int clo_links_add(struct clo_links *links, const struct clo_link_of *of)
{
	int r;

	if (links->n == links->room) {
		size_t room = links->room ? 2 * links->room : 64;
		struct link *grown =
			reallocarray(links->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		links->list = grown;
		links->room = room;
	}
	r = link_init(&links->list[links->n], of);
	if (r < 0)
		link_done(&links->list[links->n]);
	else
		links->n++;
	return r;
}

int clo_links_remove(struct clo_links *links, const char *node,
		     const struct clo_removed *removed)
{
	struct hole hole = {NULL, removed->sequence,
			    removed->sequence + removed->count};

	if (links->n_holes == links->holes_room) {
		size_t room = links->holes_room ? 2 * links->holes_room : 64;
		struct hole *grown =
			reallocarray(links->holes, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		links->holes = grown;
		links->holes_room = room;
	}
	if (asprintf(&hole.boot, "%s %s", node, removed->boot_id) < 0)
		return -ENOMEM;
	links->holes[links->n_holes++] = hole;
	return 0;
}

static int compare_holes(const void *a, const void *b)
{
	const struct hole *x = a, *y = b;
	int r = strcmp(x->boot, y->boot);

	return r ? r : x->from < y->from ? -1 : x->from > y->from;
}

/* The first from `sequence` on that was not removed. */
static uint64_t skip_removed(const struct clo_links *links, const char *boot,
			     uint64_t sequence)
{
	size_t from = 0;
	size_t to = links->n_holes;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct hole *hole = &links->holes[middle];
		int r = strcmp(hole->boot, boot);

		if (r < 0 || (r == 0 && hole->to <= sequence))
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < links->n_holes &&
	       strcmp(links->holes[from].boot, boot) == 0 &&
	       links->holes[from].from <= sequence;
	     from++)
		sequence = links->holes[from].to;
	return sequence;
}

static int compare(const void *a, const void *b)
{
	const struct link *x = a, *y = b;
	int r = strcmp(x->boot, y->boot);

	if (r == 0 && x->sequence != y->sequence)
		r = x->sequence < y->sequence ? -1 : 1;
	return r ? r : memcmp(x->digest, y->digest, sizeof(x->digest));
}

static int say(char reason[200], int r, const struct link *link,
	       uint64_t sequence, const char *what)
{
	(void)snprintf(reason, 200, "%.120s: sequence %llu %s", link->boot,
		       (unsigned long long)sequence, what);
	return r;
}

/* What follows what in one boot; the same twice is the same. */
static int check_next(const struct clo_links *links, const struct link *before,
		      const struct link *link, char reason[200])
{
	uint64_t due;

	if (before->sequence == link->sequence)
		return memcmp(before->digest, link->digest,
			      sizeof(link->digest)) == 0
			       ? 0
			       : say(reason, -EBADMSG, link, link->sequence,
				     "stands for two statements");
	due = skip_removed(links, link->boot, before->sequence + 1);
	if (due < link->sequence)
		return say(reason, -ENOENT, link, due, "is missing");
	if (before->sequence + 1 != link->sequence)
		return 0; /* the one before it was removed */
	if (memcmp(link->previous, before->digest, sizeof(before->digest)) != 0)
		return say(reason, -EBADMSG, link, link->sequence,
			   "does not follow the one before it");
	return 0;
}

/* The last link of a boot, of those that are sorted; NULL: there is none. */
static const struct link *last_of(const struct clo_links *links,
				  const char *boot)
{
	size_t from = 0;
	size_t to = links->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(links->list[middle].boot, boot) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from > 0 && strcmp(links->list[from - 1].boot, boot) == 0
		       ? &links->list[from - 1]
		       : NULL;
}

/* The first of a boot: after the last of the boot before, if that is here. */
static int check_first(const struct clo_links *links, const struct link *link,
		       char reason[200])
{
	const struct link *last;
	uint64_t due = skip_removed(links, link->boot, 0);

	if (due < link->sequence)
		return say(reason, -ENOENT, link, due, "is missing");
	if (link->sequence != 0)
		return 0; /* the first was removed, and what it says */
	last = link->boot_before ? last_of(links, link->boot_before) : NULL;
	if (!last)
		return 0;
	due = skip_removed(links, last->boot, last->sequence + 1);
	if (due <= link->last_before)
		return say(reason, -ENOENT, last, link->last_before,
			   "is missing");
	if (last->sequence < link->last_before)
		return 0; /* it was removed */
	if (last->sequence > link->last_before ||
	    memcmp(last->digest, link->digest_before, sizeof(last->digest)) !=
		    0)
		return say(reason, -EBADMSG, last, last->sequence,
			   "is not the last, by the boot after it");
	return 0;
}

int clo_links_check(struct clo_links *links, char ret_reason[200])
{
	int worst = 0;

	if (links->n == 0) {
		(void)snprintf(ret_reason, 200, "there is no statement");
		return -ENOENT;
	}
	qsort(links->list, links->n, sizeof(*links->list), compare);
	if (links->n_holes > 0)
		qsort(links->holes, links->n_holes, sizeof(*links->holes),
		      compare_holes);
	for (size_t i = 0; i < links->n; i++) {
		const struct link *link = &links->list[i];
		char reason[200];
		int r;

		if (i > 0 && strcmp(link[-1].boot, link->boot) == 0)
			r = check_next(links, link - 1, link, reason);
		else
			r = check_first(links, link, reason);
		if (r < 0 && (worst == 0 || (r == -EBADMSG && worst != r))) {
			worst = r;
			memcpy(ret_reason, reason, sizeof(reason));
		}
	}
	return worst;
}
