/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_service.h"
#include "policy/fold.h"
#include "policy/host_view.h"
#include "policy/matrix_outside.h"
#include "policy/named_sets.h"
#include "policy/question_impl.h"

/* A flow between two classes: what, and by which rules. */
struct flow {
	uint32_t from, to;
	uint32_t bits; /* index of matrix.bits */
	uint32_t rules; /* index of rules */
	uint32_t key; /* of both */
};

struct making {
	const struct clo_matrix *matrix;
	const struct clo_service_spec *service;
	struct clo_ranges ranges;
	uint64_t *mask; /* by word: classes of the service */
	uint64_t *words; /* scratch: bits as words */
	struct clo_lists rules; /* sorted rule numbers */
	uint32_t *row_rules; /* by row: index of rules; 0: not known */
	uint32_t *row; /* rules of a row, by class */
	uint32_t *scratch; /* rule numbers */
	struct flow *flows;
	size_t n_flows, cap_flows;
	struct clo_lists keys; /* {bits, rules} */
	struct clo_named_sets sets;
	struct clo_fold fold;
	struct clo_pair *pairs;
	uint32_t key; /* under way */
	struct lines *lines;
};

static void done(struct making *making)
{
	clo_ranges_done(&making->ranges);
	free(making->mask);
	free(making->words);
	clo_lists_done(&making->rules);
	free(making->row_rules);
	free(making->row);
	free(making->scratch);
	free(making->flows);
	clo_lists_done(&making->keys);
	clo_named_sets_done(&making->sets);
	clo_fold_done(&making->fold);
	free(making->pairs);
}

static void slots_of(const struct clo_service_spec *service, uint32_t *first,
		     uint32_t *last)
{
	*first = clo_judge_slot(service->proto, service->first);
	*last = clo_judge_slot(service->proto, service->last);
}

/* Part of a range that the question is about; false: none. */
static bool clip(const struct making *making, const struct clo_range *range,
		 uint32_t *first, uint32_t *last)
{
	uint32_t low = 0;
	uint32_t high = CLO_SLOTS - 1;

	if (making->service && making->service->any) {
		if (clo_range_is_encapsulation(range))
			return false;
	} else if (making->service) {
		slots_of(making->service, &low, &high);
	}
	*first = range->first > low ? range->first : low;
	*last = range->last < high ? range->last : high;
	return *first <= *last;
}

static int make_mask(struct making *making)
{
	const struct clo_tables *tables = making->matrix->compiled->tables;
	uint32_t first;
	uint32_t last;
	int r = clo_ranges_init(&making->ranges, tables);

	making->mask = calloc(tables->gen.words, sizeof(*making->mask));
	making->words = calloc(tables->gen.words, sizeof(*making->words));
	if (r == 0 && (!making->mask || !making->words))
		r = -ENOMEM;
	for (size_t i = 0; i < making->ranges.n && r == 0; i++) {
		const struct clo_range *range = &making->ranges.ranges[i];

		if (range->class < tables->gen.classes &&
		    clip(making, range, &first, &last))
			making->mask[range->class / 64] |=
				1ULL << (range->class % 64);
	}
	return r;
}

/* The bits as words, those of the question alone; false: none is set. */
static bool bits_words(struct making *making, uint32_t bits)
{
	uint32_t n_words = making->matrix->compiled->tables->gen.words;
	uint64_t any = 0;
	size_t n;
	const uint32_t *halves = clo_lists_get(&making->matrix->bits, bits, &n);

	for (size_t w = 0; w < n_words; w++) {
		making->words[w] =
			(halves[2 * w] | (uint64_t)halves[2 * w + 1] << 32) &
			making->mask[w];
		any |= making->words[w];
	}
	return any != 0;
}

static int order_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

/* Sorted and distinct: an index of rules. */
static int intern_rules(struct making *making, size_t n, uint32_t *ret_index)
{
	size_t distinct = 0;

	qsort(making->scratch, n, sizeof(*making->scratch), order_numbers);
	for (size_t i = 0; i < n; i++)
		if (!distinct ||
		    making->scratch[distinct - 1] != making->scratch[i])
			making->scratch[distinct++] = making->scratch[i];
	return clo_lists_intern(&making->rules, making->scratch, distinct,
				ret_index);
}

