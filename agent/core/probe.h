/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/inventory.h"
#include "agent/sys/bpf.h"

/*
 * Frames that a hostile guest or neighbour would send, run through the programs
 * that hang on a tap now, with the verdict that must come out, and one lawful
 * frame as the positive control. No frame leaves: the kernel runs the program
 * on it and throws it away.
 */
struct clo_subject; /* whom a frame is built for */

enum clo_probe_where {
	CLO_PROBE_TAP, /* of an endpoint or of nobody */
	CLO_PROBE_BOUND, /* tap of an endpoint with an IPv4 address */
	CLO_PROBE_UPLINK,
	/* Uplink whose segment has an endpoint with IPv4 on this node. */
	CLO_PROBE_UPLINK_LOCAL,
};

enum clo_probe_mark {
	CLO_PROBE_UNMARKED, /* as from the wire, or before from_guest */
	CLO_PROBE_FOREIGN, /* approved for another endpoint */
	CLO_PROBE_OUTSIDE, /* approved to leave by this segment */
	CLO_PROBE_GROUP, /* approved for another segment's group */
};

struct clo_probe {
	const char *name; /* "spoofed MAC" */
	const char *control; /* whose check it is */
	enum clo_probe_where where;
	bool to_guest; /* through to_guest, else from_guest */
	bool drop; /* what must come out; audit mode passes all the same */
	enum clo_probe_mark mark;
	size_t (*build)(const struct clo_subject *subject, uint8_t *frame);
};

extern const struct clo_probe clo_probes[];
extern const size_t clo_probes_count;
#define CLO_PROBES_MAX 20

/* Verdicts on one tap, by index of clo_probes. */
enum clo_probe_result {
	CLO_PROBE_NOT_RUN, /* does not apply to this tap */
	CLO_PROBE_RIGHT,
	CLO_PROBE_PASSED, /* judged only: the port is in audit mode */
	CLO_PROBE_WRONG,
	CLO_PROBE_ERROR, /* the kernel would not run it */
};

/* What hangs on the tap and what its port says, as read from the kernel. */
struct clo_probe_run {
	uint32_t from_guest; /* program ids */
	uint32_t to_guest;
	enum clo_mode mode;
	bool limited; /* traffic from it has a limit, which it may have used */
	bool lawful; /* a policy is in force: lawful frames must pass */
};

/*
 * `local`: for an uplink, a bound tap of its segment, or NULL; else ignored.
 */
void clo_probe_tap(struct clo_bpf *bpf, const struct clo_tap *tap,
		   const struct clo_tap *local, const struct clo_probe_run *run,
		   enum clo_probe_result ret_results[CLO_PROBES_MAX]);
