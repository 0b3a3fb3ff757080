/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"
#include "policy/partition.h"

/*
 * A compilation under way; only compile*.c sees it. The steps run in the order
 * of their declarations, each reads what the ones before have filled.
 *
 * A set is what a rule can mean by a block of addresses: the node, one service,
 * or one cidr with its excepts. A peer is what a rule can name: a group, a
 * segment, a set in one scope, a service. An identity is a member of peers; a
 * rule is a pair of peers.
 */
#define CLO_SET_NODE 1U
/* Then forensics, national. */
#define CLO_SET_SERVICE(i) (2U + (uint32_t)(i))
#define CLO_PORTS_ANY 0xffffffffU
#define CLO_ROW_OTHERS 2U /* where in a row its others begin */

struct clo_build_rule {
	uint32_t tenant; /* index */
	uint32_t environment;
	bool listed, awake; /* by an exception; by one in force */
	uint32_t from, to; /* peers; 0: the rule is not compiled */
	uint32_t ports; /* list of specs */
};

struct clo_build_identity {
	struct clo_identity entry;
	uint32_t tenant, segment; /* indices; endpoints only */
	uint32_t key; /* endpoints: in keys; else in external_keys */
	uint32_t sets; /* in lists: the sets that a rule may mean it by */
	struct clo_cidr lowest; /* of its addresses; family 0: none */
};

struct clo_build_address {
	uint32_t space; /* or as abi.h says */
	struct clo_cidr addr;
	uint32_t key; /* of its identity, in keys; 0: value has it */
	struct clo_addr value;
	const char *endpoint; /* name, or NULL */
};

struct clo_build {
	const struct clo_policy *policy;
	time_t now;
	struct clo_flaws *flaws;
	struct clo_compiled *out;

	struct clo_build_rule *rules; /* by rule index */
	uint32_t n_rules;
	struct clo_lists set_keys; /* what makes a set; index = set */
	struct clo_lists peers; /* what makes a peer; index = peer */
	struct clo_edges set_peers;
	struct clo_lists lists; /* of sets */
	struct clo_blocks blocks;
	struct clo_classes classes;
	struct clo_lists ports; /* of specs */
	uint32_t encapsulation; /* the spec that "any" leaves out; 0: no rule
				   has "any" */

	struct clo_lists keys; /* what makes an identity of endpoints */
	struct clo_lists external_keys;
	struct clo_lists filters; /* {tenant, environment, list of sets} */
	uint32_t *filtered; /* by filter: the list that is left */
	size_t cap_filtered;
	struct clo_build_identity *identities; /* [0] unused */
	uint32_t n_identities;
	size_t cap_identities;
	struct clo_build_address *addresses;
	size_t n_addresses, cap_addresses;
	uint32_t *block_identity; /* by block; 0: no class */

	struct clo_lists sets; /* bits of classes; set = index - 1 */
	/*
	 * row = index - 1: its set and rule, then class and rule of each of its
	 * classes that others allow.
	 */
	struct clo_lists rows;
	uint32_t words;
	struct clo_table_data pairs;
	size_t cap_pairs;
};

/* A row under way. */
struct clo_build_row {
	uint32_t *scratch; /* rule by class */
	bool *shared; /* by class: more than one rule grants it */
	uint32_t *touched; /* classes, as they were met */
	size_t n_touched;
	uint32_t *owned; /* by rule: classes; 0 between two rows */
	uint32_t *bits, *list; /* as sets and rows have it */
};

int clo_build_row_init(struct clo_build *build, struct clo_build_row *row);
void clo_build_row_done(struct clo_build_row *row);
void clo_build_row_clear(struct clo_build_row *row);
/* What the rule serves; the first rule owns a class. */
void clo_build_row_add(const struct clo_build *build, struct clo_build_row *row,
		       uint32_t rule);
/* row + 1, or 0 if the rules allow nothing. */
int clo_build_row_end(struct clo_build *build, struct clo_build_row *row,
		      uint32_t *ret_row);

/* "it": why the policy is too large; returns -EINVAL. */
int clo_build_refuse(struct clo_build *build, const char *what);

int clo_build_exceptions(struct clo_build *build);
int clo_build_rules(struct clo_build *build);
int clo_build_identities(struct clo_build *build);
int clo_build_externals(struct clo_build *build);
int clo_build_pseudo(struct clo_build *build);
int clo_build_flows(struct clo_build *build);
int clo_build_tables(struct clo_build *build);
int clo_build_names(struct clo_build *build);

/* The number of a peer that some rule names, or 0. */
uint32_t clo_build_peer(const struct clo_build *build, enum clo_peer_kind kind,
			uint32_t tenant, uint32_t environment, uint32_t index);
bool clo_build_is_service(const struct clo_build *build, uint32_t set);
uint32_t clo_build_forensics(const struct clo_build *build); /* the set */
uint32_t clo_build_national(const struct clo_build *build); /* the set */
/* Somebody's data must stay in the national prefixes. */
bool clo_build_has_level_2(const struct clo_build *build);
/* A set that a scope's rules may mean. */
bool clo_build_is_cidr_set(const struct clo_build *build, uint32_t set);
/* An entry of the address tables. */
int clo_build_add_address(struct clo_build *build,
			  const struct clo_build_address *address);
/* What the endpoints of a scope have in common. */
struct clo_identity clo_scope_identity(const struct clo_tenant_doc *tenant,
				       enum clo_environment environment);
