/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/base/auto.h"

/*
 * The node's log (store.h) for those who may only read it: a process without
 * write permission on the file, its directory or its -wal and -shm. SQLite
 * reads a WAL database so as long as these two exist, so the writer leaves
 * them there when it closes (SQLITE_FCNTL_PERSIST_WAL).
 */
struct clo_reader;
struct clo_store;

/* Valid during the call it is given to. */
struct clo_row {
	int64_t id; /* grows with each record, > 0 */
	const char *boot_id;
	int64_t sequence;
	const char *kind;
	const char *scope; /* "" the node */
	int64_t time;
	const char *verdict;
	const uint8_t *digest; /* 32 bytes */
};

/* 0 to go on, 1 to stop, -errno to fail. */
typedef int clo_row_fn(struct clo_reader *reader, const struct clo_row *row,
		       void *userdata);

/* -EACCES it may not or is not there, -EPROTO no such log, as store.h. */
int clo_reader_open(const char *path, struct clo_reader **ret_reader);
void clo_reader_free(struct clo_reader *reader);
CLO_DEFINE_FREEP(clo_reader)

/* Which records, newest first. */
struct clo_span {
	const char *tenant, *environment; /* "": any, and the node */
	int64_t since; /* not before */
	int64_t time, id; /* before (time, id), as a pair */
};

/* -E2BIG: of more than CLO_READER_SCOPES_MAX scopes. */
#define CLO_READER_SCOPES_MAX 4096
int clo_reader_list(struct clo_reader *reader, const struct clo_span *span,
		    clo_row_fn *fn, void *userdata);
/* Those with a greater id, oldest first. */
int clo_reader_after(struct clo_reader *reader, int64_t id, clo_row_fn *fn,
		     void *userdata);
/* As clo_store_latest(), or the one with that digest; -ENOENT. */
int clo_reader_latest(struct clo_reader *reader, const char *scope,
		      clo_row_fn *fn, void *userdata);
/* The last heartbeat of a scope behind record `id`; -ENOENT. */
int clo_reader_beat(struct clo_reader *reader, const char *scope, int64_t id,
		    clo_row_fn *fn, void *userdata);
int clo_reader_find(struct clo_reader *reader, const uint8_t digest[32],
		    clo_row_fn *fn, void *userdata);
/*
 * The id of the record of that place in a boot's chain, or where that one was
 * removed of the last one before it that is there; -ENOENT.
 */
int clo_reader_at(struct clo_reader *reader, const char *boot_id,
		  int64_t sequence, int64_t *ret_id);
/* A record's envelope; caller frees. -ENOENT. */
int clo_reader_envelope(struct clo_reader *reader, int64_t id,
			char **ret_envelope);
/* The first scope behind `after` in the order of bytes; -ENOENT: none. */
#define CLO_READER_SCOPE_MAX 256
int clo_reader_next_scope(struct clo_reader *reader, const char *after,
			  char ret_scope[CLO_READER_SCOPE_MAX]);
/*
 * The log's tree, for what of store.h reads; borrowed. Called once: from then
 * on the reader sees one snapshot.
 */
int clo_reader_tree(struct clo_reader *reader, struct clo_store **ret_store);
/* Index of a record's leaf; -EUCLEAN: it has none. */
int clo_reader_leaf(struct clo_reader *reader, int64_t id, uint64_t *ret_index);
/* Greatest id; 0: no record. */
int clo_reader_last(struct clo_reader *reader, int64_t *ret_id);
/* By what the log says itself: a gap is open, or the last run has ended. */
int clo_reader_in_gap(struct clo_reader *reader, bool *ret_in_gap);
