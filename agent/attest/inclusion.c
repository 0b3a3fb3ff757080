/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/inclusion.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/bundle.h"
#include "agent/attest/log_signers.h"
#include "agent/attest/tlog_proof.h"
#include "agent/base/hex.h"

void clo_inclusion_free(struct clo_inclusion *inclusion)
{
	if (!inclusion)
		return;

	free(inclusion->body);
	free(inclusion->envelope);
	free(inclusion->note);
	free(inclusion);
}

static int take_record(void *userdata, const struct clo_entry *entry)
{
	struct clo_inclusion *inclusion = userdata;

	if (!entry->recorded)
		return -EUCLEAN;
	inclusion->time = entry->record.time;
	inclusion->body = strdup(entry->body);
	inclusion->envelope = strdup(entry->record.envelope);
	return inclusion->body && inclusion->envelope ? 0 : -ENOMEM;
}

static int read_head(struct clo_store *store, struct clo_inclusion *inclusion)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	char id[CLO_SHA256_HEX];
	const char *note;
	int r;

	r = clo_store_checkpoint(store, inclusion->index + 1, true,
				 &inclusion->note);
	if (r < 0)
		return r;
	note = inclusion->note;
	r = clo_checkpoint_parse(note, strlen(note), &inclusion->head);
	if (r == 0)
		r = clo_log_own_key(store, &key);
	if (r == 0)
		r = clo_checkpoint_open(key, note, strlen(note),
					&inclusion->head);
	if (r == 0)
		r = clo_key_id(key, id);
	return r < 0 ? r
		     : clo_hex_decode(id, CLO_SHA256_SIZE, inclusion->log_id);
}

static int read_path(struct clo_store *store, struct clo_inclusion *inclusion)
{
	struct clo_merkle_source source = clo_store_source(store);
	uint64_t size = inclusion->head.size;
	uint8_t hash[CLO_SHA256_SIZE];
	int r;

	r = clo_merkle_inclusion(&source, inclusion->index, size,
				 &inclusion->path);
	if (r == 0)
		r = clo_merkle_leaf(inclusion->body, strlen(inclusion->body),
				    hash);
	if (r < 0)
		return r;
	return clo_merkle_check_inclusion(hash, inclusion->index, size,
					  &inclusion->path,
					  inclusion->head.root);
}

/* In a sound log all of it is there and well formed. */
static int damage(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -EINVAL ? -EUCLEAN : r;
}

int clo_inclusion_new(struct clo_store *store, uint64_t index,
		      struct clo_inclusion **ret_inclusion)
{
	const struct clo_store_range only = {.from = index, .to = index + 1};
	CLO_AUTO(clo_inclusion) struct clo_inclusion *inclusion = NULL;
	int r;

	if (index >= CLO_MERKLE_SIZE_MAX)
		return -EUCLEAN;
	inclusion = calloc(1, sizeof(*inclusion));
	if (!inclusion)
		return -ENOMEM;
	inclusion->index = index;
	r = clo_store_each(store, &only, take_record, inclusion);
	if (r == 0)
		r = inclusion->body ? read_head(store, inclusion) : -ENOENT;
	if (r == 0)
		r = read_path(store, inclusion);
	if (r < 0)
		return damage(r);

	*ret_inclusion = CLO_TAKE(inclusion);
	return 0;
}

int clo_inclusion_bundle(const struct clo_inclusion *inclusion, char **ret_text)
{
	const struct clo_bundle bundle = {
		.envelope = inclusion->envelope,
		.time = inclusion->time,
		.body = inclusion->body,
		.index = inclusion->index,
		.path = &inclusion->path,
		.head = &inclusion->head,
		.note = inclusion->note,
		.log_id = inclusion->log_id,
	};

	return clo_bundle_format(&bundle, ret_text);
}

int clo_inclusion_proof(const struct clo_inclusion *inclusion, char **ret_text)
{
	const struct clo_tlog_proof proof = {
		.index = inclusion->index,
		.path = inclusion->path,
		.entry = inclusion->body,
		.entry_len = strlen(inclusion->body),
		.checkpoint = inclusion->note,
		.checkpoint_len = strlen(inclusion->note),
	};

	return clo_tlog_proof_format(&proof, ret_text);
}
