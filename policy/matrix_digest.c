/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_digest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "agent/base/hex.h"
#include "policy/matrix_classes.h"
#include "policy/matrix_outside.h"
#include "policy/matrix_parts.h"
#include "policy/matrix_write.h"

/* Services of each set of bits, as a JSON array; made when first wanted. */
struct writer {
	struct clo_matrix matrix;
	struct clo_ranges ranges;
	struct clo_index of_class; /* ranges */
	uint64_t *allowed; /* by range, a bit: of the set under way */
	char **services; /* by index of bits */
	struct clo_sink sink;
};

static void done(struct writer *writer)
{
	for (size_t i = 0; writer->services && i < writer->matrix.bits.n; i++)
		free(writer->services[i]);
	free(writer->services);
	free(writer->allowed);
	clo_index_done(&writer->of_class);
	clo_ranges_done(&writer->ranges);
	clo_matrix_done(&writer->matrix);
	clo_sink_done(&writer->sink);
}

static size_t words_of(const struct writer *writer)
{
	return writer->ranges.n / 64 + 1;
}

static int index_ranges(struct writer *writer)
{
	const struct clo_ranges *ranges = &writer->ranges;
	struct clo_edges edges = {0};
	int r = 0;

	for (size_t i = 0; i < ranges->n && r == 0; i++)
		r = clo_edges_add(&edges, ranges->ranges[i].class, (uint32_t)i);
	if (r == 0)
		r = clo_index_init(
			&writer->of_class, &edges,
			writer->matrix.compiled->tables->gen.classes);
	clo_edges_done(&edges);
	writer->allowed = calloc(words_of(writer), sizeof(*writer->allowed));
	return r < 0 || writer->allowed ? r : -ENOMEM;
}

/* Few classes of many: their ranges, not all. */
static void mark_allowed(struct writer *writer, uint32_t bits)
{
	size_t n;
	const uint32_t *halves = clo_lists_get(&writer->matrix.bits, bits, &n);

	memset(writer->allowed, 0, words_of(writer) * sizeof(*writer->allowed));
	for (uint32_t h = 0; h < n; h++) {
		for (uint32_t half = halves[h]; half; half &= half - 1) {
			uint32_t class = h * 32 + (uint32_t)__builtin_ctz(half);
			size_t n_ranges;
			const uint32_t *ranges = clo_index_get(
				&writer->of_class, class, &n_ranges);

			for (size_t i = 0; i < n_ranges; i++)
				writer->allowed[ranges[i] / 64] |=
					UINT64_C(1) << (ranges[i] % 64);
		}
	}
}

static bool is_allowed(const struct writer *writer, size_t range)
{
	return writer->allowed[range / 64] >> (range % 64) & 1;
}

/* From this one on; the number of ranges: there is none. */
static size_t next_allowed(const struct writer *writer, size_t range)
{
	for (size_t w = range / 64; w < words_of(writer); w++) {
		uint64_t word = writer->allowed[w];

		if (w == range / 64)
			word &= UINT64_MAX << (range % 64);
		if (word)
			return w * 64 + (size_t)__builtin_ctzll(word);
	}
	return writer->ranges.n;
}

