/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/note.h"
#include "agent/attest/sha256.h"

/*
 * C2SP checkpoints (c2sp.org/tlog-checkpoint): the signed note that says which
 * tree a log is. The origin names the log and the key that signs for it.
 */
struct clo_checkpoint {
	char origin[CLO_NOTE_NAME_MAX];
	uint64_t size;
	uint8_t root[CLO_SHA256_SIZE];
};

/* Caller frees. */
int clo_checkpoint_sign(const struct clo_key *key,
			const struct clo_checkpoint *checkpoint,
			char **ret_note);
/* -EBADMSG if it is no checkpoint that `key` signed under its origin. */
int clo_checkpoint_open(const struct clo_key *key, const char *note, size_t len,
			struct clo_checkpoint *ret_checkpoint);

/* Nobody's signature checked: for a note of our own. */
int clo_checkpoint_parse(const char *note, size_t len,
			 struct clo_checkpoint *ret_checkpoint);

/* The texts that checkpoints and proofs are made of; -EBADMSG. */
int clo_checkpoint_number(const char *text, size_t len, uint64_t *ret_number);
