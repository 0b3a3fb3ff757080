/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_classes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/host_view.h"
#include "policy/matrix_outside.h"
#include "policy/prove_check.h"

#define NUMBERS_MAX ((size_t)1 << 28) /* in the keys of all identities */

void clo_matrix_done(struct clo_matrix *matrix)
{
	for (size_t i = 0; matrix->names && i < matrix->n_classes; i++)
		free(matrix->names[i]);
	free(matrix->names);
	free(matrix->example);
	free(matrix->class_of);
	free(matrix->merged);
	free(matrix->labels);
	free(matrix->row_bits);
	free(matrix->entries);
	free(matrix->outside);
	clo_lists_done(&matrix->bits);
	clo_index_done(&matrix->out);
	*matrix = (struct clo_matrix){0};
}

/* Rows of the same bits are one, whichever rules allow them. */
static int number_rows(struct clo_matrix *matrix)
{
	const struct clo_tables *tables = matrix->compiled->tables;
	uint32_t words = tables->gen.words;
	CLO_AUTO_MEM uint32_t *halves = calloc((size_t)words * 2, 4);
	int r;

	matrix->n_rows = tables->table[CLO_TABLE_ROWS].n;
	matrix->row_bits = calloc(matrix->n_rows + 1, sizeof(uint32_t));
	if (!halves || !matrix->row_bits)
		return -ENOMEM;
	r = clo_lists_init(&matrix->bits, NUMBERS_MAX);

	for (uint32_t row = 0; row < matrix->n_rows && r == 0; row++) {
		const uint64_t *bits = clo_tables_bits(tables, row);
		uint64_t any = 0;

		for (size_t w = 0; bits && w < words; w++) {
			any |= bits[w];
			halves[2 * w] = (uint32_t)bits[w];
			halves[2 * w + 1] = (uint32_t)(bits[w] >> 32);
		}
		if (any)
			r = clo_lists_intern(&matrix->bits, halves,
					     (size_t)words * 2,
					     &matrix->row_bits[row]);
	}
	return r;
}

static uint32_t bits_of(const struct clo_matrix *matrix, uint32_t entry)
{
	const uint32_t *row = clo_tables_value(matrix->compiled->tables,
					       CLO_TABLE_PAIRS, entry);

	return matrix->row_bits[*row];
}

/* Entries of table pairs by their destination. */
static int index_in(const struct clo_tables *tables, struct clo_index *ret_in)
{
	struct clo_edges edges = {0};
	int r = 0;

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n && r == 0;
	     i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);

		r = clo_edges_add(&edges, pair->dst, (uint32_t)i);
	}
	if (r == 0)
		r = clo_index_init(ret_in, &edges, tables->gen.identities);
	clo_edges_done(&edges);
	return r;
}

/* Members of one base name, "#2" aside, stand together: the first of them. */
static uint32_t label_of(const struct clo_matrix *matrix, uint32_t identity,
			 uint32_t label)
{
	const struct clo_identity_name *names = matrix->compiled->identities;
	const struct clo_identity *entry = clo_tables_find(
		matrix->compiled->tables, CLO_TABLE_IDENTITIES, &identity);
	size_t n = strcspn(names[identity].name, "#");

	if (entry->kind != CLO_IDENTITY_ENDPOINTS)
		return 0x80000000U | entry->kind | (uint32_t)entry->flags << 8;
	if (label && !(label & 0x80000000U) &&
	    n == strcspn(names[label].name, "#") &&
	    !strncmp(names[label].name, names[identity].name, n))
		return label;
	return identity;
}

/* One end of the flows of an identity: the other end and what is allowed. */
static void put_ends(const struct clo_matrix *matrix,
		     const struct clo_index *index, uint32_t identity,
		     uint32_t *key, size_t *n)
{
	bool out = index == &matrix->out;
	size_t n_entries;
	const uint32_t *entries = clo_index_get(index, identity, &n_entries);

	for (size_t i = 0; i < n_entries; i++) {
		const struct clo_pair *pair = clo_tables_key(
			matrix->compiled->tables, CLO_TABLE_PAIRS, entries[i]);
		uint32_t bits = bits_of(matrix, entries[i]);

		if (!bits)
			continue;
		key[(*n)++] = out ? pair->dst : pair->src;
		key[(*n)++] = bits;
	}
}

/* Equal keys: no flow tells the two identities apart. */
static int merge(struct clo_matrix *matrix, const struct clo_index *in)
{
	uint32_t n_identities = matrix->compiled->tables->gen.identities;
	size_t n_pairs = matrix->compiled->tables->table[CLO_TABLE_PAIRS].n;
	CLO_AUTO_MEM uint32_t *key = calloc(n_pairs * 4 + 2, sizeof(*key));
	struct clo_lists keys = {0};
	uint32_t label = 0;
	int r;

	matrix->merged = calloc(n_identities, sizeof(*matrix->merged));
	matrix->labels = calloc(n_identities, sizeof(*matrix->labels));
	if (!key || !matrix->merged || !matrix->labels)
		return -ENOMEM;
	r = clo_lists_init(&keys, NUMBERS_MAX);
	for (uint32_t i = 1; i < n_identities && r == 0; i++) {
		size_t n = 2;

		label = label_of(matrix, i, label);
		matrix->labels[i] = label;
		put_ends(matrix, &matrix->out, i, key, &n);
		key[0] = label;
		key[1] = (uint32_t)n;
		put_ends(matrix, in, i, key, &n);
		if (n > 2 || !(label & 0x80000000U))
			r = clo_lists_intern(&keys, key, n, &matrix->merged[i]);
	}
	matrix->n_keys = keys.n;
	clo_lists_done(&keys);
	return r;
}

