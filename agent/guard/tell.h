/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>

#include "agent/guard/finding.h"

/*
 * A check that goes on after a finding, and keeps what went wrong for its end.
 * What strangers wrote comes out printable.
 */
struct clo_tell {
	struct clo_findings *findings;
	int r; /* -ENOMEM: a finding was lost */
};

__attribute__((format(printf, 4, 5))) void clo_tell(struct clo_tell *tell,
						    const char *control,
						    const char *where,
						    const char *fmt, ...);
__attribute__((format(printf, 4, 0))) void
clo_vtell(struct clo_tell *tell, const char *control, const char *where,
	  const char *fmt, va_list args);
