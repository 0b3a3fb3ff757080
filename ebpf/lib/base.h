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

/* In BPF a subprogram with a stack of its own: keep its locals few. */
#define CLO_NOINLINE static __attribute__((noinline, unused))

/* For loops of few rounds whose body must not jump back. */
#ifdef __clang__
#define CLO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CLO_UNROLL _Pragma("GCC unroll 16")
#endif

/* The compiler forgets what it knows of a variable and of how it was made. */
#ifdef __bpf__
#define CLO_OPAQUE(variable) __asm__ volatile("" : "+r"(variable))
#else
#define CLO_OPAQUE(variable) (void)(variable)
#endif
