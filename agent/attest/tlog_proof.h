/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/checkpoint.h"
#include "agent/attest/merkle.h"

/*
 * C2SP proofs (c2sp.org/tlog-proof): a file that shows, without the log, that
 * an entry is in it. The extra data is the entry itself (leaf.h).
 */
#define CLO_TLOG_PROOF_MAX (CLO_NOTE_MAX + (256U << 10)) /* bytes of a file */

struct clo_tlog_proof {
	uint64_t index;
	struct clo_merkle_proof path;
	const char *entry; /* 0-terminated; NULL if there is no extra data */
	size_t entry_len;
	const char *checkpoint; /* the note */
	size_t checkpoint_len;
};

/* Caller frees. */
int clo_tlog_proof_format(const struct clo_tlog_proof *proof, char **ret_text);
/*
 * How a log has grown, as witnesses ask for it (c2sp.org/tlog-witness,
 * add-checkpoint): the old size, the hashes, the checkpoint. Caller frees.
 */
int clo_tlog_growth_format(uint64_t old_size,
			   const struct clo_merkle_proof *path,
			   const char *checkpoint, char **ret_text);
/*
 * -EBADMSG if it is no such file. The checkpoint is borrowed from the text, the
 * entry from *ret_entry, which the caller frees.
 */
int clo_tlog_proof_parse(const char *text, size_t len,
			 struct clo_tlog_proof *ret_proof, char **ret_entry);
/*
 * -EBADMSG unless `key` signed the checkpoint and its tree has the entry: that
 * of the file, or `leaf` if the file brings none.
 */
int clo_tlog_proof_check(const struct clo_key *key,
			 const struct clo_tlog_proof *proof,
			 const uint8_t leaf[CLO_SHA256_SIZE],
			 struct clo_checkpoint *ret_checkpoint);
