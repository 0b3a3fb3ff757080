/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "agent/guard/finding.h"

/*
 * Which workload has which file, over all workloads of the node: by what the
 * kernel calls the same file or the same block device, whatever its names.
 */
struct clo_use {
	dev_t dev; /* of the file system, or the block device itself */
	ino_t ino; /* 0: a block device */
	bool writable;
	const char *workload; /* borrowed: "tenant/environment/workload" */
	char *path;
};

/* A zeroed one is empty. */
struct clo_uses {
	struct clo_use *list;
	size_t n;
};

/* `st`: of a file or a block device. 0, or -ENOMEM. */
int clo_uses_add(struct clo_uses *uses, const struct stat *st,
		 const char *workload, const char *path, bool writable);
/*
 * What `workload` has in common with another and one of the two writes. Adds to
 * its findings, once for each of its files and other workload. 0, or -ENOMEM.
 */
int clo_uses_check(const struct clo_uses *uses, const char *workload,
		   struct clo_findings *findings);
void clo_uses_done(struct clo_uses *uses);

/*
 * The control that fails where `workload` reaches what is `owner`'s: data of
 * production in another environment, or one scope's data in another.
 */
const char *clo_uses_control(const char *workload, const char *owner);
