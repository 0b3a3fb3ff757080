/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/base/auto.h"
#include "policy/address.h"
#include "policy/oracle.h"
#include "unit/made.h"

/*
 * Small random policies and packets for them. One seed gives one policy,
 * whatever else was drawn; a failure names it.
 */

struct dice {
	uint64_t state;
};

struct dice dice_new(uint64_t seed);
uint32_t roll(struct dice *dice, uint32_t sides); /* below `sides` */

enum random_kind {
	/* All that the parser takes: random_documents() gives its documents. */
	RANDOM_LEGAL,
	/* Also what only the compiler can meet: peers of anywhere, endpoints
	 * without an address or outside their segment, excepts beside cidrs. */
	RANDOM_WILD,
};

/*
 * Two tenants with the same addresses, in some policies with a space for each
 * environment; overlapping cidrs and excepts, several groups, exceptions,
 * services on the node, at providers and of each server kind.
 */
struct made *random_policy(uint64_t seed, enum random_kind kind);
/* The same with a few rules, endpoints or exceptions more or less. */
struct made *random_variant(uint64_t seed, enum random_kind kind);

/* When the exceptions of random policies begin and end. */
#define RANDOM_BEGIN 1767225600 /* 2026-01-01 */
#define RANDOM_END (RANDOM_BEGIN + 86400)
time_t random_now(uint64_t seed); /* before, in or after that */

/*
 * Documents of a legal policy, an array of them. `shuffle`: everything stands
 * in another order but the rules of a scope, whose order has a meaning.
 */
json_t *random_documents(const struct clo_policy *policy,
			 struct dice *shuffle /* or NULL */);

/*
 * A packet of this policy: endpoints by all of their addresses, what lies at
 * the edges of its cidrs, the first and last numbers of its ports. An end that
 * is outside may have an address that is also some endpoint's.
 */
void random_packet(const struct clo_policy *policy, struct dice *dice,
		   struct clo_oracle_packet *ret_packet);
