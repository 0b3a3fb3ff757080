/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove.h"
#include "policy/prove_impl.h"

/*
 * Invariants see of an identity its kind, space, environment and flags alone:
 * the many identities that have these in common, a bucket, are judged at once.
 * What a pair of buckets forbids is counted by multiplication.
 */
struct bucket {
	struct clo_identity identity; /* without its segment */
	uint64_t members;
};

static int order_buckets(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct clo_identity));
}

/* Sort, then fold what is equal; returns how many are left. */
static size_t fold(struct bucket *buckets, size_t n)
{
	size_t folded = 0;

	if (n)
		qsort(buckets, n, sizeof(*buckets), order_buckets);
	for (size_t i = 0; i < n; i++) {
		if (folded && !order_buckets(&buckets[folded - 1], &buckets[i]))
			buckets[folded - 1].members++;
		else
			buckets[folded++] = buckets[i];
	}
	return folded;
}

int clo_count_forbidden(const struct clo_tables *tables,
			uint64_t forbidden[CLO_INVARIANTS])
{
	const struct clo_identity *identities =
		clo_tables_value(tables, CLO_TABLE_IDENTITIES, 0);
	size_t n = tables->gen.identities - 1;
	CLO_AUTO_MEM struct bucket *buckets = calloc(n + 1, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		buckets[i] = (struct bucket){identities[i + 1], 1};
		buckets[i].identity.segment = 0;
	}

	n = fold(buckets, n);
	for (const struct bucket *src = buckets; src < buckets + n; src++) {
		for (const struct bucket *dst = buckets; dst < buckets + n;
		     dst++) {
			uint64_t verdicts = src->members * dst->members *
					    tables->gen.classes;

			for (size_t i = 0; i < CLO_INVARIANTS; i++)
				if (clo_invariants[i].forbids(&src->identity,
							      &dst->identity))
					forbidden[i] += verdicts;
		}
	}
	return 0;
}
