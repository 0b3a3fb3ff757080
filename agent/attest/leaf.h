/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/attest/key.h"

/*
 * What the tree holds of an envelope: the body of a Rekor `dsse` 0.0.1 entry as
 * RFC 8785 JSON, which names digests, the signature and the key, and nothing
 * of what was attested.
 */
#define CLO_LEAF_MAX 65535 /* bytes; what an entry bundle can carry */

/* Caller frees. Verifies nothing; -EBADMSG if it is no envelope. */
int clo_leaf_body(const struct clo_key *key, const char *envelope, size_t len,
		  char **ret_body);
/* The key that a body names; -EBADMSG if it is no such body. */
int clo_leaf_key(const char *body, size_t len, struct clo_key **ret_key);