/* Owners of the row's bits that the question is about; words are those. */
static int rules_of_row(struct making *making, uint32_t row,
			uint32_t *ret_rules)
{
	const struct clo_tables *tables = making->matrix->compiled->tables;
	const uint32_t *rules = making->row;
	size_t n = 0;
	int r = 0;

	if (!making->row_rules[row]) {
		clo_tables_row_rules(tables, row, making->row);
		for (uint32_t c = 0; c < tables->gen.classes; c++)
			if (making->words[c / 64] >> (c % 64) & 1)
				making->scratch[n++] = rules[c];
		r = intern_rules(making, n, &making->row_rules[row]);
	}
	*ret_rules = making->row_rules[row];
	return r;
}

static int add_flow(struct making *making, const struct flow *flow)
{
	struct flow *moved = clo_array_room(making->flows, making->n_flows,
					    &making->cap_flows, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	making->flows = moved;
	moved[making->n_flows++] = *flow;
	return 0;
}

static int collect_source(struct making *making, uint32_t src, const bool *to)
{
	const struct clo_matrix *matrix = making->matrix;
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n;
	const uint32_t *entries = clo_index_get(&matrix->out, src, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, entries[i]);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, entries[i]);
		struct flow flow = {clo_matrix_class(matrix, src),
				    clo_matrix_class(matrix, pair->dst),
				    matrix->row_bits[*row], 0, 0};

		if (!to[flow.to] || !flow.bits ||
		    !bits_words(making, flow.bits))
			continue;
		r = rules_of_row(making, *row, &flow.rules);
		if (r == 0)
			r = add_flow(making, &flow);
	}
	return r;
}

static int order_pairs(const void *left, const void *right)
{
	const struct flow *a = left;
	const struct flow *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

static int order_keys(const void *left, const void *right)
{
	const struct flow *a = left;
	const struct flow *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return order_pairs(left, right);
}

/* Identities of one class have one flow, perhaps by different rules. */
static int unite_rules(struct making *making, struct flow *into, uint32_t other)
{
	size_t n_a;
	size_t n_b;
	const uint32_t *a;
	const uint32_t *b;

	if (into->rules == other)
		return 0;
	a = clo_lists_get(&making->rules, into->rules, &n_a);
	memcpy(making->scratch, a, n_a * sizeof(*a));
	b = clo_lists_get(&making->rules, other, &n_b);
	memcpy(making->scratch + n_a, b, n_b * sizeof(*b));
	return intern_rules(making, n_a + n_b, &into->rules);
}

/* One flow for two classes; then its key. */
static int merge_flows(struct making *making)
{
	size_t n = 0;
	int r = 0;

	if (making->n_flows)
		qsort(making->flows, making->n_flows, sizeof(*making->flows),
		      order_pairs);
	for (size_t i = 0; i < making->n_flows && r == 0; i++) {
		if (n &&
		    order_pairs(&making->flows[n - 1], &making->flows[i]) == 0)
			r = unite_rules(making, &making->flows[n - 1],
					making->flows[i].rules);
		else
			making->flows[n++] = making->flows[i];
	}
	making->n_flows = n;
	for (size_t i = 0; i < n && r == 0; i++) {
		const uint32_t key[] = {making->flows[i].bits,
					making->flows[i].rules};

		r = clo_lists_intern(&making->keys, key, 2,
				     &making->flows[i].key);
	}
	if (n)
		qsort(making->flows, n, sizeof(*making->flows), order_keys);
	return r;
}

static json_t *name_class(void *userdata, uint32_t class)
{
	const struct making *making = userdata;
	const struct clo_matrix *matrix = making->matrix;
	json_t *ranges = NULL;

	for (size_t i = 0; i < matrix->n_outside; i++) {
		char text[CLO_OUTSIDE_TEXT];

		if (matrix->outside[i].class != class)
			continue;
		if (!ranges)
			ranges = json_array();
		clo_outside_text(&matrix->outside[i], text);
		(void)json_array_append_new(ranges, json_string(text));
	}
	return json_pack(
		"{s:s, s:o, s:o*}", "kind", "class", "name",
		json_loads(matrix->names[class], JSON_DECODE_ANY, NULL),
		"addresses", ranges);
}

/* What is asked of the ranges that are set; all of it where nothing is. */
static json_t *services_of(struct making *making, uint32_t bits)
{
	const struct clo_ranges *ranges = &making->ranges;
	json_t *services;

	(void)bits_words(making, bits);
	if (!making->service)
		return clo_service_names(
			ranges, making->words,
			making->matrix->compiled->tables->gen.words);
	services = json_array();
	for (size_t i = 0; i < ranges->n; i++) {
		const struct clo_range *range = &ranges->ranges[i];
		char text[CLO_SERVICE_TEXT];
		uint32_t first;
		uint32_t last;

		if (range->class >=
			    making->matrix->compiled->tables->gen.classes ||
		    !(making->words[range->class / 64] >> (range->class % 64) &
		      1) ||
		    !clip(making, range, &first, &last))
			continue;
		clo_service_text(first, last, text);
		(void)json_array_append_new(services, json_string(text));
	}
	return services;
}

static json_t *rules_names(const struct making *making, uint32_t rules)
{
	json_t *names = json_array();
	size_t n;
	const uint32_t *list = clo_lists_get(&making->rules, rules, &n);

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			names, json_string(clo_name_rule(
				       making->matrix->compiled, list[i])));
	return names;
}

