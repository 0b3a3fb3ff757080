/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/tile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define STEP 8 /* tree levels to a tile level */

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
