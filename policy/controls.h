/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The control catalogue: what can be enforced or proven on a node. */
struct clo_control {
	const char *id; /* "net.cross-tenant-deny" */
	const char *group; /* "network segmentation" */
	const char *title;
	/*
	 * Assessed by this version and needed for PASSED. All others read
	 * NOT-ASSESSED unless evidence says more.
	 */
	bool mandatory;
	const char *clauses; /* "MA-REF-CLOUD 3.9.2; ISO/IEC 27017 ..." */
};

extern const struct clo_control clo_controls[];
extern const size_t clo_controls_count;
const struct clo_control *clo_control_find(const char *id); /* or NULL */
