/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/statement.h"
#include "agent/attest/store_db.h"
#include "agent/attest/store_reader_impl.h"

#define COLUMNS CLO_READER_COLUMNS

static int open_readonly(const char *path, struct clo_store **ret_store)
{
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	int r;

	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	r = clo_store_errno(sqlite3_open_v2(
		path, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
		NULL));
	if (r < 0)
		return r;
	r = clo_store_configure(store);
	if (r == 0)
		r = clo_store_execute(store, "PRAGMA query_only = ON;"
					     "PRAGMA temp_store = MEMORY;");
	if (r < 0)
		return r;

	*ret_store = CLO_TAKE(store);
	return 0;
}

int clo_reader_open(const char *path, struct clo_reader **ret_reader)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	int r;

	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	r = open_readonly(path, &reader->store);
	if (r < 0)
		return r;
	r = clo_store_check_schema(reader->store);
	if (r < 0)
		return r;

	*ret_reader = CLO_TAKE(reader);
	return 0;
}

void clo_reader_free(struct clo_reader *reader)
{
	if (!reader)
		return;

	clo_store_free(reader->store);
	free(reader);
}

int clo_reader_row(sqlite3_stmt *stmt, struct clo_row *row)
{
	const size_t max = CLO_STORE_NAME_MAX - 1;
	int r;

	row->id = sqlite3_column_int64(stmt, 0);
	row->sequence = sqlite3_column_int64(stmt, 2);
	row->time = sqlite3_column_int64(stmt, 5);
	r = clo_store_text(stmt, 1, max, &row->boot_id);
	if (r == 0)
		r = clo_store_text(stmt, 3, max, &row->kind);
	if (r == 0)
		r = clo_store_text(stmt, 4, max, &row->scope);
	if (r == 0)
		r = clo_store_text(stmt, 6, max, &row->verdict);
	if (r < 0)
		return r;
	if (row->id <= 0 || sqlite3_column_bytes(stmt, 7) != 32)
		return -EUCLEAN;
	row->digest = sqlite3_column_blob(stmt, 7);
	return 0;
}

static int each_row(struct clo_reader *reader, sqlite3_stmt *stmt,
		    clo_row_fn *fn, void *userdata, size_t *ret_n)
{
	struct clo_row row = {0};
	int rc;
	int r;

	*ret_n = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = clo_reader_row(stmt, &row);
		if (r == 0)
			r = fn(reader, &row, userdata);
		if (r < 0)
			return r;
		(*ret_n)++;
		if (r > 0)
			return 0;
	}
	return clo_store_errno(rc);
}

int clo_reader_after(struct clo_reader *reader, int64_t id, clo_row_fn *fn,
		     void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	size_t n;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT" COLUMNS "FROM records"
			      " WHERE id > ? ORDER BY id",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, id))
		return -ENOMEM;
	return each_row(reader, stmt, fn, userdata, &n);
}

int clo_reader_latest(struct clo_reader *reader, const char *scope,
		      clo_row_fn *fn, void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int64_t id;
	size_t n;
	int r;

	r = clo_store_standing(reader->store, scope, &id);
	if (r < 0)
		return r;
	r = clo_store_prepare(reader->store,
			      "SELECT" COLUMNS "FROM records WHERE id = ?",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, id))
		return -ENOMEM;
	r = each_row(reader, stmt, fn, userdata, &n);
	return r == 0 && n == 0 ? -ENOENT : r;
}

int clo_reader_beat(struct clo_reader *reader, const char *scope, int64_t id,
		    clo_row_fn *fn, void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	size_t n;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT" COLUMNS "FROM records WHERE scope = ?"
			      " AND id > ? AND kind = ?"
			      " ORDER BY id DESC LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, scope, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 2, id) ||
	    sqlite3_bind_text(stmt, 3, clo_kinds[CLO_KIND_HEARTBEAT].name, -1,
			      NULL))
		return -ENOMEM;
	r = each_row(reader, stmt, fn, userdata, &n);
	return r == 0 && n == 0 ? -ENOENT : r;
}

