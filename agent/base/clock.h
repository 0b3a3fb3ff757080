/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <time.h>

/* Monotonic milliseconds, for how long something took. */
static inline double clo_milliseconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