static int add_line(void *userdata, const uint32_t *from, size_t n_from,
		    const uint32_t *to, size_t n_to)
{
	struct making *making = userdata;
	size_t n;
	const uint32_t *key = clo_lists_get(&making->keys, making->key, &n);
	json_t *line;

	if (json_array_size(making->lines->list) == CLO_ANSWER_MAX) {
		making->lines->omitted++;
		return 0;
	}
	line = json_pack("{s:o, s:o, s:o, s:o, s:I}", "from",
			 clo_named_sets_name(&making->sets, from, n_from, NULL,
					     name_class, making),
			 "to",
			 clo_named_sets_name(&making->sets, to, n_to, NULL,
					     name_class, making),
			 "services", services_of(making, key[0]), "rules",
			 rules_names(making, key[1]), "pairs",
			 (json_int_t)n_from * (json_int_t)n_to);
	return json_array_append_new(making->lines->list, line) < 0 ? -ENOMEM
								    : 0;
}

static int fold_flows(struct making *making)
{
	size_t i = 0;
	int r = 0;

	making->pairs = calloc(making->n_flows + 1, sizeof(*making->pairs));
	if (!making->pairs)
		return -ENOMEM;
	while (i < making->n_flows && r == 0) {
		size_t n = 0;

		making->key = making->flows[i].key;
		for (;
		     i < making->n_flows && making->flows[i].key == making->key;
		     i++)
			making->pairs[n++] = (struct clo_pair){
				making->flows[i].from, making->flows[i].to};
		r = clo_fold_run(&making->fold, making->pairs, n, add_line,
				 making);
	}
	return r;
}

static int prepare(struct making *making)
{
	const struct clo_matrix *matrix = making->matrix;
	const struct clo_tables *tables = matrix->compiled->tables;
	uint32_t *examples = calloc(matrix->n_classes, sizeof(*examples));
	int r;

	if (!examples)
		return -ENOMEM;
	memcpy(examples, matrix->example,
	       matrix->n_classes * sizeof(*examples));
	r = clo_named_sets_init(&making->sets, matrix->compiled, examples,
				matrix->n_classes);
	if (r == 0)
		r = make_mask(making);
	if (r == 0)
		r = clo_fold_init(&making->fold, matrix->n_classes);
	if (r == 0)
		r = clo_lists_init(&making->rules, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_lists_init(&making->keys, CLO_LISTS_MAX);
	making->row_rules =
		calloc(matrix->n_rows + 1, sizeof(*making->row_rules));
	making->scratch = calloc((size_t)tables->gen.rules * 2 +
					 (size_t)tables->gen.classes,
				 sizeof(*making->scratch));
	making->row =
		calloc((size_t)tables->gen.words * 64, sizeof(*making->row));
	if (r == 0 && (!making->row_rules || !making->row || !making->scratch))
		r = -ENOMEM;
	return r;
}

int clo_lines_make(const struct clo_matrix *matrix, const bool *from,
		   const bool *to, const struct clo_service_spec *service,
		   struct lines *ret_lines)
{
	uint32_t n_identities = matrix->compiled->tables->gen.identities;
	struct lines lines = {json_array(), 0};
	struct making making = {
		.matrix = matrix, .service = service, .lines = &lines};
	int r = prepare(&making);

	for (uint32_t src = 1; src < n_identities && r == 0; src++)
		if (from[clo_matrix_class(matrix, src)])
			r = collect_source(&making, src, to);
	if (r == 0)
		r = merge_flows(&making);
	if (r == 0)
		r = fold_flows(&making);
	done(&making);
	if (r == 0 && lines.list)
		*ret_lines = lines;
	else
		json_decref(lines.list);
	return lines.list ? r : -ENOMEM;
}
