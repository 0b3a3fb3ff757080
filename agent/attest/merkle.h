/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/attest/sha256.h"

/*
 * The Merkle tree of RFC 6962, section 2, with SHA-256. A node (level, index)
 * is the root of the 2^level leaves from index * 2^level on, all present: such
 * a node never changes as the tree grows. Sizes are below 2^63.
 */
#define CLO_MERKLE_SIZE_MAX INT64_MAX
#define CLO_MERKLE_LEVELS 63

/* Where nodes are kept; 0 or -errno, -ENOENT if the node is not there. */
struct clo_merkle_source {
	int (*node)(void *userdata, unsigned level, uint64_t index,
		    uint8_t ret_hash[CLO_SHA256_SIZE]);
	void *userdata;
};

/* Hashes that lead from a leaf or an older root to a root, leaf's side first. */
struct clo_merkle_proof {
	size_t n;
	uint8_t hashes[CLO_MERKLE_LEVELS + 1][CLO_SHA256_SIZE];
};

/*
 * The right edge: all that appending needs. hashes[level] is the node that bit
 * `level` of size stands for. Zero is the empty tree.
 */
struct clo_merkle_edge {
	uint64_t size;
	uint8_t hashes[CLO_MERKLE_LEVELS][CLO_SHA256_SIZE];
};

/* The nodes that one more leaf completes: the leaf itself (level 0) and up. */
struct clo_merkle_added {
	uint64_t leaf;
	size_t n; /* levels 0 to n - 1, each at index leaf >> level */
	uint8_t hashes[CLO_MERKLE_LEVELS + 1][CLO_SHA256_SIZE];
};

int clo_merkle_leaf(const void *data, size_t len,
		    uint8_t ret_hash[CLO_SHA256_SIZE]);
int clo_merkle_node(const uint8_t left[CLO_SHA256_SIZE],
		    const uint8_t right[CLO_SHA256_SIZE],
		    uint8_t ret_hash[CLO_SHA256_SIZE]);

/* -EOVERFLOW at CLO_MERKLE_SIZE_MAX; the edge is unchanged on failure. */
int clo_merkle_append(struct clo_merkle_edge *edge,
		      const uint8_t leaf[CLO_SHA256_SIZE],
		      struct clo_merkle_added *ret_added);
/* Undo the last append; once. */
void clo_merkle_retract(struct clo_merkle_edge *edge);
int clo_merkle_edge_root(const struct clo_merkle_edge *edge,
			 uint8_t ret_root[CLO_SHA256_SIZE]);
/* The right edge of the first `size` leaves. */
int clo_merkle_edge_read(const struct clo_merkle_source *source, uint64_t size,
			 struct clo_merkle_edge *ret_edge);

/* -EINVAL: index not below size, old size above size, size too large. */
int clo_merkle_root(const struct clo_merkle_source *source, uint64_t size,
		    uint8_t ret_root[CLO_SHA256_SIZE]);
int clo_merkle_inclusion(const struct clo_merkle_source *source, uint64_t index,
			 uint64_t size, struct clo_merkle_proof *ret_proof);
int clo_merkle_consistency(const struct clo_merkle_source *source,
			   uint64_t old_size, uint64_t size,
			   struct clo_merkle_proof *ret_proof);

/* 0, or -EBADMSG if the proof does not show it. */
int clo_merkle_check_inclusion(const uint8_t leaf[CLO_SHA256_SIZE],
			       uint64_t index, uint64_t size,
			       const struct clo_merkle_proof *proof,
			       const uint8_t root[CLO_SHA256_SIZE]);
int clo_merkle_check_consistency(uint64_t old_size,
				 const uint8_t old_root[CLO_SHA256_SIZE],
				 uint64_t size,
				 const uint8_t root[CLO_SHA256_SIZE],
				 const struct clo_merkle_proof *proof);
