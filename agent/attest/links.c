/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/links.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
	char *boot; /* "node boot" */
	uint64_t sequence;
	bool first;
	uint8_t previous[32], digest[32];
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

void clo_links_free(struct clo_links *links)
{
	if (!links)
		return;

	for (size_t i = 0; i < links->n; i++)
		free(links->list[i].boot);
	free(links->list);
	free(links);
}

int clo_links_add(struct clo_links *links, const struct clo_link_of *of)
{
	struct link *link;

	if (links->n == links->room) {
		size_t room = links->room ? 2 * links->room : 64;
		struct link *grown =
			reallocarray(links->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		links->list = grown;
		links->room = room;
	}
	link = &links->list[links->n];
	*link = (struct link){
		.sequence = of->sequence,
		.first = !of->previous,
	};
	if (asprintf(&link->boot, "%s %s", of->node, of->boot) < 0)
		return -ENOMEM;
	if (of->previous)
		memcpy(link->previous, of->previous, sizeof(link->previous));
	memcpy(link->digest, of->digest, sizeof(link->digest));
	links->n++;
	return 0;
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
	if (link->first ||
	    memcmp(link->previous, before->digest, sizeof(before->digest)) != 0)
		return say(reason, -EBADMSG, link, link->sequence,
			   "does not follow the one before it");
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
		int r = 0;

		if (i > 0 && strcmp(link[-1].boot, link->boot) == 0)
			r = check_next(link - 1, link, reason);
		else if (link->sequence != 0)
			r = say(reason, -ENOENT, link, 0, "is missing");
		if (r < 0 && (worst == 0 || (r == -EBADMSG && worst != r))) {
			worst = r;
			memcpy(ret_reason, reason, sizeof(reason));
		}
	}
	return worst;
}
