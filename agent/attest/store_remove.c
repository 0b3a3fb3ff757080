/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/attest/sha256.h"
#include "agent/attest/store_db.h"

#define DAY 86400
#define LOOK_MAX 4096 /* records that one choice looks at */
#define CHOICE_MIN 64 /* else the record of it takes what they give */
#define LOW_MAX (UINT64_C(256) << 20) /* bytes left to others on the disk */
#define MARGIN_PART 64 /* of what the log may have */

struct row {
	int64_t leaf;
	const char *boot_id, *kind, *scope, *verdict;
	int64_t sequence, time, record;
	const uint8_t *hash;
};

struct choice {
	struct clo_store *store;
	const struct clo_store_limits *limits;
	int64_t newest; /* time of the last record */
	sqlite3_stmt *among; /* is there another of its day? */
	struct clo_removal *removal;
	uint8_t hashes[CLO_REMOVAL_MAX][CLO_SHA256_SIZE];
};

enum fate {
	STAYS,
	GOES,
	WAITS, /* it may go later */
	ENDS, /* as all that follow */
};

static bool is_kind(const struct row *row, enum clo_kind kind,
		    enum clo_verdict_word verdict)
{
	return clo_kind_of_name(row->kind) == kind &&
	       strcmp(row->verdict, clo_verdict_text(verdict)) == 0;
}

static int judge_age(struct choice *choice, const struct row *row,
		     enum fate *ret_fate)
{
	enum clo_kind kind = clo_kind_of_name(row->kind);

	*ret_fate = row->time >= choice->limits->before            ? ENDS
		    : kind == CLO_KINDS || clo_kinds[kind].lasting ? STAYS
								   : GOES;
	return 0;
}

/* One of the same scope, kind and verdict in these times, on that side. */
static int has_other(struct choice *choice, const struct row *row, int64_t from,
		     int64_t to, bool later, bool *ret_has)
{
	sqlite3_stmt *stmt = choice->among;
	int rc;

	if (sqlite3_bind_int64(stmt, 1, from) ||
	    sqlite3_bind_int64(stmt, 2, to) ||
	    sqlite3_bind_text(stmt, 3, row->scope, -1, NULL) ||
	    sqlite3_bind_text(stmt, 4, row->kind, -1, NULL) ||
	    sqlite3_bind_text(stmt, 5, row->verdict, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 6, later ? row->record : INT64_MAX) ||
	    sqlite3_bind_int64(stmt, 7, later ? 0 : row->record))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	*ret_has = rc == SQLITE_ROW;
	(void)sqlite3_reset(stmt);
	return rc == SQLITE_ROW ? 0 : clo_store_errno(rc);
}

/* The first and the last of a day stay. */
static int judge_day(struct choice *choice, const struct row *row,
		     enum fate *ret_fate)
{
	int64_t begin = row->time - row->time % DAY;
	bool before;
	bool after = false;
	int r;

	r = has_other(choice, row, begin, row->time, false, &before);
	if (r == 0 && before)
		r = has_other(choice, row, row->time, begin + DAY - 1, true,
			      &after);
	if (r < 0)
		return r;
	*ret_fate = before && after                 ? GOES
		    : begin + DAY <= choice->newest ? STAYS
						    : WAITS;
	return 0;
}

static int judge_beat(struct choice *choice, const struct row *row,
		      enum fate *ret_fate)
{
	*ret_fate = STAYS;
	return is_kind(row, CLO_KIND_HEARTBEAT, CLO_PASSED)
		       ? judge_day(choice, row, ret_fate)
		       : 0;
}

static int judge_passed(struct choice *choice, const struct row *row,
			enum fate *ret_fate)
{
	*ret_fate = STAYS;
	return is_kind(row, CLO_KIND_ISOLATION, CLO_PASSED)
		       ? judge_day(choice, row, ret_fate)
		       : 0;
}

static int judge_doubtful(struct choice *choice, const struct row *row,
			  enum fate *ret_fate)
{
	*ret_fate = STAYS;
	return is_kind(row, CLO_KIND_HEARTBEAT, CLO_INCONCLUSIVE) ||
			       is_kind(row, CLO_KIND_ISOLATION,
				       CLO_INCONCLUSIVE)
		       ? judge_day(choice, row, ret_fate)
		       : 0;
}

/* In the order in which they are worth keeping. */
static const struct {
	const char *reason;
	int (*judge)(struct choice *choice, const struct row *row,
		     enum fate *ret_fate);
} passes[CLO_STORE_PASSES] = {
	{"retention", judge_age},
	{"space", judge_beat},
	{"space", judge_passed},
	{"space", judge_doubtful},
};

