/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/attest/key.h"

/*
 * C2SP signed notes (c2sp.org/signed-note): a text and signatures below it,
 * each by a named key. Ed25519 (type 0x01) only; other signatures are passed
 * over, whoever made them.
 */
#define CLO_NOTE_MAX (128U << 10) /* bytes of a note */
#define CLO_NOTE_SIGNATURES_MAX 100
#define CLO_NOTE_NAME_MAX 256 /* of a key, with its 0 */

/* Of the logs of nodes; the node's name follows. */
#define CLO_LOG_ORIGIN "cloison.example/log/"

/* A name is not empty and has no space, plus or control character. */
int clo_note_check_name(const char *name); /* -EINVAL */
/*
 * The note of a text (lines, each ended) with one signature; caller frees.
 * -EINVAL: no name, or a text that cannot be in a note.
 */
int clo_note_sign(const struct clo_key *key, const char *name, const char *text,
		  char **ret_note);
/*
 * 0 and how many bytes of the note are its text, if `key` under this name
 * signed it and no signature that claims to be by it is false; else -EBADMSG.
 */
int clo_note_open(const struct clo_key *key, const char *name, const char *note,
		  size_t len, size_t *ret_text_len);
/* "name+hash+key", as other tools take public keys; caller frees. */
int clo_note_verifier(const struct clo_key *key, const char *name,
		      char **ret_text);
