/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/image.h"
#include "agent/guard/profile.h"
#include "agent/guard/uses.h"

/*
 * A workload's files as they are on the disk, each image with all that it leads
 * to. Names are walked from `root` one directory at a time: no link, no mount
 * below the workload's directory, every directory root's and writable by root
 * alone. What is at their end is opened only when it is a file or a block
 * device.
 */
#define CLO_CHAIN_MAX 16U /* images behind one another */

struct clo_chain_file {
	const char *path; /* absolute, as the domain's XML has it */
	bool image; /* of a disk; false: NVRAM, kernel, initrd */
	enum clo_image_format format; /* of an image: what the XML says */
	bool writable;
};

struct clo_chain {
	int root; /* O_PATH or readable: "/", or a tree of a test */
	const struct clo_profile *profile;
	/* of other workloads, to say whose a foreign file is */
	const struct clo_profile *const *others;
	size_t n_others;
	bool running; /* else libvirt may yet have to make files the scope's */
};

/*
 * `uses`: gets what was opened; may be NULL. 0 with findings added, maybe none;
 * -ENOMEM.
 */
int clo_chain_check(const struct clo_chain *chain,
		    const struct clo_chain_file *files, size_t n,
		    struct clo_uses *uses, struct clo_findings *findings);
