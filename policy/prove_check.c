/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/prove_impl.h"

int clo_check_bad(char reterr_text[160], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reterr_text, 160, fmt, args);
	va_end(args);
	return -EBADMSG;
}

static int check_sizes(const struct clo_tables *tables, char reterr_text[160])
{
	const struct clo_gen *gen = &tables->gen;
	size_t n_words = tables->table[CLO_TABLE_WORDS].n;
	size_t n_services = tables->table[CLO_TABLE_SERVICES].n;

	if (gen->classes == 0 || gen->classes >= CLO_CLASS_NONE ||
	    gen->words != (gen->classes + 63) / 64)
		return clo_check_bad(reterr_text,
				     "gen: %u classes in rows of %u words",
				     gen->classes, gen->words);
	if (gen->identities == 0 ||
	    tables->table[CLO_TABLE_IDENTITIES].n != gen->identities)
		return clo_check_bad(
			reterr_text, "identities: %zu entries, %u expected",
			tables->table[CLO_TABLE_IDENTITIES].n, gen->identities);
	if (n_services != CLO_SLOTS / 4)
		return clo_check_bad(reterr_text,
				     "services: %zu entries, %u expected",
				     n_services, CLO_SLOTS / 4);
	if (n_words % gen->words != 0 ||
	    tables->table[CLO_TABLE_ROWS].n >= UINT32_MAX)
		return clo_check_bad(
			reterr_text,
			"words: %zu words of %u to a set, %zu rows", n_words,
			gen->words, tables->table[CLO_TABLE_ROWS].n);
	return 0;
}

/* Each class that bits are counted for is one that packets can have. */
static int check_services(const struct clo_tables *tables,
			  char reterr_text[160])
{
	uint32_t classes = tables->gen.classes;
	CLO_AUTO_MEM uint8_t *seen = calloc(classes, 1);
	const struct clo_services *services;

	if (!seen)
		return -ENOMEM;

	services = clo_tables_value(tables, CLO_TABLE_SERVICES, 0);
	for (uint32_t slot = 0; slot < CLO_SLOTS;
	     slot = clo_tables_class_end(tables, slot)) {
		uint16_t class = services[slot / 4].class[slot % 4];

		if (class == CLO_CLASS_NONE)
			continue;
		if (class >= classes)
			return clo_check_bad(
				reterr_text,
				"services: slot %u has class %u of %u", slot,
				class, classes);
		seen[class] = 1;
	}
	for (uint32_t class = 0; class < classes; class ++) {
		if (!seen[class])
			return clo_check_bad(reterr_text,
					     "services: class %u has no slot",
					     class);
	}
	return 0;
}

const struct clo_identity *clo_check_identity(const struct clo_tables *tables,
					      uint32_t index)
{
	if (index == 0)
		return NULL;
	return clo_tables_find(tables, CLO_TABLE_IDENTITIES, &index);
}

static unsigned int known_flags(uint8_t kind)
{
	switch (kind) {
	case CLO_IDENTITY_ENDPOINTS:
		return CLO_IDENTITY_TEST_DEV | CLO_IDENTITY_LEVEL_2;
	case CLO_IDENTITY_EXTERNAL:
		return CLO_IDENTITY_FORENSICS | CLO_IDENTITY_NATIONAL;
	case CLO_IDENTITY_SERVICE:
		return CLO_IDENTITY_NATIONAL;
	default:
		return 0;
	}
}

/* What an identity of endpoints says of the tenant whose space it is in. */
struct said {
	uint32_t space;
	uint8_t flags;
};

static int order_spaces(const void *left, const void *right)
{
	const struct said *a = left;
	const struct said *b = right;

	return (a->space > b->space) - (a->space < b->space);
}

/* The flags of endpoints are their tenant's: a space has one tenant. */
static int check_flags(const struct clo_tables *tables, char reterr_text[160])
{
	CLO_AUTO_MEM struct said *said =
		calloc(tables->gen.identities, sizeof(*said));
	size_t n = 0;

	if (!said)
		return -ENOMEM;

	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = clo_check_identity(tables, i);

		if (own->kind == CLO_IDENTITY_ENDPOINTS)
			said[n++] = (struct said){own->space, own->flags};
	}
	if (n)
		qsort(said, n, sizeof(*said), order_spaces);
	for (size_t i = 1; i < n; i++) {
		if (said[i - 1].space == said[i].space &&
		    said[i - 1].flags != said[i].flags)
			return clo_check_bad(
				reterr_text,
				"identities: space %u has flags %u and %u",
				said[i].space, said[i - 1].flags,
				said[i].flags);
	}
	return 0;
}

