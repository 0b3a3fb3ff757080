/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records of a tenant or an environment, newest first: the scopes that it has
 * are read at once, each by its own index, so that what others have costs
 * nothing.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/store_db.h"
#include "agent/attest/store_reader_impl.h"

struct merge {
	struct clo_reader *reader;
	const struct clo_span *span;

	struct source {
		sqlite3_stmt *stmt;
		struct clo_row row; /* the one that is next */
	} * sources;

	size_t n, room;
};

static void merge_done(struct merge *merge)
{
	for (size_t i = 0; i < merge->n; i++)
		(void)sqlite3_finalize(merge->sources[i].stmt);
	free(merge->sources);
}

/* A source that is at its end goes. */
static int advance(struct merge *merge, size_t i)
{
	struct source *source = &merge->sources[i];
	int rc = sqlite3_step(source->stmt);

	if (rc == SQLITE_ROW)
		return clo_reader_row(source->stmt, &source->row);
	if (rc != SQLITE_DONE)
		return clo_store_errno(rc);
	(void)sqlite3_finalize(source->stmt);
	*source = merge->sources[--merge->n];
	return 0;
}

static int bind_span(sqlite3_stmt *stmt, const struct clo_span *span)
{
	return sqlite3_bind_int64(stmt, 1, span->time) ||
			       sqlite3_bind_int64(stmt, 2, span->id) ||
			       sqlite3_bind_int64(stmt, 3, span->since)
		       ? -ENOMEM
		       : 0;
}

#define IN_SPAN " time <= ?1 AND time >= ?3 AND (time < ?1 OR id < ?2)"
#define NEWEST_FIRST " ORDER BY time DESC, id DESC"

static int add_source(struct merge *merge, const char *scope)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	if (merge->n == merge->room) {
		size_t room = merge->room ? 2 * merge->room : 4;
		struct source *more =
			reallocarray(merge->sources, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		merge->sources = more;
		merge->room = room;
	}
	r = clo_store_prepare(merge->reader->store,
			      "SELECT" CLO_READER_COLUMNS "FROM records"
			      " WHERE scope = ?4 AND" IN_SPAN NEWEST_FIRST,
			      &stmt);
	if (r == 0)
		r = bind_span(stmt, merge->span);
	if (r == 0 && sqlite3_bind_text(stmt, 4, scope, -1, SQLITE_TRANSIENT))
		r = -ENOMEM;
	if (r < 0)
		return r;
	merge->sources[merge->n++].stmt = CLO_TAKE(stmt);
	return advance(merge, merge->n - 1);
}

/* A tenant's scopes stand together behind "name/". */
static int add_sources(struct merge *merge)
{
	const char *environment = merge->span->environment;
	char scope[CLO_READER_SCOPE_MAX];
	size_t len;
	int r;

	len = (size_t)snprintf(scope, sizeof(scope), "%s%s",
			       merge->span->tenant,
			       merge->span->tenant[0] ? "/" : "");
	if (len >= sizeof(scope))
		return -EINVAL;
	for (size_t n = 0; n <= CLO_READER_SCOPES_MAX; n++) {
		const char *slash;

		r = clo_reader_next_scope(merge->reader, scope, scope);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		slash = strchr(scope, '/');
		if (merge->span->tenant[0] &&
		    (!slash || (size_t)(slash - scope) + 1 != len ||
		     strncmp(scope, merge->span->tenant, len - 1) != 0))
			return 0;
		if (slash &&
		    (!*environment || strcmp(slash + 1, environment) == 0))
			r = add_source(merge, scope);
		if (r < 0)
			return r;
	}
	return -E2BIG;
}

static size_t newest(const struct merge *merge)
{
	size_t best = 0;

	for (size_t i = 1; i < merge->n; i++) {
		const struct clo_row *row = &merge->sources[i].row;
		const struct clo_row *other = &merge->sources[best].row;

		if (row->time > other->time ||
		    (row->time == other->time && row->id > other->id))
			best = i;
	}
	return best;
}

static int list_some(struct clo_reader *reader, const struct clo_span *span,
		     clo_row_fn *fn, void *userdata)
{
	__attribute__((cleanup(merge_done))) struct merge merge = {
		.reader = reader, .span = span};
	int r = add_sources(&merge);

	while (r == 0 && merge.n > 0) {
		size_t i = newest(&merge);

		r = fn(reader, &merge.sources[i].row, userdata);
		if (r == 0)
			r = advance(&merge, i);
	}
	return r < 0 ? r : 0;
}

static int list_all(struct clo_reader *reader, const struct clo_span *span,
		    clo_row_fn *fn, void *userdata)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int rc;
	int r;

	r = clo_store_prepare(reader->store,
			      "SELECT" CLO_READER_COLUMNS
			      "FROM records INDEXED BY records_time"
			      " WHERE" IN_SPAN NEWEST_FIRST,
			      &stmt);
	if (r == 0)
		r = bind_span(stmt, span);
	while (r == 0 && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
		struct clo_row row;

		r = rc == SQLITE_ROW ? clo_reader_row(stmt, &row)
				     : clo_store_errno(rc);
		if (r == 0)
			r = fn(reader, &row, userdata);
	}
	return r < 0 ? r : 0;
}

int clo_reader_list(struct clo_reader *reader, const struct clo_span *span,
		    clo_row_fn *fn, void *userdata)
{
	return span->tenant[0] || span->environment[0]
		       ? list_some(reader, span, fn, userdata)
		       : list_all(reader, span, fn, userdata);
}
