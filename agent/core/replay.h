/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/sys/bpf.h"

/*
 * One frame through the program that hangs on an interface now: what a witness
 * of the prover, or a frame that somebody asks about, really meets.
 */

/* Which of the interface's two programs, by how the frame moves. */
enum clo_replay_way {
	CLO_REPLAY_FROM, /* the guest sent it; an uplink: from the wire */
	CLO_REPLAY_TO, /* to the guest; an uplink: to the wire */
};

struct clo_replay {
	uint32_t prog_id; /* that judged, as the kernel lists it on the hook */
	bool ours; /* it is the guard, and runs first */
	struct clo_bpf_said said;
};

/*
 * frame->ifindex says where. What passes is tracked like any flow that the
 * guest opens; what is refused leaves a count. -ENOENT: no guard is on that
 * hook. -EINVAL: the kernel runs no program on such a frame (no Ethernet
 * header, longer than a page without IP, or longer than four).
 */
int clo_replay_frame(struct clo_bpf *bpf, enum clo_replay_way way,
		     const struct clo_bpf_frame *frame,
		     struct clo_replay *ret_replay);
