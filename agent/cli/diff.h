/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

/*
 * How two texts differ, line by line, in the unified format with three lines
 * of context: what patch(1) reads. Writes nothing if they are the same. Exact
 * for some thousand lines; beyond that what lies between the common ends is
 * told as removed and added, which is right, too, but longer.
 *
 * 1: they differ, 0: they do not, -ENOMEM. Faults of `out` are left in it.
 */
int clo_diff_unified(const char *a, const char *b, const char *name_a,
		     const char *name_b, FILE *out);
