/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/store.h"
#include "agent/cli/cli.h"

/* What the commands of `cloison log` share: the file, the keys, the head. */
extern const struct clo_command clo_command_log_consistency;
extern const struct clo_command clo_command_log_export;
extern const struct clo_command clo_command_log_proof;
extern const struct clo_command clo_command_log_verify;

#define CLO_LOG_FILE "/var/lib/cloison/log.sqlite"

/* The first options of each of them, in this order. */
enum {
	CLO_LOG_OPT_LOG,
	CLO_LOG_OPT_KEY,
	CLO_LOG_OPTS,
};

#define CLO_LOG_OPTIONS                                                        \
	[CLO_LOG_OPT_LOG] = {"log", "FILE", "else " CLO_LOG_FILE},             \
	[CLO_LOG_OPT_KEY] = {"key", "FILE",                                    \
			     "the public key (PEM) that signs the log"}

struct clo_log_keys {
	struct clo_key *keys[CLO_LIST_MAX];
	size_t n;
	bool own; /* nobody gave one: it is what the log names */
};

/* These report what is wrong and give the exit code; 0 is good. */
int clo_log_open(const struct clo_cli *cli, struct clo_store **ret_store);
/* Those of --key. */
int clo_log_keys_read(const struct clo_cli *cli, struct clo_log_keys *ret_keys);
/* Those of --key, else the one that the log names. */
int clo_log_keys_find(const struct clo_cli *cli, struct clo_store *store,
		      struct clo_log_keys *ret_keys);
void clo_log_keys_done(struct clo_log_keys *keys);
/* The latest checkpoint, signed by one of the keys; caller frees the note. */
int clo_log_head(const struct clo_cli *cli, struct clo_store *store,
		 const struct clo_log_keys *keys, char **ret_note,
		 struct clo_checkpoint *ret_head);
/* -EBADMSG if none of the keys signed it. */
int clo_log_checkpoint_open(const struct clo_log_keys *keys, const char *note,
			    size_t len, struct clo_checkpoint *ret_checkpoint);
/* Of reading the log: a damaged one is not authentic. */
int clo_log_fail(const struct clo_cli *cli, int r);
/* A text to --output or stdout; with --json `json` to stdout. */
int clo_log_put(const struct clo_cli *cli, const char *output, const char *text,
		const json_t *json);
