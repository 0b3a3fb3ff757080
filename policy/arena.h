/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/auto.h"

/*
 * Memory that is released all at once. A failed allocation returns NULL and is
 * remembered: the owner asks once, at the end, instead of after every call.
 */
struct clo_arena;

int clo_arena_new(struct clo_arena **ret_arena);
void clo_arena_free(struct clo_arena *arena);
CLO_DEFINE_FREEP(clo_arena)

bool clo_arena_failed(const struct clo_arena *arena);
size_t clo_arena_size(const struct clo_arena *arena); /* bytes it takes */

/* Zeroed, aligned for any type; n 0 gives a pointer to nothing, not NULL. */
void *clo_arena_array(struct clo_arena *arena, size_t n, size_t size);

/* Never NULL: without memory the empty string. */
const char *clo_arena_strdup(struct clo_arena *arena, const char *str);
__attribute__((format(printf, 2, 3))) const char *
clo_arena_printf(struct clo_arena *arena, const char *fmt, ...);
