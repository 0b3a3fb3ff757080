/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <assert.h>
#include <string.h>

#include "agent/attest/tlog_proof.h"

/* A proof file of entry "one" in a tree of "zero", "one", "two"; freed by you. */
static inline char *fixture_proof(const struct clo_key *key)
{
	static const char *const entries[] = {"zero", "one", "two"};
	struct clo_checkpoint checkpoint = {.origin = "log.example/1",
					    .size = 3};
	struct clo_tlog_proof proof = {
		.index = 1, .entry = "one", .entry_len = 3, .path.n = 2};
	uint8_t leaves[3][CLO_SHA256_SIZE];
	uint8_t node[CLO_SHA256_SIZE];
	char *note = NULL;
	char *text = NULL;
	int r = 0;

	for (size_t i = 0; i < 3; i++)
		r |= clo_merkle_leaf(entries[i], strlen(entries[i]), leaves[i]);
	r |= clo_merkle_node(leaves[0], leaves[1], node);
	r |= clo_merkle_node(node, leaves[2], checkpoint.root);
	memcpy(proof.path.hashes[0], leaves[0], CLO_SHA256_SIZE);
	memcpy(proof.path.hashes[1], leaves[2], CLO_SHA256_SIZE);
	r |= clo_checkpoint_sign(key, &checkpoint, &note);
	assert(r == 0);
	proof.checkpoint = note;
	proof.checkpoint_len = strlen(note);
	r = clo_tlog_proof_format(&proof, &text);
	assert(r == 0);
	free(note);
	return text;
}
