/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A set of CPUs by their numbers; those from CLO_CPUS_MAX on are let go. */
#define CLO_CPUS_MAX 1024U

struct clo_cpus {
	uint64_t bits[CLO_CPUS_MAX / 64];
};

/* Those of the kernel's list ("0-3,8"), as far as it can be understood. */
void clo_cpus_add(struct clo_cpus *cpus, const char *list);
void clo_cpus_remove(struct clo_cpus *cpus, unsigned int cpu);
bool clo_cpus_has(const struct clo_cpus *cpus, unsigned int cpu);
void clo_cpus_join(struct clo_cpus *cpus, const struct clo_cpus *more);
/* There is one that both have. */
bool clo_cpus_meet(const struct clo_cpus *a, const struct clo_cpus *b);
