/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/base/auto.h"
#include "agent/sys/bpf.h"
#include "policy/contradiction.h"

/*
 * The decision code itself: what the lines that judge packets say, run in the
 * kernel on the tables in force, of every pair of identities and every service
 * class, and of every slot (protocol, port or ICMP type). Nothing is sampled.
 */

struct clo_enumeration {
	uint64_t epoch; /* of the tables; 0: nothing was enumerated yet */
	uint64_t pairs;
	uint64_t classes;
	uint64_t verdicts; /* pairs x classes */
	uint64_t allowed; /* of them, by the kernel */
	uint64_t slots;
	uint64_t wrong; /* verdicts, slots */
	struct clo_contradiction first; /* if any is wrong */
	double ms; /* of work */
	time_t at; /* the end of it */
};

/*
 * One that is under way. `expected` is what the policy compiled to: borrowed
 * until it is freed, and must be what is in force.
 */
struct clo_enumerating;

int clo_enumerating_new(const struct clo_tables *expected,
			struct clo_enumerating **ret_now);
void clo_enumerating_free(struct clo_enumerating *now);
CLO_DEFINE_FREEP(clo_enumerating)

/*
 * Some milliseconds of it. 0: there is more; 1: that was all, however much is
 * wrong. -ENOENT: no policy is in force. -EBUSY: another one came into force
 * meanwhile. After an error it is of no use any more.
 */
int clo_enumerating_step(struct clo_bpf *bpf, struct clo_enumerating *now);
/* What was found so far; borrowed. */
const struct clo_enumeration *
clo_enumerating_found(const struct clo_enumerating *now);

/* All of it at once; the same errors. */
int clo_enumerate(struct clo_bpf *bpf, const struct clo_tables *expected,
		  struct clo_enumeration *ret_enumeration);
