/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE (64U << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct clo_arena {
	struct chunk *chunks; /* the first is the one that is filled */
	bool failed;
};

int clo_arena_new(struct clo_arena **ret_arena)
{
	struct clo_arena *arena;

	arena = calloc(1, sizeof(*arena));
	if (!arena)
		return -ENOMEM;

	*ret_arena = arena;
	return 0;
}

void clo_arena_free(struct clo_arena *arena)
{
	if (!arena)
		return;

	while (arena->chunks) {
		struct chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	free(arena);
}

bool clo_arena_failed(const struct clo_arena *arena)
{
	return arena->failed;
}

size_t clo_arena_size(const struct clo_arena *arena)
{
	size_t size = 0;

	for (const struct chunk *chunk = arena->chunks; chunk;
	     chunk = chunk->next)
		size += chunk->size;
	return size;
}

static struct chunk *add_chunk(struct clo_arena *arena, size_t size)
{
	struct chunk *chunk;

	chunk = calloc(1, sizeof(*chunk) + size);
	if (!chunk) {
		arena->failed = true;
		return NULL;
	}

	chunk->size = size;
	/* A chunk of its own for one big array does not end the current one. */
	if (size > CHUNK_SIZE && arena->chunks) {
		chunk->next = arena->chunks->next;
		arena->chunks->next = chunk;
	} else {
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	return chunk;
}

void *clo_arena_array(struct clo_arena *arena, size_t n, size_t size)
{
	struct chunk *chunk = arena->chunks;
	const size_t unit = sizeof(max_align_t);
	size_t bytes;
	void *ret;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) {
		arena->failed = true;
		return NULL;
	}
	bytes = bytes ? (bytes + unit - 1) / unit * unit : unit;

	if (!chunk || bytes > chunk->size - chunk->used) {
		chunk = add_chunk(arena,
				  bytes > CHUNK_SIZE ? bytes : CHUNK_SIZE);
		if (!chunk)
			return NULL;
	}

	ret = (char *)chunk->data + chunk->used;
	chunk->used += bytes;
	return ret;
}

const char *clo_arena_strdup(struct clo_arena *arena, const char *str)
{
	size_t size = strlen(str) + 1;
	char *copy;

	copy = clo_arena_array(arena, size, 1);
	return copy ? memcpy(copy, str, size) : "";
}

const char *clo_arena_printf(struct clo_arena *arena, const char *fmt, ...)
{
	CLO_AUTO_MEM char *text = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		arena->failed = true;
		return "";
	}
	return clo_arena_strdup(arena, text);
}
