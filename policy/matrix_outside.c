/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_outside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An entry of table cidr4 or cidr6. */
struct span {
	unsigned __int128 first, last;
	uint32_t identity;
};

/* One family's walk over its spans, outer before inner. */
struct walk {
	struct clo_matrix *matrix;
	uint8_t family;
	const struct span *open[130]; /* nested: one for each length at most */
	size_t n_open;
	unsigned __int128 next; /* first address not dealt with */
	bool end; /* there is none: the last address was */
};

static int order_spans(const void *left, const void *right)
{
	const struct span *a = left;
	const struct span *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->last != b->last)
		return a->last > b->last ? -1 : 1;
	return 0;
}

static unsigned __int128 number_of(const uint8_t *addr, size_t bytes)
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | addr[i];
	return number;
}

static struct span span_of(const struct clo_tables *tables, enum clo_table t,
			   size_t i)
{
	const uint8_t *key = clo_tables_key(tables, t, i);
	const uint32_t *identity = clo_tables_value(tables, t, i);
	uint32_t bits = t == CLO_TABLE_CIDR4 ? 32 : 128;
	struct span span = {.identity = *identity};
	uint32_t prefixlen;

	memcpy(&prefixlen, key, sizeof(prefixlen));
	span.first = number_of(key + 4, bits / 8);
	if (prefixlen == 0)
		span.last = bits == 32 ? UINT32_MAX : ~(unsigned __int128)0;
	else
		span.last = span.first |
			    (((unsigned __int128)1 << (bits - prefixlen)) - 1);
	return span;
}

/* Addresses of this identity up to `last`, joined to those before if alike. */
static int add(struct walk *walk, unsigned __int128 last, uint32_t identity)
{
	struct clo_matrix *matrix = walk->matrix;
	struct clo_outside *before =
		matrix->n_outside ? &matrix->outside[matrix->n_outside - 1]
				  : NULL;
	struct clo_outside *moved;

	if (walk->end || last < walk->next || !matrix->merged[identity])
		return 0;
	if (before && before->family == walk->family &&
	    before->last + 1 == walk->next &&
	    matrix->merged[before->class] == matrix->merged[identity]) {
		before->last = last;
		return 0;
	}
	moved = clo_array_room(matrix->outside, matrix->n_outside,
			       &matrix->cap_outside, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	matrix->outside = moved;
	matrix->outside[matrix->n_outside++] =
		(struct clo_outside){walk->family, walk->next, last, identity};
	return 0;
}

/* The innermost open span ends. */
static int close_one(struct walk *walk)
{
	const struct span *span = walk->open[--walk->n_open];
	int r = add(walk, span->last, span->identity);

	if (walk->end || span->last < walk->next)
		return r;
	walk->next = span->last + 1;
	walk->end = walk->next == 0;
	return r;
}

static int begin(struct walk *walk, const struct span *span)
{
	int r = 0;

	while (walk->n_open &&
	       walk->open[walk->n_open - 1]->last < span->first && r == 0)
		r = close_one(walk);
	if (r == 0 && walk->n_open && span->first > walk->next)
		r = add(walk, span->first - 1,
			walk->open[walk->n_open - 1]->identity);
	walk->next = span->first;
	if (r == 0 && walk->n_open == CLO_ARRAY_LEN(walk->open))
		r = -EBADMSG; /* not nested: no table of prefixes */
	if (r == 0)
		walk->open[walk->n_open++] = span;
	return r;
}

static int list_family(struct clo_matrix *matrix, enum clo_table t)
{
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n = tables->table[t].n;
	CLO_AUTO_MEM struct span *spans = calloc(n + 1, sizeof(*spans));
	struct walk walk = {.matrix = matrix,
			    .family = t == CLO_TABLE_CIDR4 ? 4 : 6};
	int r = 0;

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		spans[i] = span_of(tables, t, i);
	qsort(spans, n, sizeof(*spans), order_spans);
	for (size_t i = 0; i < n && r == 0; i++)
		r = begin(&walk, &spans[i]);
	while (walk.n_open && r == 0)
		r = close_one(&walk);
	return r;
}

int clo_outside_list(struct clo_matrix *matrix)
{
	int r = list_family(matrix, CLO_TABLE_CIDR4);

	return r < 0 ? r : list_family(matrix, CLO_TABLE_CIDR6);
}

static void put_address(uint8_t family, unsigned __int128 number,
			char ret_text[INET6_ADDRSTRLEN])
{
	size_t bytes = family == 4 ? 4 : 16;
	uint8_t addr[16];

	for (size_t i = 0; i < bytes; i++)
		addr[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
	ret_text[0] = '\0';
	(void)inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, ret_text,
			INET6_ADDRSTRLEN);
}

void clo_outside_text(const struct clo_outside *outside,
		      char ret_text[CLO_OUTSIDE_TEXT])
{
	unsigned __int128 span = outside->first ^ outside->last;
	unsigned int bits = outside->family == 4 ? 32 : 128;
	char first[INET6_ADDRSTRLEN];
	char last[INET6_ADDRSTRLEN];

	put_address(outside->family, outside->first, first);
	put_address(outside->family, outside->last, last);
	/* One block: all bits that differ, differ, and are the last ones. */
	if ((outside->first & span) == 0 && (span & (span + 1)) == 0) {
		for (; span; span >>= 1)
			bits--;
		(void)snprintf(ret_text, CLO_OUTSIDE_TEXT, "%s/%u", first,
			       bits);
	} else {
		(void)snprintf(ret_text, CLO_OUTSIDE_TEXT, "%s-%s", first,
			       last);
	}
}
