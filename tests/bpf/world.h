/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>

#include "cloison/abi.h"

/*
 * A fixed small world for the tests of the datapath: two tenants that overlap
 * addresses, production and test, and hosts outside. Generation 1 lacks the
 * flow from web to db.
 */

enum world_host {
	WEB, /* tenant 1, production, front segment */
	DB, /* same segment */
	FAR, /* same environment, other segment */
	LAB, /* tenant 1, test */
	WEB2, /* tenant 2, same addresses as WEB */
	DB2, /* tenant 2, same addresses as DB */
	PARTNER, /* outside, a class of its own */
	NET, /* outside, anything else */
	WORLD_HOSTS,
};

struct world_nic {
	struct clo_port port; /* endpoint 0: outside; the MAC is a router's */
	__u32 identity;
	__u8 ip4[4];
	__u8 ip6[16];
	__u8 link[16]; /* EUI-64 link-local */
};

enum {
	WORLD_IDENTITIES = 9,
	WORLD_CLASSES = 71,
	WORLD_WORDS = 2,
	WORLD_RULES = 9,
	WORLD_ADDRS = 40,
	WORLD_CIDRS = 4,
	WORLD_ROWS = 16,
	WORLD_GENERATIONS = 2
};

struct world_addr {
	__u8 family;
	__u32 space;
	__u8 addr[16];
	struct clo_addr entry;
};

struct world_cidr {
	__u8 family;
	__u8 bits;
	__u8 addr[16];
	__u32 identity;
};

struct world_pair {
	struct clo_pair key;
	__u32 row;
};

/* One generation's tables. */
struct world {
	struct clo_gen gen;
	struct world_addr addrs[WORLD_ADDRS];
	__u32 n_addrs;
	const struct world_cidr *cidrs; /* longest prefix first */
	struct clo_services services[CLO_SLOTS / 4];
	struct clo_identity identities[WORLD_IDENTITIES];
	struct world_pair pairs[WORLD_ROWS];
	__u32 n_pairs;
	struct clo_row rows[WORLD_ROWS]; /* each with a set of its own */
	__u64 words[WORLD_ROWS * WORLD_WORDS];
	__u32 rules[WORLD_ROWS][WORLD_WORDS * 64]; /* by row and class */
};

extern const struct world_nic world_nics[WORLD_HOSTS];
extern const struct world_cidr world_cidrs[WORLD_CIDRS];

void world_build(unsigned int generation, struct world *ret);
