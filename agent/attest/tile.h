/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/attest/merkle.h"

/*
 * C2SP tiles (c2sp.org/tlog-tiles): the tree as files of up to 256 hashes.
 * Hash i of tile n at tile level l is node (8 * l, 256 * n + i); bundle n has
 * the entries of the leaves in tile n of level 0.
 */
#define CLO_TILE_WIDTH 256
#define CLO_TILE_PATH_MAX 64 /* with its 0 */
#define CLO_TILE_ENTRIES (-1) /* "level" of the entry bundles */

struct clo_tile {
	int level; /* 0 to 7, or CLO_TILE_ENTRIES */
	uint64_t index;
	unsigned width; /* 1 to CLO_TILE_WIDTH; less: partial */
};

/* Relative: "tile/0/x001/067.p/3". */
void clo_tile_path(const struct clo_tile *tile,
		   char ret_path[CLO_TILE_PATH_MAX]);
/* The tile that has exactly this path, in whatever tree; else -EINVAL. */
int clo_tile_parse(const char *path, struct clo_tile *ret_tile);
/* Does a tree of that size have all of it? */
bool clo_tile_is_in(const struct clo_tile *tile, uint64_t size);
/* Each tile and bundle of a tree, bundles and lower levels first. */
int clo_tile_each(uint64_t size,
		  int (*each)(void *userdata, const struct clo_tile *tile),
		  void *userdata);
/* The hashes of a tile that is no bundle. */
int clo_tile_read(const struct clo_merkle_source *source,
		  const struct clo_tile *tile,
		  uint8_t ret_hashes[CLO_TILE_WIDTH][CLO_SHA256_SIZE]);
/* An entry's length as it stands before it in its bundle: big-endian. */
void clo_tile_length(size_t len, uint8_t ret_length[2]);
