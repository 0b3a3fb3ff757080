/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/log_signers.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/leaf.h"

void clo_log_signers_init(struct clo_log_signers *signers,
			  struct clo_key *const *keys, size_t n)
{
	assert(n <= CLO_LOG_KEYS_MAX);
	*signers = (struct clo_log_signers){.n = n, .own = n == 0};
	for (size_t i = 0; i < n; i++)
		signers->keys[i] = keys[i];
}

void clo_log_signers_done(struct clo_log_signers *signers)
{
	for (size_t i = 0; signers->own && i < signers->n; i++)
		clo_key_free(signers->keys[i]);
	clo_node_key_free(signers->voucher);
	*signers = (struct clo_log_signers){0};
}

/* Is it what this key's envelope makes? -EBADMSG: it is not. */
static int check_body(const struct clo_key *key, const struct clo_entry *entry)
{
	const char *envelope = entry->record.envelope;
	CLO_AUTO_MEM char *body = NULL;
	int r;

	r = clo_leaf_body(key, envelope, strlen(envelope), &body);
	if (r < 0)
		return r;
	return strcmp(body, entry->body) == 0 ? 0 : -EBADMSG;
}

/* The one of the log's keys that makes this entry; -EBADMSG: none does. */
static int find_key(const struct clo_log_signers *signers,
		    const struct clo_entry *entry,
		    const struct clo_key **ret_key)
{
	int r = -EBADMSG;

	for (size_t i = 0; i < signers->n && r == -EBADMSG; i++) {
		r = check_body(signers->keys[i], entry);
		if (r == 0)
			*ret_key = signers->keys[i];
	}
	return r;
}

/* Of what the entry itself names, where no key was given. */
static int learn_key(struct clo_log_signers *signers,
		     const struct clo_entry *entry,
		     const struct clo_key **ret_key)
{
	int r;

	r = find_key(signers, entry, ret_key);
	if (r != -EBADMSG || !signers->own || signers->n == CLO_LOG_KEYS_MAX)
		return r;
	r = clo_leaf_key(entry->body, strlen(entry->body),
			 &signers->keys[signers->n]);
	if (r < 0)
		return r;
	signers->n++;
	return find_key(signers, entry, ret_key);
}

/* Which of the log's keys the voucher names, if it does; learned if need be. */
static const struct clo_key *named_key(struct clo_log_signers *signers,
				       struct clo_node_key *voucher)
{
	for (size_t i = 0; voucher->log_key && i < signers->n; i++)
		if (clo_key_equal(signers->keys[i], voucher->log_key))
			return signers->keys[i];
	if (!voucher->log_key || !signers->own ||
	    signers->n == CLO_LOG_KEYS_MAX)
		return NULL;
	signers->keys[signers->n] = CLO_TAKE(voucher->log_key);
	return signers->keys[signers->n++];
}

/* A record that vouches for its own signer, from here on. */
static int take_voucher(struct clo_log_signers *signers,
			const struct clo_entry *entry, const char **ret_flaw)
{
	struct clo_node_key *voucher = NULL;
	const char *envelope = entry->record.envelope;
	const char *reason;
	int r;

	*ret_flaw = "it is no sound node-key record";
	r = clo_node_key_open(envelope, strlen(envelope), &voucher, &reason);
	if (r < 0)
		return r == -ENOMSG ? -EBADMSG : r;
	clo_node_key_free(signers->voucher);
	signers->voucher = voucher;
	signers->named = named_key(signers, voucher);
	*ret_flaw = "it vouches for a key in the log of another key";
	return signers->named ? 0 : -EBADMSG;
}

/* By the key of this start of the node? -EBADMSG: nobody vouches for it. */
static int check_vouched(const struct clo_log_signers *signers,
			 const struct clo_entry *entry)
{
	const struct clo_node_key *voucher = signers->voucher;

	if (!voucher || strcmp(voucher->boot_id, entry->record.boot_id) != 0)
		return -EBADMSG;
	return check_body(voucher->key, entry);
}

int clo_log_signers_find(struct clo_log_signers *signers,
			 const struct clo_entry *entry,
			 const struct clo_key **ret_signer,
			 const struct clo_key **ret_log_key,
			 const char **ret_flaw)
{
	int r = 0;

	if (clo_kind_of_name(entry->record.kind) == CLO_KIND_NODE_KEY)
		r = take_voucher(signers, entry, ret_flaw);
	if (r < 0)
		return r;
	*ret_flaw = "its record is not the one that was logged, or of a key "
		    "that nobody vouches for";
	r = check_vouched(signers, entry);
	if (r == 0) {
		*ret_signer = signers->voucher->key;
		*ret_log_key = signers->named;
		return 0;
	}
	if (r == -EBADMSG)
		r = learn_key(signers, entry, ret_signer);
	if (r == 0)
		*ret_log_key = *ret_signer;
	return r;
}

static int take_key(void *userdata, const struct clo_entry *entry)
{
	struct clo_key **key = userdata;

	if (!entry->body)
		return 0;
	return clo_leaf_key(entry->body, strlen(entry->body), key);
}

/* -EBADMSG: the latest checkpoint is not this key's. */
static int check_head(struct clo_store *store, const struct clo_key *key)
{
	struct clo_checkpoint checkpoint;
	CLO_AUTO_MEM char *note = NULL;
	int r;

	r = clo_store_checkpoint(store, 0, true, &note);
	return r < 0 ? r
		     : clo_checkpoint_open(key, note, strlen(note),
					   &checkpoint);
}

/* What the last node-key record says; -ENOENT: there is none that does. */
static int told_key(struct clo_store *store, struct clo_key **ret_key)
{
	CLO_AUTO(clo_node_key) struct clo_node_key *voucher = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	const char *reason;
	time_t when;
	int r;

	r = clo_store_latest(store, CLO_NODE_KEY_SCOPE, &envelope, &when);
	if (r == 0)
		r = clo_node_key_open(envelope, strlen(envelope), &voucher,
				      &reason);
	if (r < 0)
		return r == -ENOMSG ? -EBADMSG : r;
	if (!voucher || !voucher->log_key)
		return -ENOENT;

	*ret_key = CLO_TAKE(voucher->log_key);
	return 0;
}

int clo_log_own_key(struct clo_store *store, struct clo_key **ret_key)
{
	CLO_AUTO(clo_key) struct clo_key *last = NULL;
	CLO_AUTO(clo_key) struct clo_key *told = NULL;
	struct clo_store_range range = {0};
	int r;

	r = clo_store_size(store, &range.to);
	if (r < 0 || range.to == 0)
		return r < 0 ? r : -ENOENT;
	range.from = range.to - 1;
	r = clo_store_each(store, &range, take_key, &last);
	if (r == 0)
		r = last ? check_head(store, last) : -EBADMSG;
	if (r == 0)
		*ret_key = CLO_TAKE(last);
	if (r != -EBADMSG)
		return r;

	r = told_key(store, &told);
	if (r == 0)
		r = check_head(store, told);
	if (r == 0)
		*ret_key = CLO_TAKE(told);
	return r == -ENOENT ? -EBADMSG : r;
}

int clo_log_signers_learn(struct clo_log_signers *signers,
			  struct clo_store *store)
{
	int r;

	if (!signers->own)
		return 0;
	r = clo_log_own_key(store, &signers->keys[0]);
	if (r == 0)
		signers->n = 1;
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}
