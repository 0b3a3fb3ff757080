/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clo_problem *clo_problem_add(struct clo_problems *problems,
				    const char *control, const char *fmt, ...)
{
	struct clo_problem *grown;
	va_list args;
	int n;

	grown = reallocarray(problems->list, problems->n + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	problems->list = grown;
	grown += problems->n;

	*grown = (struct clo_problem){.control = control};
	va_start(args, fmt);
	n = vasprintf(&grown->text, fmt, args);
	va_end(args);
	if (n < 0) {
		grown->text = NULL;
		return NULL;
	}
	problems->n++;
	return grown;
}

/* A problem of the whole node, which each scope may read too. */
int clo_problem_everyone(struct clo_problem *found)
{
	if (!found)
		return -ENOMEM;
	found->everyone = true;
	return 0;
}

/* A problem of one or two scopes; `text` is what those may read. */
int clo_problem_scoped(struct clo_problem *found, const char *a, const char *b,
		       const char *text)
{
	if (!found)
		return -ENOMEM;
	found->scopes[0] = a ? strdup(a) : NULL;
	found->scopes[1] = b ? strdup(b) : NULL;
	found->scope_text = strdup(text);
	return (a && !found->scopes[0]) || (b && !found->scopes[1]) ||
			       !found->scope_text
		       ? -ENOMEM
		       : 0;
}

void clo_scope_name(const struct clo_tenant_doc *tenant,
		    enum clo_environment environment,
		    char ret_scope[CLO_SCOPE_MAX])
{
	(void)snprintf(ret_scope, CLO_SCOPE_MAX, "%s/%s", tenant->name,
		       clo_environment_name(environment));
}

bool clo_scope_of_tap(const struct clo_tap *tap, char ret_scope[CLO_SCOPE_MAX])
{
	if (tap->workload)
		clo_scope_name(tap->workload->tenant,
			       tap->workload->environment, ret_scope);
	else if (tap->uplink)
		clo_scope_name(tap->uplink->tenant, tap->uplink->environment,
			       ret_scope);
	return clo_tap_bound(tap);
}

bool clo_problem_concerns(const struct clo_problem *problem, const char *scope)
{
	if (!scope || problem->everyone)
		return true;
	for (int i = 0; i < 2; i++)
		if (problem->scopes[i] &&
		    strcmp(problem->scopes[i], scope) == 0)
			return true;
	return false;
}

void clo_problems_done(struct clo_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->list[i].text);
		free(problems->list[i].scopes[0]);
		free(problems->list[i].scopes[1]);
		free(problems->list[i].scope_text);
	}
	free(problems->list);
}