/* ["tcp/80-81","icmp"]: ranges as wide as they are, by protocol. */
static char *make_services(struct writer *writer, uint32_t bits)
{
	const struct clo_ranges *ranges = &writer->ranges;
	const char *separator = "[";
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	mark_allowed(writer, bits);
	for (size_t i = next_allowed(writer, 0); i < ranges->n;
	     i = next_allowed(writer, i + 1)) {
		char service[CLO_SERVICE_TEXT];
		size_t first = i;

		while (i + 1 < ranges->n &&
		       !clo_ranges_begins_protocol(ranges, i + 1) &&
		       is_allowed(writer, i + 1))
			i++;
		clo_service_text(ranges->ranges[first].first,
				 ranges->ranges[i].last, service);
		(void)fprintf(file, "%s\"%s\"", separator, service);
		separator = ",";
	}
	(void)fputc(']', file);
	if (fclose(file) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static const char *services_of(struct writer *writer, uint32_t bits)
{
	if (!writer->services[bits])
		writer->services[bits] = make_services(writer, bits);
	return writer->services[bits];
}

static void put_outside(struct writer *writer)
{
	const struct clo_matrix *matrix = &writer->matrix;

	clo_sink_put(&writer->sink, ",\n\"outside\":[");
	for (size_t i = 0; i < matrix->n_outside; i++) {
		const struct clo_outside *outside = &matrix->outside[i];
		char text[CLO_OUTSIDE_TEXT];

		clo_outside_text(outside, text);
		clo_sink_print(&writer->sink,
			       "%s\n{\"addresses\":\"%s\",\"class\":%s}",
			       i ? "," : "", text,
			       matrix->names[outside->class]);
	}
	clo_sink_put(&writer->sink, "]");
}

/* What one class may reach: bits by destination class. */
static int put_source(struct writer *writer, uint32_t class, uint32_t *reached,
		      const char **separator)
{
	const struct clo_matrix *matrix = &writer->matrix;
	const struct clo_tables *tables = matrix->compiled->tables;
	size_t n;
	const uint32_t *entries =
		clo_index_get(&matrix->out, matrix->example[class], &n);

	memset(reached, 0, matrix->n_classes * sizeof(*reached));
	for (size_t i = 0; i < n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, entries[i]);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, entries[i]);

		reached[clo_matrix_class(matrix, pair->dst)] =
			matrix->row_bits[*row];
	}
	for (uint32_t to = 1; to < matrix->n_classes; to++) {
		const char *services;

		if (!reached[to])
			continue;
		services = services_of(writer, reached[to]);
		if (!services)
			return -ENOMEM;
		clo_sink_print(&writer->sink, "%s\n{\"from\":%s,\"to\":%s,",
			       *separator, matrix->names[class],
			       matrix->names[to]);
		clo_sink_print(&writer->sink, "\"services\":");
		clo_sink_put(&writer->sink, services);
		clo_sink_put(&writer->sink, "}");
		*separator = ",";
	}
	return 0;
}

static int put_flows(struct writer *writer)
{
	CLO_AUTO_MEM uint32_t *reached =
		calloc(writer->matrix.n_classes, sizeof(*reached));
	const char *separator = "";
	int r = 0;

	if (!reached)
		return -ENOMEM;
	clo_sink_put(&writer->sink, ",\n\"flows\":[");
	for (uint32_t class = 1; class < writer->matrix.n_classes && r == 0;
	     class ++)
		r = put_source(writer, class, reached, &separator);
	clo_sink_put(&writer->sink, "]");
	return r;
}

static int put_all(struct writer *writer)
{
	const struct clo_policy *policy = writer->matrix.compiled->policy;
	int r;

	clo_sink_put(&writer->sink, "{\"format\":\"cloison flow matrix 1\"");
	r = clo_matrix_put_node(&writer->sink, policy);
	if (r == 0)
		r = clo_matrix_put_tenants(&writer->sink, policy);
	if (r == 0)
		r = clo_matrix_put_endpoints(&writer->sink, &writer->matrix);
	if (r < 0)
		return r;
	put_outside(writer);
	r = put_flows(writer);
	if (r == 0)
		r = clo_matrix_put_exceptions(&writer->sink, policy);
	clo_sink_put(&writer->sink, "}\n");
	return r;
}

int clo_matrix_digest(const struct clo_compiled *compiled, FILE *file,
		      char ret_digest[CLO_MATRIX_DIGEST])
{
	struct writer writer = {0};
	uint8_t digest[32];
	char hex[65];
	int r;

	r = clo_matrix_init(&writer.matrix, compiled);
	if (r < 0)
		return r;
	r = clo_ranges_init(&writer.ranges, compiled->tables);
	if (r == 0)
		r = index_ranges(&writer);
	writer.services =
		calloc(writer.matrix.bits.n, sizeof(*writer.services));
	if (r == 0 && !writer.services)
		r = -ENOMEM;
	if (r == 0)
		r = clo_sink_init(&writer.sink, file);
	if (r == 0)
		r = put_all(&writer);
	if (r == 0)
		r = clo_sink_end(&writer.sink, digest);
	done(&writer);
	if (r < 0)
		return r;

	clo_hex_encode(digest, sizeof(digest), hex);
	(void)snprintf(ret_digest, CLO_MATRIX_DIGEST, "sha256:%s", hex);
	return 0;
}
