/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/base/auto.h"
#include "bpf/frames.h"
#include "bpf/world.h"

/*
 * The real object in the kernel, filled from struct world by hand and run by
 * BPF_PROG_TEST_RUN on the loopback interface. Nothing is pinned or attached:
 * it is gone with the process.
 */
struct rig;

enum {
	RIG_IFINDEX = 1
};

int rig_new(struct rig **ret_rig); /* -EPERM without the privileges */
void rig_free(struct rig *rig);
CLO_DEFINE_FREEP(rig)

/* Fill the idle slot, flip; the epoch grows by one. */
int rig_apply(struct rig *rig, const struct world *world);
__u64 rig_epoch(const struct rig *rig);
/* Put another epoch in force without touching the tables. */
int rig_set_epoch(struct rig *rig, __u64 epoch);
/* NULL: the interface has no port. */
int rig_set_port(struct rig *rig, const struct clo_port *port);

struct rig_run {
	int verdict; /* TC_ACT_* */
	__u32 mark;
	__u64 drops[CLO_DROP_COUNT]; /* counted by this run, by reason */
};

int rig_run(struct rig *rig, int to_guest, __u32 mark,
	    const struct frame *frame, struct rig_run *ret_run);
/* Hits of one rule in the slot in force. */
int rig_hits(struct rig *rig, __u32 rule, struct clo_hits *ret_hits);
/* Forget all connections and fragments; make them look `seconds` older. */
int rig_flush(struct rig *rig);
int rig_age(struct rig *rig, __u64 seconds);
