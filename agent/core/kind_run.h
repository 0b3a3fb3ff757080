/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/kind_subject.h"

/*
 * One packet kind on one tap. What a single frame shows is run on the program
 * that is attached. What needs others before it, or leaves more behind than a
 * count, is run on that program's twin (sys/bpf.h): no table that a guest's
 * packets meet ever holds anything of it.
 */
struct clo_kind_runner {
	struct clo_bpf *bpf;
	struct clo_bpf_twin *twin; /* borrowed, when it is needed */
	int no_twin; /* why there is none: -errno; 0: not tried yet */
	uint16_t id; /* of the next datagram in fragments */
	uint8_t frame[CLO_KIND_FRAME_MAX];
};

/* What came out, of the first packet that was judged wrong or of the last. */
struct clo_kind_outcome {
	bool right;
	int want;
	struct clo_bpf_said said;
	size_t packet; /* from 0; it is in the runner's frame */
	size_t len;
};

/* 0, -ENOMEM; *ret_why stays NULL if it was run, and says why if not. */
int clo_kind_run(struct clo_kind_runner *runner,
		 struct clo_kind_subject *subject,
		 const struct clo_kind_vector *kind,
		 struct clo_kind_outcome *ret_outcome, const char **ret_why);
