/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/compile.h"
#include "policy/partition.h"

/*
 * Sets of members in words: the groups, segments, cidrs and services that they
 * are made of. A member is an identity of one policy, or part of one. Names are
 * exact: the sets that are named, together, are the members and nothing else.
 */
struct clo_named_sets {
	const struct clo_compiled *compiled; /* borrowed */
	uint32_t *identities; /* by member, owned; 0: unknown here */
	uint32_t n_members;
	struct clo_lists keys; /* {kind, tenant, environment, index} of a set */
	struct clo_index sets; /* member -> sets */
	struct clo_index members; /* set -> members */
	struct clo_cidr *addresses; /* by identity: one of it, or family 0 */
	/* Of one question. */
	uint8_t *wanted, *covered; /* by member */
	uint32_t *seen; /* by set: of the members asked for */
};

/* Takes `identities`, also on error. */
int clo_named_sets_init(struct clo_named_sets *sets,
			const struct clo_compiled *compiled,
			uint32_t *identities, uint32_t n_members);
void clo_named_sets_done(struct clo_named_sets *sets);

/* Whether a rule means this identity by the peer; external cidrs too. */
bool clo_named_sets_means(const struct clo_named_sets *sets,
			  const struct clo_peer *peer, uint32_t identity);

/* What stands for a member that no set names; new reference. */
typedef json_t *clo_name_member(void *userdata, uint32_t member);

/*
 * Ascending, distinct members -> [{"kind": "group"|"segment", "name":
 * "acme/production/web"} or {"kind": "cidr", "name", "except"?: [], "scope"} or
 * {"kind": "service", "name"} or what `name` says]. `first`: the peer to be
 * named by if it fits, or NULL. NULL without memory.
 */
json_t *clo_named_sets_name(struct clo_named_sets *sets,
			    const uint32_t *members, size_t n,
			    const struct clo_peer *first, clo_name_member *name,
			    void *userdata);
