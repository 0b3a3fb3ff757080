/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/profile.h"

/*
 * Where a workload's files are: <sandbox.directory>/<tenant>/<environment>/
 * <workload>. All of it is root's; the last is open to its scope's group, which
 * may enter it and make nothing there. Made where missing, modes and owners put
 * right where wrong; a link or a file in the way is refused.
 *
 * `root`: sandbox.directory, whose parents exist. 0, -ELOOP or -ENOTDIR for
 * what is in the way, or another -errno.
 */
int clo_place_make(const char *root, const struct clo_profile *profile);
