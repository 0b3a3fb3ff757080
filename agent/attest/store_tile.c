/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/leaf.h"
#include "agent/attest/store_db.h"
#include "agent/attest/tile.h"

static int prepare_bodies(struct clo_store *store, const struct clo_tile *tile,
			  sqlite3_stmt **ret_stmt)
{
	int64_t from = (int64_t)(tile->index * CLO_TILE_WIDTH);
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store,
			      "SELECT body FROM leaves"
			      " WHERE id >= ?1 AND id < ?2 ORDER BY id",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, from) ||
	    sqlite3_bind_int64(stmt, 2, from + tile->width))
		return -ENOMEM;

	*ret_stmt = CLO_TAKE(stmt);
	return 0;
}

static int print_body(FILE *file, const char *body)
{
	size_t len = strlen(body);
	uint8_t length[2];

	clo_tile_length(len, length); /* CLO_LEAF_MAX, as it was read */
	if (fwrite(length, sizeof(length), 1, file) != 1 ||
	    fwrite(body, len, 1, file) != 1)
		return -ENOMEM;
	return 0;
}

/* Why a bundle is not whole: an entry was removed, or is lost. */
static int missing_body(struct clo_store *store, const struct clo_tile *tile)
{
	uint64_t from = tile->index * CLO_TILE_WIDTH;
	char sql[128];
	int64_t removed;
	int r;

	(void)snprintf(sql, sizeof(sql),
		       "SELECT EXISTS (SELECT 1 FROM removed WHERE id >= "
		       "%" PRIu64 " AND id < %" PRIu64 ")",
		       from, from + tile->width);
	r = clo_store_ask(store, sql, &removed);
	return r < 0 ? r : removed ? -ENOENT : -EUCLEAN;
}

static int print_bundle(struct clo_store *store, const struct clo_tile *tile,
			FILE *file)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *body;
	unsigned n = 0;
	int rc;
	int r;

	r = prepare_bodies(store, tile, &stmt);
	if (r < 0)
		return r;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = clo_store_text(stmt, 0, CLO_LEAF_MAX, &body);
		if (r == 0)
			r = print_body(file, body);
		if (r < 0)
			return r;
		n++;
	}
	r = clo_store_errno(rc);
	return r == 0 && n != tile->width ? missing_body(store, tile) : r;
}

static int read_bundle(struct clo_store *store, const struct clo_tile *tile,
		       char **ret_data, size_t *ret_len)
{
	CLO_AUTO_MEM char *data = NULL;
	size_t len = 0;
	FILE *file;
	int r;

	file = open_memstream(&data, &len);
	if (!file)
		return -errno;
	r = print_bundle(store, tile, file);
	if (fclose(file) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return r;

	*ret_data = CLO_TAKE(data);
	*ret_len = len;
	return 0;
}

int clo_store_tile(struct clo_store *store, const struct clo_tile *tile,
		   char **ret_data, size_t *ret_len)
{
	struct clo_merkle_source source = clo_store_source(store);
	CLO_AUTO_MEM uint8_t(*hashes)[CLO_SHA256_SIZE] = NULL;
	uint64_t size;
	int r;

	r = clo_store_size(store, &size);
	if (r < 0)
		return r;
	if (!clo_tile_is_in(tile, size))
		return -ENOENT;
	if (tile->level == CLO_TILE_ENTRIES)
		return read_bundle(store, tile, ret_data, ret_len);

	hashes = calloc(CLO_TILE_WIDTH, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	r = clo_tile_read(&source, tile, hashes);
	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;

	*ret_data = (char *)CLO_TAKE(hashes);
	*ret_len = tile->width * sizeof(*hashes);
	return 0;
}
