/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/statement.h"
#include "agent/attest/store_db.h"

static bool is_sound(const struct clo_record *record)
{
	return record->sequence < INT64_MAX &&
	       strlen(record->boot_id) < CLO_STORE_NAME_MAX &&
	       strlen(record->scope) < CLO_STORE_NAME_MAX &&
	       strlen(record->envelope) <= CLO_DSSE_MAX;
}

static int insert(struct clo_store *store, const struct clo_record *record)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(
		store,
		"INSERT INTO records (boot, sequence, kind, scope, time,"
		" verdict, digest, envelope) VALUES (?,?,?,?,?,?,?,?)",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, record->boot_id, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 2, (int64_t)record->sequence) ||
	    sqlite3_bind_text(stmt, 3, record->kind, -1, NULL) ||
	    sqlite3_bind_text(stmt, 4, record->scope, -1, NULL) ||
	    sqlite3_bind_int64(stmt, 5, record->time) ||
	    sqlite3_bind_text(stmt, 6, record->verdict, -1, NULL) ||
	    sqlite3_bind_blob(stmt, 7, record->payload_digest, 32, NULL) ||
	    sqlite3_bind_text(stmt, 8, record->envelope, -1, NULL))
		return -ENOMEM;
	r = clo_store_errno(sqlite3_step(stmt));
	if (r < 0)
		return r;
	return clo_store_tree_add(store, sqlite3_last_insert_rowid(store->db),
				  record->signer ? record->signer : store->key,
				  record->envelope);
}

/* In a group: a record that fails leaves no trace, the others stay. */
static int append(struct clo_store *store, const struct clo_record *record)
{
	int r;

	/* SQLite ends a transaction itself where it cannot go on. */
	if (sqlite3_get_autocommit(store->db))
		return -ECANCELED;
	r = clo_store_execute(store, "SAVEPOINT record");
	if (r < 0)
		return r;
	r = insert(store, record);
	if (r < 0)
		(void)clo_store_execute(store, "ROLLBACK TO record");
	(void)clo_store_execute(store, "RELEASE record");
	return r;
}

int clo_store_append(struct clo_store *store, const struct clo_record *record)
{
	int r;

	if (!is_sound(record))
		return -EINVAL;
	if (store->grouped)
		return append(store, record);

	r = clo_store_begin(store);
	if (r < 0)
		return r;
	r = append(store, record);
	return r == 0 ? clo_store_commit(store) : clo_store_cancel(store, r);
}

int clo_store_begin(struct clo_store *store)
{
	int r;

	assert(!store->grouped);
	r = clo_store_execute(store, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = clo_store_tree_load(store);
	if (r < 0)
		return clo_store_finish(store, r);

	store->grouped = true;
	return 0;
}

int clo_store_commit(struct clo_store *store)
{
	int r;

	assert(store->grouped);
	store->grouped = false;
	r = sqlite3_get_autocommit(store->db)
		    ? -ECANCELED
		    : clo_store_finish(store, clo_store_tree_sign(store));
	if (r < 0) /* what was removed is there */
		memset(store->looked, 0, sizeof(store->looked));
	return r;
}

int clo_store_cancel(struct clo_store *store, int r)
{
	assert(r < 0 && store->grouped);
	store->grouped = false;
	memset(store->looked, 0, sizeof(store->looked));
	return clo_store_finish(store, r);
}

int clo_store_head(struct clo_store *store, const char *boot_id,
		   uint64_t *ret_next, uint8_t ret_previous[32])
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int64_t sequence;
	int r;
	int rc;

	r = clo_store_prepare(
		store,
		"SELECT sequence, digest FROM records WHERE boot = ?"
		" ORDER BY sequence DESC LIMIT 1",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, boot_id, -1, NULL))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		*ret_next = 0;
		return 0;
	}
	if (rc != SQLITE_ROW)
		return clo_store_errno(rc);

	sequence = sqlite3_column_int64(stmt, 0);
	if (sequence < 0 || sqlite3_column_bytes(stmt, 1) != 32)
		return -EUCLEAN;
	*ret_next = (uint64_t)sequence + 1;
	memcpy(ret_previous, sqlite3_column_blob(stmt, 1), 32);
	return 0;
}

/* What the log ends with; nothing if it is empty. */
static int read_tail(struct clo_store *store, struct clo_chain_place *chain)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *boot_id;
	int64_t sequence;
	int r;
	int rc;

	r = clo_store_prepare(store,
			      "SELECT boot, sequence, digest FROM records"
			      " ORDER BY id DESC LIMIT 1",
			      &stmt);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : clo_store_errno(rc);
	r = clo_store_text(stmt, 0, sizeof(chain->boot_id) - 1, &boot_id);
	if (r == 0)
		r = clo_store_hash(stmt, 2, chain->boot_digest);
	sequence = sqlite3_column_int64(stmt, 1);
	if (r < 0 || sequence < 0)
		return r < 0 ? r : -EUCLEAN;
	(void)snprintf(chain->boot_id, sizeof(chain->boot_id), "%s", boot_id);
	chain->boot_sequence = (uint64_t)sequence;
	return 0;
}

int clo_store_chain(struct clo_store *store, const char *boot_id,
		    struct clo_chain_place *ret_chain)
{
	struct clo_chain_place chain = {0};
	int r;

	r = clo_store_head(store, boot_id, &chain.sequence, chain.previous);
	if (r == 0 && chain.sequence == 0)
		r = read_tail(store, &chain);
	if (r == 0)
		*ret_chain = chain;
	return r;
}

int clo_store_standing(struct clo_store *store, const char *scope,
		       int64_t *ret_id)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *name;
	int r;
	int rc;

	r = clo_store_prepare(store,
			      "SELECT kind, id FROM records WHERE scope = ?"
			      " ORDER BY id DESC",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_text(stmt, 1, scope, -1, NULL))
		return -ENOMEM;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		enum clo_kind kind;

		r = clo_store_text(stmt, 0, CLO_STORE_NAME_MAX - 1, &name);
		if (r < 0)
			return r;
		kind = clo_kind_of_name(name);
		if (kind == CLO_KINDS || !clo_kinds[kind].stands)
			continue;
		*ret_id = sqlite3_column_int64(stmt, 1);
		return 0;
	}
	return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
}

int clo_store_latest(struct clo_store *store, const char *scope,
		     char **ret_envelope, time_t *ret_time)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int64_t id = 0;
	int r;

	r = clo_store_standing(store, scope, &id);
	if (r < 0)
		return r;
	r = clo_store_prepare(store,
			      "SELECT envelope, time FROM records WHERE id = ?",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, id))
		return -ENOMEM;
	r = clo_store_take_text(stmt, CLO_DSSE_MAX, ret_envelope);
	if (r == 0)
		*ret_time = sqlite3_column_int64(stmt, 1);
	return r;
}

int clo_store_last(struct clo_store *store, char **ret_envelope)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(
		store, "SELECT envelope FROM records ORDER BY id DESC LIMIT 1",
		&stmt);
	if (r < 0)
		return r;
	return clo_store_take_text(stmt, CLO_DSSE_MAX, ret_envelope);
}

int clo_store_count(struct clo_store *store, uint64_t *ret_count)
{
	int64_t count;
	int r;

	r = clo_store_ask(store, "SELECT count(*) FROM records", &count);
	if (r < 0)
		return r;

	*ret_count = (uint64_t)count;
	return 0;
}
