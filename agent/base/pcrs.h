/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Platform configuration registers of a TPM's SHA-256 bank. */
#define CLO_PCRS 24

struct clo_pcrs {
	uint32_t mask; /* bit n: values[n] is there */
	uint8_t values[CLO_PCRS][32];
};
