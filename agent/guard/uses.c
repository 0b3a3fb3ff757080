/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/uses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/tell.h"

int clo_uses_add(struct clo_uses *uses, const struct stat *st,
		 const char *workload, const char *path, bool writable)
{
	bool block = S_ISBLK(st->st_mode);
	struct clo_use use = {
		.dev = block ? st->st_rdev : st->st_dev,
		.ino = block ? 0 : st->st_ino,
		.writable = writable,
		.workload = workload,
	};
	struct clo_use *larger;

	larger = reallocarray(uses->list, uses->n + 1, sizeof(*uses->list));
	if (!larger)
		return -ENOMEM;
	uses->list = larger;
	use.path = strdup(path);
	if (!use.path)
		return -ENOMEM;

	uses->list[uses->n++] = use;
	return 0;
}

static bool is_same(const struct clo_use *a, const struct clo_use *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* The same other workload was met with this file further up. */
static bool is_told(const struct clo_uses *uses, size_t i, size_t j)
{
	const struct clo_use *own = &uses->list[i];
	const struct clo_use *other = &uses->list[j];

	for (size_t k = 0; k < j; k++) {
		const struct clo_use *use = &uses->list[k];

		if (is_same(use, other) &&
		    strcmp(use->workload, other->workload) == 0 &&
		    (own->writable || use->writable))
			return true;
	}
	return false;
}

static void check_use(const struct clo_uses *uses, size_t i,
		      struct clo_tell *tell)
{
	const struct clo_use *own = &uses->list[i];

	for (size_t j = 0; j < uses->n; j++) {
		const struct clo_use *other = &uses->list[j];

		if (!is_same(own, other) ||
		    strcmp(own->workload, other->workload) == 0 ||
		    !(own->writable || other->writable) || is_told(uses, i, j))
			continue;
		clo_tell(tell, clo_uses_control(own->workload, other->workload),
			 own->path,
			 "is also %s's, as %s, which %s it: give each a copy",
			 other->workload, other->path,
			 other->writable ? "writes" : "reads");
	}
}

int clo_uses_check(const struct clo_uses *uses, const char *workload,
		   struct clo_findings *findings)
{
	struct clo_tell tell = {findings, 0};

	for (size_t i = 0; i < uses->n; i++)
		if (strcmp(uses->list[i].workload, workload) == 0)
			check_use(uses, i, &tell);
	return tell.r;
}

void clo_uses_done(struct clo_uses *uses)
{
	for (size_t i = 0; i < uses->n; i++)
		free(uses->list[i].path);
	free(uses->list);
	*uses = (struct clo_uses){0};
}

/* The part of "tenant/environment/workload" after the first slash. */
static const char *environment_of(const char *workload)
{
	const char *slash = strchr(workload, '/');

	return slash ? slash + 1 : "";
}

static bool is_production(const char *workload)
{
	const char *environment = environment_of(workload);

	return strcspn(environment, "/") == strlen("production") &&
	       strncmp(environment, "production", strlen("production")) == 0;
}

const char *clo_uses_control(const char *workload, const char *owner)
{
	return is_production(owner) && !is_production(workload)
		       ? "env.no-shared-data"
		       : "sto.no-shared-residual";
}
