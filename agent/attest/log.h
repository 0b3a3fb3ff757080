/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/log_signers.h"
#include "agent/attest/store.h"
#include "agent/attest/verify.h"

/*
 * What can be said of a whole log, by anyone who can read it: offline, no
 * daemon. Every entry is checked against the tree, the tree against the
 * checkpoints, the records against the entries, their signers against who may
 * sign here, and each record against the one before it in its boot. What is
 * gone must be what signed gaps tell of.
 */
struct clo_log_options {
	/* That the log is signed with; none: those that it names itself. */
	struct clo_key *const *keys; /* borrowed */
	size_t n_keys; /* at most CLO_LOG_KEYS_MAX */
	/* One that was kept elsewhere, which the log must go on from, or NULL. */
	const char *checkpoint;
	size_t checkpoint_len;
};

struct clo_log_result {
	enum clo_verify_exit exit; /* PASSED, NOT_AUTHENTIC or INCONCLUSIVE */
	char reason[200]; /* one line, always filled */
	uint64_t entries, boots, checkpoints; /* that were found sound */
	uint64_t removed; /* of the entries: gone, as signed gaps tell */
	uint8_t root[32]; /* of the entries */
};

void clo_log_verify(struct clo_store *store,
		    const struct clo_log_options *options,
		    struct clo_log_result *ret_result);
