/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/merkle.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

#define HASH CLO_SHA256_SIZE

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

int clo_merkle_leaf(const void *data, size_t len, uint8_t ret_hash[HASH])
{
	__attribute__((cleanup(md_ctx_freep))) EVP_MD_CTX *ctx = NULL;
	static const uint8_t prefix = 0;
	uint8_t hash[EVP_MAX_MD_SIZE];

	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	if (EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, &prefix, 1) != 1 ||
	    EVP_DigestUpdate(ctx, data, len) != 1 ||
	    EVP_DigestFinal_ex(ctx, hash, NULL) != 1)
		return -EIO;

	memcpy(ret_hash, hash, HASH);
	return 0;
}

int clo_merkle_node(const uint8_t left[HASH], const uint8_t right[HASH],
		    uint8_t ret_hash[HASH])
{
	uint8_t data[1 + 2 * HASH];

	data[0] = 1;
	memcpy(data + 1, left, HASH);
	memcpy(data + 1 + HASH, right, HASH);
	return clo_sha256(data, sizeof(data), ret_hash);
}

int clo_merkle_append(struct clo_merkle_edge *edge, const uint8_t leaf[HASH],
		      struct clo_merkle_added *ret_added)
{
	struct clo_merkle_added added = {.leaf = edge->size, .n = 1};
	int r;

	if (edge->size >= CLO_MERKLE_SIZE_MAX)
		return -EOVERFLOW;

	memcpy(added.hashes[0], leaf, HASH);
	for (unsigned level = 0; edge->size >> level & 1; level++) {
		r = clo_merkle_node(edge->hashes[level], added.hashes[level],
				    added.hashes[level + 1]);
		if (r < 0)
			return r;
		added.n++;
	}

	memcpy(edge->hashes[added.n - 1], added.hashes[added.n - 1], HASH);
	edge->size++;
	*ret_added = added;
	return 0;
}

void clo_merkle_retract(struct clo_merkle_edge *edge)
{
	assert(edge->size > 0);
	/* What the smaller tree has on its edge was not written over. */
	edge->size--;
}

/* Put what stands left of it before a hash; the first one stands alone. */
static int put_before(const uint8_t left[HASH], bool *have, uint8_t hash[HASH])
{
	if (*have)
		return clo_merkle_node(left, hash, hash);

	memcpy(hash, left, HASH);
	*have = true;
	return 0;
}

int clo_merkle_edge_root(const struct clo_merkle_edge *edge,
			 uint8_t ret_root[HASH])
{
	uint8_t hash[HASH];
	bool have = false;
	int r;

	if (edge->size == 0)
		return clo_sha256("", 0, ret_root);

	for (unsigned level = 0; level < CLO_MERKLE_LEVELS; level++) {
		if (!(edge->size >> level & 1))
			continue;
		r = put_before(edge->hashes[level], &have, hash);
		if (r < 0)
			return r;
	}
	memcpy(ret_root, hash, HASH);
	return 0;
}

int clo_merkle_edge_read(const struct clo_merkle_source *source, uint64_t size,
			 struct clo_merkle_edge *ret_edge)
{
	struct clo_merkle_edge edge = {.size = size};
	int r;

	if (size > CLO_MERKLE_SIZE_MAX)
		return -EINVAL;

	for (unsigned level = 0; level < CLO_MERKLE_LEVELS; level++) {
		if (!(size >> level & 1))
			continue;
		r = source->node(source->userdata, level, (size >> level) - 1,
				 edge.hashes[level]);
		if (r < 0)
			return r;
	}
	*ret_edge = edge;
	return 0;
}

int clo_merkle_root(const struct clo_merkle_source *source, uint64_t size,
		    uint8_t ret_root[HASH])
{
	struct clo_merkle_edge edge;
	int r;

	r = clo_merkle_edge_read(source, size, &edge);
	return r < 0 ? r : clo_merkle_edge_root(&edge, ret_root);
}

