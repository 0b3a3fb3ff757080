/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/merkle.h"
#include "agent/attest/tlog_proof.h"

/*
 * Sigstore bundles v0.3 (github.com/sigstore/protobuf-specs): an envelope and
 * the proof that the log has it, in one JSON document. Nothing is verified.
 */
#define CLO_BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"

/* Of one that is written; all members are borrowed. */
struct clo_bundle {
	const char *envelope;
	time_t time; /* when it was logged */
	const char *body; /* its leaf (leaf.h) */
	uint64_t index; /* of the leaf */
	const struct clo_merkle_proof *path; /* from the leaf to the root */
	const struct clo_checkpoint *head;
	const char *note; /* of the head */
	const uint8_t *log_id; /* 32 bytes: the id of the key that signed it */
};

/*
 * Caller frees. Its "dsseEnvelope", written compact and sorted, is the envelope
 * again. -EBADMSG if that is none, or names no key; -EINVAL before 1970.
 */
int clo_bundle_format(const struct clo_bundle *bundle, char **ret_text);

/* Of one that is read. */
struct clo_bundled {
	char *envelope; /* as the log has it */
	char *body;
	char *note;
	struct clo_tlog_proof proof; /* of these */
	uint64_t size; /* of the tree, as it says */
	uint64_t time; /* when it was logged, as it says */
	uint8_t root[CLO_SHA256_SIZE];
	char log_id[CLO_SHA256_HEX];
};

/* Not an envelope but, it seems, a bundle. */
bool clo_bundle_is_claimed(const char *text, size_t len);
/*
 * -EBADMSG unless it has the members that clo_bundle_format() writes, each once
 * and no other, and they agree with each other.
 */
int clo_bundle_parse(const char *text, size_t len,
		     struct clo_bundled **ret_bundled);
void clo_bundled_free(struct clo_bundled *bundled);
CLO_DEFINE_FREEP(clo_bundled)