static int check_identities(const struct clo_tables *tables,
			    char reterr_text[160])
{
	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = clo_check_identity(tables, i);
		bool endpoints = own->kind == CLO_IDENTITY_ENDPOINTS;

		if (own->kind == CLO_IDENTITY_NONE ||
		    own->kind > CLO_IDENTITY_SERVICE)
			return clo_check_bad(reterr_text,
					     "identities: %u is of kind %u", i,
					     own->kind);
		if (own->flags & ~known_flags(own->kind))
			return clo_check_bad(
				reterr_text,
				"identities: %u of kind %u has flags %u", i,
				own->kind, own->flags);
		if (endpoints != (own->space != 0) ||
		    endpoints != (own->environment != CLO_ENV_NONE) ||
		    own->environment > CLO_ENV_DEVELOPMENT)
			return clo_check_bad(
				reterr_text,
				"identities: %u has kind %u, space %u, "
				"environment %u",
				i, own->kind, own->space, own->environment);
	}
	return check_flags(tables, reterr_text);
}

int clo_check_order(const struct clo_tables *tables, enum clo_table t,
		    const struct clo_change *change, char reterr_text[160])
{
	const struct clo_table_type *type = &clo_table_types[t];
	size_t n = tables->table[t].n;
	/* The first of the tail against what is before it now. */
	size_t end = change->tail[t] ? n - change->tail[t] + 1 : n;

	for (size_t i = change->head[t] ? change->head[t] : 1; i < end; i++) {
		if (memcmp(clo_tables_key(tables, t, i - 1),
			   clo_tables_key(tables, t, i), type->key_size) >= 0)
			return clo_check_bad(
				reterr_text,
				"%s: entry %zu stands twice or unsorted",
				type->name, i);
	}
	return 0;
}

static int check_orders(const struct clo_tables *tables,
			const struct clo_change *change, char reterr_text[160])
{
	int r = 0;

	for (int t = 0; t < CLO_TABLE_COUNT && r == 0; t++)
		if (clo_table_types[t].kind != CLO_TABLE_ARRAY)
			r = clo_check_order(tables, (enum clo_table)t, change,
					    reterr_text);
	return r;
}

static int check_pairs(const struct clo_tables *tables,
		       const struct clo_change *change, char reterr_text[160])
{
	size_t n_rows = tables->table[CLO_TABLE_ROWS].n;
	size_t n = tables->table[CLO_TABLE_PAIRS].n;

	if (n >= UINT32_MAX)
		return clo_check_bad(reterr_text, "pairs: too many entries");
	if (change->same[CLO_TABLE_PAIRS] &&
	    change->same[CLO_TABLE_IDENTITIES] &&
	    change->before->tables->table[CLO_TABLE_ROWS].n <= n_rows)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		bool known = change->same[CLO_TABLE_IDENTITIES] &&
			     (i < change->head[CLO_TABLE_PAIRS] ||
			      i >= n - change->tail[CLO_TABLE_PAIRS]);

		if (!known && (!clo_check_identity(tables, pair->src) ||
			       !clo_check_identity(tables, pair->dst)))
			return clo_check_bad(
				reterr_text,
				"pairs: entry %zu is (%u, %u) of %u "
				"identities",
				i, pair->src, pair->dst,
				tables->gen.identities);
		if (*row >= n_rows)
			return clo_check_bad(
				reterr_text,
				"pairs: (%u, %u) has row %u of %zu", pair->src,
				pair->dst, *row, n_rows);
	}
	return 0;
}

static int check(const struct clo_tables *tables,
		 const struct clo_change *change, uint32_t *allowed,
		 char reterr_text[160])
{
	const bool *same = change->same;
	int r = 0;

	if (!same[CLO_TABLE_SERVICES] || !change->same_classes)
		r = check_services(tables, reterr_text);
	if (r == 0 && !same[CLO_TABLE_IDENTITIES])
		r = check_identities(tables, reterr_text);
	if (r == 0 && !clo_change_same_addresses(change))
		r = clo_check_addresses(tables, reterr_text);
	if (r == 0)
		r = clo_check_rows(tables, change, allowed, reterr_text);
	if (r == 0)
		r = check_pairs(tables, change, reterr_text);
	return r < 0 ? r : check_orders(tables, change, reterr_text);
}

int clo_tables_check(const struct clo_tables *tables,
		     const struct clo_change *change, uint32_t **ret_allowed,
		     char reterr_text[160])
{
	static const struct clo_change everything;
	CLO_AUTO_MEM uint32_t *allowed = NULL;
	int r;

	r = check_sizes(tables, reterr_text);
	if (r < 0)
		return r;
	allowed = calloc(tables->table[CLO_TABLE_ROWS].n + 1, sizeof(*allowed));
	if (!allowed)
		return -ENOMEM;

	r = check(tables, change, allowed, reterr_text);
	/* Of all contradictions the first is told, whatever changed. */
	if (r == -EBADMSG && change->before)
		r = check(tables, &everything, allowed, reterr_text);
	if (r < 0)
		return r;

	*ret_allowed = CLO_TAKE(allowed);
	return 0;
}

int clo_pairs_index(const struct clo_tables *tables,
		    struct clo_index *ret_index)
{
	size_t n = tables->table[CLO_TABLE_PAIRS].n;
	struct clo_edges edges = {0};
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);

		r = clo_edges_add(&edges, pair->src, (uint32_t)i);
	}
	if (r == 0)
		r = clo_index_init(ret_index, &edges, tables->gen.identities);
	clo_edges_done(&edges);
	return r;
}