int clo_reader_find(struct clo_reader *reader, const uint8_t digest[32],
		    clo_row_fn *fn, void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	size_t n;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT" COLUMNS "FROM records WHERE digest = ?"
			      " ORDER BY id LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_blob(stmt, 1, digest, 32, NULL))
		return -ENOMEM;
	r = each_row(reader, stmt, fn, userdata, &n);
	return r == 0 && n == 0 ? -ENOENT : r;
}

int clo_reader_at(struct clo_reader *reader, const char *boot_id,
		  int64_t sequence, int64_t *ret_id)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int rc;
	int r;

	/* in a boot both numbers go up by one with each record */
	r = clo_store_prepare(reader->store,
			      "SELECT r.id, r.sequence = ?2 OR EXISTS"
			      " (SELECT 1 FROM removed"
			      "  WHERE id = l.id + ?2 - r.sequence)"
			      " FROM records r JOIN leaves l ON l.record = r.id"
			      " WHERE r.boot = ?1 AND r.sequence <= ?2"
			      " ORDER BY r.sequence DESC LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, boot_id, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 2, sequence))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return clo_store_errno(rc);
	if (rc == SQLITE_DONE || !sqlite3_column_int(stmt, 1))
		return -ENOENT;
	*ret_id = sqlite3_column_int64(stmt, 0);
	return 0;
}

int clo_reader_envelope(struct clo_reader *reader, int64_t id,
			char **ret_envelope)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT envelope FROM records WHERE id = ?",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, id))
		return -ENOMEM;
	return clo_store_take_text(stmt, CLO_DSSE_MAX, ret_envelope);
}

int clo_reader_tree(struct clo_reader *reader, struct clo_store **ret_store)
{
	int r;

	r = clo_store_execute(reader->store, "BEGIN");
	if (r < 0)
		return r;

	*ret_store = reader->store;
	return 0;
}

int clo_reader_leaf(struct clo_reader *reader, int64_t id, uint64_t *ret_index)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int64_t index;
	int rc;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT id FROM leaves WHERE record = ?", &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, id))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -EUCLEAN : clo_store_errno(rc);
	index = sqlite3_column_int64(stmt, 0);
	if (index < 0)
		return -EUCLEAN;

	*ret_index = (uint64_t)index;
	return 0;
}

int clo_reader_next_scope(struct clo_reader *reader, const char *after,
			  char ret_scope[CLO_READER_SCOPE_MAX])
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *text;
	int r;
	int rc;

	r = clo_store_prepare(reader->store,
			      "SELECT scope FROM records WHERE scope > ?"
			      " ORDER BY scope LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, after, -1, NULL))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
	r = clo_store_text(stmt, 0, CLO_READER_SCOPE_MAX - 1, &text);
	if (r < 0)
		return r;

	(void)snprintf(ret_scope, CLO_READER_SCOPE_MAX, "%s", text);
	return 0;
}

int clo_reader_last(struct clo_reader *reader, int64_t *ret_id)
{
	return clo_store_ask(reader->store,
			     "SELECT coalesce(max(id), 0) FROM records",
			     ret_id);
}

int clo_reader_in_gap(struct clo_reader *reader, bool *ret_in_gap)
{
	int64_t in_gap;
	int r;

	/* the index of pending gaps holds every open one */
	r = clo_store_ask(reader->store,
			  "SELECT EXISTS (SELECT 1 FROM gaps"
			  "               WHERE state < 2 AND stop IS NULL)"
			  " OR coalesce((SELECT ended IS NOT NULL FROM runs"
			  "              ORDER BY id DESC LIMIT 1), 0)",
			  &in_gap);
	if (r < 0)
		return r;

	*ret_in_gap = in_gap != 0;
	return 0;
}
