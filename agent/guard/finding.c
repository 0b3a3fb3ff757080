/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/finding.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int clo_finding_add(struct clo_findings *findings, const char *control,
		    const char *where, const char *fmt, ...)
{
	struct clo_finding finding = {.control = control};
	struct clo_finding *larger;
	va_list args;
	int n;

	larger = reallocarray(findings->list, findings->n + 1,
			      sizeof(*findings->list));
	if (!larger)
		return -ENOMEM;
	findings->list = larger;
	finding.where = strdup(where);
	if (!finding.where)
		return -ENOMEM;
	va_start(args, fmt);
	n = vasprintf(&finding.text, fmt, args);
	va_end(args);
	if (n < 0) {
		free(finding.where);
		return -ENOMEM;
	}

	findings->list[findings->n++] = finding;
	return 0;
}

void clo_findings_done(struct clo_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		free(findings->list[i].where);
		free(findings->list[i].text);
	}
	free(findings->list);
	*findings = (struct clo_findings){0};
}
