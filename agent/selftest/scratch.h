/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/*
 * A node that is nobody's: a network namespace and a bpffs of this process
 * alone, one tap in it that no policy declares, and the real guards. All of it
 * goes with the process; no guest, tap or map of the host is ever in sight.
 */
struct clo_scratch {
	int tap; /* keeps the tap */
	struct clo_bpf *bpf;
	struct clo_tap taps[1];
	struct clo_inventory inventory;
	struct clo_node node;
};

/*
 * Leaves the host's namespaces for good. -errno: there is none to be had here,
 * *ret_what says what was missing.
 */
int clo_scratch_enter(struct clo_scratch *scratch, const char **ret_what);
void clo_scratch_done(struct clo_scratch *scratch);
