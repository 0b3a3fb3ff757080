/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/auto.h"

/* Where something differs from a sandbox profile: one line each. */
struct clo_finding {
	const char *
		control; /* id of the catalogue it fails: "sbx.device-surface" */
	char *where; /* "domain/devices/sound", "process 812", a path */
	char *text; /* what is wrong, and what to do about it */
};

/* A zeroed one is empty. */
struct clo_findings {
	struct clo_finding *list;
	size_t n;
};

/* 0, or -ENOMEM. */
__attribute__((format(printf, 4, 5))) int
clo_finding_add(struct clo_findings *findings, const char *control,
		const char *where, const char *fmt, ...);
void clo_findings_done(struct clo_findings *findings);
