/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/sys/bpf.h"
#include "cloison/tag.h"

/*
 * The BPF LSM programs that keep tagged tasks apart: ebpf/lib/tag.h says what
 * they may. One link for each hook, pinned below DIR/tag with the maps, so that
 * they outlive the process.
 */
struct clo_tags;

/*
 * Put the programs on their hooks, or take over those that hang there; nothing
 * is tagged until clo_tags_set(). All or nothing. Any error of a kernel that
 * does not take them: -EOPNOTSUPP where it has no BPF LSM, often -EINVAL,
 * -EPERM or -ENOTSUPP where it lists it and refuses the load all the same.
 */
int clo_tags_open(const struct clo_bpf *bpf, struct clo_tags **ret_tags);
/* Closes descriptors; the programs stay. NULL is fine. */
void clo_tags_free(struct clo_tags *tags);
CLO_DEFINE_FREEP(clo_tags)

/* How far below the real root a cgroup lies that this process is in. */
int clo_tags_depth(const struct clo_tags *tags, uint64_t cgroup,
		   uint32_t *ret_depth);

struct clo_tag_cgroup {
	uint64_t id;
	struct clo_tag_scope scope;
};

/*
 * Who is tagged: cgroups all at range->level. -E2BIG: more than
 * CLO_TAG_SCOPES. The canary stays as it is.
 */
int clo_tags_set(struct clo_tags *tags, const struct clo_tag_range *range,
		 const struct clo_tag_cgroup *cgroups, size_t n);
/* A process, or 0. */
int clo_tags_canary(struct clo_tags *tags, uint32_t pid);

struct clo_tags_state {
	const char *lost; /* a hook or map that is not pinned; NULL: none */
	bool as_set; /* the maps hold what clo_tags_set() put there */
	uint64_t refused; /* attempts, since the programs were loaded */
};

int clo_tags_read(struct clo_tags *tags, struct clo_tags_state *ret_state);
/* Pin all of them again, and write again what was set. */
int clo_tags_restore(struct clo_tags *tags);
/* Take them off their hooks; that none are there is fine. */
int clo_tags_remove(const struct clo_bpf *bpf);
