/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/tile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEP 8 /* tree levels to a tile level */
#define LEVELS 8

/* 1234067 is x001/x234/067. */
static size_t print_index(uint64_t index, const char *mark, char *at,
			  size_t room)
{
	size_t n = index >= 1000 ? print_index(index / 1000, "x", at, room) : 0;
	int more = snprintf(at + n, room - n, "%s%s%03u", n > 0 ? "/" : "",
			    mark, (unsigned)(index % 1000));

	assert(more > 0 && (size_t)more < room - n);
	return n + (size_t)more;
}

void clo_tile_path(const struct clo_tile *tile,
		   char ret_path[CLO_TILE_PATH_MAX])
{
	size_t room = CLO_TILE_PATH_MAX;
	size_t at;
	int n;

	n = tile->level == CLO_TILE_ENTRIES
		    ? snprintf(ret_path, room, "tile/entries/")
		    : snprintf(ret_path, room, "tile/%d/", tile->level);
	assert(n > 0 && (size_t)n < room);
	at = (size_t)n;
	at += print_index(tile->index, "", ret_path + at, room - at);
	if (tile->width == CLO_TILE_WIDTH)
		return;

	n = snprintf(ret_path + at, room - at, ".p/%u", tile->width);
	assert(n > 0 && (size_t)n < room - at);
}

/* Moves *text past the word, if it begins with it. */
static bool skip(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*text, word, n) != 0)
		return false;
	*text += n;
	return true;
}

/* A number of at most three digits. */
static int parse_digits(const char **text, unsigned *ret_number)
{
	const char *at = *text;
	unsigned number = 0;

	for (; at < *text + 3 && *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (unsigned)(*at - '0');
	if (at == *text)
		return -EINVAL;

	*text = at;
	*ret_number = number;
	return 0;
}

/* x001/x234/067 */
static int parse_index(const char **text, uint64_t *ret_index)
{
	uint64_t index = 0;
	unsigned number;
	bool more;

	do {
		more = skip(text, "x");
		if (index > UINT64_MAX / 1000 - 1 ||
		    parse_digits(text, &number) < 0 ||
		    (more && !skip(text, "/")))
			return -EINVAL;
		index = index * 1000 + number;
	} while (more);

	*ret_index = index;
	return 0;
}

int clo_tile_parse(const char *path, struct clo_tile *ret_tile)
{
	struct clo_tile tile = {.width = CLO_TILE_WIDTH};
	char again[CLO_TILE_PATH_MAX];
	const char *text = path;
	unsigned level = 0;

	if (!skip(&text, "tile/"))
		return -EINVAL;
	if (skip(&text, "entries"))
		tile.level = CLO_TILE_ENTRIES;
	else if (parse_digits(&text, &level) < 0 || level >= LEVELS)
		return -EINVAL;
	else
		tile.level = (int)level;
	if (!skip(&text, "/") || parse_index(&text, &tile.index) < 0)
		return -EINVAL;
	if (skip(&text, ".p/") &&
	    (parse_digits(&text, &tile.width) < 0 || tile.width == 0 ||
	     tile.width >= CLO_TILE_WIDTH))
		return -EINVAL;
	clo_tile_path(&tile, again); /* each has one spelling */
	if (strcmp(again, path) != 0)
		return -EINVAL;

	*ret_tile = tile;
	return 0;
}

bool clo_tile_is_in(const struct clo_tile *tile, uint64_t size)
{
	unsigned level = tile->level < 0 ? 0 : (unsigned)tile->level;
	uint64_t hashes = size >> (level * STEP);

	return tile->index <= hashes / CLO_TILE_WIDTH &&
	       tile->width <= hashes - tile->index * CLO_TILE_WIDTH;
}

static int each_of_level(int level, uint64_t hashes,
			 int (*each)(void *userdata,
				     const struct clo_tile *tile),
			 void *userdata)
{
	struct clo_tile tile = {.level = level};
	int r = 0;

	for (; r == 0 && tile.index < hashes / CLO_TILE_WIDTH; tile.index++) {
		tile.width = CLO_TILE_WIDTH;
		r = each(userdata, &tile);
	}
	tile.width = (unsigned)(hashes % CLO_TILE_WIDTH);
	return r == 0 && tile.width > 0 ? each(userdata, &tile) : r;
}

int clo_tile_each(uint64_t size,
		  int (*each)(void *userdata, const struct clo_tile *tile),
		  void *userdata)
{
	int r;

	r = each_of_level(CLO_TILE_ENTRIES, size, each, userdata);
	for (int level = 0; r == 0 && size > 0; level++, size >>= STEP)
		r = each_of_level(level, size, each, userdata);
	return r;
}

int clo_tile_read(const struct clo_merkle_source *source,
		  const struct clo_tile *tile,
		  uint8_t ret_hashes[CLO_TILE_WIDTH][CLO_SHA256_SIZE])
{
	int r;

	assert(tile->level >= 0 && tile->width <= CLO_TILE_WIDTH);
	for (unsigned i = 0; i < tile->width; i++) {
		r = source->node(source->userdata, (unsigned)tile->level * STEP,
				 tile->index * CLO_TILE_WIDTH + i,
				 ret_hashes[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

void clo_tile_length(size_t len, uint8_t ret_length[2])
{
	assert(len <= UINT16_MAX);
	ret_length[0] = (uint8_t)(len >> 8);
	ret_length[1] = (uint8_t)len;
}
