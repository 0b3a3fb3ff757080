/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/breach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int clo_breach_add(struct clo_breaches *breaches, const char *control,
		   const char *where, const char *fmt, ...)
{
	struct clo_breach breach = {.control = control};
	struct clo_breach *larger;
	va_list args;
	int n;

	larger = reallocarray(breaches->list, breaches->n + 1,
			      sizeof(*breaches->list));
	if (!larger)
		return -ENOMEM;
	breaches->list = larger;
	breach.where = strdup(where);
	if (!breach.where)
		return -ENOMEM;
	va_start(args, fmt);
	n = vasprintf(&breach.text, fmt, args);
	va_end(args);
	if (n < 0) {
		free(breach.where);
		return -ENOMEM;
	}

	breaches->list[breaches->n++] = breach;
	return 0;
}

void clo_breaches_done(struct clo_breaches *breaches)
{
	for (size_t i = 0; i < breaches->n; i++) {
		free(breaches->list[i].where);
		free(breaches->list[i].text);
	}
	free(breaches->list);
	*breaches = (struct clo_breaches){0};
}
