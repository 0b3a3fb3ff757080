/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/import/model.h"
#include "policy/parse.h"

/*
 * Kubernetes objects -> documents of a policy: Namespaces, Pods and
 * NetworkPolicies in, Tenants and Workloads out. Pure and bounded.
 *
 * A cluster is open until a policy closes it, ours is closed: what Kubernetes
 * allows becomes rules, computed for every pair of pods and for every block of
 * addresses outside. Whatever cannot be expressed is a flaw.
 */

/* Flows between pods of two scopes, which invariants forbid anyhow. */
enum clo_import_between {
	CLO_BETWEEN_NAMED, /* rules for those that a policy names the peer of */
	CLO_BETWEEN_ALL, /* rules for all that Kubernetes allows */
	CLO_BETWEEN_NONE,
};

struct clo_import_options {
	/* Labels of namespaces; a pod's own could be set by its tenant. */
	const char *tenant_label, *environment_label;
	/* For namespaces without them; NULL: that is a flaw. */
	const char *tenant, *environment;
	const char *mac_annotation, *domain_annotation; /* of pods */
	enum clo_import_between between;
	/* NULL: the documents lack the Node. */
	const char *node, *bridge;
};

#define CLO_IMPORT_FILE_MAX (64U << 20) /* bytes of one file */
#define CLO_IMPORT_DEPTH_MAX 64 /* arrays and objects inside each other */
#define CLO_IMPORT_WHERE "cluster" /* file of flaws that no file alone has */

/*
 * 0, -EINVAL with at least one flaw, or -ENOMEM. `notes` get what was left out
 * and may be: pods without an address, on the host's network, or at their end.
 */
int clo_kube_read(const struct clo_document *documents, size_t n,
		  const struct clo_import_options *options,
		  struct clo_kube **ret_kube, struct clo_flaws *flaws,
		  struct clo_flaws *notes);

/*
 * {"tenant-acme.json": array of documents, ...}. They parse as a policy
 * once a Node is beside them.
 */
int clo_kube_translate(const struct clo_kube *kube,
		       const struct clo_import_options *options,
		       json_t **ret_documents, struct clo_flaws *flaws,
		       struct clo_flaws *notes);