static int read_row(sqlite3_stmt *stmt, struct row *row)
{
	const size_t max = CLO_STORE_NAME_MAX - 1;
	int r;

	row->leaf = sqlite3_column_int64(stmt, 0);
	row->sequence = sqlite3_column_int64(stmt, 2);
	row->time = sqlite3_column_int64(stmt, 6);
	row->hash = sqlite3_column_blob(stmt, 7);
	row->record = sqlite3_column_int64(stmt, 8);
	r = clo_store_text(stmt, 1, max, &row->boot_id);
	if (r == 0)
		r = clo_store_text(stmt, 3, max, &row->kind);
	if (r == 0)
		r = clo_store_text(stmt, 4, max, &row->scope);
	if (r == 0)
		r = clo_store_text(stmt, 5, max, &row->verdict);
	if (r < 0)
		return r;
	return row->leaf < 0 || row->sequence < 0 ||
			       sqlite3_column_bytes(stmt, 7) != CLO_SHA256_SIZE
		       ? -EUCLEAN
		       : 0;
}

/* False: no room for it. */
static bool take(struct choice *choice, const struct row *row)
{
	struct clo_removal *removal = choice->removal;
	struct clo_removed *last =
		removal->n ? &removal->spans[removal->n - 1] : NULL;

	if (removal->count == CLO_REMOVAL_MAX)
		return false;
	if (!last || strcmp(last->boot_id, row->boot_id) != 0 ||
	    last->entry + last->count != (uint64_t)row->leaf ||
	    last->sequence + last->count != (uint64_t)row->sequence) {
		if (removal->n == CLO_REMOVAL_SPANS)
			return false;
		last = &removal->spans[removal->n++];
		last->sequence = (uint64_t)row->sequence;
		last->entry = (uint64_t)row->leaf;
		(void)snprintf(last->boot_id, sizeof(last->boot_id), "%s",
			       row->boot_id);
	}
	last->count++;
	memcpy(choice->hashes[removal->count++], row->hash, CLO_SHA256_SIZE);
	removal->from = removal->count == 1 ? row->time : removal->from;
	removal->to = row->time;
	return true;
}

/* Rows of `stmt`; *ret_end: all of them were looked at. */
static int look(struct choice *choice, sqlite3_stmt *stmt, bool *ret_end)
{
	struct clo_removal *removal = choice->removal;
	bool settled = true; /* all that were met have their fate */
	struct row row;
	int rc;
	int r;

	for (unsigned int n = 0; (rc = sqlite3_step(stmt)) == SQLITE_ROW; n++) {
		enum fate fate = STAYS;

		r = read_row(stmt, &row);
		if (r == 0)
			r = passes[removal->pass].judge(choice, &row, &fate);
		if (r < 0)
			return r;
		if (fate == ENDS)
			break;
		if (n == LOOK_MAX || (fate == GOES && !take(choice, &row)))
			return 0;
		settled = settled && fate != WAITS;
		if (settled)
			removal->next = row.leaf + 1;
	}
	*ret_end = true;
	return clo_store_errno(rc);
}

static int prepare_rows(struct choice *choice, sqlite3_stmt **ret_stmt)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	/* never the last: what comes next is chained to it */
	r = clo_store_prepare(
		choice->store,
		"SELECT l.id, r.boot, r.sequence, r.kind, r.scope, r.verdict,"
		" r.time, l.hash, r.id"
		" FROM leaves l JOIN records r ON r.id = l.record"
		" WHERE l.id >= ? AND l.id < (SELECT max(id) FROM leaves)"
		" ORDER BY l.id",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, choice->removal->next))
		return -ENOMEM;

	*ret_stmt = CLO_TAKE(stmt);
	return 0;
}

/* What a pass would remove; as clo_store_choose(), -ENOENT if too little. */
static int choose(struct choice *choice, unsigned int pass)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	struct clo_removal *removal = choice->removal;
	int64_t *looked = &choice->store->looked[pass];
	bool end = false;
	int r;

	*removal = (struct clo_removal){
		.reason = passes[pass].reason, .pass = pass, .next = *looked};
	r = prepare_rows(choice, &stmt);
	if (r == 0)
		r = look(choice, stmt, &end);
	if (r < 0)
		return r;
	if (removal->count >= CHOICE_MIN || (removal->count > 0 && !end))
		return clo_sha256(choice->hashes,
				  removal->count * CLO_SHA256_SIZE,
				  removal->digest);
	if (removal->count == 0)
		*looked = removal->next;
	return end ? -ENOENT : -EAGAIN;
}

