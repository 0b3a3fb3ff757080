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

enum clo_probe_mark {
	CLO_PROBE_UNMARKED, /* as from the uplink, or before from_guest */
	CLO_PROBE_FOREIGN, /* approved for another endpoint */
	CLO_PROBE_OUTSIDE, /* approved for no endpoint */
};

struct clo_probe {
	const char *name; /* "spoofed MAC" */
	const char *control; /* whose check it is */
	bool to_guest; /* through to_guest, else from_guest */
	bool drop; /* what must come out */
	bool bound; /* only on taps of an endpoint */
	enum clo_probe_mark mark;
	void (*build)(const struct clo_subject *subject, uint8_t *frame);
};

extern const struct clo_probe clo_probes[];
extern const size_t clo_probes_count;
#define CLO_PROBES_MAX 16

/* Verdicts on one tap, by index of clo_probes. */
enum clo_probe_result {
	CLO_PROBE_NOT_RUN, /* does not apply to this tap */
	CLO_PROBE_RIGHT,
	CLO_PROBE_WRONG,
	CLO_PROBE_ERROR, /* the kernel would not run it */
};

void clo_probe_tap(struct clo_bpf *bpf, const struct clo_tap *tap,
		   bool policy_in_force,
		   enum clo_probe_result ret_results[CLO_PROBES_MAX]);
