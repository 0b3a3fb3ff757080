/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/import/import.h"
#include "policy/read.h"

/*
 * What the stages of clo_kube_read() share. Null is as good as absent in
 * objects of Kubernetes; what is absent reads as nothing.
 */
struct clo_kube_reading {
	struct clo_reader reader; /* keep: the cluster's arena */
	struct clo_flaws *notes;
	const struct clo_import_options *options;
	struct clo_kube *kube;
};

/* Absent, null or another type (then a flaw): false. */
bool clo_kube_get(struct clo_reader *reader, const struct clo_place *up,
		  const char *key, json_type type, struct clo_place *ret_place);
/* The kept string; NULL: absent, or a flaw. */
const char *clo_kube_text(struct clo_reader *reader, const struct clo_place *up,
			  const char *key);
/* Members that are not in the list, up to NULL, are flaws. */
void clo_kube_known(struct clo_reader *reader, const struct clo_place *place,
		    const char *const *known);
struct clo_kube_labels clo_kube_read_labels(struct clo_reader *reader,
					    const struct clo_place *up,
					    const char *key);
/* An absent selector needs nothing. */
struct clo_kube_selector clo_kube_read_selector(struct clo_reader *reader,
						const struct clo_place *place);
/* "TCP" and so on; absent: TCP. 0: a flaw. */
uint8_t clo_kube_read_proto(struct clo_reader *reader,
			    const struct clo_place *up);
/* 1 to 65535; 0: absent, or a flaw. */
uint16_t clo_kube_read_number(struct clo_reader *reader,
			      const struct clo_place *up, const char *key);
/* False: a flaw. Bits beyond the prefix are cut, as Kubernetes does. */
bool clo_kube_read_cidr(struct clo_reader *reader,
			const struct clo_place *place,
			struct clo_cidr *ret_cidr);
/*
 * The policy's rules of a direction, to be filled from the list under `key`;
 * how many, 0 also without memory.
 */
size_t clo_kube_rules(struct clo_reader *reader, const struct clo_place *spec,
		      const char *key, enum clo_kube_direction direction,
		      struct clo_kube_policy *policy,
		      struct clo_place *ret_list);

/* One object each, appended to the cluster. */
void clo_kube_read_namespace(struct clo_kube_reading *reading,
			     const struct clo_place *object);
void clo_kube_read_pod(struct clo_kube_reading *reading,
		       const struct clo_place *object);
void clo_kube_read_policy(struct clo_kube_reading *reading,
			  const struct clo_place *object);
void clo_kube_read_admin(struct clo_kube_reading *reading,
			 const struct clo_place *object);
void clo_kube_read_baseline(struct clo_kube_reading *reading,
			    const struct clo_place *object);
