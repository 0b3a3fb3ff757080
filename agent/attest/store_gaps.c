/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/store.h"
#include "agent/attest/store_db.h"

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int insert_gap(struct clo_store *store, const struct clo_gap *gap,
		      int64_t *ret_id)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store,
			      "INSERT INTO gaps (start, stop, reason)"
			      " VALUES (?, nullif(?, 0), ?)",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, gap->from) ||
	    sqlite3_bind_int64(stmt, 2, gap->to) ||
	    sqlite3_bind_text(stmt, 3, gap->reason, -1, NULL))
		return -ENOMEM;
	r = clo_store_errno(sqlite3_step(stmt));
	if (r < 0)
		return r;

	*ret_id = sqlite3_last_insert_rowid(store->db);
	return 0;
}

/* The gap that the last run left behind; from == 0: there was no run. */
static int find_last_run(struct clo_store *store, const char *boot_id,
			 time_t now, struct clo_gap *ret_gap)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	struct clo_gap gap = {0};
	int r;
	int rc;

	r = clo_store_prepare(
		store,
		"SELECT coalesce(ended, alive),"
		" ended IS NOT NULL, boot = ? FROM runs ORDER BY id DESC LIMIT 1",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, boot_id, -1, NULL))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return clo_store_errno(rc);

	if (rc == SQLITE_ROW) {
		/* A clock that was set back must not make a negative span. */
		gap.from = earlier(sqlite3_column_int64(stmt, 0), now);
		gap.to = now;
		(void)snprintf(gap.reason, sizeof(gap.reason), "%s %s",
			       sqlite3_column_int(stmt, 2) ? "agent" : "node",
			       sqlite3_column_int(stmt, 1)
				       ? "was stopped"
				       : "ended without notice");
	}
	*ret_gap = gap;
	return 0;
}

static int insert_run(struct clo_store *store, const char *boot_id, time_t now)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(
		store,
		"INSERT INTO runs (boot, began, alive) VALUES (?1, ?2, ?2)",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, boot_id, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 2, now))
		return -ENOMEM;
	return clo_store_errno(sqlite3_step(stmt));
}

static int begin_run(struct clo_store *store, const char *boot_id, time_t now,
		     struct clo_gap *ret_gap, int64_t *ret_run)
{
	const int64_t stop[] = {now};
	struct clo_gap gap = {0};
	int r;

	r = find_last_run(store, boot_id, now, &gap);
	if (r < 0)
		return r;
	r = clo_store_change(store,
			     "UPDATE gaps SET stop = max(start, ?)"
			     " WHERE stop IS NULL",
			     stop, 1);
	if (r < 0 && r != -ENOENT)
		return r;
	if (gap.from != 0) {
		r = insert_gap(store, &gap, &gap.id);
		if (r < 0)
			return r;
	}
	r = insert_run(store, boot_id, now);
	if (r < 0)
		return r;

	*ret_gap = gap;
	*ret_run = sqlite3_last_insert_rowid(store->db);
	return 0;
}

int clo_store_run_begin(struct clo_store *store, const char *boot_id,
			time_t now, struct clo_gap *ret_gap)
{
	struct clo_gap gap = {0};
	int64_t run = 0;
	int r;

	if (now <= 0 || strlen(boot_id) >= CLO_STORE_NAME_MAX)
		return -EINVAL;

	r = clo_store_execute(store, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = clo_store_finish(store, begin_run(store, boot_id, now, &gap, &run));
	if (r < 0)
		return r;

	store->run = run;
	*ret_gap = gap;
	return 0;
}

int clo_store_run_alive(struct clo_store *store, time_t now)
{
	const int64_t values[] = {now, store->run};

	return clo_store_change(
		store, "UPDATE runs SET alive = max(alive, ?) WHERE id = ?",
		values, 2);
}

int clo_store_run_end(struct clo_store *store, time_t now)
{
	const int64_t values[] = {now, store->run};
	int r;

	r = clo_store_change(store,
			     "UPDATE runs SET alive = max(alive, ?1),"
			     " ended = ?1 WHERE id = ?2",
			     values, 2);
	if (r < 0)
		return r;

	store->run = 0;
	return 0;
}

int clo_store_gap_open(struct clo_store *store, time_t from, const char *reason,
		       int64_t *ret_id)
{
	struct clo_gap gap = {.from = from};

	if (from <= 0 || strlen(reason) >= sizeof(gap.reason))
		return -EINVAL;

	(void)snprintf(gap.reason, sizeof(gap.reason), "%s", reason);
	return insert_gap(store, &gap, ret_id);
}

int clo_store_gap_close(struct clo_store *store, int64_t id, time_t to)
{
	const int64_t values[] = {to, id};

	return clo_store_change(store,
				"UPDATE gaps SET stop = max(start, ?)"
				" WHERE id = ? AND stop IS NULL",
				values, 2);
}

/* Rows of `stmt` into room for CLO_STORE_GAPS_MAX; gives their number. */
static int read_gaps(sqlite3_stmt *stmt, struct clo_gap *gaps, size_t *ret_n)
{
	const char *reason;
	size_t n = 0;
	int rc;
	int r;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		assert(n < CLO_STORE_GAPS_MAX); /* LIMIT */
		r = clo_store_text(stmt, 3, sizeof(gaps->reason) - 1, &reason);
		if (r < 0)
			return r;
		gaps[n].id = sqlite3_column_int64(stmt, 0);
		gaps[n].from = sqlite3_column_int64(stmt, 1);
		gaps[n].to = sqlite3_column_int64(stmt, 2); /* NULL is 0 */
		gaps[n].told = sqlite3_column_int(stmt, 4) == -1;
		(void)snprintf(gaps[n].reason, sizeof(gaps[n].reason), "%s",
			       reason);
		n++;
	}
	if (rc != SQLITE_DONE)
		return clo_store_errno(rc);

	*ret_n = n;
	return 0;
}

static int list_gaps(struct clo_store *store, struct clo_gap *gaps,
		     size_t *ret_n)
{
	const int64_t limit = CLO_STORE_GAPS_MAX;
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	size_t n = 0;
	int r;

	r = clo_store_prepare(store,
			      "SELECT id, start, stop, reason, state FROM gaps"
			      " WHERE state < 2"
			      " ORDER BY stop IS NOT NULL, id LIMIT ?",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, limit))
		return -ENOMEM;
	r = read_gaps(stmt, gaps, &n);
	if (r < 0)
		return r;

	for (size_t i = 0; i < n; i++) {
		r = clo_store_change(store,
				     gaps[i].to ? "UPDATE gaps SET state = 1"
						  " WHERE id = ? AND state < 1"
						: "UPDATE gaps SET state = -2"
						  " WHERE id = ? AND state = 0",
				     &gaps[i].id, 1);
		if (r < 0 && r != -ENOENT) /* it was given before */
			return r;
	}
	*ret_n = n;
	return 0;
}

int clo_store_gaps(struct clo_store *store, struct clo_gap **ret_gaps,
		   size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	size_t n = 0;
	int r;

	gaps = calloc(CLO_STORE_GAPS_MAX, sizeof(*gaps));
	if (!gaps)
		return -ENOMEM;
	r = clo_store_execute(store, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = clo_store_finish(store, list_gaps(store, gaps, &n));
	if (r < 0)
		return r;

	*ret_gaps = CLO_TAKE(gaps);
	*ret_n = n;
	return 0;
}

int clo_store_gaps_signed(struct clo_store *store)
{
	return clo_store_execute(store,
				 "UPDATE gaps SET state = iif(state = 1, 2, -1)"
				 " WHERE state IN (1, -2)");
}
