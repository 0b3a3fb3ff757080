/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct json_t;
struct clo_audit;
struct clo_node;

/*
 * Every packet kind through the attached programs, whenever a program, a port
 * or the policy has changed, and again until all verdicts are right. Taps whose
 * ports say the same meet the same decisions: one of each shape is run.
 */
struct clo_kinds {
	uint64_t signature; /* of what was run; 0: nothing yet */
	size_t kinds; /* that there are */
	size_t run; /* (kind, way, tap) */
	size_t right;
	size_t wrong;
	size_t taps; /* that were run */
	size_t alike; /* and those that one of these stands for */
	struct json_t *uncovered; /* ["kind: why"], owned, or NULL */
	double ms;
	time_t at;
};

void clo_kinds_done(struct clo_kinds *kinds);
/* A step of an audit, after the taps: 0, or -ENOMEM. */
int clo_kinds_audit(struct clo_node *node, struct clo_audit *audit);
