/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/attest/store.h"

/* Between the store*.c files only: the open database and how to ask it. */
struct clo_store {
	sqlite3 *db;
	int64_t run; /* 0: none begun */
};

#define CLO_STORE_NAME_MAX 256 /* bytes of a name, with its 0 */

/* For CLO_AUTO(sqlite3_stmt). */
static inline void sqlite3_stmt_freep(sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);
}

/* What every connection is set to: bounds, and no SQL of the file's own. */
int clo_store_configure(struct clo_store *store);
/* 0; -ENODATA: marked by nobody; -EPROTO: another's, or of another version. */
int clo_store_is_log(struct clo_store *store);
int clo_store_errno(int rc); /* 0 or -errno of SQLite's result */
int clo_store_execute(struct clo_store *store, const char *sql);
int clo_store_prepare(struct clo_store *store, const char *sql,
		      sqlite3_stmt **ret_stmt);
/* Run a change with integer parameters; -ENOENT if it touched no row. */
int clo_store_change(struct clo_store *store, const char *sql,
		     const int64_t *values, int n);
/* First column of the first row of a query without parameters. */
int clo_store_ask(struct clo_store *store, const char *sql, int64_t *ret_value);
/* End a transaction as `r` says; gives the error that counts. */
int clo_store_finish(struct clo_store *store, int r);
/* A column's text of at most `max` bytes, borrowed until the next step. */
int clo_store_text(sqlite3_stmt *stmt, int column, size_t max,
		   const char **ret_text);
