/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * The files that a domain's XML names, as they are on the disk: each is a plain
 * file that no link leads to, with one name, the scope's own or a base, and
 * closed to all others; each image with the whole chain of those behind it,
 * which a guest can write and libvirt believes.
 *
 * `running`: libvirt has made them the scope's; before, they may be root's.
 * 0 with findings added, maybe none; -EINVAL: that is no domain; -ENOMEM.
 */
int clo_files_check(const char *xml, const struct clo_profile *profile,
		    bool running, struct clo_findings *findings);
/*
 * Of the files that were found: those of the workload become its scope's again,
 * closed to others. The worst of what went wrong.
 */
int clo_files_repair(const struct clo_findings *findings,
		     const struct clo_profile *profile);
