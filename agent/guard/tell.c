/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "policy/quote.h"

void clo_vtell(struct clo_tell *tell, const char *control, const char *where,
	       const char *fmt, va_list args)
{
	CLO_AUTO_MEM char *raw = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *place = clo_printable(where);

	if (vasprintf(&raw, fmt, args) < 0)
		raw = NULL;
	else
		text = clo_printable(raw);
	if (!place || !text ||
	    clo_finding_add(tell->findings, control, place, "%s", text) < 0)
		tell->r = -ENOMEM;
}

void clo_tell(struct clo_tell *tell, const char *control, const char *where,
	      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	clo_vtell(tell, control, where, fmt, args);
	va_end(args);
}
