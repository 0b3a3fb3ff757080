/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/prove.h"
#include "policy/prove_impl.h"

/* Where two generations of tables, or two proofs, are the same. */

/* Bytes that are looked at together: first many, then what is left. */
static const size_t at_once[] = {1U << 18, 1U << 9, 1};

/* Bytes that both begin with. */
static size_t common_head(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	for (size_t s = 0; s < CLO_ARRAY_LEN(at_once); s++)
		while (n - i >= at_once[s] && !memcmp(a + i, b + i, at_once[s]))
			i += at_once[s];
	return i;
}

/* Bytes that both end with; `a` and `b` are behind the last. */
static size_t common_tail(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	for (size_t s = 0; s < CLO_ARRAY_LEN(at_once); s++)
		while (n - i >= at_once[s] &&
		       !memcmp(a - i - at_once[s], b - i - at_once[s],
			       at_once[s]))
			i += at_once[s];
	return i;
}

static void compare(const struct clo_table_data *was,
		    const struct clo_table_data *is, enum clo_table t,
		    struct clo_change *change)
{
	size_t size = clo_table_types[t].entry_size;
	size_t n = was->n < is->n ? was->n : is->n;
	size_t head = 0;
	size_t tail = 0;

	if (n) {
		head = common_head(was->entries, is->entries, n * size) / size;
		tail = common_tail(was->entries + was->n * size,
				   is->entries + is->n * size,
				   (n - head) * size) /
		       size;
	}
	change->head[t] = head;
	change->tail[t] = tail;
	change->same[t] = was->n == is->n && head == n;
}

struct clo_change clo_tables_change(const struct clo_checked *before,
				    const struct clo_tables *tables)
{
	struct clo_change change = {.before = before};
	const struct clo_tables *was;

	if (!before)
		return change;
	was = before->tables;
	for (int t = 0; t < CLO_TABLE_COUNT; t++)
		compare(&was->table[t], &tables->table[t], (enum clo_table)t,
			&change);
	change.same_classes = was->gen.classes == tables->gen.classes &&
			      was->gen.words == tables->gen.words;
	return change;
}

bool clo_change_same_addresses(const struct clo_change *change)
{
	return change->same[CLO_TABLE_ADDR4] && change->same[CLO_TABLE_ADDR6] &&
	       change->same[CLO_TABLE_CIDR4] && change->same[CLO_TABLE_CIDR6] &&
	       change->same[CLO_TABLE_IDENTITIES];
}

static bool same_packet(const struct clo_witness *a,
			const struct clo_witness *b)
{
	return a->family == b->family && a->proto == b->proto &&
	       a->number == b->number && a->src_endpoint == b->src_endpoint &&
	       a->dst_endpoint == b->dst_endpoint &&
	       !memcmp(a->src, b->src, sizeof(a->src)) &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst));
}

bool clo_proof_equal(const struct clo_proof *a, const struct clo_proof *b)
{
	if (a->identities != b->identities || a->pairs != b->pairs ||
	    a->classes != b->classes || a->verdicts != b->verdicts ||
	    a->allowed != b->allowed || a->breached != b->breached ||
	    a->excepted != b->excepted || a->n_breaches != b->n_breaches ||
	    memcmp(a->forbidden, b->forbidden, sizeof(a->forbidden)) != 0 ||
	    memcmp(a->broken, b->broken, sizeof(a->broken)) != 0 ||
	    memcmp(a->admitted, b->admitted, sizeof(a->admitted)) != 0)
		return false;

	for (size_t i = 0; i < a->n_breaches; i++) {
		const struct clo_breach *one = &a->breaches[i];
		const struct clo_breach *other = &b->breaches[i];

		if (one->invariant != other->invariant ||
		    one->pair.src != other->pair.src ||
		    one->pair.dst != other->pair.dst ||
		    one->class != other->class || one->rule != other->rule ||
		    !same_packet(&one->witness, &other->witness))
			return false;
	}
	return true;
}
