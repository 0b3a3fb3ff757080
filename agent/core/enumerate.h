/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/sys/bpf.h"

/*
 * The decision code itself: what the lines that judge packets say, run in the
 * kernel on the tables in force, of every pair of identities and every service
 * class, and of every slot (protocol, port or ICMP type). Nothing is sampled.
 */

/* The first place where the kernel says otherwise than the tables. */
struct clo_contradiction {
	struct clo_pair pair;
	uint32_t class; /* CLO_CLASS_NONE: it has none */
	uint32_t slot; /* CLO_SLOTS: found in the pair's row */
	bool allowed; /* by the kernel */
	bool expected; /* by the tables */
};

struct clo_enumeration {
	uint64_t epoch; /* of the tables; 0: nothing was enumerated yet */
	uint64_t pairs;
	uint64_t classes;
	uint64_t verdicts; /* pairs x classes */
	uint64_t allowed; /* of them, by the kernel */
	uint64_t slots;
	uint64_t wrong; /* verdicts, slots */
	struct clo_contradiction first; /* if any is wrong */
	double ms;
	time_t at;
};

/*
 * `expected` is what the policy compiled to. 0 also if much is wrong; -ENOENT:
 * no policy is in force; -EBUSY: another one came into force meanwhile.
 */
int clo_enumerate(struct clo_bpf *bpf, const struct clo_tables *expected,
		  struct clo_enumeration *ret_enumeration);
