/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/merkle.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/hex.h"
#include "check.h"

#define SIZE 64 /* largest tree of the exhaustive tests */
#define HASH CLO_SHA256_SIZE

/* A tree's nodes, as a store keeps them. */
struct tree {
	uint64_t size;
	uint8_t nodes[8][SIZE + 1][HASH];
	struct clo_merkle_edge edge;
	uint8_t roots[SIZE + 1][HASH]; /* of each size, by the edge */
};

static int read_node(void *userdata, unsigned level, uint64_t index,
		     uint8_t ret_hash[HASH])
{
	const struct tree *tree = userdata;

	if ((index + 1) << level > tree->size)
		return -ENOENT;
	memcpy(ret_hash, tree->nodes[level][index], HASH);
	return 0;
}

static struct clo_merkle_source source_of(struct tree *tree)
{
	return (struct clo_merkle_source){read_node, tree};
}

static void add(struct tree *tree, const void *data, size_t len)
{
	struct clo_merkle_added added;
	uint8_t leaf[HASH];

	assert_int_equal(clo_merkle_leaf(data, len, leaf), 0);
	assert_int_equal(clo_merkle_append(&tree->edge, tree->roots[0], &added),
			 0);
	clo_merkle_retract(&tree->edge);
	assert_int_equal(clo_merkle_append(&tree->edge, leaf, &added), 0);
	assert_int_equal(added.leaf, tree->size);
	for (size_t level = 0; level < added.n; level++)
		memcpy(tree->nodes[level][added.leaf >> level],
		       added.hashes[level], HASH);
	tree->size++;
	assert_int_equal(
		clo_merkle_edge_root(&tree->edge, tree->roots[tree->size]), 0);
}

static void assert_hash(const uint8_t hash[HASH], const char *expected)
{
	char hex[CLO_SHA256_HEX];

	clo_hex_encode(hash, HASH, hex);
	assert_string_equal(hex, expected);
}

