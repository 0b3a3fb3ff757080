/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <time.h>

#include <jansson.h>

/*
 * The documents of a policy, kept in the state directory: in policy.json their
 * names and the SHA-256 of their texts, in order; in policy/ each text once, in
 * a file that its SHA-256 names. What is there already is not written again.
 *
 * Documents are [{"name":, "text":}]. Only who holds the datapath's lock may
 * save, sweep or forget.
 */

/* A name in the state directory, and of which document. */
#define CLO_KEEP_FILE 192

/*
 * Atomically, with blocks that are held for it if the disk is full. Texts kept
 * before stay until a sweep. -EINVAL: not documents; errors of files. On an
 * error what was kept before is what is kept.
 */
int clo_keep_save(const char *state_dir, const json_t *documents,
		  time_t accepted);

/*
 * Read back; *ret_documents is the caller's. -ENOENT: none is kept; -EBADMSG:
 * damaged, or a text is missing; -EFBIG: all texts over CLO_POLICY_MAX; errors
 * of files. reterr_file says of which file.
 */
int clo_keep_load(const char *state_dir, json_t **ret_documents,
		  time_t *ret_accepted, char reterr_file[CLO_KEEP_FILE]);

/*
 * Remove the texts that policy.json does not name, and hold blocks for twice
 * what stays. Files of other names are left alone, and everything is while
 * policy.json cannot be read.
 */
void clo_keep_sweep(const char *state_dir);

/* Keep none. */
void clo_keep_forget(const char *state_dir);
