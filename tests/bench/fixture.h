/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/sys/bpf.h"
#include "bpf/frames.h"

/*
 * A node to measure on: the real programs and tables in the kernel, in a
 * network namespace and bpffs of this process, run by BPF_PROG_TEST_RUN on
 * interfaces that exist but carry nothing. Every failure ends the process.
 */

enum fixture_iface { /* by number of the interface, from FIXTURE_IFINDEX */
	IFACE_WEB,
	IFACE_DB,
	IFACE_WIRE, /* uplink of the segment of both */
	IFACE_SPARE,
	IFACES,
};

/* What is in the tables besides the small world of the tests. */
struct fixture_size {
	const char *name;
	size_t bits; /* allowed (pair, class) bits */
	size_t addresses; /* of endpoints */
	uint32_t connections; /* 0: default */
};

struct fixture {
	char dir[64]; /* bpffs */
	struct clo_bpf *bpf;
	int programs[2]; /* from the guest, to the guest */
};

/* Namespaces, bpffs, interfaces; exits with 77 without the privileges. */
void fixture_enter(void);
void fixture_leave(void);
void fixture_open(struct fixture *fixture, const struct fixture_size *size);
void fixture_close(struct fixture *fixture);
/* With limits: each kind of limit is in force and never reached. */
void fixture_port(struct fixture *fixture, enum fixture_iface iface,
		  bool limits);
/* CPU nanoseconds of each of n runs. */
double fixture_run(int program, enum fixture_iface iface, uint32_t mark,
		   const struct frame *frame, uint32_t n,
		   uint32_t *ret_verdict);
/* Drops counted so far for this reason, on this hook of any interface. */
uint64_t fixture_dropped(const struct fixture *fixture, enum clo_drop reason,
			 bool to_guest);
