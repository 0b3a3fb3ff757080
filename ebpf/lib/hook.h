/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* What a decision stands on besides the frame, and what comes out of it. */

#include "cloison/abi.h"
#include "ebpf/lib/base.h"

struct clo_view;
struct clo_work;

struct clo_hook {
	const struct clo_view *view;
	struct clo_work *work; /* the caller's memory, for one decision */
	const struct clo_port *port; /* NULL: the interface has none */
	__u64 epoch; /* read once; 0: no policy */
	__u64 pickup; /* as struct clo_live */
	__u64 now; /* coarse monotonic nanoseconds */
	__u32 ifindex;
};

enum clo_answer {
	CLO_ANSWER_NONE,
	CLO_ANSWER_ARP, /* turn the request into the target's reply */
	CLO_ANSWER_ND, /* turn the solicitation into its advertisement */
};

/* Zeroed by the caller. All but `endpoint` counts only if the frame passes. */
struct clo_outcome {
	__u32 mark; /* CLO_MARK_* */
	/* Send it out of this guarded interface; 0: leave it to the bridge. */
	__u32 ifindex;
	__u32 rule; /* that allows it; 0: no flow of the matrix */
	__u32 endpoint[2]; /* source's, destination's, as far as known */
	__u8 opened; /* it began a flow */
	__u8 answer; /* enum clo_answer: then ifindex is the sender's */
	__u8 answer_mac[6]; /* of the target */
};
