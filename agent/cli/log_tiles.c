/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/log_tiles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static int put_tile(void *userdata, const struct clo_tile *tile)
{
	struct writer *writer = userdata;
	CLO_AUTO_MEM char *data = NULL;
	char name[CLO_TILE_PATH_MAX];
	size_t len;
	int r;

	clo_tile_path(tile, name);
	r = clo_store_tile(writer->store, tile, &data, &len);
	if (r == -ENOENT && tile->level == CLO_TILE_ENTRIES)
		return 0; /* with entries that were removed: the hashes stay */
	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;
	return put(writer, name, data, len);
}

int clo_log_tiles(struct clo_store *store, uint64_t size, const char *note,
		  const char *directory, char ret_path[PATH_SIZE])
{
	struct writer writer = {store, directory, ret_path};
	int r;

	r = clo_tile_each(size, put_tile, &writer);
	return r < 0 ? r : put(&writer, "checkpoint", note, strlen(note));
}
