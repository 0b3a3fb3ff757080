/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <time.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/store.h"

/*
 * A record of the log with all that shows that the log has it: its leaf, the
 * latest checkpoint, the way from the one to the other.
 */
struct clo_inclusion {
	uint64_t index;
	char *body; /* of the leaf */
	char *envelope;
	time_t time;
	char *note; /* the checkpoint */
	struct clo_checkpoint head; /* which it says */
	uint8_t log_id[CLO_SHA256_SIZE]; /* id of the key that signed it */
	struct clo_merkle_proof path;
};

/*
 * Nothing is handed out that does not hold: -EUCLEAN if the leaf is not in the
 * tree of the checkpoint, or the log does not name the key that signed that.
 * From a store that is one snapshot.
 */
int clo_inclusion_new(struct clo_store *store, uint64_t index,
		      struct clo_inclusion **ret_inclusion);
void clo_inclusion_free(struct clo_inclusion *inclusion);
CLO_DEFINE_FREEP(clo_inclusion)

/* As a Sigstore bundle (bundle.h), as a C2SP proof (tlog_proof.h). */
int clo_inclusion_bundle(const struct clo_inclusion *inclusion,
			 char **ret_text);
int clo_inclusion_proof(const struct clo_inclusion *inclusion, char **ret_text);
