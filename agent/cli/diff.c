/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/auto.h"

#define CONTEXT 3
#define TABLE_MAX (16U << 20) /* entries: 32 MiB */

struct line {
	const char *text;
	size_t len; /* with its newline, if it has one */
};

struct lines {
	struct line *list;
	size_t n;
};

/* One step of the way from a to b. */
struct step {
	char sign; /* ' ', '-', '+' */
	struct line line;
};

struct script {
	struct step *list;
	size_t n;
};

static int split(const char *text, struct lines *ret_lines)
{
	struct lines lines = {0};
	size_t n = 0;

	for (const char *at = text; *at; n++) {
		const char *end = strchr(at, '\n');

		at = end ? end + 1 : at + strlen(at);
	}
	lines.list = calloc(n + 1, sizeof(*lines.list));
	if (!lines.list)
		return -ENOMEM;
	for (const char *at = text; *at; lines.n++) {
		const char *end = strchr(at, '\n');
		size_t len = end ? (size_t)(end - at) + 1 : strlen(at);

		lines.list[lines.n] = (struct line){at, len};
		at += len;
	}

	*ret_lines = lines;
	return 0;
}

static bool is_same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void go(struct script *script, char sign, const struct line *line)
{
	script->list[script->n++] = (struct step){sign, *line};
}

/* Entry (i, j): the most lines that a from i and b from j have in common. */
static uint16_t *measure(const struct line *a, size_t n, const struct line *b,
			 size_t m)
{
	size_t width = m + 1;
	uint16_t *table = NULL;

	if (n >= UINT16_MAX || m >= UINT16_MAX || (n + 1) * width > TABLE_MAX)
		return NULL;
	table = calloc((n + 1) * width, sizeof(*table));
	if (!table)
		return NULL;
	for (size_t i = n; i-- > 0;)
		for (size_t j = m; j-- > 0;) {
			uint16_t down = table[(i + 1) * width + j];
			uint16_t right = table[i * width + j + 1];
			uint16_t best = down > right ? down : right;

			if (is_same(&a[i], &b[j]))
				best = (uint16_t)(1 + table[(i + 1) * width +
							    j + 1]);
			table[i * width + j] = best;
		}
	return table;
}

/* What lies between the common ends; without a table all of it changes. */
static void compare(struct script *script, const struct line *a, size_t n,
		    const struct line *b, size_t m)
{
	CLO_AUTO_MEM uint16_t *table = measure(a, n, b, m);
	size_t width = m + 1, i = 0, j = 0;

	while (table && i < n && j < m) {
		if (is_same(&a[i], &b[j])) {
			go(script, ' ', &a[i++]);
			j++;
		} else if (table[(i + 1) * width + j] >=
			   table[i * width + j + 1]) {
			go(script, '-', &a[i++]);
		} else {
			go(script, '+', &b[j++]);
		}
	}
	while (i < n)
		go(script, '-', &a[i++]);
	while (j < m)
		go(script, '+', &b[j++]);
}

static int plan(const struct lines *a, const struct lines *b,
		struct script *script)
{
	size_t head = 0, tail = 0;
	size_t shorter = a->n < b->n ? a->n : b->n;

	script->list = calloc(a->n + b->n + 1, sizeof(*script->list));
	if (!script->list)
		return -ENOMEM;
	while (head < shorter && is_same(&a->list[head], &b->list[head]))
		head++;
	while (tail < shorter - head &&
	       is_same(&a->list[a->n - 1 - tail], &b->list[b->n - 1 - tail]))
		tail++;

	for (size_t i = 0; i < head; i++)
		go(script, ' ', &a->list[i]);
	compare(script, a->list + head, a->n - head - tail, b->list + head,
		b->n - head - tail);
	for (size_t i = a->n - tail; i < a->n; i++)
		go(script, ' ', &a->list[i]);
	return 0;
}

/* From the first change at or after `at`; false: none. With its context. */
static bool find_hunk(const struct script *script, size_t at, size_t *ret_start,
		      size_t *ret_end)
{
	size_t first = at, last;

	while (first < script->n && script->list[first].sign == ' ')
		first++;
	if (first == script->n)
		return false;
	last = first;
	for (size_t i = first; i < script->n && i - last <= 2 * CONTEXT + 1;
	     i++)
		if (script->list[i].sign != ' ')
			last = i;
	*ret_start = first - at > CONTEXT ? first - CONTEXT : at;
	*ret_end =
		last + 1 + CONTEXT < script->n ? last + 1 + CONTEXT : script->n;
	return true;
}

/* "12,5"; an empty range is named by the line before it. */
static void print_range(FILE *out, char sign, size_t before, size_t n)
{
	(void)fprintf(out, "%c%zu", sign, before + (n > 0));
	if (n != 1)
		(void)fprintf(out, ",%zu", n);
	(void)fputc(' ', out);
}

static void print_hunk(FILE *out, const struct script *script, size_t start,
		       size_t end)
{
	size_t before_a = 0, before_b = 0, in_a = 0, in_b = 0;

	for (size_t i = 0; i < end; i++) {
		size_t a = script->list[i].sign != '+';
		size_t b = script->list[i].sign != '-';

		*(i < start ? &before_a : &in_a) += a;
		*(i < start ? &before_b : &in_b) += b;
	}
	(void)fputs("@@ ", out);
	print_range(out, '-', before_a, in_a);
	print_range(out, '+', before_b, in_b);
	(void)fputs("@@\n", out);
	for (size_t i = start; i < end; i++) {
		const struct step *step = &script->list[i];

		(void)fputc(step->sign, out);
		(void)fwrite(step->line.text, 1, step->line.len, out);
		if (step->line.text[step->line.len - 1] != '\n')
			(void)fputs("\n\\ No newline at end of file\n", out);
	}
}

int clo_diff_unified(const char *a, const char *b, const char *name_a,
		     const char *name_b, FILE *out)
{
	struct lines lines_a = {0}, lines_b = {0};
	struct script script = {0};
	size_t start, end = 0;
	int r;

	r = split(a, &lines_a);
	if (r == 0)
		r = split(b, &lines_b);
	if (r == 0)
		r = plan(&lines_a, &lines_b, &script);
	while (r >= 0 && script.list && find_hunk(&script, end, &start, &end)) {
		if (r == 0)
			(void)fprintf(out, "--- %s\n+++ %s\n", name_a, name_b);
		print_hunk(out, &script, start, end);
		r = 1;
	}
	free(script.list);
	free(lines_a.list);
	free(lines_b.list);
	return r;
}
