/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/arena.h"
#include "policy/flaw.h"
#include "policy/model.h"

/*
 * A Kubernetes cluster as the import reads it. Nothing here is ours yet but
 * the scope of each namespace. All strings and arrays belong to the arena of
 * the struct clo_kube; a test may make one by hand.
 */

struct clo_kube_label {
	const char *key, *value;
};

struct clo_kube_labels {
	struct clo_kube_label *items; /* by key */
	size_t n;
};

enum clo_kube_op {
	CLO_KUBE_IN,
	CLO_KUBE_NOT_IN, /* also where the key is missing */
	CLO_KUBE_EXISTS,
	CLO_KUBE_MISSING,
};

struct clo_kube_need {
	enum clo_kube_op op;
	const char *key;
	const char **values;
	size_t n_values;
};

/* What has all that is needed; without needs: everything. */
struct clo_kube_selector {
	struct clo_kube_need *needs;
	size_t n_needs;
};

struct clo_kube_namespace {
	const char *name;
	struct clo_kube_labels labels;
	/* Its scope; tenant NULL: a flaw. */
	const char *tenant;
	enum clo_environment environment;
};

/* A port of a container that has a name. */
struct clo_kube_port {
	const char *name;
	uint8_t proto; /* IPPROTO_* */
	uint16_t number;
};

struct clo_kube_pod {
	const char *name;
	const char *home; /* name of its namespace */
	const struct clo_kube_namespace *namespace;
	struct clo_kube_labels labels;
	struct clo_cidr *addresses; /* one of a family at most */
	size_t n_addresses;
	struct clo_kube_port *ports;
	size_t n_ports;
	const char *mac; /* NULL: made from the name */
	const char *domain; /* of libvirt; NULL: none is named */
};

enum clo_kube_where {
	CLO_KUBE_SELECTED, /* namespaces by their labels */
	CLO_KUBE_HOME, /* the policy's own */
	CLO_KUBE_SAME, /* that of the pod which the rule is about */
	CLO_KUBE_SAME_LABELS, /* with the same values of `keys` as that one's */
	CLO_KUBE_OTHER_LABELS, /* with another value of one of `keys` */
};

struct clo_kube_peer {
	bool block; /* addresses; else pods */
	struct clo_cidr cidr;
	struct clo_cidr *except;
	size_t n_except;
	enum clo_kube_where where;
	const char *home; /* HOME */
	const char **keys; /* SAME_LABELS, OTHER_LABELS */
	size_t n_keys;
	struct clo_kube_selector namespaces; /* SELECTED */
	struct clo_kube_selector pods;
};

/* Of the destination. */
struct clo_kube_ports {
	uint8_t proto; /* IPPROTO_*; 0: every protocol, and then every port */
	const char *name; /* NULL: first to last */
	uint16_t first, last;
};

enum clo_kube_action {
	CLO_KUBE_ALLOW,
	CLO_KUBE_DENY,
	CLO_KUBE_PASS, /* to the policies without an order */
};

struct clo_kube_rule {
	enum clo_kube_action action;
	bool anyone; /* no peers are named */
	struct clo_kube_peer *peers;
	size_t n_peers;
	bool everything; /* no ports are named */
	struct clo_kube_ports *ports;
	size_t n_ports;
	/* Whom the rule is about, if not all of the policy's subjects. */
	struct clo_kube_peer *subjects;
	size_t n_subjects;
};

enum clo_kube_direction {
	CLO_KUBE_INGRESS,
	CLO_KUBE_EGRESS,
	CLO_KUBE_DIRECTIONS,
};

/*
 * Without an order: selected pods are isolated in the directions it says and
 * the rules of all such policies add up. With one: the first rule that matches
 * decides; tiers below CLO_KUBE_BASELINE come before the policies without an
 * order, the others where no such policy isolates the pod. Then all is allowed.
 */
struct clo_kube_policy {
	const char *name;
	const char *home; /* NULL: of the whole cluster */
	bool ordered;
	int64_t tier, priority;
	struct clo_kube_peer *subjects;
	size_t n_subjects;
	bool isolates[CLO_KUBE_DIRECTIONS]; /* not ordered */
	struct clo_kube_rule *rules[CLO_KUBE_DIRECTIONS];
	size_t n_rules[CLO_KUBE_DIRECTIONS];
};

#define CLO_KUBE_BASELINE 1000

struct clo_kube {
	struct clo_arena *arena;
	struct clo_kube_namespace *namespaces; /* by name */
	size_t n_namespaces;
	struct clo_kube_pod *pods; /* by namespace, then name */
	size_t n_pods;
	struct clo_kube_policy *policies;
	size_t n_policies;
};

void clo_kube_free(struct clo_kube *kube);
CLO_DEFINE_FREEP(clo_kube)

/* NULL: the key is not there. */
const char *clo_kube_label(const struct clo_kube_labels *labels,
			   const char *key);
bool clo_kube_selects(const struct clo_kube_selector *selector,
		      const struct clo_kube_labels *labels);
/*
 * Whether a peer that is no block means the pod. `subject` is the one which
 * the rule is about; NULL: the peer says whom a policy is about, and what
 * depends on a subject means nobody.
 */
bool clo_kube_means(const struct clo_kube_peer *peer,
		    const struct clo_kube_pod *subject,
		    const struct clo_kube_pod *pod);
