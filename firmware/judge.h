/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "firmware/facts.h"

/*
 * Pure judgements: the content of one file -> state and value. `text` is
 * 0-terminated at `len`; `value` holds its first line and may be replaced.
 */
#define CLO_VALUE_SIZE 160

typedef enum clo_fact_state clo_judge_fn(const char *text, size_t len,
					 char value[CLO_VALUE_SIZE]);

clo_judge_fn clo_judge_efi_one; /* an EFI variable that should be 1 */
clo_judge_fn clo_judge_efi_zero;
clo_judge_fn clo_judge_zero; /* a decimal number that should be 0 */
clo_judge_fn clo_judge_lockdown;
clo_judge_fn clo_judge_swaps;
clo_judge_fn clo_judge_cmdline_mitigations;
clo_judge_fn clo_judge_cmdline_iommu;
clo_judge_fn clo_judge_vulnerability;

/* SMT from its two files, each NULL if it cannot be read. */
enum clo_fact_state clo_judge_smt(const char *control, const char *active);
/* One revision that all CPUs have. */
enum clo_fact_state clo_judge_microcode(const char *revision);
