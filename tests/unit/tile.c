/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/tile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

static void test_paths(void **state)
{
	static const struct {
		struct clo_tile tile;
		const char *path;
	} paths[] = {
		{{0, 0, 256}, "tile/0/000"},
		{{0, 0, 1}, "tile/0/000.p/1"},
		{{1, 999, 255}, "tile/1/999.p/255"},
		{{2, 1000, 256}, "tile/2/x001/000"},
		{{7, 1234067, 256}, "tile/7/x001/x234/067"},
		{{CLO_TILE_ENTRIES, 1234067, 3},
		 "tile/entries/x001/x234/067.p/3"},
		{{0, UINT64_MAX, 17},
		 "tile/0/x018/x446/x744/x073/x709/x551/615.p/17"},
	};

	char path[CLO_TILE_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(paths); i++) {
		clo_tile_path(&paths[i].tile, path);
		assert_string_equal(path, paths[i].path);
	}
}

static void test_paths_are_read_back(void **state)
{
	static const char *const paths[] = {
		"tile/0/000",
		"tile/7/x001/x234/067",
		"tile/1/999.p/255",
		"tile/entries/000.p/1",
		"tile/entries/x001/x234/067.p/3",
		"tile/0/x018/x446/x744/x073/x708/999",
	};
	char again[CLO_TILE_PATH_MAX];
	struct clo_tile tile;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(paths); i++) {
		assert_int_equal(clo_tile_parse(paths[i], &tile), 0);
		clo_tile_path(&tile, again);
		assert_string_equal(again, paths[i]);
	}
	assert_int_equal(tile.level, 0);
	assert_int_equal(tile.width, CLO_TILE_WIDTH);
	assert_int_equal(tile.index, UINT64_C(18446744073708999));
}

static void test_no_paths(void **state)
{
	static const char *const texts[] = {
		"",
		"tile",
		"tile/",
		"tile/0",
		"tile/0/",
		"tile/8/000",
		"tile/00/000",
		"tile/-1/000",
		"tile//000",
		"tile/entries",
		"tile/entries/",
		"tile/entry/000",
		"tile/0/0",
		"tile/0/0000",
		"tile/0/000/",
		"tile/0/000/000",
		"tile/0/x000/000",
		"tile/0/x001",
		"tile/0/x001/",
		"tile/0/X001/000",
		"tile/0/../000",
		"tile/0/000.p",
		"tile/0/000.p/",
		"tile/0/000.p/0",
		"tile/0/000.p/01",
		"tile/0/000.p/256",
		"tile/0/000.p/257",
		"tile/0/000.p/1/",
		"tile/0/000.p/-1",
		"tile/0/ 00",
		"/tile/0/000",
		"tile/0/x018/x446/x744/x073/x709/x551/616",
		"tile/0/x001/x000/x000/x000/x000/x000/x000/x000/000",
	};
	struct clo_tile tile = {.width = 7};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
		assert_int_equal(clo_tile_parse(texts[i], &tile), -EINVAL);
	assert_int_equal(tile.width, 7);
}

static void test_what_a_tree_has(void **state)
{
	static const struct {
		struct clo_tile tile;
		uint64_t least; /* the smallest tree with it */
	} tiles[] = {
		{{0, 0, 1}, 1},
		{{0, 0, 256}, 256},
		{{0, 1, 1}, 257},
		{{CLO_TILE_ENTRIES, 2, 3}, 515},
		{{1, 0, 1}, 256},
		{{1, 1, 2}, 258 * 256},
		{{7, 0, 1}, UINT64_C(1) << 56},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(tiles); i++) {
		assert_true(clo_tile_is_in(&tiles[i].tile, tiles[i].least));
		assert_true(clo_tile_is_in(&tiles[i].tile, INT64_MAX));
		assert_false(
			clo_tile_is_in(&tiles[i].tile, tiles[i].least - 1));
		assert_false(clo_tile_is_in(&tiles[i].tile, 0));
	}
	assert_false(clo_tile_is_in(&(struct clo_tile){0, UINT64_MAX, 256},
				    INT64_MAX));
}

/* Tiles of a tree, full and partial, by level from the bundles (0) on. */
struct tally {
	unsigned full[10];
	unsigned partial[10]; /* width */
};

static int count(void *userdata, const struct clo_tile *tile)
{
	struct tally *tally = userdata;
	int level = tile->level + 1;

	assert_in_range(level, 0, 9);
	assert_int_equal(tile->index, tally->full[level]);
	assert_int_equal(tally->partial[level], 0);
	assert_in_range(tile->width, 1, CLO_TILE_WIDTH);
	if (tile->width == CLO_TILE_WIDTH)
		tally->full[level]++;
	else
		tally->partial[level] = tile->width;
	return 0;
}

/* The examples of the specification. */
static void test_tiles_of_a_tree(void **state)
{
	static const struct {
		uint64_t size;
		struct tally tally;
	} trees[] = {
		{0, {{0}, {0}}},
		{1, {{0}, {1, 1}}},
		{256, {{1, 1}, {0, 0, 1}}},
		{70000, {{273, 273, 1}, {112, 112, 17, 1}}},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(trees); i++) {
		struct tally tally = {0};

		assert_int_equal(clo_tile_each(trees[i].size, count, &tally),
				 0);
		assert_memory_equal(&tally, &trees[i].tally, sizeof(tally));
	}
}

static int stop(void *userdata, const struct clo_tile *tile)
{
	unsigned *left = userdata;

	(void)tile;
	return --*left == 0 ? -EIO : 0;
}

static void test_a_failure_ends_it(void **state)
{
	unsigned left = 2;

	(void)state;
	assert_int_equal(clo_tile_each(70000, stop, &left), -EIO);
	assert_int_equal(left, 0);
}

/* Says where it was asked. */
static int place(void *userdata, unsigned level, uint64_t index,
		 uint8_t ret_hash[CLO_SHA256_SIZE])
{
	(void)userdata;
	memset(ret_hash, 0, CLO_SHA256_SIZE);
	ret_hash[0] = (uint8_t)level;
	memcpy(ret_hash + 1, &index, sizeof(index));
	return index < 1000 ? 0 : -ENOENT;
}

static void test_hashes_of_a_tile(void **state)
{
	const struct clo_merkle_source source = {place, NULL};
	static uint8_t hashes[CLO_TILE_WIDTH][CLO_SHA256_SIZE];
	struct clo_tile tile = {2, 3, 5};
	uint64_t index;

	(void)state;
	assert_int_equal(clo_tile_read(&source, &tile, hashes), 0);
	for (unsigned i = 0; i < tile.width; i++) {
		assert_int_equal(hashes[i][0], 16);
		memcpy(&index, hashes[i] + 1, sizeof(index));
		assert_int_equal(index, 3 * 256 + i);
	}
	tile.width = 256;
	assert_int_equal(clo_tile_read(&source, &tile, hashes), -ENOENT);
}

static void test_lengths_are_big_endian(void **state)
{
	uint8_t length[2];

	(void)state;
	clo_tile_length(0x1234, length);
	assert_int_equal(length[0], 0x12);
	assert_int_equal(length[1], 0x34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_paths_are_read_back),
		cmocka_unit_test(test_no_paths),
		cmocka_unit_test(test_what_a_tree_has),
		cmocka_unit_test(test_tiles_of_a_tree),
		cmocka_unit_test(test_a_failure_ends_it),
		cmocka_unit_test(test_hashes_of_a_tile),
		cmocka_unit_test(test_lengths_are_big_endian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
