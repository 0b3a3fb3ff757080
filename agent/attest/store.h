/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "agent/attest/key.h"
#include "agent/attest/merkle.h"
#include "agent/attest/removal.h"
#include "agent/attest/statement.h"

/*
 * The node's log: SQLite, WAL, synchronous=FULL, one writer. Only the
 * store*.c files use SQLite. Every record is a leaf of a Merkle tree (leaf.h),
 * committed with it and with a signed checkpoint of the tree.
 */
struct clo_store;

/* Who signs for the log; the key is borrowed while the store is open. */
struct clo_store_signer {
	const char *origin; /* of a log that is made now; kept in it */
	const struct clo_key *key;
};

struct clo_record {
	const char *boot_id;
	uint64_t sequence; /* in this boot, from 0 */
	const char *kind; /* "isolation/v1" */
	const char *scope; /* "" for the node, else "tenant/environment" */
	time_t time;
	const char *verdict;
	const uint8_t *payload_digest; /* 32 bytes */
	const char *envelope;
	/* Who signed the envelope, as its entry names it; NULL: the log's. */
	const struct clo_key *signer;
};

/*
 * Made with mode 0600 if missing; one of an older version is made this one's. -EACCES if
 * others may write it or own it, -EPROTO if it is not such a log or of another
 * version, -EUCLEAN if damaged.
 */
int clo_store_open(const char *path, const struct clo_store_signer *signer,
		   struct clo_store **ret_store);
/*
 * For reading alone, by whoever may read the file, whoever wrote it: one
 * snapshot until it is freed. -EACCES, -EPROTO, -EUCLEAN as above.
 */
int clo_store_open_read(const char *path, struct clo_store **ret_store);
void clo_store_free(struct clo_store *store);
CLO_DEFINE_FREEP(clo_store)

/*
 * The group may read this open log, and nobody else but its owner: 0640. In a
 * directory that only the owner may write.
 */
int clo_store_share(const char *path, gid_t readers);

/*
 * -EEXIST if this sequence is taken in this boot, -EBADMSG if it is no
 * envelope. Committed when this returns, unless a group is open.
 */
int clo_store_append(struct clo_store *store, const struct clo_record *record);
/*
 * A group: what is changed between the two is on disk as one, with one
 * checkpoint, when the second returns 0, or not at all. A record that is
 * refused leaves the group as it was. -EUCLEAN: the tree is not the one that
 * was last signed, and no other is signed over it.
 */
int clo_store_begin(struct clo_store *store);
int clo_store_commit(struct clo_store *store);
int clo_store_cancel(struct clo_store *store, int r); /* as it was; gives r */
/* Next sequence of a boot and digest of the last payload (if next > 0). */
int clo_store_head(struct clo_store *store, const char *boot_id,
		   uint64_t *ret_next, uint8_t ret_previous[32]);
/* The place of the next record of a boot. */
int clo_store_chain(struct clo_store *store, const char *boot_id,
		    struct clo_chain_place *ret_chain);
/*
 * The latest of a scope ("" = node) whose kind stands (statement.h); caller
 * frees. -ENOENT if none.
 */
int clo_store_latest(struct clo_store *store, const char *scope,
		     char **ret_envelope, time_t *ret_time);
/* The envelope that was appended last, of whatever scope; caller frees. */
int clo_store_last(struct clo_store *store, char **ret_envelope);
int clo_store_count(struct clo_store *store, uint64_t *ret_count);

/* The tree: its leaves, its nodes, the checkpoints that were signed. */
int clo_store_size(struct clo_store *store, uint64_t *ret_size);
struct clo_merkle_source clo_store_source(struct clo_store *store);
/*
 * The first, or the latest, checkpoint of at least `from` leaves; caller
 * frees. -ENOENT if there is none, -EUCLEAN if what is there is none.
 */
int clo_store_checkpoint(struct clo_store *store, uint64_t from, bool latest,
			 char **ret_note);

/*
 * What the file of a tile holds, its bundle's entries too; caller frees.
 * -ENOENT if the tree has not all of it, or one of the entries was removed.
 */
struct clo_tile;
int clo_store_tile(struct clo_store *store, const struct clo_tile *tile,
		   char **ret_data, size_t *ret_len);

const char *clo_store_origin(const struct clo_store *store); /* borrowed */

/* A leaf and the record that it is of, borrowed. */
struct clo_entry {
	uint64_t index;
	const uint8_t *hash; /* 32 bytes */
	const char *body; /* NULL: it was removed, and its record */
	bool recorded; /* else the record is gone, and not filled in */
	struct clo_record record;
};

struct clo_store_range {
	uint64_t from, to; /* indices; to is outside */
	time_t since, until; /* inside; both 0: at any time */
};

/* In the tree's order, until `each` gives other than 0. -EUCLEAN: damaged. */
int clo_store_each(struct clo_store *store, const struct clo_store_range *range,
		   int (*each)(void *userdata, const struct clo_entry *entry),
		   void *userdata);
/* Index of the leaf of a payload, the latest if there are several; -ENOENT. */
int clo_store_find_digest(struct clo_store *store, const uint8_t digest[32],
			  uint64_t *ret_index);
/* boot NULL: the latest. */
int clo_store_find_sequence(struct clo_store *store, const char *boot,
			    uint64_t sequence, uint64_t *ret_index);
/* How many records are no leaf; 0 in a sound log. */
int clo_store_strays(struct clo_store *store, uint64_t *ret_count);

/*
 * Room: the log is to hold no more than `bytes`, nor the last of its file
 * system, nor what is older than `before`. Pages that became free are used
 * again before the file grows.
 */
struct clo_store_limits {
	time_t before;
	uint64_t bytes;
};

struct clo_store_room {
	uint64_t size; /* of the file */
	uint64_t left; /* that may be written yet */
	uint64_t margin; /* with less than that left records must go */
};

int clo_store_measure(struct clo_store *store,
		      const struct clo_store_limits *limits,
		      struct clo_store_room *ret_room);
/* Is there a record of between these times? */
int clo_store_is_between(struct clo_store *store, time_t from, time_t to,
			 bool *ret_is);
/*
 * In a group: what is to be removed next, not more than takes a moment. First
 * what is too old; where room ends then heartbeats that passed, then
 * statements that did, then inconclusive ones, each from the oldest on, and
 * never the first or the last of a day of its scope, kind and verdict. Kinds
 * that are lasting stay. -ENOENT: nothing; -EAGAIN: look again; -ENOSPC: there
 * is no room, and nothing that may go for it.
 */
int clo_store_choose(struct clo_store *store,
		     const struct clo_store_limits *limits,
		     struct clo_removal **ret_removal);
/* In the same group, with the record that tells of it. */
int clo_store_remove(struct clo_store *store,
		     const struct clo_removal *removal);

/*
 * Gaps: spans in which nobody watched. The store keeps a run record; from
 * the end of a run, or its last sign of life if it has none, to the next run's
 * begin there is a gap.
 */
struct clo_gap {
	int64_t id;
	time_t from, to; /* to 0: open */
	bool told; /* as open, by a record of its own */
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
 * The gaps that clo_store_gaps gave were signed into a statement: do not repeat
 * the closed ones; the open ones are told. One that closed since is still to
 * come.
 */
int clo_store_gaps_signed(struct clo_store *store);
