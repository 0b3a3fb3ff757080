/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "agent/base/auto.h"

/*
 * The node's log: SQLite, WAL, synchronous=FULL, one writer. Only the
 * store*.c files use SQLite. A record is committed before clo_store_append returns.
 */
struct clo_store;

struct clo_record {
	const char *boot_id;
	uint64_t sequence; /* in this boot, from 0 */
	const char *kind; /* "isolation/v1" */
	const char *scope; /* "" for the node, else "tenant/environment" */
	time_t time;
	const char *verdict;
	const uint8_t *payload_digest; /* 32 bytes */
	const char *envelope;
};

/*
 * Made with mode 0600 if missing. -EACCES if others may write it or own it,
 * -EPROTO if it is not such a log or of another version, -EUCLEAN if damaged.
 */
int clo_store_open(const char *path, struct clo_store **ret_store);
void clo_store_free(struct clo_store *store);
CLO_DEFINE_FREEP(clo_store)

/*
 * The group may read this open log, and nobody else but its owner: 0640. In a
 * directory that only the owner may write.
 */
int clo_store_share(const char *path, gid_t readers);

/* -EEXIST if this sequence is taken in this boot. */
int clo_store_append(struct clo_store *store, const struct clo_record *record);
/* Next sequence of a boot and digest of the last payload (if next > 0). */
int clo_store_head(struct clo_store *store, const char *boot_id,
		   uint64_t *ret_next, uint8_t ret_previous[32]);
/* Latest envelope of a scope ("" = node); caller frees. -ENOENT if none. */
int clo_store_latest(struct clo_store *store, const char *scope,
		     char **ret_envelope, time_t *ret_time);
/* The envelope that was appended last, of whatever scope; caller frees. */
int clo_store_last(struct clo_store *store, char **ret_envelope);
int clo_store_count(struct clo_store *store, uint64_t *ret_count);

/*
 * Gaps: spans in which nobody watched. The store keeps a run record; from
 * the end of a run, or its last sign of life if it has none, to the next run's
 * begin there is a gap.
 */
struct clo_gap {
	int64_t id;
	time_t from, to; /* to 0: open */
	char reason[64];
};

/*
 * Begin a run; ret_gap->from == 0 if it is the first ever. Gaps that an
 * earlier run left open are closed: this run opens anew what it finds.
 */
int clo_store_run_begin(struct clo_store *store, const char *boot_id,
			time_t now, struct clo_gap *ret_gap);
int clo_store_run_alive(struct clo_store *store, time_t now);
int clo_store_run_end(struct clo_store *store, time_t now);
int clo_store_gap_open(struct clo_store *store, time_t from, const char *reason,
		       int64_t *ret_id);
int clo_store_gap_close(struct clo_store *store, int64_t id, time_t to);
/*
 * Gaps not yet carried by a statement, or open (open ones first, at most
 * CLO_STORE_GAPS_MAX at a time); caller frees.
 */
#define CLO_STORE_GAPS_MAX 256
int clo_store_gaps(struct clo_store *store, struct clo_gap **ret_gaps,
		   size_t *ret_n);
/*
 * The closed gaps that clo_store_gaps gave were signed into a statement: do
 * not repeat them. One that closed since is still to come.
 */
int clo_store_gaps_signed(struct clo_store *store);
