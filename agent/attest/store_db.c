/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/dsse.h"

#define APPLICATION_ID 0x436c6f69 /* "Cloi" */
#define VERSION 3
#define BUSY_MS 5000

/* gaps.state: 0 new; open and given by clo_store_gaps -2, signed -1; closed and
 * given 1, signed 2. */
static const char schema[] =
	"CREATE TABLE records ("
	" id INTEGER PRIMARY KEY,"
	" boot TEXT NOT NULL,"
	" sequence INTEGER NOT NULL CHECK (sequence >= 0),"
	" kind TEXT NOT NULL,"
	" scope TEXT NOT NULL,"
	" time INTEGER NOT NULL,"
	" verdict TEXT NOT NULL,"
	" digest BLOB NOT NULL CHECK (length(digest) = 32),"
	" envelope TEXT NOT NULL,"
	" UNIQUE (boot, sequence)) STRICT;"
	"CREATE INDEX records_scope ON records (scope, id);"
	"CREATE INDEX records_time ON records (time, scope);"
	"CREATE TABLE runs ("
	" id INTEGER PRIMARY KEY,"
	" boot TEXT NOT NULL,"
	" began INTEGER NOT NULL,"
	" alive INTEGER NOT NULL,"
	" ended INTEGER) STRICT;"
	"CREATE TABLE gaps ("
	" id INTEGER PRIMARY KEY,"
	" start INTEGER NOT NULL,"
	" stop INTEGER,"
	" reason TEXT NOT NULL,"
	" state INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX gaps_pending ON gaps (id) WHERE state < 2;";

/* What is left of a leaf whose record was removed; id is its index. */
static const char removed_schema[] =
	"CREATE TABLE removed ("
	" id INTEGER PRIMARY KEY,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;";

int clo_store_take_text(sqlite3_stmt *stmt, size_t max, char **ret_text)
{
	int rc = sqlite3_step(stmt);
	const char *text;
	char *copy;
	int r;

	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
	r = clo_store_text(stmt, 0, max, &text);
	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;

	*ret_text = copy;
	return 0;
}

/* Came later: a log without it is no other version, it gets one. */
static const char indexes[] =
	"CREATE INDEX IF NOT EXISTS records_digest ON records (digest);"
	"CREATE INDEX IF NOT EXISTS records_scope_time"
	" ON records (scope, time);";

int clo_store_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_NOTADB:
		return -EPROTO;
	case SQLITE_CORRUPT:
		return -EUCLEAN;
	case SQLITE_TOOBIG:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

int clo_store_execute(struct clo_store *store, const char *sql)
{
	return clo_store_errno(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

int clo_store_prepare(struct clo_store *store, const char *sql,
		      sqlite3_stmt **ret_stmt)
{
	return clo_store_errno(
		sqlite3_prepare_v2(store->db, sql, -1, ret_stmt, NULL));
}

/* Statement for `sql` with its integer parameters bound in order. */
static int prepare_ints(struct clo_store *store, const char *sql,
			const int64_t *values, int n, sqlite3_stmt **ret_stmt)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store, sql, &stmt);
	if (r < 0)
		return r;

	assert(sqlite3_bind_parameter_count(stmt) == n);
	for (int i = 0; i < n; i++) {
		r = clo_store_errno(sqlite3_bind_int64(stmt, i + 1, values[i]));
		if (r < 0)
			return r;
	}
	*ret_stmt = CLO_TAKE(stmt);
	return 0;
}

int clo_store_change(struct clo_store *store, const char *sql,
		     const int64_t *values, int n)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = prepare_ints(store, sql, values, n, &stmt);
	if (r < 0)
		return r;
	r = clo_store_errno(sqlite3_step(stmt));
	if (r < 0)
		return r;
	return sqlite3_changes(store->db) > 0 ? 0 : -ENOENT;
}

int clo_store_ask(struct clo_store *store, const char *sql, int64_t *ret_value)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;
	int rc;

	r = clo_store_prepare(store, sql, &stmt);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);

	*ret_value = sqlite3_column_int64(stmt, 0);
	return 0;
}

int clo_store_finish(struct clo_store *store, int r)
{
	if (r == 0)
		r = clo_store_execute(store, "COMMIT");
	if (r < 0)
		(void)clo_store_execute(store, "ROLLBACK");
	return r;
}

int clo_store_text(sqlite3_stmt *stmt, int column, size_t max,
		   const char **ret_text)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	if (!text || len > max || strlen(text) != len)
		return -EUCLEAN;

	*ret_text = text;
	return 0;
}

int clo_store_hash(sqlite3_stmt *stmt, int column, uint8_t ret_hash[32])
{
	const void *hash = sqlite3_column_blob(stmt, column);

	if (!hash || sqlite3_column_bytes(stmt, column) != 32)
		return -EUCLEAN;

	memcpy(ret_hash, hash, 32);
	return 0;
}

/* The file must be ours before SQLite, which follows links, opens it. */
static int claim_file(const char *path)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;

	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		  0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EACCES;
	return 0;
}

int clo_store_configure(struct clo_store *store)
{
	(void)sqlite3_busy_timeout(store->db, BUSY_MS);
	(void)sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH,
			    (int)(2 * CLO_DSSE_MAX));
	/* A damaged or planted file must not make SQL of its own run. */
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
				NULL);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0,
				NULL);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0,
				NULL);
	/* freed pages are written again when they are used */
	return clo_store_execute(store, "PRAGMA secure_delete = FAST;"
					"PRAGMA cell_size_check = ON;"
					"PRAGMA synchronous = FULL;");
}

