/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/core/inventory.h"
#include "policy/model.h"

/* A measured contradiction. A control without one, if measured, reads PASS. */
struct clo_problem {
	const char *control;
	char *text; /* one line, for the node's statement */
	/*
	 * Scopes it concerns ("tenant/environment"), NULL if none; the text a
	 * tenant may read names nobody else's things. `everyone`: it concerns
	 * each scope (a broken table, say).
	 */
	char *scopes[2];
	char *scope_text;
	bool everyone;
	bool excepted; /* an exception in force admits just this */
};

struct clo_problems {
	struct clo_problem *list;
	size_t n;
};

void clo_problems_done(struct clo_problems *problems);

/* Note one; the entry is then told to nobody but the node. NULL: no memory. */
__attribute__((format(printf, 3, 4))) struct clo_problem *
clo_problem_add(struct clo_problems *problems, const char *control,
		const char *fmt, ...);
/*
 * What clo_problem_add() gave, told to every scope, or to one or two (NULL:
 * none) with a text of their own. 0, or -ENOMEM also if `found` is NULL.
 */
int clo_problem_everyone(struct clo_problem *found);
int clo_problem_scoped(struct clo_problem *found, const char *a, const char *b,
		       const char *text);

/* "tenant/environment", in a static-size buffer. */
#define CLO_SCOPE_MAX 160
void clo_scope_name(const struct clo_tenant_doc *tenant,
		    enum clo_environment environment,
		    char ret_scope[CLO_SCOPE_MAX]);
/* Of the tap's endpoint or segment; false if it is nobody's. */
bool clo_scope_of_tap(const struct clo_tap *tap, char ret_scope[CLO_SCOPE_MAX]);
/* Does this problem show in the statement of `scope` (NULL: the node's)? */
bool clo_problem_concerns(const struct clo_problem *problem, const char *scope);
