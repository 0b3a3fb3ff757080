/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/dsse.h"
#include "agent/attest/leaf.h"
#include "agent/attest/store_db.h"

/*
 * leaves.id is a leaf's index, nodes are those above the leaves; what is here
 * never changes, and a record never changes its leaf. Of a record that was
 * removed its leaf's hash stays (store_remove.c), and all nodes.
 */
const char clo_store_tree_schema[] =
	"CREATE TABLE log (origin TEXT NOT NULL) STRICT;"
	"CREATE TABLE leaves ("
	" id INTEGER PRIMARY KEY,"
	" record INTEGER NOT NULL UNIQUE,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"
	" body TEXT NOT NULL) STRICT;"
	"CREATE TABLE nodes ("
	" level INTEGER NOT NULL CHECK (level > 0),"
	" position INTEGER NOT NULL,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"
	" PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE checkpoints ("
	" size INTEGER PRIMARY KEY,"
	" note TEXT NOT NULL) STRICT;"
	"CREATE INDEX records_digest ON records (digest);";

static int read_node(void *userdata, unsigned level, uint64_t index,
		     uint8_t ret_hash[32])
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	struct clo_store *store = userdata;
	int r;
	int rc;

	r = clo_store_prepare(store,
			      level == 0
				      ? "SELECT hash FROM leaves"
					" WHERE ?1 = 0 AND id = ?2 UNION ALL "
					"SELECT hash FROM removed"
					" WHERE id = ?2"
				      : "SELECT hash FROM nodes"
					" WHERE level = ?1 AND position = ?2",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int(stmt, 1, (int)level) ||
	    sqlite3_bind_int64(stmt, 2, (int64_t)index))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
	return clo_store_hash(stmt, 0, ret_hash);
}

struct clo_merkle_source clo_store_source(struct clo_store *store)
{
	return (struct clo_merkle_source){read_node, store};
}

int clo_store_size(struct clo_store *store, uint64_t *ret_size)
{
	int64_t size;
	int r;

	r = clo_store_ask(store, "SELECT coalesce(max(id), -1) + 1 FROM leaves",
			  &size);
	if (r < 0)
		return r;
	if (size < 0)
		return -EUCLEAN;

	*ret_size = (uint64_t)size;
	return 0;
}

/* A note under the size that it is of; caller frees. */
static int take_checkpoint(sqlite3_stmt *stmt, char **ret_note)
{
	struct clo_checkpoint checkpoint;
	const char *text;
	char *note;
	int r;

	r = clo_store_text(stmt, 1, CLO_NOTE_MAX, &text);
	if (r < 0)
		return r;
	r = clo_checkpoint_parse(text, strlen(text), &checkpoint);
	if (r < 0)
		return r == -EBADMSG ? -EUCLEAN : r;
	if ((int64_t)checkpoint.size != sqlite3_column_int64(stmt, 0))
		return -EUCLEAN;
	note = strdup(text);
	if (!note)
		return -ENOMEM;

	*ret_note = note;
	return 0;
}

int clo_store_checkpoint(struct clo_store *store, uint64_t from, bool latest,
			 char **ret_note)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;
	int rc;

	r = clo_store_prepare(
		store,
		latest ? "SELECT size, note FROM checkpoints WHERE size >= ?"
			 " ORDER BY size DESC LIMIT 1"
		       : "SELECT size, note FROM checkpoints WHERE size >= ?"
			 " ORDER BY size LIMIT 1",
		&stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, (int64_t)from))
		return -ENOMEM;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? -ENOENT : clo_store_errno(rc);
	return take_checkpoint(stmt, ret_note);
}

/* Size and root of the last tree that was signed; size 0: none was. */
static int read_signed(struct clo_store *store, struct clo_checkpoint *ret)
{
	CLO_AUTO_MEM char *note = NULL;
	int r;

	*ret = (struct clo_checkpoint){0};
	r = clo_store_checkpoint(store, 0, true, &note);
	if (r < 0 || !note)
		return r == -ENOENT ? 0 : r;
	r = clo_checkpoint_parse(note, strlen(note), ret);
	return r == -EBADMSG ? -EUCLEAN : r;
}