/*
 * Root of the leaves [begin, end) of a larger tree. begin is a multiple of the
 * largest power of two in the range's length, as RFC 6962 splits trees.
 */
static int range_root(const struct clo_merkle_source *source, uint64_t begin,
		      uint64_t end, uint8_t ret_hash[HASH])
{
	uint64_t n = end - begin;
	uint8_t hash[HASH];
	bool have = false;
	int r;

	assert(begin < end);
	for (unsigned level = 0; level < CLO_MERKLE_LEVELS; level++) {
		uint8_t node[HASH];

		if (!(n >> level & 1))
			continue;
		end -= UINT64_C(1) << level;
		assert(end % (UINT64_C(1) << level) == 0);
		r = source->node(source->userdata, level, end >> level, node);
		if (r == 0)
			r = put_before(node, &have, hash);
		if (r < 0)
			return r;
	}
	memcpy(ret_hash, hash, HASH);
	return 0;
}

/* Largest power of two below n; n > 1. */
static uint64_t split_of(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Ranges on the way down, the root's side first. */
struct descent {
	size_t n;

	struct {
		uint64_t begin, end;
	} ranges[CLO_MERKLE_LEVELS + 1];
};

static void note_range(struct descent *descent, uint64_t begin, uint64_t end)
{
	assert(descent->n < CLO_ARRAY_LEN(descent->ranges));
	descent->ranges[descent->n].begin = begin;
	descent->ranges[descent->n].end = end;
	descent->n++;
}

static int prove_descent(const struct clo_merkle_source *source,
			 const struct descent *descent,
			 struct clo_merkle_proof *ret_proof)
{
	struct clo_merkle_proof proof = {.n = descent->n};
	int r;

	for (size_t i = 0; i < proof.n; i++) {
		size_t from = proof.n - 1 - i;

		r = range_root(source, descent->ranges[from].begin,
			       descent->ranges[from].end, proof.hashes[i]);
		if (r < 0)
			return r;
	}
	*ret_proof = proof;
	return 0;
}

int clo_merkle_inclusion(const struct clo_merkle_source *source, uint64_t index,
			 uint64_t size, struct clo_merkle_proof *ret_proof)
{
	struct descent descent = {0};
	uint64_t begin = 0;
	uint64_t end = size;

	if (size > CLO_MERKLE_SIZE_MAX || index >= size)
		return -EINVAL;

	while (end - begin > 1) {
		uint64_t middle = begin + split_of(end - begin);

		if (index < middle) {
			note_range(&descent, middle, end);
			end = middle;
		} else {
			note_range(&descent, begin, middle);
			begin = middle;
		}
	}
	return prove_descent(source, &descent, ret_proof);
}

/* PROOF(m, D[n]) of RFC 6962, 2.1.2. */
int clo_merkle_consistency(const struct clo_merkle_source *source,
			   uint64_t old_size, uint64_t size,
			   struct clo_merkle_proof *ret_proof)
{
	struct descent descent = {0};
	uint64_t begin = 0;
	uint64_t end = size;

	if (size > CLO_MERKLE_SIZE_MAX || old_size > size)
		return -EINVAL;
	if (old_size == 0)
		return prove_descent(source, &descent, ret_proof);

	while (old_size != end) {
		uint64_t middle = begin + split_of(end - begin);

		if (old_size <= middle) {
			note_range(&descent, middle, end);
			end = middle;
		} else {
			note_range(&descent, begin, middle);
			begin = middle;
		}
	}
	if (begin != 0) /* else the verifier knows it: the old root */
		note_range(&descent, begin, end);
	return prove_descent(source, &descent, ret_proof);
}

/* RFC 9162, 2.1.3.2. */
int clo_merkle_check_inclusion(const uint8_t leaf[HASH], uint64_t index,
			       uint64_t size,
			       const struct clo_merkle_proof *proof,
			       const uint8_t root[HASH])
{
	uint64_t last = size - 1;
	uint8_t hash[HASH];
	int r;

	if (size > CLO_MERKLE_SIZE_MAX || index >= size ||
	    proof->n > CLO_ARRAY_LEN(proof->hashes))
		return -EBADMSG;

	memcpy(hash, leaf, HASH);
	for (size_t i = 0; i < proof->n; i++) {
		if (last == 0)
			return -EBADMSG;
		if (index % 2 == 1 || index == last) {
			r = clo_merkle_node(proof->hashes[i], hash, hash);
			while (index % 2 == 0 && index != 0) {
				index >>= 1;
				last >>= 1;
			}
		} else {
			r = clo_merkle_node(hash, proof->hashes[i], hash);
		}
		if (r < 0)
			return r;
		index >>= 1;
		last >>= 1;
	}
	return last == 0 && memcmp(hash, root, HASH) == 0 ? 0 : -EBADMSG;
}

/* RFC 9162, 2.1.4.2, from step 3 on: both roots out of the same hashes. */
static int climb(uint64_t old_last, uint64_t last,
		 const struct clo_merkle_proof *proof, size_t from,
		 uint8_t old_hash[HASH], uint8_t hash[HASH])
{
	int r = 0;

	for (size_t i = from; i < proof->n && r == 0; i++) {
		const uint8_t *beside = proof->hashes[i];

		if (last == 0)
			return -EBADMSG;
		if (old_last % 2 == 1 || old_last == last) {
			r = clo_merkle_node(beside, old_hash, old_hash);
			if (r == 0)
				r = clo_merkle_node(beside, hash, hash);
			while (old_last % 2 == 0 && old_last != 0) {
				old_last >>= 1;
				last >>= 1;
			}
		} else {
			r = clo_merkle_node(hash, beside, hash);
		}
		old_last >>= 1;
		last >>= 1;
	}
	return r == 0 && last != 0 ? -EBADMSG : r;
}

/* From nothing, or to itself: there is nothing to prove. */
static int check_trivial(uint64_t old_size, const uint8_t old_root[HASH],
			 const uint8_t root[HASH],
			 const struct clo_merkle_proof *proof)
{
	uint8_t hash[HASH];
	int r;

	memcpy(hash, root, HASH);
	r = old_size == 0 ? clo_sha256("", 0, hash) : 0;
	if (r < 0)
		return r;
	return proof->n == 0 && memcmp(old_root, hash, HASH) == 0 ? 0
								  : -EBADMSG;
}

int clo_merkle_check_consistency(uint64_t old_size,
				 const uint8_t old_root[HASH], uint64_t size,
				 const uint8_t root[HASH],
				 const struct clo_merkle_proof *proof)
{
	bool whole = (old_size & (old_size - 1)) == 0; /* one node: old_root */
	uint64_t old_last = old_size - 1;
	uint64_t last = size - 1;
	uint8_t old_hash[HASH];
	uint8_t hash[HASH];
	int r;

	if (size > CLO_MERKLE_SIZE_MAX || old_size > size ||
	    proof->n > CLO_ARRAY_LEN(proof->hashes))
		return -EBADMSG;
	if (old_size == size && size == 0 && memcmp(old_root, root, HASH) != 0)
		return -EBADMSG;
	if (old_size == 0 || old_size == size)
		return check_trivial(old_size, old_root, root, proof);
	if (proof->n == 0)
		return -EBADMSG;

	for (; old_last % 2 == 1; old_last >>= 1)
		last >>= 1;
	memcpy(old_hash, whole ? old_root : proof->hashes[0], HASH);
	memcpy(hash, old_hash, HASH);
	r = climb(old_last, last, proof, whole ? 0 : 1, old_hash, hash);
	if (r < 0)
		return r;
	return memcmp(old_hash, old_root, HASH) == 0 &&
			       memcmp(hash, root, HASH) == 0
		       ? 0
		       : -EBADMSG;
}
