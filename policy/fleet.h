/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/compile.h"
#include "policy/prove.h"

/*
 * What several nodes do together. Each may hold the invariants by itself and
 * the fleet break them: a node judges a packet from the wire by what its own
 * policy says of the address, and two policies may say different things of it.
 *
 * A flow between two nodes is open if the source's node lets it out and the
 * destination's node lets it in, each by its own tables. Whose the source is
 * says its node, whose the destination is says that one's: there the guards
 * bind the taps. Any endpoint that a policy declares may run on its node.
 *
 * How the wire leads: from each node to every other, inside one address space
 * (of a tenant, or of an environment with addresses of its own; a router may be
 * on the way), and between uplinks of one interface name, whatever segment each
 * of the two nodes has on it.
 *
 * Where two nodes agree about one end of a flow, the proof of the node at the
 * other end covers it: there both labels are the true ones. So all that is
 * enumerated is what they disagree about, against what they disagree about.
 */
struct clo_fleet_member {
	const char *name;
	const struct clo_compiled *compiled; /* borrowed, as its policy */
};

struct clo_fleet_breach {
	const struct clo_invariant *invariant;
	size_t from, to; /* members */
	const struct clo_interface_doc *src, *dst; /* by from, by to */
	const char *wire; /* uplinks of this name; NULL: one address space */
	struct clo_witness witness;
	uint32_t rules[2]; /* from's that lets it out, to's that lets it in */
	bool excepted; /* both rules are */
};

enum clo_fleet_conflict_kind {
	/* An address of one space is one endpoint's here, another's there. */
	CLO_FLEET_ADDRESS,
	/* A workload (one UUID) is of one scope here, of another there. */
	CLO_FLEET_LABEL,
	/* Uplinks of one name carry segments of two scopes. */
	CLO_FLEET_WIRE,
};

struct clo_fleet_conflict {
	enum clo_fleet_conflict_kind kind;
	size_t members[2];
	const char *what; /* endpoint, workload or interface of the first */
	struct clo_cidr address; /* ADDRESS */
	/* Whose it is: endpoint, scope's tenant, segment's tenant. */
	const char *owners[2];
	enum clo_environment environments[2];
};

#define CLO_FLEET_KEPT 64
#define CLO_FLEET_MEMBERS_MAX 4096U

struct clo_fleet_proof {
	uint64_t members;
	uint64_t views; /* of them that differ in what they bind */
	uint64_t addresses; /* bindings, of all members */
	uint64_t pairs; /* of members, ordered */
	uint64_t disagreements; /* addresses, over ordered pairs */
	uint64_t flows; /* (source, destination) addresses enumerated */
	uint64_t forbidden; /* of them: by an invariant */
	uint64_t breached, excepted; /* of those: open */
	/* One is kept for each pair of members, rules and invariant. */
	size_t n_breaches;
	struct clo_fleet_breach breaches[CLO_FLEET_KEPT];
	uint64_t conflicts[3]; /* by kind, all */
	size_t n_conflicts; /* kept */
	struct clo_fleet_conflict kept[CLO_FLEET_KEPT];
};

/*
 * Every pair of members. Their own proofs are the caller's to make. 0, also
 * with breaches; -E2BIG: too many members; -ENOMEM. The result is too large for
 * a stack frame and points into the members' policies.
 */
int clo_fleet_prove(const struct clo_fleet_member *members, size_t n,
		    struct clo_fleet_proof *ret_proof);
