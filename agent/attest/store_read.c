/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/dsse.h"
#include "agent/attest/leaf.h"
#include "agent/attest/store_db.h"

/* As SQLite's URIs spell a path; caller frees. */
static char *immutable_uri(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	char *uri = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&uri, &len);

	if (!file)
		return NULL;
	(void)fputs("file:", file);
	for (; *path; path++)
		(void)fprintf(file, strchr(plain, *path) ? "%c" : "%%%02X",
			      (unsigned char)*path);
	(void)fputs("?immutable=1", file);
	if (fclose(file) != 0) {
		free(uri);
		return NULL;
	}
	return uri;
}

/* Somebody may be writing: what is committed is not all in the file itself. */
static int has_wal(const char *path, bool *ret_has)
{
	CLO_AUTO_MEM char *wal = NULL;
	struct stat st;

	if (asprintf(&wal, "%s-wal", path) < 0) {
		wal = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	*ret_has = stat(wal, &st) == 0 && st.st_size > 0;
	return 0;
}

/* Nothing is made beside a log that nobody writes. */
static int open_file(const char *path, sqlite3 **ret_db)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	CLO_AUTO_MEM char *uri = NULL;
	struct stat st;
	bool wal;
	int r;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = has_wal(path, &wal);
	if (r < 0)
		return r;
	if (wal)
		return clo_store_errno(
			sqlite3_open_v2(path, ret_db, flags, NULL));

	uri = immutable_uri(path);
	if (!uri)
		return -ENOMEM;
	return clo_store_errno(
		sqlite3_open_v2(uri, ret_db, flags | SQLITE_OPEN_URI, NULL));
}

int clo_store_open_read(const char *path, struct clo_store **ret_store)
{
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	int r;

	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	r = open_file(path, &store->db);
	if (r == 0)
		r = clo_store_configure(store);
	if (r == 0)
		r = clo_store_execute(store, "BEGIN");
	if (r == 0)
		r = clo_store_check_schema(store);
	if (r < 0)
		return r;

	*ret_store = CLO_TAKE(store);
	return 0;
}

const char *clo_store_origin(const struct clo_store *store)
{
	return store->origin;
}

/* The columns of the record, from `at` on. */
static int read_record(sqlite3_stmt *stmt, int at, struct clo_record *record)
{
	int64_t sequence = sqlite3_column_int64(stmt, at + 1);
	size_t name = CLO_STORE_NAME_MAX - 1;
	int r;

	r = clo_store_text(stmt, at, name, &record->boot_id);
	if (r == 0)
		r = clo_store_text(stmt, at + 2, name, &record->kind);
	if (r == 0)
		r = clo_store_text(stmt, at + 3, name, &record->scope);
	if (r == 0)
		r = clo_store_text(stmt, at + 5, name, &record->verdict);
	if (r == 0)
		r = clo_store_text(stmt, at + 7, CLO_DSSE_MAX,
				   &record->envelope);
	if (r < 0)
		return r;
	if (sequence < 0 || sqlite3_column_bytes(stmt, at + 6) != 32)
		return -EUCLEAN;

	record->sequence = (uint64_t)sequence;
	record->time = sqlite3_column_int64(stmt, at + 4);
	record->payload_digest = sqlite3_column_blob(stmt, at + 6);
	return 0;
}

static int read_entry(sqlite3_stmt *stmt, struct clo_entry *entry)
{
	int r;

	entry->index = (uint64_t)sqlite3_column_int64(stmt, 0);
	entry->recorded = sqlite3_column_type(stmt, 3) != SQLITE_NULL;
	r = sqlite3_column_type(stmt, 2) == SQLITE_NULL
		    ? 0
		    : clo_store_text(stmt, 2, CLO_LEAF_MAX, &entry->body);
	if (r < 0)
		return r;
	if (sqlite3_column_bytes(stmt, 1) != 32 ||
	    (entry->recorded && !entry->body))
		return -EUCLEAN;
	entry->hash = sqlite3_column_blob(stmt, 1);
	return entry->recorded ? read_record(stmt, 4, &entry->record) : 0;
}

