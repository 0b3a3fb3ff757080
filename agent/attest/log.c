/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/dsse.h"
#include "agent/attest/gone.h"
#include "agent/attest/json.h"
#include "agent/attest/log_chain.h"
#include "agent/attest/node_key.h"

#define PAYLOAD_DEPTH 64
#define NO_SIGNER                                                              \
	"nobody vouches for its key, which did not sign the tree over it"

/* Where the walk through the log stands. */
struct walk {
	struct clo_store *store;
	struct clo_merkle_source source;
	struct clo_log_result *result;

	struct clo_log_signers signers;
	/*
	 * Of the entries since the last checkpoint, which is to sign the next;
	 * NULL: they are gone, and it may be any of the log's.
	 */
	const struct clo_key *due;
	uint64_t due_from; /* the first of them */

	struct clo_merkle_edge edge;
	char *note; /* the next checkpoint, NULL: there is none */
	struct clo_checkpoint next;
	uint64_t signed_size; /* the last checkpoint's */
	const struct clo_checkpoint *kept; /* the one from elsewhere, or NULL */
	uint8_t kept_root[32]; /* of as many entries here */

	struct clo_log_chain chain;
	struct clo_gone gone;
};

/* Parts of the line come from the file: printable ASCII only. -EBADMSG. */
__attribute__((format(printf, 2, 3))) static int find(struct walk *walk,
						      const char *fmt, ...)
{
	struct clo_log_result *result = walk->result;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(result->reason, sizeof(result->reason), fmt, args);
	va_end(args);
	for (char *c = result->reason; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	result->exit = CLO_VERIFY_NOT_AUTHENTIC;
	return -EBADMSG;
}

static int find_at(struct walk *walk, const struct clo_entry *entry,
		   const char *what)
{
	return entry->recorded
		       ? find(walk, "entry %" PRIu64 " (%s.%" PRIu64 "): %s",
			      entry->index, entry->record.boot_id,
			      entry->record.sequence, what)
		       : find(walk, "entry %" PRIu64 ": %s", entry->index,
			      what);
}

/* The tree, made again from the entries, is the one that is stored. */
static int check_tree(struct walk *walk, const struct clo_entry *entry)
{
	struct clo_merkle_added added = {0};
	uint8_t hash[CLO_SHA256_SIZE];
	int r;

	if (entry->index != walk->edge.size)
		return find(walk, "entry %" PRIu64 " is missing",
			    walk->edge.size);
	memcpy(hash, entry->hash, sizeof(hash));
	r = entry->body
		    ? clo_merkle_leaf(entry->body, strlen(entry->body), hash)
		    : 0;
	if (r < 0)
		return r;
	if (memcmp(hash, entry->hash, sizeof(hash)) != 0)
		return find_at(walk, entry, "its hash is another's");
	r = clo_merkle_append(&walk->edge, hash, &added);
	for (unsigned level = 1; level < added.n && r == 0; level++) {
		r = walk->source.node(walk->source.userdata, level,
				      added.leaf >> level, hash);
		if (r == -ENOENT || (r == 0 && memcmp(hash, added.hashes[level],
						      sizeof(hash)) != 0))
			return find_at(walk, entry,
				       "the tree above it is another's");
	}
	return r;
}

static const json_t *member(const json_t *json, const char *a, const char *b)
{
	return json_object_get(json_object_get(json, a), b);
}

static bool is_text(const json_t *json, const char *expected)
{
	const char *text = json_string_value(json);

	return text && strcmp(text, expected) == 0;
}

/* A key's record is of no scope and has no verdict: its type says so. */
static bool is_judged(const json_t *statement, const struct clo_record *record)
{
	const json_t *predicate = json_object_get(statement, "predicate");
	const json_t *scope = json_object_get(predicate, "scope");

	if (clo_kind_of_name(record->kind) == CLO_KIND_NODE_KEY)
		return is_text(json_object_get(statement, "predicateType"),
			       clo_kinds[CLO_KIND_NODE_KEY].type) &&
		       strcmp(record->scope, CLO_NODE_KEY_SCOPE) == 0 &&
		       !record->verdict[0];
	return (record->scope[0] ? is_text(scope, record->scope)
				 : json_is_null(scope)) &&
	       is_text(json_object_get(predicate, "verdict"), record->verdict);
}

/* The columns say of the statement what it says itself. */
static bool is_of(const json_t *statement, const struct clo_record *record)
{
	const json_t *predicate = json_object_get(statement, "predicate");
	char when[21];

	clo_time_format(record->time, when);
	return is_text(member(predicate, "node", "bootId"), record->boot_id) &&
	       json_integer_value(member(predicate, "chain", "sequence")) ==
		       (json_int_t)record->sequence &&
	       is_text(json_object_get(predicate, "time"), when) &&
	       is_judged(statement, record);
}

/* One after the other, as the boots' chains have them. */
static int check_chain(struct walk *walk, const struct clo_entry *entry,
		       const json_t *predicate)
{
	const char *flaw =
		clo_log_chain_flaw(&walk->chain, &entry->record, predicate);

	return flaw ? find_at(walk, entry, flaw) : 0;
}

/* A signed gap accounts for entries that are gone. */
static int check_gap(struct walk *walk, const struct clo_entry *entry,
		     const json_t *statement)
{
	int r = 0;

	if (clo_kind_of_type(json_string_value(json_object_get(
		    statement, "predicateType"))) == CLO_KIND_GAP)
		r = clo_gone_tell(&walk->gone,
				  member(statement, "predicate", "gap"),
				  entry->index, &walk->source);
	return r == -EBADMSG ? find_at(walk, entry,
				       "it tells of entries that are not those "
				       "that are gone")
			     : r;
}

static int check_payload(struct walk *walk, const struct clo_entry *entry,
			 const char *payload, size_t len)
{
	CLO_AUTO(clo_json) json_t *statement = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	const json_t *predicate;
	int r;

	r = clo_sha256(payload, len, digest);
	if (r < 0)
		return r;
	r = clo_json_parse(payload, len, PAYLOAD_DEPTH, &statement);
	if (r == -ENOMEM)
		return r;
	predicate = json_object_get(statement, "predicate");
	if (r < 0 ||
	    memcmp(digest, entry->record.payload_digest, sizeof(digest)) != 0 ||
	    !is_of(statement, &entry->record))
		return find_at(walk, entry,
			       "its record says other than its statement");
	r = check_chain(walk, entry, predicate);
	return r < 0 ? r : check_gap(walk, entry, statement);
}

static int check_record(struct walk *walk, const struct clo_entry *entry)
{
	CLO_AUTO_MEM char *payload = NULL;
	const struct clo_key *key = NULL;
	const struct clo_key *log_key = NULL;
	const char *flaw = NULL;
	size_t len = 0;
	int r;

	if (!entry->body) {
		walk->chain.skipped++;
		return clo_gone_add(&walk->gone, entry->index);
	}
	if (!entry->recorded)
		return find_at(walk, entry, "its record is gone");
	r = clo_log_signers_find(&walk->signers, entry, &key, &log_key, &flaw);
	if (r == -EBADMSG)
		return find_at(walk, entry, flaw);
	if (r < 0)
		return r;
	if (walk->due && walk->due != log_key)
		return find_at(walk, entry, NO_SIGNER);
	if (!walk->due)
		walk->due_from = entry->index;
	walk->due = log_key;
	r = clo_dsse_open(key, entry->record.envelope,
			  strlen(entry->record.envelope), &payload, &len);
	if (r == -EBADMSG)
		return find_at(walk, entry, "its signature is false");
	return r < 0 ? r : check_payload(walk, entry, payload, len);
}

/* Read it, by whichever key signed it; -EBADMSG if none did. */
static int open_checkpoint(const struct walk *walk, const char *note,
			   size_t len, struct clo_checkpoint *ret_checkpoint)
{
	int r = -EBADMSG;

	for (size_t i = 0; i < walk->signers.n && r == -EBADMSG; i++)
		r = clo_checkpoint_open(walk->signers.keys[i], note, len,
					ret_checkpoint);
	return r;
}

/* The next one after those that were met. */
static int look_ahead(struct walk *walk)
{
	uint64_t from = walk->edge.size + 1;
	int r;

	free(walk->note);
	walk->note = NULL;
	r = clo_store_checkpoint(walk->store, from, false, &walk->note);
	if (r == -EUCLEAN)
		return find(walk,
			    "the checkpoint after %" PRIu64
			    " entries is no checkpoint",
			    walk->edge.size);
	if (r < 0 || !walk->note)
		return r == -ENOENT ? 0 : r;
	return clo_checkpoint_parse(walk->note, strlen(walk->note),
				    &walk->next);
}

static int check_checkpoint(struct walk *walk)
{
	struct clo_checkpoint checkpoint;
	uint8_t root[CLO_SHA256_SIZE];
	int r;

	if (walk->kept && walk->kept->size == walk->edge.size) {
		r = clo_merkle_edge_root(&walk->edge, walk->kept_root);
		if (r < 0)
			return r;
	}
	if (!walk->note || walk->next.size != walk->edge.size)
		return 0;

	r = open_checkpoint(walk, walk->note, strlen(walk->note), &checkpoint);
	if (r == -EBADMSG ||
	    (r == 0 &&
	     strcmp(checkpoint.origin, clo_store_origin(walk->store)) != 0))
		return find(walk,
			    "the checkpoint of %" PRIu64
			    " entries is not signed for this log",
			    walk->edge.size);
	if (r == 0)
		r = clo_merkle_edge_root(&walk->edge, root);
	if (r < 0)
		return r;
	if (memcmp(root, checkpoint.root, sizeof(root)) != 0)
		return find(walk,
			    "the checkpoint of %" PRIu64
			    " entries is of another tree",
			    walk->edge.size);
	if (walk->due)
		r = clo_checkpoint_open(walk->due, walk->note,
					strlen(walk->note), &checkpoint);
	if (r == -EBADMSG)
		return find(walk, "entry %" PRIu64 ": %s", walk->due_from,
			    NO_SIGNER);
	if (r < 0)
		return r;

	walk->due = NULL;
	walk->signed_size = walk->edge.size;
	walk->result->checkpoints++;
	return look_ahead(walk);
}

static int visit(void *userdata, const struct clo_entry *entry)
{
	struct walk *walk = userdata;
	int r;

	r = check_tree(walk, entry);
	if (r == 0)
		r = check_record(walk, entry);
	if (r == 0)
		r = check_checkpoint(walk);
	if (r == 0)
		walk->result->entries = walk->edge.size;
	return r;
}

static int check_gone(struct walk *walk)
{
	uint64_t entry = 0;
	bool there = false;
	int r;

	r = clo_gone_check(&walk->gone, &entry, &there);
	walk->result->removed = walk->gone.count;
	return r < 0 ? find(walk, "entry %" PRIu64 ": %s", entry,
			    there ? "a gap says that it was removed"
				  : "it is gone, and no gap tells of it")
		     : 0;
}

/* Nothing after what was signed last, nothing signed that is not there. */
static int check_end(struct walk *walk)
{
	uint64_t strays = 0;
	int r;

	r = clo_store_strays(walk->store, &strays);
	if (r < 0)
		return r;
	if (walk->note)
		return find(walk,
			    "the log was cut: a checkpoint is of %" PRIu64
			    " entries, %" PRIu64 " are there",
			    walk->next.size, walk->edge.size);
	if (strays > 0)
		return find(walk, "%" PRIu64 " records are no entries", strays);
	if (walk->signed_size != walk->edge.size)
		return find(walk,
			    "%" PRIu64
			    " entries are there, the last checkpoint "
			    "is of %" PRIu64,
			    walk->edge.size, walk->signed_size);
	r = check_gone(walk);
	return r < 0 ? r
		     : clo_merkle_edge_root(&walk->edge, walk->result->root);
}

/* The log goes on from the checkpoint that was kept elsewhere. */
static int check_kept(struct walk *walk, const char *note, size_t len)
{
	struct clo_checkpoint kept;
	int r;

	if (!walk->kept)
		return 0;
	r = open_checkpoint(walk, note, len, &kept);
	if (r == -EBADMSG)
		return find(walk, "the given checkpoint is signed by no key "
				  "of this log");
	if (r < 0)
		return r;
	if (strcmp(kept.origin, clo_store_origin(walk->store)) != 0)
		return find(walk, "the given checkpoint is of another log, %s",
			    kept.origin);
	if (kept.size > walk->edge.size)
		return find(walk,
			    "the log was cut: the given checkpoint is of "
			    "%" PRIu64 " entries, %" PRIu64 " are there",
			    kept.size, walk->edge.size);
	if (memcmp(kept.root, walk->kept_root, sizeof(kept.root)) != 0)
		return find(walk,
			    "two trees of %" PRIu64 " entries are signed: the "
			    "log was written anew",
			    kept.size);
	return 0;
}

static int walk_through(struct walk *walk, const char *kept, size_t kept_len)
{
	const struct clo_store_range all = {.to = CLO_MERKLE_SIZE_MAX};
	int r;

	r = clo_merkle_edge_root(&walk->edge, walk->kept_root);
	if (r == 0)
		r = look_ahead(walk);
	if (r == 0)
		r = clo_store_each(walk->store, &all, visit, walk);
	if (r == 0)
		r = check_end(walk);
	return r == 0 ? check_kept(walk, kept, kept_len) : r;
}

static void conclude(struct walk *walk, int r)
{
	struct clo_log_result *result = walk->result;
	char gone[64] = "";

	result->boots = walk->chain.boots;
	if (r == -EUCLEAN)
		(void)find(walk, "the file is damaged after entry %" PRIu64,
			   result->entries);
	else if (r < 0 && r != -EBADMSG)
		(void)snprintf(result->reason, sizeof(result->reason),
			       "the check itself failed: %s",
			       strerrordesc_np(-r));
	if (r < 0)
		return;

	result->exit = result->entries > 0 ? CLO_VERIFY_PASSED
					   : CLO_VERIFY_INCONCLUSIVE;
	if (result->removed > 0)
		(void)snprintf(gone, sizeof(gone),
			       ", %" PRIu64 " removed under signed gaps",
			       result->removed);
	(void)snprintf(
		result->reason, sizeof(result->reason),
		result->entries > 0 ? "%" PRIu64 " entries of %" PRIu64
				      " boots under %" PRIu64 " checkpoints%s"
				    : "the log is empty",
		result->entries, result->boots, result->checkpoints, gone);
}

static void walk_free(struct walk *walk)
{
	if (!walk)
		return;

	clo_log_signers_done(&walk->signers);
	clo_gone_done(&walk->gone);
	free(walk->note);
	free(walk);
}
CLO_DEFINE_FREEP(walk)

void clo_log_verify(struct clo_store *store,
		    const struct clo_log_options *options,
		    struct clo_log_result *ret_result)
{
	CLO_AUTO(walk) struct walk *walk = NULL;
	struct clo_checkpoint kept;
	int r = 0;

	*ret_result = (struct clo_log_result){
		.exit = CLO_VERIFY_INCONCLUSIVE,
		.reason = "the check itself failed: out of memory"};
	walk = calloc(1, sizeof(*walk));
	if (!walk)
		return;

	walk->result = ret_result;
	walk->store = store;
	walk->source = clo_store_source(store);
	clo_log_signers_init(&walk->signers, options->keys, options->n_keys);
	if (options->checkpoint) {
		walk->kept = &kept;
		r = clo_checkpoint_parse(options->checkpoint,
					 options->checkpoint_len, &kept);
		if (r == -EBADMSG)
			(void)find(walk, "the given file is no checkpoint");
	}
	if (r == 0)
		r = clo_log_signers_learn(&walk->signers, store);
	if (r == 0)
		r = walk_through(walk, options->checkpoint,
				 options->checkpoint_len);
	conclude(walk, r);
}