static int order_entries(const void *left, const void *right)
{
	const struct clo_entry *a = left;
	const struct clo_entry *b = right;

	if (a->endpoint != b->endpoint)
		return a->endpoint < b->endpoint ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static int list_entries(struct clo_matrix *matrix)
{
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n4 = tables->table[CLO_TABLE_ADDR4].n;
	size_t n = n4 + tables->table[CLO_TABLE_ADDR6].n;

	matrix->entries = calloc(n + 1, sizeof(*matrix->entries));
	if (!matrix->entries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		enum clo_table t = i < n4 ? CLO_TABLE_ADDR4 : CLO_TABLE_ADDR6;
		const struct clo_addr *addr =
			clo_tables_value(tables, t, i < n4 ? i : i - n4);

		if (addr->endpoint)
			matrix->entries[matrix->n_entries++] =
				(struct clo_entry){addr->endpoint, (uint32_t)i};
	}
	qsort(matrix->entries, matrix->n_entries, sizeof(*matrix->entries),
	      order_entries);
	return 0;
}

const struct clo_entry *clo_matrix_entries(const struct clo_matrix *matrix,
					   uint32_t endpoint, size_t *ret_n)
{
	size_t low = 0;
	size_t high = matrix->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (matrix->entries[middle].endpoint < endpoint)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_n = 0;
	while (low + *ret_n < matrix->n_entries &&
	       matrix->entries[low + *ret_n].endpoint == endpoint)
		(*ret_n)++;
	return matrix->entries + low;
}

uint32_t clo_matrix_class(const struct clo_matrix *matrix, uint32_t identity)
{
	return identity < matrix->compiled->tables->gen.identities
		       ? matrix->class_of[matrix->merged[identity]]
		       : 0;
}

/* Numbered by first sight: endpoints by name, then addresses, ascending. */
static void number_class(struct clo_matrix *matrix, uint32_t identity)
{
	uint32_t key = matrix->merged[identity];

	if (!key || matrix->class_of[key])
		return;
	matrix->example[matrix->n_classes] = identity;
	matrix->class_of[key] = matrix->n_classes++;
}

static void number_endpoints(struct clo_matrix *matrix)
{
	const struct clo_policy *policy = matrix->compiled->policy;
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n4 = tables->table[CLO_TABLE_ADDR4].n;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			size_t n;
			const struct clo_entry *entries = clo_matrix_entries(
				matrix, workload->interfaces[i].endpoint, &n);

			for (size_t e = 0; e < n; e++) {
				size_t at = entries[e].index;
				const struct clo_addr *addr = clo_tables_value(
					tables,
					at < n4 ? CLO_TABLE_ADDR4
						: CLO_TABLE_ADDR6,
					at < n4 ? at : at - n4);

				number_class(matrix, addr->identity);
			}
		}
	}
}

/* "acme/production/front{web}#2": its place among those of one name. */
static int name_endpoints(struct clo_matrix *matrix, uint32_t class,
			  uint32_t *twins)
{
	uint32_t example = matrix->example[class];
	const char *name = matrix->compiled->identities[example].name;
	int n = (int)strcspn(name, "#");
	uint32_t twin = ++twins[matrix->labels[example]];
	int r = twin == 1 ? asprintf(&matrix->names[class], "\"%.*s\"", n, name)
			  : asprintf(&matrix->names[class], "\"%.*s#%u\"", n,
				     name, twin);

	if (r < 0)
		matrix->names[class] = NULL;
	return r < 0 ? -ENOMEM : 0;
}

static int name_outside(struct clo_matrix *matrix, uint32_t class,
			const struct clo_outside *outside)
{
	char text[CLO_OUTSIDE_TEXT];

	clo_outside_text(outside, text);
	if (asprintf(&matrix->names[class], "\"outside %s\"", text) < 0) {
		matrix->names[class] = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int number_and_name(struct clo_matrix *matrix)
{
	CLO_AUTO_MEM uint32_t *twins = NULL;
	uint32_t endpoints;
	int r = 0;

	twins = calloc(matrix->compiled->tables->gen.identities,
		       sizeof(*twins));
	matrix->class_of = calloc(matrix->n_keys, sizeof(uint32_t));
	matrix->example = calloc(matrix->n_keys + 1, sizeof(uint32_t));
	matrix->names = calloc(matrix->n_keys + 1, sizeof(*matrix->names));
	if (!twins || !matrix->class_of || !matrix->example || !matrix->names)
		return -ENOMEM;
	matrix->n_classes = 1;
	number_endpoints(matrix);
	endpoints = matrix->n_classes;
	for (uint32_t class = 1; class < endpoints && r == 0; class ++)
		r = name_endpoints(matrix, class, twins);
	for (size_t i = 0; i < matrix->n_outside && r == 0; i++) {
		struct clo_outside *outside = &matrix->outside[i];
		uint32_t before = matrix->n_classes;

		number_class(matrix, outside->class);
		outside->class = clo_matrix_class(matrix, outside->class);
		if (matrix->n_classes > before)
			r = name_outside(matrix, before, outside);
	}
	return r;
}

int clo_matrix_init(struct clo_matrix *matrix,
		    const struct clo_compiled *compiled)
{
	struct clo_index in = {0};
	int r;

	*matrix = (struct clo_matrix){.compiled = compiled};
	r = number_rows(matrix);
	if (r == 0)
		r = clo_pairs_index(compiled->tables, &matrix->out);
	if (r == 0)
		r = index_in(compiled->tables, &in);
	if (r == 0)
		r = merge(matrix, &in);
	clo_index_done(&in);
	if (r == 0)
		r = list_entries(matrix);
	if (r == 0)
		r = clo_outside_list(matrix);
	if (r == 0)
		r = number_and_name(matrix);
	if (r < 0)
		clo_matrix_done(matrix);
	return r;
}
