/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/base/auto.h"

/*
 * Everything wrong with a set of documents, in the order found. Bounded: after
 * CLO_FLAWS_MAX only the number goes on.
 */
#define CLO_FLAWS_MAX 256

struct clo_flaw {
	char *file; /* the document's name */
	char *path; /* JSON path, "$.environments.production.rules[3].to" */
	int line; /* from 1; 0 where there is none (a missing file, say) */
	char *text; /* what is wrong, what was expected, what to do */
};

struct clo_flaws;

int clo_flaws_new(struct clo_flaws **ret_flaws);
void clo_flaws_free(struct clo_flaws *flaws);
CLO_DEFINE_FREEP(clo_flaws)

/* Copies its arguments; never fails (out of memory keeps the count). */
__attribute__((format(printf, 5, 6))) void
clo_flaws_add(struct clo_flaws *flaws, const char *file, int line,
	      const char *path, const char *fmt, ...);

size_t clo_flaws_count(const struct clo_flaws *flaws); /* all that were found */
size_t clo_flaws_kept(const struct clo_flaws *flaws); /* all that are held */
const struct clo_flaw *clo_flaws_get(const struct clo_flaws *flaws, size_t i);