static int read_origin(struct clo_store *store)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *origin;
	int r;
	int rc;

	r = clo_store_prepare(store, "SELECT origin FROM log", &stmt);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -EUCLEAN : clo_store_errno(rc);
	r = clo_store_text(stmt, 0, sizeof(store->origin) - 1, &origin);
	if (r < 0)
		return r;
	if (clo_note_check_name(origin) < 0)
		return -EUCLEAN;
	(void)snprintf(store->origin, sizeof(store->origin), "%s", origin);
	return 0;
}

static int write_origin(struct clo_store *store, const char *origin)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	if (clo_note_check_name(origin) < 0)
		return -EINVAL;
	r = clo_store_prepare(store, "INSERT INTO log (origin) VALUES (?)",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, origin, -1, NULL))
		return -ENOMEM;
	return clo_store_errno(sqlite3_step(stmt));
}

/* The tree, which version 1 had not. */
static int make_tree(struct clo_store *store, const char *origin)
{
	int r;

	r = clo_store_execute(store, clo_store_tree_schema);
	return r < 0 ? r : write_origin(store, origin);
}

/* From nothing, version 0, or from an older one. */
static int make_schema(struct clo_store *store, const char *origin,
		       int64_t version)
{
	char mark[96];
	int r;

	r = version == 0 ? clo_store_execute(store, schema) : 0;
	if (r == 0 && version < 2)
		r = make_tree(store, origin);
	if (r == 0)
		r = clo_store_execute(store, removed_schema);
	if (r == 0)
		r = read_origin(store);
	if (r == 0 && version == 1)
		r = clo_store_tree_plant(store);
	if (r < 0)
		return r;

	(void)snprintf(mark, sizeof(mark),
		       "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		       APPLICATION_ID, VERSION);
	return clo_store_execute(store, mark);
}

int clo_store_check_schema(struct clo_store *store)
{
	int64_t application = 0;
	int64_t version = 0;
	int r;

	r = clo_store_ask(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = clo_store_ask(store, "PRAGMA user_version", &version);
	if (r < 0)
		return r;
	if (application != APPLICATION_ID || version != VERSION)
		return -EPROTO;
	return read_origin(store);
}

/* Write the schema into an empty file, know an own one, refuse any other. */
static int check_schema(struct clo_store *store, const char *origin)
{
	int64_t application = 0;
	int64_t version = 0;
	int64_t objects = 0;
	int r;

	r = clo_store_ask(store, "PRAGMA application_id", &application);
	if (r < 0)
		return r;
	r = clo_store_ask(store, "PRAGMA user_version", &version);
	if (r < 0)
		return r;
	r = clo_store_ask(store, "SELECT count(*) FROM sqlite_schema",
			  &objects);
	if (r < 0)
		return r;

	if (application == APPLICATION_ID && version == VERSION)
		return read_origin(store);
	if (application == APPLICATION_ID && version > 0 && version < VERSION)
		return make_schema(store, origin, version);
	if (application != 0 || version != 0 || objects != 0)
		return -EPROTO;
	return make_schema(store, origin, 0);
}

static int use_wal(struct clo_store *store)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *mode;
	int persist = 1;
	int r;
	int rc;

	r = clo_store_prepare(store, "PRAGMA journal_mode = WAL", &stmt);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return clo_store_errno(rc);
	r = clo_store_text(stmt, 0, CLO_STORE_NAME_MAX, &mode);
	if (r < 0)
		return r;
	if (strcmp(mode, "wal") != 0)
		return -EOPNOTSUPP;
	/* who may only read needs both files, also when this one is closed */
	return clo_store_errno(sqlite3_file_control(
		store->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist));
}

/* Two processes may open a new file at once: one makes it, one finds it. */
static int set_up(struct clo_store *store, const char *origin)
{
	int r;

	r = clo_store_configure(store);
	if (r < 0)
		return r;
	r = clo_store_execute(store, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = check_schema(store, origin);
	if (r == 0)
		r = clo_store_execute(store, indexes);
	r = clo_store_finish(store, r);
	if (r < 0)
		return r;
	return use_wal(store);
}

int clo_store_open(const char *path, const struct clo_store_signer *signer,
		   struct clo_store **ret_store)
{
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	int r;

	r = claim_file(path);
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;

	store->key = signer->key;
	r = clo_store_errno(sqlite3_open_v2(
		path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		NULL));
	if (r < 0)
		return r;
	r = set_up(store, signer->origin);
	if (r < 0)
		return r;

	*ret_store = CLO_TAKE(store);
	return 0;
}

void clo_store_free(struct clo_store *store)
{
	if (!store)
		return;

	(void)sqlite3_close(store->db);
	free(store);
}

int clo_store_share(const char *path, gid_t readers)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < CLO_ARRAY_LEN(suffixes); i++) {
		CLO_AUTO_MEM char *name = NULL;

		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		/* by name: to close a descriptor would drop SQLite's locks */
		if (lchown(name, (uid_t)-1, readers) < 0 ||
		    fchmodat(AT_FDCWD, name, 0640, 0) < 0)
			return -errno;
	}
	return 0;
}
