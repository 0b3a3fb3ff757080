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

struct clo_links {
	struct link *list;
	size_t n, room;
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
	const struct clo_chain *chain = of->chain;

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
static int check_next(const struct link *before, const struct link *link,
		      char reason[200])
{
	if (before->sequence == link->sequence)
		return memcmp(before->digest, link->digest,
			      sizeof(link->digest)) == 0
			       ? 0
			       : say(reason, -EBADMSG, link, link->sequence,
				     "stands for two statements");
	if (before->sequence + 1 != link->sequence)
		return say(reason, -ENOENT, link, before->sequence + 1,
			   "is missing");
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

	if (link->sequence != 0)
		return say(reason, -ENOENT, link, 0, "is missing");
	last = link->boot_before ? last_of(links, link->boot_before) : NULL;
	if (!last)
		return 0;
	if (last->sequence < link->last_before)
		return say(reason, -ENOENT, last, link->last_before,
			   "is missing");
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
	for (size_t i = 0; i < links->n; i++) {
		const struct link *link = &links->list[i];
		char reason[200];
		int r;

		if (i > 0 && strcmp(link[-1].boot, link->boot) == 0)
			r = check_next(link - 1, link, reason);
		else
			r = check_first(links, link, reason);
		if (r < 0 && (worst == 0 || (r == -EBADMSG && worst != r))) {
			worst = r;
			memcpy(ret_reason, reason, sizeof(reason));
		}
	}
	return worst;
}
