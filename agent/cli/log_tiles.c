/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/log_tiles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/leaf.h"
#include "agent/attest/tile.h"
#include "agent/base/file.h"

#define PATH_SIZE 4096

struct writer {
	struct clo_store *store;
	const char *directory;
	char *path; /* PATH_SIZE; of the file in hand */
};

/* The directories that lead to the path, as far as they are missing. */
static int make_way(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			int r = -errno;

			*slash = '/';
			return r;
		}
		*slash = '/';
	}
	return 0;
}

static int put(struct writer *writer, const char *name, const void *data,
	       size_t len)
{
	int n = snprintf(writer->path, PATH_SIZE, "%s/%s", writer->directory,
			 name);
	int r;

	if (n < 0 || n >= PATH_SIZE)
		return -ENAMETOOLONG;
	r = make_way(writer->path);
	return r < 0 ? r : clo_file_write(writer->path, data, len);
}

static int add_entry(void *userdata, const struct clo_entry *entry)
{
	size_t len = strlen(entry->body);
	FILE *file = userdata;
	uint8_t length[2];

	clo_tile_length(len, length); /* CLO_LEAF_MAX, as it was read */
	if (fwrite(length, sizeof(length), 1, file) != 1 ||
	    fwrite(entry->body, len, 1, file) != 1)
		return -ENOMEM;
	return 0;
}

static int put_bundle(struct writer *writer, const struct clo_tile *tile,
		      const char *name)
{
	uint64_t from = tile->index * CLO_TILE_WIDTH;
	const struct clo_store_range range = {.from = from,
					      .to = from + tile->width};
	CLO_AUTO_MEM char *data = NULL;
	size_t len = 0;
	FILE *file;
	int r;

	file = open_memstream(&data, &len);
	if (!file)
		return -errno;
	r = clo_store_each(writer->store, &range, add_entry, file);
	if (fclose(file) != 0 && r == 0)
		r = -ENOMEM;
	return r < 0 ? r : put(writer, name, data, len);
}

static int put_tile(void *userdata, const struct clo_tile *tile)
{
	struct writer *writer = userdata;
	struct clo_merkle_source source = clo_store_source(writer->store);
	CLO_AUTO_MEM uint8_t(*hashes)[CLO_SHA256_SIZE] = NULL;
	char name[CLO_TILE_PATH_MAX];
	int r;

	clo_tile_path(tile, name);
	if (tile->level == CLO_TILE_ENTRIES)
		return put_bundle(writer, tile, name);

	hashes = calloc(CLO_TILE_WIDTH, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	r = clo_tile_read(&source, tile, hashes);
	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;
	return put(writer, name, hashes, tile->width * sizeof(*hashes));
}

int clo_log_tiles(struct clo_store *store, uint64_t size, const char *note,
		  const char *directory, char ret_path[PATH_SIZE])
{
	struct writer writer = {store, directory, ret_path};
	int r;

	r = clo_tile_each(size, put_tile, &writer);
	return r < 0 ? r : put(&writer, "checkpoint", note, strlen(note));
}
