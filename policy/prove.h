/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/tables.h"

/*
 * Proof by enumeration: every (source, destination, service class) verdict of
 * the tables against every invariant. Nothing is sampled. Works on compiled
 * tables and on tables read back from the kernel alike: it needs no names.
 */

struct clo_invariant {
	int number; /* of the design's list */
	const char *name; /* "tenant separation" */
	const char *control; /* catalogue id, "net.cross-tenant-deny" */
	/* True if no policy may allow a flow between these two. */
	bool (*forbids)(const struct clo_identity *src,
			const struct clo_identity *dst);
};

extern const struct clo_invariant clo_invariants[];
extern const size_t clo_invariants_count;

/* A concrete packet that shows a wrong verdict. */
struct clo_witness {
	uint8_t family; /* 4 or 6; 0: the identity has no address */
	uint8_t proto;
	uint16_t number; /* destination port or ICMP type, host order */
	uint8_t src[16], dst[16];
	uint32_t src_endpoint, dst_endpoint; /* 0 = outside */
};

struct clo_breach {
	const struct clo_invariant *invariant;
	struct clo_pair pair;
	uint32_t class;
	uint32_t rule; /* as the tables name it */
	struct clo_witness witness;
};

/* Kept: one breach for each rule and invariant, the rest is counted. */
#define CLO_BREACHES_MAX 64

struct clo_proof {
	uint64_t identities; /* that were enumerated; 0 is excluded */
	uint64_t pairs; /* identities squared */
	uint64_t classes;
	uint64_t verdicts; /* pairs x classes: bits enumerated */
	uint64_t allowed; /* of them */
	uint64_t breached; /* (verdict, invariant) violations, all */
	uint64_t excepted; /* of those, admitted by an exception */
	size_t n_breaches; /* kept below, unexcepted first */
	struct clo_breach breaches[CLO_BREACHES_MAX];
	/* By index of clo_invariants: verdicts that it forbids, and broken. */
	uint64_t forbidden[8];
	uint64_t broken[8];
};

/*
 * excepted: array by rule index, true where an exception admits the rule; NULL
 * for none. Returns 0 (also with breaches), -ENOMEM, or -EBADMSG with the table
 * and entry in reterr_text if the tables contradict themselves: an index out of
 * range, an address of one tenant with the identity of another, an allowed bit
 * that no rule owns, a rule without its bit.
 *
 * struct clo_proof is too large for a stack frame.
 */
int clo_prove(const struct clo_tables *tables, const bool *excepted,
	      size_t n_excepted, struct clo_proof *ret_proof,
	      char reterr_text[160]);

/*
 * The packet that runs from src to dst in this class; -ENOENT if the two have
 * no address of one family that the tables resolve to them.
 */
int clo_witness_find(const struct clo_tables *tables, struct clo_pair pair,
		     uint32_t class, struct clo_witness *ret_witness);
