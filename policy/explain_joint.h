/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"

/*
 * The common refinement of the identities of two policies: what is one
 * identity before and one after. Two policies number and split differently;
 * their flows compare between joints.
 */
struct clo_joint {
	uint32_t before, after; /* identities; 0: unknown there */
	bool external;
	char *name;
};

struct clo_joints {
	struct clo_joint *joints; /* endpoints first */
	size_t n, cap;
};

int clo_joints_init(struct clo_joints *joints,
		    const struct clo_compiled *before,
		    const struct clo_compiled *after);
void clo_joints_done(struct clo_joints *joints);