static int prepare_range(struct clo_store *store,
			 const struct clo_store_range *range,
			 sqlite3_stmt **ret_stmt)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	bool timed = range->since != 0 || range->until != 0;
	int r;

	r = clo_store_prepare(
		store,
		"SELECT l.id, l.hash, l.body, r.id, r.boot, r.sequence, r.kind,"
		" r.scope, r.time, r.verdict, r.digest, r.envelope"
		" FROM leaves l LEFT JOIN records r ON r.id = l.record"
		" WHERE l.id >= ?1 AND l.id < ?2"
		" AND (NOT ?3 OR r.time BETWEEN ?4 AND ?5)"
		" UNION ALL SELECT id, hash, NULL, NULL, NULL, NULL, NULL, NULL,"
		" NULL, NULL, NULL, NULL FROM removed"
		" WHERE id >= ?1 AND id < ?2 AND NOT ?3 ORDER BY 1",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, (int64_t)range->from) ||
	    sqlite3_bind_int64(stmt, 2, (int64_t)range->to) ||
	    sqlite3_bind_int(stmt, 3, timed) ||
	    sqlite3_bind_int64(stmt, 4, range->since) ||
	    sqlite3_bind_int64(stmt, 5, range->until))
		return -ENOMEM;

	*ret_stmt = CLO_TAKE(stmt);
	return 0;
}

int clo_store_each(struct clo_store *store, const struct clo_store_range *range,
		   int (*each)(void *userdata, const struct clo_entry *entry),
		   void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int rc;
	int r;

	assert(range->from <= INT64_MAX && range->to <= INT64_MAX);
	r = prepare_range(store, range, &stmt);
	if (r < 0)
		return r;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct clo_entry entry = {0};

		r = read_entry(stmt, &entry);
		if (r == 0)
			r = each(userdata, &entry);
		if (r != 0)
			return r;
	}
	return clo_store_errno(rc);
}

/* The first column of the only row; -ENOENT if there is none. */
static int take_index(sqlite3_stmt *stmt, uint64_t *ret_index)
{
	int rc = sqlite3_step(stmt);
	int64_t index;

	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
	index = sqlite3_column_int64(stmt, 0);
	if (index < 0)
		return -EUCLEAN;

	*ret_index = (uint64_t)index;
	return 0;
}

int clo_store_find_digest(struct clo_store *store, const uint8_t digest[32],
			  uint64_t *ret_index)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store,
			      "SELECT l.id FROM records r JOIN leaves l"
			      " ON l.record = r.id WHERE r.digest = ?"
			      " ORDER BY l.id DESC LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_blob(stmt, 1, digest, 32, NULL))
		return -ENOMEM;
	return take_index(stmt, ret_index);
}

int clo_store_find_sequence(struct clo_store *store, const char *boot,
			    uint64_t sequence, uint64_t *ret_index)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	if (sequence > INT64_MAX)
		return -ENOENT;
	r = clo_store_prepare(
		store,
		"SELECT l.id FROM records r JOIN leaves l ON l.record = r.id"
		" WHERE r.sequence = ?1 AND r.boot = coalesce(?2,"
		" (SELECT boot FROM records ORDER BY id DESC LIMIT 1))",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, (int64_t)sequence) ||
	    sqlite3_bind_text(stmt, 2, boot, -1, NULL))
		return -ENOMEM;
	return take_index(stmt, ret_index);
}

int clo_store_strays(struct clo_store *store, uint64_t *ret_count)
{
	int64_t count;
	int r;

	r = clo_store_ask(store,
			  "SELECT count(*) FROM records WHERE id NOT IN"
			  " (SELECT record FROM leaves)",
			  &count);
	if (r < 0)
		return r;

	*ret_count = (uint64_t)count;
	return 0;
}
