/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "policy/quote.h"

void clo_tell(struct clo_tell *tell, const char *control, const char *where,
	      const char *fmt, ...)
{
	CLO_AUTO_MEM char *raw = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *place = clo_printable(where);
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&raw, fmt, args);
	va_end(args);
	if (n < 0)
		raw = NULL;
	else
		text = clo_printable(raw);
	if (!place || !text ||
	    clo_finding_add(tell->findings, control, place, "%s", text) < 0)
		tell->r = -ENOMEM;
}