static int ask(struct clo_store *store, const char *sql, uint64_t *ret_number)
{
	int64_t number = 0;
	int r;

	r = clo_store_ask(store, sql, &number);
	if (r == 0)
		*ret_number = (uint64_t)number;
	return r;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int clo_store_measure(struct clo_store *store,
		      const struct clo_store_limits *limits,
		      struct clo_store_room *ret_room)
{
	const char *path = sqlite3_db_filename(store->db, "main");
	uint64_t page = 0, pages = 0, unused = 0;
	uint64_t disk, low, grow;
	struct statvfs fs;
	int r;

	r = ask(store, "PRAGMA page_size", &page);
	if (r == 0)
		r = ask(store, "PRAGMA page_count", &pages);
	if (r == 0)
		r = ask(store, "PRAGMA freelist_count", &unused);
	if (r < 0)
		return r;
	if (statvfs(path, &fs) < 0)
		return -errno;

	disk = fs.f_blocks * fs.f_frsize;
	low = lesser(disk / 16, LOW_MAX);
	grow = fs.f_bavail * fs.f_frsize;
	grow = grow > low ? grow - low : 0;
	ret_room->size = pages * page;
	if (limits->bytes < ret_room->size)
		grow = 0;
	else
		grow = lesser(grow, limits->bytes - ret_room->size);
	ret_room->left = unused * page + grow;
	ret_room->margin = lesser(limits->bytes, disk) / MARGIN_PART;
	return 0;
}

int clo_store_is_between(struct clo_store *store, time_t from, time_t to,
			 bool *ret_is)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int rc;
	int r;

	r = clo_store_prepare(store,
			      "SELECT 1 FROM records INDEXED BY records_time"
			      " WHERE time >= ? AND time <= ? LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, from) ||
	    sqlite3_bind_int64(stmt, 2, to))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	*ret_is = rc == SQLITE_ROW;
	return rc == SQLITE_ROW ? 0 : clo_store_errno(rc);
}

static int choose_for(struct choice *choice)
{
	struct clo_store_room room = {0};
	int r;

	r = choose(choice, 0);
	if (r != -ENOENT)
		return r;
	r = clo_store_measure(choice->store, choice->limits, &room);
	if (r < 0)
		return r;
	if (room.left >= room.margin)
		return -ENOENT;
	r = clo_store_prepare(choice->store,
			      "SELECT 1 FROM records INDEXED BY records_time"
			      " WHERE time >= ?1 AND time <= ?2 AND scope = ?3"
			      " AND kind = ?4 AND verdict = ?5"
			      " AND (id > ?6 OR id < ?7) LIMIT 1",
			      &choice->among);
	if (r == 0)
		r = clo_store_ask(choice->store,
				  "SELECT time FROM records"
				  " ORDER BY id DESC LIMIT 1",
				  &choice->newest);
	if (r < 0)
		return r;
	for (unsigned int pass = 1; pass < CLO_STORE_PASSES; pass++) {
		r = choose(choice, pass);
		if (r != -ENOENT)
			return r;
	}
	return -ENOSPC;
}

int clo_store_choose(struct clo_store *store,
		     const struct clo_store_limits *limits,
		     struct clo_removal **ret_removal)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	CLO_AUTO_MEM struct choice *choice = NULL;
	int r;

	assert(store->grouped);
	removal = calloc(1, sizeof(*removal));
	choice = calloc(1, sizeof(*choice));
	if (!removal || !choice)
		return -ENOMEM;
	choice->store = store;
	choice->limits = limits;
	choice->removal = removal;
	r = choose_for(choice);
	(void)sqlite3_finalize(choice->among);
	if (r < 0)
		return r;

	*ret_removal = CLO_TAKE(removal);
	return 0;
}

/* Checkpoints whose last entry goes: a later one is of all of them. */
static int remove_span(struct clo_store *store, const struct clo_removed *span)
{
	static const char *const steps[] = {
		"INSERT INTO removed (id, hash)"
		" SELECT id, hash FROM leaves WHERE id >= ?1 AND id < ?2",
		"DELETE FROM records WHERE id IN"
		" (SELECT record FROM leaves WHERE id >= ?1 AND id < ?2)",
		"DELETE FROM leaves WHERE id >= ?1 AND id < ?2",
		"DELETE FROM checkpoints WHERE size > ?1 AND size <= ?2",
	};
	const int64_t range[] = {(int64_t)span->entry,
				 (int64_t)(span->entry + span->count)};
	int r = 0;

	for (size_t i = 0; i < CLO_ARRAY_LEN(steps) && r == 0; i++) {
		r = clo_store_change(store, steps[i], range, 2);
		if (r == -ENOENT && i == CLO_ARRAY_LEN(steps) - 1)
			r = 0;
	}
	return r == -ENOENT ? -EUCLEAN : r;
}

int clo_store_remove(struct clo_store *store, const struct clo_removal *removal)
{
	int r = 0;

	assert(store->grouped);
	for (size_t i = 0; i < removal->n && r == 0; i++)
		r = remove_span(store, &removal->spans[i]);
	if (r == 0)
		store->looked[removal->pass] = removal->next;
	return r;
}