int clo_store_tree_load(struct clo_store *store)
{
	struct clo_merkle_source source = clo_store_source(store);
	struct clo_checkpoint last = {0};
	uint8_t root[32];
	uint64_t size;
	int r;

	r = clo_store_size(store, &size);
	if (r == 0)
		r = clo_merkle_edge_read(&source, size, &store->edge);
	if (r == 0)
		r = clo_merkle_edge_root(&store->edge, root);
	if (r == 0)
		r = read_signed(store, &last);
	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;
	if (last.size != size || (size > 0 && memcmp(last.root, root, 32) != 0))
		return -EUCLEAN;

	store->signed_size = size;
	return 0;
}

static int insert_leaf(struct clo_store *store, uint64_t index, int64_t record,
		       const uint8_t hash[32], const char *body)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store,
			      "INSERT INTO leaves (id, record, hash, body)"
			      " VALUES (?,?,?,?)",
			      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, (int64_t)index) ||
	    sqlite3_bind_int64(stmt, 2, record) ||
	    sqlite3_bind_blob(stmt, 3, hash, 32, NULL) ||
	    sqlite3_bind_text(stmt, 4, body, -1, NULL))
		return -ENOMEM;
	return clo_store_errno(sqlite3_step(stmt));
}

static int insert_nodes(struct clo_store *store,
			const struct clo_merkle_added *added)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	int r;

	r = clo_store_prepare(store,
			      "INSERT INTO nodes (level, position, hash)"
			      " VALUES (?,?,?)",
			      &stmt);
	for (size_t level = 1; level < added->n && r == 0; level++) {
		if (sqlite3_bind_int64(stmt, 1, (int64_t)level) ||
		    sqlite3_bind_int64(stmt, 2,
				       (int64_t)(added->leaf >> level)) ||
		    sqlite3_bind_blob(stmt, 3, added->hashes[level], 32, NULL))
			return -ENOMEM;
		r = clo_store_errno(sqlite3_step(stmt));
		if (r == 0)
			r = clo_store_errno(sqlite3_reset(stmt));
	}
	return r;
}

int clo_store_tree_add(struct clo_store *store, int64_t record,
		       const struct clo_key *signer, const char *envelope)
{
	struct clo_merkle_added added = {0};
	CLO_AUTO_MEM char *body = NULL;
	uint8_t hash[32] = {0};
	int r;

	r = clo_leaf_body(signer, envelope, strlen(envelope), &body);
	if (r < 0)
		return r;
	assert(strlen(body) <= CLO_LEAF_MAX); /* its parts have their sizes */
	r = clo_merkle_leaf(body, strlen(body), hash);
	if (r == 0)
		r = clo_merkle_append(&store->edge, hash, &added);
	if (r < 0)
		return r;
	r = insert_leaf(store, added.leaf, record, hash, body);
	if (r == 0)
		r = insert_nodes(store, &added);
	if (r < 0)
		clo_merkle_retract(&store->edge);
	return r;
}

int clo_store_tree_sign(struct clo_store *store)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	struct clo_checkpoint checkpoint = {.size = store->edge.size};
	CLO_AUTO_MEM char *note = NULL;
	int r;

	if (store->edge.size == store->signed_size)
		return 0;

	memcpy(checkpoint.origin, store->origin, sizeof(checkpoint.origin));
	r = clo_merkle_edge_root(&store->edge, checkpoint.root);
	if (r == 0)
		r = clo_checkpoint_sign(store->key, &checkpoint, &note);
	if (r == 0)
		r = clo_store_prepare(store,
				      "INSERT INTO checkpoints (size, note)"
				      " VALUES (?,?)",
				      &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, (int64_t)checkpoint.size) ||
	    sqlite3_bind_text(stmt, 2, note, -1, NULL))
		return -ENOMEM;
	return clo_store_errno(sqlite3_step(stmt));
}

/* `verify` judges the records; whatever they are, they are what was there. */
int clo_store_tree_plant(struct clo_store *store)
{
	CLO_AUTO(sqlite3_stmt) sqlite3_stmt *stmt = NULL;
	const char *envelope;
	int rc;
	int r;

	r = clo_store_prepare(
		store, "SELECT id, envelope FROM records ORDER BY id", &stmt);
	if (r < 0)
		return r;
	r = clo_store_tree_load(store);
	if (r < 0)
		return r;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = clo_store_text(stmt, 1, CLO_DSSE_MAX, &envelope);
		if (r == 0)
			r = clo_store_tree_add(store,
					       sqlite3_column_int64(stmt, 0),
					       store->key, envelope);
		if (r < 0)
			return r == -EBADMSG ? -EUCLEAN : r;
	}
	r = clo_store_errno(rc);
	return r < 0 ? r : clo_store_tree_sign(store);
}
