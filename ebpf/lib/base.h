/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* What every decision header needs, for BPF and for the host alike. */

#ifdef __bpf__
#include <linux/in.h>
#include <linux/in6.h>
#else
#include <netinet/in.h> /* the kernel's headers of these names exclude it */
#endif
#include <stddef.h>

#include "cloison/abi.h"

#define CLO_INLINE static inline __attribute__((always_inline))
