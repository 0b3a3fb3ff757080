/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an audit of large tables costs: reading the live maps back, comparing
 * them bit by bit, and asking the decision code in the kernel about every pair
 * and class. Wall time: most of it is spent in the kernel.
 * usage: bench_decisions [--quick]
 */

#include <errno.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/core/enumerate.h"
#include "bench/alone.h"
#include "bench/bench.h"

struct shape {
	const char *name;
	uint32_t identities; /* besides the first, which is none */
	uint32_t pairs; /* that have a row */
	uint32_t rows;
	uint32_t classes;
	uint32_t addresses;
};

static void *table_new(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n, clo_table_types[t].entry_size);
	bench_check(data->entries ? 0 : -ENOMEM, "tables");
	return data->entries;
}

static void fill_pairs(struct clo_tables *tables, const struct shape *shape)
{
	uint8_t *entry = table_new(tables, CLO_TABLE_PAIRS, shape->pairs);
	uint64_t all = (uint64_t)shape->identities * shape->identities;

	for (uint32_t i = 0; i < shape->pairs; i++, entry += 12) {
		uint64_t at = i * (all / shape->pairs);
		const struct clo_pair pair = {
			(uint32_t)(at / shape->identities) + 1,
			(uint32_t)(at % shape->identities) + 1};
		uint32_t row = i % shape->rows;

		memcpy(entry, &pair, sizeof(pair));
		memcpy(entry + 8, &row, sizeof(row));
	}
}

static struct clo_tables *tables_new(const struct shape *shape)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));
	uint32_t words = (shape->classes + 63) / 64;
	struct clo_services *services;
	struct clo_row *rows;
	uint64_t *bits;
	uint8_t *entry;

	bench_check(tables ? 0 : -ENOMEM, "tables");
	tables->gen.classes = shape->classes;
	tables->gen.words = words;
	tables->gen.identities = shape->identities + 1;
	tables->gen.rules = 1000;
	fill_pairs(tables, shape);
	(void)table_new(tables, CLO_TABLE_IDENTITIES, shape->identities + 1);
	rows = table_new(tables, CLO_TABLE_ROWS, shape->rows);
	for (uint32_t i = 0; i < shape->rows; i++)
		rows[i].set = i;
	entry = table_new(tables, CLO_TABLE_ADDR4, shape->addresses);
	for (uint32_t i = 0; i < shape->addresses; i++, entry += 20)
		memcpy(entry, &i, sizeof(i));
	bits = table_new(tables, CLO_TABLE_WORDS, (size_t)shape->rows * words);
	for (size_t i = 0; i < (size_t)shape->rows * words; i++)
		bits[i] = i * 0x9e3779b97f4a7c15ULL;
	services = table_new(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4);
	for (uint32_t i = 0; i < CLO_SLOTS; i++)
		services[i / 4].class[i % 4] =
			(uint16_t)(i * (uint64_t)shape->classes / CLO_SLOTS);
	clo_tables_sort(tables);
	return tables;
}

/* As the daemon's event loop does it; the longest that it is held. */
static double longest_step(struct clo_bpf *bpf, const struct clo_tables *tables)
{
	CLO_AUTO(clo_enumerating) struct clo_enumerating *now = NULL;
	double longest = 0;
	int r;

	for (r = 0; r == 0;) {
		double begin = clo_milliseconds();

		r = now ? clo_enumerating_step(bpf, now)
			: clo_enumerating_new(tables, &now);
		begin = clo_milliseconds() - begin;
		longest = begin > longest ? begin : longest;
	}
	bench_check(r < 0 ? r : 0, "enumerate");
	return longest;
}

static void measure(struct clo_bpf *bpf, const struct shape *shape,
		    size_t rounds)
{
	struct clo_tables *tables = tables_new(shape);
	double read[16], compare[16], ask[16], step[16];
	struct clo_enumeration found = {0};
	uint64_t epoch;

	bench_check(clo_bpf_tables_write(bpf, tables, &epoch), "write");
	clo_bpf_tables_settle(bpf);
	for (size_t i = 0; i < rounds; i++) {
		struct clo_tables *observed = NULL;
		double begin = clo_milliseconds();

		bench_check(clo_bpf_tables_read(bpf, &observed), "read");
		read[i] = clo_milliseconds() - begin;
		begin = clo_milliseconds();
		bench_check(clo_tables_compare(tables, observed, NULL, 0)
				    ? -EBADMSG
				    : 0,
			    "compare");
		compare[i] = clo_milliseconds() - begin;
		clo_tables_free(observed);
		bench_check(clo_enumerate(bpf, tables, &found), "enumerate");
		bench_check(found.wrong ? -EBADMSG : 0, "enumerate");
		ask[i] = found.ms;
		step[i] = longest_step(bpf, tables);
	}
	printf("%-44s read %6.1f ms compare %5.1f ms, decided %4.1f M pairs, "
	       "%6.1f M verdicts in %6.1f ms (%.1f G/s), longest step %.1f "
	       "ms n %zu\n",
	       shape->name, bench_median(read, rounds),
	       bench_median(compare, rounds), (double)found.pairs / 1e6,
	       (double)found.verdicts / 1e6, bench_median(ask, rounds),
	       (double)found.verdicts / bench_median(ask, rounds) / 1e6,
	       bench_median(step, rounds), rounds);
	clo_tables_free(tables);
}

int main(int argc, char **argv)
{
	static const struct shape shapes[] = {
		{"10 identities", 10, 50, 20, 100, 20},
		{"1,000,000 pairs x 64 classes", 1000, 1000000, 10000, 64,
		 10000},
		{"1,000,000 pairs x 1,000 classes", 1000, 1000000, 10000, 1000,
		 10000},
		{"10,000 endpoints, 3,000 identities, 100,000 p", 3000, 100000,
		 10000, 1000, 20000},
	};
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	struct alone alone = {0};

	if (!alone_open(&alone, "bench_decisions"))
		return 77;
	for (size_t i = 0; i < (quick ? 1 : CLO_ARRAY_LEN(shapes)); i++)
		measure(alone.bpf, &shapes[i], quick ? 2 : 7);
	alone_close(&alone);
	return 0;
}
