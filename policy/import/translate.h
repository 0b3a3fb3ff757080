/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/import/import.h"
#include "policy/partition.h"

/*
 * What the stages of clo_kube_translate() share, in their order:
 *
 *   space   ports become service classes, blocks become atoms of the addresses
 *   pods    pods that nothing can tell apart become one class
 *   judge   what each class may send to another, or to and from an atom
 *   factor  the same verdicts become groups and rules
 *   write   documents
 *
 * A port set is a bitmap over the service classes, `words` words long, interned
 * in `sets`; 0 is the empty one.
 */

#define CLO_IMPORT_NONE 0xffffffffU

struct clo_import_peer {
	const struct clo_kube_peer *kube;
	uint32_t set; /* block: of `blocks` */
	uint32_t number; /* pods: row of `means` */
	bool relative; /* depends on the subject: `means` knows the labels */
};

struct clo_import_peers {
	struct clo_import_peer *items;
	size_t n;
};

struct clo_import_rule {
	const struct clo_kube_rule *kube;
	struct clo_import_peers peers, subjects;
	uint32_t *specs; /* of its ports, until they are `fixed` */
	size_t n_specs;
	uint64_t *fixed; /* ports that are numbers */
	uint32_t *names; /* those that have names, index of `names` */
	size_t n_names;
};

struct clo_import_policy {
	const struct clo_kube_policy *kube;
	struct clo_import_peers subjects;
	struct clo_import_rule *rules[CLO_KUBE_DIRECTIONS];
};

/* A named port that a policy speaks of. */
struct clo_import_name {
	const char *name;
	uint8_t proto;
};

struct clo_import_scope {
	const char *tenant;
	enum clo_environment environment;
};

/* Pods that no policy can tell apart. */
struct clo_import_class {
	uint32_t scope;
	const struct clo_kube_pod *pod; /* the first of them */
	uint32_t block[2]; /* atom of its IPv4, IPv6 address, or NONE */
	uint32_t *policies; /* that are about it, ascending */
	size_t n_policies;
};

struct clo_import {
	const struct clo_kube *kube;
	const struct clo_import_options *options;
	struct clo_arena *arena;
	struct clo_flaws *flaws, *notes;

	struct clo_import_policy *policies; /* by order */
	size_t n_policies;
	struct clo_import_name *names;
	size_t n_names, cap_names;
	struct clo_classes services;
	size_t words;
	uint64_t *all; /* every service class */
	uint32_t n_blocks, n_means; /* sets, rows */
	bool relative; /* some peer is */
	struct clo_lists lists; /* of the sets of blocks, and scratch */
	struct clo_blocks blocks;

	struct clo_import_scope *scopes; /* by name */
	size_t n_scopes;
	uint32_t *pod_class; /* by pod */
	struct clo_import_class *classes;
	size_t n_classes;
	bool *means; /* row * n_classes + class */
	uint64_t *resolved; /* (name * n_classes + class) * words */

	struct clo_lists sets; /* port sets */
	uint64_t *work; /* 8 port sets */
};

int clo_import_space(struct clo_import *import);
int clo_import_pods(struct clo_import *import);

/* The other end of a flow, seen from a pod. */
struct clo_import_end {
	uint32_t class; /* or CLO_IMPORT_NONE: outside */
	uint32_t block; /* where its address is; NONE: in no block of a rule */
};

/*
 * What one side lets pass: `ret_allowed`, and the part of it that some rule
 * allows because it names the other pod by its labels.
 */
void clo_import_side(const struct clo_import *import,
		     enum clo_kube_direction direction, uint32_t class,
		     const struct clo_import_end *other, uint32_t destination,
		     uint64_t *ret_allowed, uint64_t *ret_named);

/* Port sets of the flows between two pods. */
struct clo_import_verdict {
	uint32_t set; /* in every family that both have */
	uint32_t only[2]; /* and besides in IPv4, IPv6 */
	bool closed; /* something was left out because of their scopes */
};

int clo_import_pair(struct clo_import *import, uint32_t source,
		    uint32_t destination, struct clo_import_verdict *ret);
/* Of a pod and an atom of the addresses outside. */
int clo_import_outside(struct clo_import *import,
		       enum clo_kube_direction direction, uint32_t class,
		       uint32_t block, uint32_t *ret_set);

struct clo_import_group {
	uint32_t scope;
	uint32_t members; /* list of classes in `lists` */
	const char *name;
};

/* A rule of ours. */
struct clo_import_flow {
	uint32_t scope; /* where it stands: the source's, or the only one */
	const char *name;
	uint32_t from, to; /* groups; NONE: the block */
	struct clo_cidr cidr;
	struct clo_cidr *except;
	size_t n_except;
	uint32_t set; /* of ports */
};

struct clo_import_plan {
	struct clo_import_group *groups;
	size_t n_groups, cap_groups;
	struct clo_import_flow *flows;
	size_t n_flows, cap_flows;
	struct clo_lists keys; /* {scope, members} -> group + 1 */
};

int clo_import_inside(struct clo_import *import, struct clo_import_plan *plan);
int clo_import_beyond(struct clo_import *import, struct clo_import_plan *plan);
/* The group of these classes of a scope, made at its first sight. */
int clo_import_group(struct clo_import *import, struct clo_import_plan *plan,
		     uint32_t scope, const uint32_t *classes, size_t n,
		     uint32_t *ret_group);
int clo_import_add_flow(struct clo_import *import, struct clo_import_plan *plan,
			const struct clo_import_flow *flow);

/* Names: what of the text fits one, unlike all that were given before. */
const char *clo_import_name(struct clo_arena *arena, json_t *taken,
			    const char *text);

/* ["tcp/80", ...]; NULL without memory. */
json_t *clo_import_ports(const struct clo_import *import, uint32_t set);
