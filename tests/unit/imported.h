/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"
#include "policy/import/import.h"
#include "policy/prove.h"

/* A cluster, imported, parsed as a policy and compiled; verdicts between pods. */

/* Where the tables have a pod, by index of the cluster's pods. */
struct imported_pod {
	const struct clo_kube_pod *kube;
	uint32_t space, endpoint, identity; /* of its first address */
};

/* Identities that a packet of one pod to another gets where it is judged. */
struct imported_path {
	bool exists; /* both have an address of the family */
	uint32_t source, destination; /* 0: it leads to somebody else */
};

struct imported {
	const struct clo_kube *kube; /* borrowed */
	json_t *documents;
	struct clo_policy *policy;
	struct clo_compiled *compiled;
	struct imported_pod *pods;
	struct imported_path *paths; /* (from * n + to) * 2, IPv4 then IPv6 */
	size_t n_notes;
	char why[512]; /* the first flaw */
};

/* One tenant, one environment, unless labels say otherwise. */
extern const struct clo_import_options imported_flat;

/* 0 or -EINVAL and `why`; imported_done() either way. */
int imported_make(struct imported *imported, const struct clo_kube *kube,
		  const struct clo_import_options *options);
void imported_done(struct imported *imported);

/* "ns/name"; SIZE_MAX: there is none. */
size_t imported_find(const struct imported *imported, const char *id);

/*
 * What the guards do with a packet: judged in the sender's address space, and
 * delivered to whom it was approved for. By service class; see imported_class.
 */
bool imported_allows(const struct imported *imported, size_t from, size_t to,
		     uint8_t proto, uint16_t port);
/* The bit of the two identities, whether or not addresses lead there. */
bool imported_grants(const struct imported *imported, size_t from, size_t to,
		     uint8_t proto, uint16_t port);
uint32_t imported_class(const struct imported *imported, uint8_t proto,
			uint16_t port);

/* Verdicts that break an invariant. */
uint64_t imported_breaches(const struct imported *imported);
