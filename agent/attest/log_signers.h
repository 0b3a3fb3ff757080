/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/node_key.h"
#include "agent/attest/store.h"

/*
 * Who may sign in a log. Its own key signs the checkpoints, and without a TPM
 * the statements. With one each start of the node has a key for these: the
 * node-key record before them vouches for it in that boot, and names the key
 * whose log this is.
 */
#define CLO_LOG_KEYS_MAX 32

struct clo_log_signers {
	struct clo_key *keys[CLO_LOG_KEYS_MAX]; /* the log's */
	size_t n;
	bool own; /* they are what the log names, and belong to this */
	struct clo_node_key *voucher; /* the latest record; NULL: none yet */
	const struct clo_key *named; /* by that record: of the keys */
};

/* The keys, at most CLO_LOG_KEYS_MAX, are borrowed; none: as the log says. */
void clo_log_signers_init(struct clo_log_signers *signers,
			  struct clo_key *const *keys, size_t n);
/*
 * Without given keys: the one that signed the latest checkpoint is the log's,
 * whatever is left of the entries. A log that has none is left to the walk.
 */
int clo_log_signers_learn(struct clo_log_signers *signers,
			  struct clo_store *store);
void clo_log_signers_done(struct clo_log_signers *signers);
/*
 * For one entry after the other, in their order: the key that signed its
 * record, which is borrowed until the next, and the log's key, which must have
 * signed the tree over it. -EBADMSG, with why in ret_flaw; the signature
 * itself is not checked but of node-key records.
 */
int clo_log_signers_find(struct clo_log_signers *signers,
			 const struct clo_entry *entry,
			 const struct clo_key **ret_signer,
			 const struct clo_key **ret_log_key,
			 const char **ret_flaw);

/*
 * The key that signed the latest checkpoint: the one that the last entry names,
 * or the last node-key record. -ENOENT in an empty log, -EBADMSG: neither.
 */
int clo_log_own_key(struct clo_store *store, struct clo_key **ret_key);
