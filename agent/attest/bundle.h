/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "agent/attest/checkpoint.h"
#include "agent/attest/merkle.h"

/*
 * Sigstore bundles v0.3 (github.com/sigstore/protobuf-specs): an envelope and
 * the proof that the log has it, in one JSON document. All members are
 * borrowed, and nothing is verified.
 */
#define CLO_BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"

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