/* The leaves and hashes of the tests of Certificate Transparency. */
static const struct {
	const char *data;
	size_t len;
	const char *root; /* of the tree that ends in this leaf */
} known[] = {
	{"", 0,
	 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
	{"\0", 1,
	 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
	{"\x10", 1,
	 "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
	{"\x20\x21", 2,
	 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
	{"\x30\x31", 2,
	 "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
	{"\x40\x41\x42\x43", 4,
	 "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
	{"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
	 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
	{"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
	 "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

#define H1 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define H2 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
#define H4 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define A "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define B "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define C "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define D "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define E "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define F "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
#define G "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"

static void known_tree(struct tree *tree)
{
	memset(tree, 0, sizeof(*tree));
	for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++)
		add(tree, known[i].data, known[i].len);
}

static void test_known_roots(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	uint8_t root[HASH];

	(void)state;
	known_tree(&tree);
	assert_int_equal(clo_merkle_root(&source, 0, root), 0);
	assert_hash(root, "e3b0c44298fc1c149afbf4c8996fb924"
			  "27ae41e4649b934ca495991b7852b855");
	for (size_t n = 1; n <= CLO_ARRAY_LEN(known); n++) {
		assert_hash(tree.roots[n], known[n - 1].root);
		assert_int_equal(clo_merkle_root(&source, n, root), 0);
		assert_hash(root, known[n - 1].root);
	}
}

static void test_known_proofs(void **state)
{
	static const struct {
		bool consistency;
		uint64_t from, size; /* index or old size */
		const char *hashes[4];
	} proofs[] = {
		{false, 0, 1, {NULL}},     {false, 0, 8, {A, B, C}},
		{false, 5, 8, {D, E, H4}}, {false, 2, 3, {H2}},
		{true, 1, 1, {NULL}},      {true, 1, 8, {A, B, C}},
		{true, 6, 8, {F, E, H4}},  {true, 2, 5, {B, D}},
		{false, 1, 5, {H1, B, D}}, {true, 6, 7, {F, G, H4}},
	};
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	struct clo_merkle_proof proof;
	size_t n;

	(void)state;
	known_tree(&tree);
	for (size_t i = 0; i < CLO_ARRAY_LEN(proofs); i++) {
		assert_int_equal((proofs[i].consistency ? clo_merkle_consistency
							: clo_merkle_inclusion)(
					 &source, proofs[i].from,
					 proofs[i].size, &proof),
				 0);
		for (n = 0; proofs[i].hashes[n]; n++)
			assert_hash(proof.hashes[n], proofs[i].hashes[n]);
		assert_int_equal(proof.n, n);
	}
}

static void full_tree(struct tree *tree)
{
	memset(tree, 0, sizeof(*tree));
	assert_int_equal(clo_sha256("", 0, tree->roots[0]), 0);
	for (uint8_t i = 0; i < SIZE; i++)
		add(tree, &i, 1);
}

/* What a proof is checked against. */
struct claim {
	bool consistency;
	uint64_t from, size;
	uint8_t from_hash[HASH]; /* the leaf or the old root */
	uint8_t root[HASH];
};

static bool holds(const struct claim *claim,
		  const struct clo_merkle_proof *proof)
{
	int r = claim->consistency
			? clo_merkle_check_consistency(
				  claim->from, claim->from_hash, claim->size,
				  claim->root, proof)
			: clo_merkle_check_inclusion(claim->from_hash,
						     claim->from, claim->size,
						     proof, claim->root);

	assert_true(r == 0 || r == -EBADMSG);
	return r == 0;
}

static void assert_bit_matters(const struct claim *good,
			       const struct clo_merkle_proof *proof, size_t i,
			       unsigned bit)
{
	struct clo_merkle_proof altered = *proof;
	struct claim claim = *good;
	uint8_t *hash = i < proof->n    ? altered.hashes[i]
			: i == proof->n ? claim.from_hash
					: claim.root;

	hash[bit / 8] ^= (uint8_t)(1U << bit % 8);
	assert_false(holds(&claim, &altered));
}

/* In each hash of the claim and the proof: every bit, in large trees a few. */
static void assert_bits_matter(const struct claim *claim,
			       const struct clo_merkle_proof *proof)
{
	unsigned step = claim->size <= 12 ? 1 : 101;
	static unsigned turn;

	turn++;
	for (size_t i = 0; i < proof->n + 2; i++)
		for (unsigned bit = turn % step; bit < 8 * HASH; bit += step)
			assert_bit_matters(claim, proof, i, bit);
}

/* Hashes missing, doubled, too many, in another order. */
static void assert_elements_matter(const struct claim *claim,
				   const struct clo_merkle_proof *proof)
{
	struct clo_merkle_proof altered;

	for (size_t i = 0; i <= proof->n; i++) {
		altered = *proof; /* one more */
		memmove(altered.hashes[i + 1], altered.hashes[i],
			(proof->n - i) * HASH);
		altered.n++;
		assert_false(holds(claim, &altered));
		if (i == proof->n)
			break;

		altered = *proof; /* one less */
		memmove(altered.hashes[i], altered.hashes[i + 1],
			(proof->n - i - 1) * HASH);
		altered.n--;
		assert_false(holds(claim, &altered));
		if (i == 0)
			continue;

		altered = *proof; /* two in the other order */
		memcpy(altered.hashes[i], proof->hashes[i - 1], HASH);
		memcpy(altered.hashes[i - 1], proof->hashes[i], HASH);
		assert_false(holds(claim, &altered));
	}
}

/* The same proof shows nothing of another place or size. */
static void assert_place_matters(const struct tree *tree,
				 const struct claim *good,
				 const struct clo_merkle_proof *proof)
{
	for (uint64_t from = 0; from <= SIZE; from++) {
		struct claim claim = *good;

		claim.from = from;
		if (from != good->from)
			assert_false(holds(&claim, proof));
	}
	for (uint64_t size = 0; size <= SIZE; size++) {
		struct claim claim = *good;

		memcpy(claim.root, tree->roots[size], HASH);
		if (size != good->size)
			assert_false(holds(&claim, proof));
	}
}

static void test_every_inclusion(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	struct clo_merkle_proof proof;

	(void)state;
	full_tree(&tree);
	for (uint64_t size = 1; size <= SIZE; size++)
		for (uint64_t index = 0; index < size; index++) {
			struct claim claim = {.from = index, .size = size};

			memcpy(claim.from_hash, tree.nodes[0][index], HASH);
			memcpy(claim.root, tree.roots[size], HASH);
			assert_int_equal(clo_merkle_inclusion(&source, index,
							      size, &proof),
					 0);
			assert_true(holds(&claim, &proof));
			assert_bits_matter(&claim, &proof);
			assert_elements_matter(&claim, &proof);
			assert_place_matters(&tree, &claim, &proof);
		}
}

static void test_every_consistency(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	struct clo_merkle_proof proof;

	(void)state;
	full_tree(&tree);
	for (uint64_t size = 1; size <= SIZE; size++)
		for (uint64_t old = 1; old <= size; old++) {
			struct claim claim = {true, old, size, {0}, {0}};

			memcpy(claim.from_hash, tree.roots[old], HASH);
			memcpy(claim.root, tree.roots[size], HASH);
			assert_int_equal(clo_merkle_consistency(&source, old,
								size, &proof),
					 0);
			assert_true(holds(&claim, &proof));
			assert_bits_matter(&claim, &proof);
			assert_elements_matter(&claim, &proof);
			assert_place_matters(&tree, &claim, &proof);
		}
}

static void test_from_nothing(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	struct clo_merkle_proof proof;
	struct claim claim = {true, 0, 5, {0}, {0}};

	(void)state;
	full_tree(&tree);
	memcpy(claim.from_hash, tree.roots[0], HASH);
	memcpy(claim.root, tree.roots[5], HASH);
	assert_int_equal(clo_merkle_consistency(&source, 0, 5, &proof), 0);
	assert_true(holds(&claim, &proof));
	claim.size = 0; /* an empty tree has one root */
	assert_false(holds(&claim, &proof));
	memcpy(claim.root, tree.roots[0], HASH);
	assert_true(holds(&claim, &proof));
	claim.from_hash[0] ^= 1;
	assert_false(holds(&claim, &proof));
}

static void test_edges_are_read_back(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	struct clo_merkle_edge edge;
	uint8_t root[HASH];

	(void)state;
	full_tree(&tree);
	for (uint64_t size = 0; size <= SIZE; size++) {
		assert_int_equal(clo_merkle_edge_read(&source, size, &edge), 0);
		assert_int_equal(clo_merkle_edge_root(&edge, root), 0);
		assert_memory_equal(root, tree.roots[size], HASH);
	}
	assert_int_equal(clo_merkle_edge_read(&source, SIZE + 1, &edge),
			 -ENOENT);
}

static void test_bounds(void **state)
{
	static struct tree tree;
	const struct clo_merkle_source source = source_of(&tree);
	static struct clo_merkle_edge edge = {.size = CLO_MERKLE_SIZE_MAX};
	static struct clo_merkle_proof proof = {.n = CLO_MERKLE_LEVELS + 2};
	static struct clo_merkle_added added;
	struct claim claim = {false, 0, 8, {0}, {0}};

	(void)state;
	full_tree(&tree);
	assert_int_equal(clo_merkle_append(&edge, tree.roots[1], &added),
			 -EOVERFLOW);
	assert_int_equal(clo_merkle_inclusion(&source, 8, 8, &proof), -EINVAL);
	assert_int_equal(clo_merkle_consistency(&source, 9, 8, &proof),
			 -EINVAL);
	assert_int_equal(clo_merkle_inclusion(&source, 0, UINT64_MAX, &proof),
			 -EINVAL);
	assert_int_equal(proof.n, CLO_MERKLE_LEVELS + 2);
	assert_false(holds(&claim, &proof));
	claim = (struct claim){true, 1, UINT64_MAX, {0}, {0}};
	assert_false(holds(&claim, &proof));
	proof.n = 0;
	assert_false(holds(&claim, &proof));
	assert_int_equal(clo_merkle_consistency(&source, 3, SIZE + 1, &proof),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_roots),
		cmocka_unit_test(test_known_proofs),
		cmocka_unit_test(test_every_inclusion),
		cmocka_unit_test(test_every_consistency),
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_edges_are_read_back),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
