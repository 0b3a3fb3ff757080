/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/tables.h"

/*
 * Proof by enumeration: every (source, destination, service class) verdict of
 * the tables, and every address that they bind, against every invariant.
 * Nothing is sampled. Works on compiled tables and on tables read back from the
 * kernel alike: it needs no names.
 */

struct clo_bound;

struct clo_invariant {
	int number; /* of the design's list */
	const char *name; /* "tenant separation" */
	const char *control; /* catalogue id, "net.cross-tenant-deny" */
	const char *gap; /* why it may find nothing to prove */
	/*
	 * True if no policy may allow a flow between these two, on whatever
	 * service. Says the same of any two that differ in their segment alone.
	 */
	bool (*forbids)(const struct clo_identity *src,
			const struct clo_identity *dst);
	/* Of one that is about addresses; NULL: it is about flows. 0, -ENOMEM */
	int (*bindings)(const struct clo_tables *tables,
			struct clo_bound *ret_bound);
};

#define CLO_INVARIANTS 5
extern const struct clo_invariant clo_invariants[];
extern const size_t clo_invariants_count;

/*
 * What came of a question to the tables. NOT-COVERED: there was nothing that
 * could break it, which proves nothing; ERROR: it could not be answered.
 */
enum clo_proven {
	CLO_PROVEN,
	CLO_NOT_COVERED,
	CLO_VIOLATED,
	CLO_PROOF_ERROR,
};

/* "PROVED", "NOT-COVERED", "VIOLATED", "ERROR" */
const char *clo_proven_text(enum clo_proven proven);
/* The worse of two. */
enum clo_proven clo_proven_worse(enum clo_proven a, enum clo_proven b);

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
	/*
	 * Of bindings: class is CLO_CLASS_NONE, rule 0; src is the identity of
	 * the address, dst that of its endpoint or 0; the witness has a source.
	 */
};

/* What came of the bindings. */
#define CLO_BOUND_MAX 16

struct clo_bound {
	uint64_t subjects; /* addresses, and endpoints under their number */
	uint64_t broken;
	size_t n_breaches;
	struct clo_breach breaches[CLO_BOUND_MAX]; /* invariant is not set */
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
	/*
	 * By index of clo_invariants: verdicts that it forbids (or bindings),
	 * those of them that are broken, and those that an exception admits.
	 */
	uint64_t forbidden[CLO_INVARIANTS];
	uint64_t broken[CLO_INVARIANTS];
	uint64_t admitted[CLO_INVARIANTS];
};

/* By index of clo_invariants; what an exception admits is violated as well. */
enum clo_proven clo_proof_verdict(const struct clo_proof *proof,
				  size_t invariant);
/* Some invariant of this control has something that could break it. */
bool clo_proof_covers(const struct clo_proof *proof, const char *control);

/*
 * excepted: array by rule index, true where an exception admits the rule; NULL
 * for none. Returns 0 (also with breaches), -ENOMEM, or -EBADMSG with the table
 * and entry in reterr_text if the tables contradict themselves: an index out of
 * range, an address of one tenant with the identity of another or twice in one
 * space, an identity without an address, an allowed bit that no rule owns, a
 * rule without its bit.
 *
 * struct clo_proof is too large for a stack frame.
 */
int clo_prove(const struct clo_tables *tables, const bool *excepted,
	      size_t n_excepted, struct clo_proof *ret_proof,
	      char reterr_text[160]);

/*
 * A proof that later ones can build on: what it counted in tables that are
 * sound. The tables are borrowed.
 */
struct clo_proved;

/*
 * As clo_prove(), but looks only at what is not as in the tables of `before`
 * (NULL: at everything); the result is the same. ret_proved, unless NULL, is
 * for the next one; it is left alone on errors.
 */
int clo_prove_change(const struct clo_proved *before,
		     const struct clo_tables *tables, const bool *excepted,
		     size_t n_excepted, struct clo_proof *ret_proof,
		     struct clo_proved **ret_proved, char reterr_text[160]);
void clo_proved_free(struct clo_proved *proved);
/* The same counts, and the same breaches with the same packets. */
bool clo_proof_equal(const struct clo_proof *a, const struct clo_proof *b);
CLO_DEFINE_FREEP(clo_proved)

/*
 * The packet that runs from src to dst in this class; -ENOENT if the two have
 * no address of one family that the tables resolve to them.
 */
int clo_witness_find(const struct clo_tables *tables, struct clo_pair pair,
		     uint32_t class, struct clo_witness *ret_witness);
