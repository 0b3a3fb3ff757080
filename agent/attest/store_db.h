/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/attest/note.h"
#include "agent/attest/store.h"

/* Between the store*.c files only: the open database and how to ask it. */
#define CLO_STORE_PASSES 4

struct clo_store {
	sqlite3 *db;
	int64_t run; /* 0: none begun */
	const struct clo_key *key; /* NULL: opened to be read */
	char origin[CLO_NOTE_NAME_MAX];
	bool grouped; /* between clo_store_begin and clo_store_commit */
	struct clo_merkle_edge edge; /* of the tree, while grouped */
	uint64_t signed_size; /* of the last checkpoint, while grouped */
	int64_t looked
		[CLO_STORE_PASSES]; /* store_remove.c: leaves seen so far */
};

#define CLO_STORE_NAME_MAX 256 /* bytes of a name, with its 0 */

/* For CLO_AUTO(sqlite3_stmt). */
static inline void sqlite3_stmt_freep(sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);
}

int clo_store_errno(int rc); /* 0 or -errno of SQLite's result */
int clo_store_execute(struct clo_store *store, const char *sql);
int clo_store_prepare(struct clo_store *store, const char *sql,
		      sqlite3_stmt **ret_stmt);
/* Run a change with integer parameters; -ENOENT if it touched no row. */
int clo_store_change(struct clo_store *store, const char *sql,
		     const int64_t *values, int n);
/* First column of the first row of a query without parameters. */
int clo_store_ask(struct clo_store *store, const char *sql, int64_t *ret_value);
/* What every open database gets, whoever wrote the file. */
int clo_store_configure(struct clo_store *store);
/* 0 if it is a log of this version, and its origin is read; else -EPROTO. */
int clo_store_check_schema(struct clo_store *store);
/* End a transaction as `r` says; gives the error that counts. */
int clo_store_finish(struct clo_store *store, int r);
/* A column's 32 bytes; -EUCLEAN if it has others. */
int clo_store_hash(sqlite3_stmt *stmt, int column, uint8_t ret_hash[32]);
/* A column's text of at most `max` bytes, borrowed until the next step. */
int clo_store_text(sqlite3_stmt *stmt, int column, size_t max,
		   const char **ret_text);

/* The first column of the only row; caller frees. -ENOENT: there is none. */
int clo_store_take_text(sqlite3_stmt *stmt, size_t max, char **ret_text);

/* The last record of a scope whose kind stands; -ENOENT. */
int clo_store_standing(struct clo_store *store, const char *scope,
		       int64_t *ret_id);

/* store_tree.c: the tree, inside a transaction of the caller's. */
extern const char clo_store_tree_schema[];
/* The edge as it is stored; -EUCLEAN if it is not the one last signed. */
int clo_store_tree_load(struct clo_store *store);
/* The next leaf: what the tree holds of `record`'s envelope. */
int clo_store_tree_add(struct clo_store *store, int64_t record,
		       const struct clo_key *signer, const char *envelope);
/* A checkpoint, if leaves were added since the last. */
int clo_store_tree_sign(struct clo_store *store);
/* A log of version 1: each record becomes a leaf, in their order. */
int clo_store_tree_plant(struct clo_store *store);
