/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long the kernel's part of an apply takes: bringing the idle tables to
 * the new ones and putting them in force. Wall time: most of it is system
 * calls. `behind` is what goes on in the background before the next apply.
 * usage: bench_apply_kernel [--quick]
 */

#include <errno.h>

#include "agent/base/clock.h"
#include "agent/sys/bpf.h"
#include "bench/alone.h"
#include "bench/bench.h"

#define CLASSES 64U
#define SERVICES (CLO_SLOTS / 4)

struct shape {
	const char *name;
	uint32_t pairs;
	uint32_t rows; /* of CLASSES bits */
	uint32_t addresses;
};

static void table_new(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n, clo_table_types[t].entry_size);
	bench_check(data->entries ? 0 : -ENOMEM, "tables");
}

static struct clo_tables *tables_new(const struct shape *shape)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));
	struct clo_row *rows;
	uint8_t *entry;

	bench_check(tables ? 0 : -ENOMEM, "tables");
	table_new(tables, CLO_TABLE_ADDR4, shape->addresses);
	table_new(tables, CLO_TABLE_SERVICES, SERVICES);
	table_new(tables, CLO_TABLE_IDENTITIES, 1000);
	table_new(tables, CLO_TABLE_PAIRS, shape->pairs);
	table_new(tables, CLO_TABLE_WORDS, shape->rows);
	table_new(tables, CLO_TABLE_ROWS, shape->rows);

	rows = (struct clo_row *)(void *)tables->table[CLO_TABLE_ROWS].entries;
	for (uint32_t i = 0; i < shape->rows; i++)
		rows[i].set = i;
	entry = tables->table[CLO_TABLE_ADDR4].entries;
	for (uint32_t i = 0; i < shape->addresses; i++, entry += 20)
		memcpy(entry, &i, sizeof(i));
	entry = tables->table[CLO_TABLE_PAIRS].entries;
	for (uint32_t i = 0; i < shape->pairs; i++, entry += 12) {
		uint32_t row = i % shape->rows;

		memcpy(entry, &i, sizeof(i));
		memcpy(entry + 8, &row, sizeof(row));
	}
	clo_tables_sort(tables);
	tables->gen.classes = CLASSES;
	tables->gen.words = 1;
	tables->gen.identities = 1000;
	tables->gen.rules = 1000;
	return tables;
}

/* `n` bits all over the rows, and the rules that set them. */
static void change_bits(struct clo_tables *tables, size_t n)
{
	uint64_t *words =
		(uint64_t *)(void *)tables->table[CLO_TABLE_WORDS].entries;
	struct clo_row *rows =
		(struct clo_row *)(void *)tables->table[CLO_TABLE_ROWS].entries;
	size_t total = tables->table[CLO_TABLE_WORDS].n * CLASSES;

	for (size_t i = 0; i < n; i++) {
		size_t bit = i * (total / n);

		words[bit / 64] ^= 1ULL << (bit % 64);
		rows[bit / CLASSES].rule ^= 7;
	}
}

/* `n` pairs get another row: a hash entry each. */
static void change_pairs(struct clo_tables *tables, size_t n)
{
	struct clo_table_data *pairs = &tables->table[CLO_TABLE_PAIRS];

	for (size_t i = 0; i < n; i++)
		pairs->entries[i * (pairs->n / n) * 12 + 8] ^= 1;
}

static void measure(struct clo_bpf *bpf, const struct shape *shape,
		    const char *what, size_t n, size_t rounds)
{
	struct clo_tables *tables = tables_new(shape);
	double *behind = calloc(rounds, sizeof(*behind));
	double *apply = calloc(rounds, sizeof(*apply));
	uint64_t epoch;

	bench_check(apply && behind ? 0 : -ENOMEM, "samples");
	for (int i = 0; i < 2; i++) {
		bench_check(clo_bpf_tables_write(bpf, tables, &epoch), "write");
		clo_bpf_tables_settle(bpf);
	}
	for (size_t i = 0; i < rounds; i++) {
		double begin;

		if (strcmp(what, "bits") == 0)
			change_bits(tables, n);
		else
			change_pairs(tables, n);
		begin = clo_milliseconds();
		bench_check(clo_bpf_tables_write(bpf, tables, &epoch), "write");
		apply[i] = clo_milliseconds() - begin;
		clo_bpf_tables_settle(bpf);
		behind[i] = clo_milliseconds() - begin - apply[i];
	}

	printf("%-28s %6zu %-6s median %7.2f ms", shape->name, n, what,
	       bench_median(apply, rounds));
	printf(" min %7.2f max %7.2f behind %6.1f n %zu\n", apply[0],
	       apply[rounds - 1], bench_median(behind, rounds), rounds);
	free(apply);
	free(behind);
	clo_tables_free(tables);
}

static void run(struct clo_bpf *bpf, bool quick)
{
	static const struct shape shapes[] = {
		{"10,000 bits", 157, 157, 1000},
		{"100,000 pairs, 640,000 bits", 100000, 10000, 10000},
	};
	static const size_t changes[] = {1, 100, 10000};
	size_t rounds = quick ? 2 : 25;

	for (size_t s = 0; s < (quick ? 1 : 2); s++)
		for (size_t c = 0; c < 3; c++) {
			measure(bpf, &shapes[s], "bits", changes[c], rounds);
			if (changes[c] <= shapes[s].pairs)
				measure(bpf, &shapes[s], "pairs", changes[c],
					rounds);
		}
}

int main(int argc, char **argv)
{
	struct alone alone = {0};

	if (!alone_open(&alone, "bench_apply_kernel"))
		return 77;
	run(alone.bpf, argc > 1 && strcmp(argv[1], "--quick") == 0);
	alone_close(&alone);
	return 0;
}
