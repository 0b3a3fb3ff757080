/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "bpf/frames.h"

/*
 * What the datapath must do, step by step: run on the host's build of the
 * decision and on the object in the kernel alike. A script begins without
 * connections; a step sees what the steps before it left.
 */
struct step {
	const char *what;
	enum world_host port;
	__u8 to_guest;
	__u8 generation; /* of the tables; a change bumps the epoch */
	__u8 no_port;
	__u8 no_policy;
	__u8 mode; /* enum clo_mode of the port */
	__u32 mark_in;
	struct frame_spec frame;
	enum clo_drop drop;
	__u32 mark; /* from_guest, if it passes */
	__u32 rule; /* whose packets this step counts; 0: nobody's */
};

struct script {
	const char *name;
	const struct step *steps;
	size_t n;
};

extern const struct script script_flows, script_outside, script_pings,
	script_errors, script_spoofs, script_marks, script_revocation,
	script_neighbours, script_malformed, script_windows, script_fragments,
	script_servers, script_groups, script_quarantine;
extern const struct script *const scripts[];
extern const size_t scripts_count;
