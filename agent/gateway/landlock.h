/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * From now on these files may be read, and nothing else may be done with any
 * other: -errno, also where the kernel has no Landlock. It knows nothing of
 * files that are open already.
 */
int clo_gateway_landlock(const char *const *paths, size_t n);
