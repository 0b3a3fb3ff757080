/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/report.h"

#include <assert.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"

void clo_report_label(const char *name)
{
	clo_text_pad(stdout, name, LABEL_WIDTH);
}

void clo_report_line(const char *label, const char *value)
{
	clo_report_label(label);
	clo_text_print(stdout, value);
	(void)putchar('\n');
}

static void print_place(FILE *out, const json_t *object)
{
	json_int_t line = clo_member_int(object, "line");

	clo_text_print(out, clo_member_text(object, "file"));
	if (line > 0)
		(void)fprintf(out, ":%" JSON_INTEGER_FORMAT, line);
}

void clo_report_flaws(const json_t *flaws)
{
	const char *path;
	json_t *flaw;
	size_t i;

	json_array_foreach (flaws, i, flaw) {
		path = clo_member_text(flaw, "path");
		print_place(stderr, flaw);
		(void)fputs(": ", stderr);
		if (path[0] != '\0' && strcmp(path, "-") != 0) {
			clo_text_print(stderr, path);
			(void)fputs(": ", stderr);
		}
		clo_text_print(stderr, clo_member_text(flaw, "text"));
		(void)fputc('\n', stderr);
	}
}

void clo_report_findings(const json_t *findings)
{
	json_t *finding;
	size_t i;

	json_array_foreach (findings, i, finding) {
		clo_text_print(stderr, clo_member_text(finding, "where"));
		(void)fputs(": ", stderr);
		clo_text_print(stderr, clo_member_text(finding, "text"));
		(void)fputc('\n', stderr);
	}
}

void clo_report_breaches(FILE *out, const json_t *breaches)
{
	json_t *breach;
	size_t i;

	json_array_foreach (breaches, i, breach) {
		bool excepted =
			json_is_true(json_object_get(breach, "excepted"));

		(void)fputs(excepted ? "excepted: rule " : "breach: rule ",
			    out);
		clo_text_print(out, clo_member_text(breach, "rule"));
		(void)fputs(" (", out);
		print_place(out, breach);
		(void)fputs(") breaks ", out);
		clo_text_print(out, clo_member_text(breach, "invariant"));
		(void)fputs(": ", out);
		clo_text_print(out, clo_member_text(breach, "from"));
		(void)fputs(" > ", out);
		clo_text_print(out, clo_member_text(breach, "to"));
		(void)fputs(", witness ", out);
		clo_text_print(out, clo_member_text(breach, "packet"));
		(void)fputc('\n', out);
	}
}

bool clo_report_breached(const json_t *breaches)
{
	json_t *breach;
	size_t i;

	if (!json_is_array(breaches))
		return true;

	json_array_foreach (breaches, i, breach) {
		if (!json_is_true(json_object_get(breach, "excepted")))
			return true;
	}
	return false;
}

void clo_report_proof(json_t *proof)
{
	const char *separator = "";
	const char *key;
	json_t *value;

	/* The figures; what each invariant found is for --json. */
	clo_report_label("proof");
	json_object_foreach (proof, key, value) {
		if (!json_is_integer(value))
			continue;
		(void)fputs(separator, stdout);
		clo_text_print(stdout, key);
		(void)printf(" %" JSON_INTEGER_FORMAT,
			     json_integer_value(value));
		separator = ", ";
	}
	(void)fputs(*separator ? "\n" : "-\n", stdout);
}

#define CELL_MAX 256 /* bytes; more is cut off */

/* "web,db"; "-" if there is none. */
static void join(const json_t *items, char ret_text[CELL_MAX])
{
	const char *text;
	size_t i, used = 0;
	int n;

	(void)snprintf(ret_text, CELL_MAX, "-");
	for (i = 0; i < json_array_size(items); i++) {
		text = json_string_value(json_array_get(items, i));
		n = snprintf(ret_text + used, CELL_MAX - used, "%s%s",
			     used ? "," : "", text ? text : "-");
		if (n < 0 || (size_t)n >= CELL_MAX - used)
			return;
		used += (size_t)n;
	}
}

static const char *cell(const json_t *row, const char *key,
			char buffer[CELL_MAX])
{
	const json_t *value = json_object_get(row, key);

	if (!value)
		return "-";

	switch (json_typeof(value)) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "NO";
	case JSON_INTEGER:
		(void)snprintf(buffer, CELL_MAX, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		return buffer;
	case JSON_ARRAY:
		join(value, buffer);
		return buffer;
	default:
		return "-";
	}
}

static int column_width(const json_t *rows, const char *key, const char *title)
{
	int width = clo_text_width(title);
	char buffer[CELL_MAX];
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		int w = clo_text_width(cell(row, key, buffer));

		width = w > width ? w : width;
	}
	return width + 2;
}

void clo_report_table(const struct clo_cli *cli, const json_t *rows,
		      const char *const *keys, const char *const *titles,
		      size_t n)
{
	int width[CLO_COLUMNS_MAX] = {0}; /* the last one needs none */
	char buffer[CELL_MAX];
	json_t *row;
	size_t i, c;

	assert(n <= CLO_COLUMNS_MAX);
	for (c = 0; c + 1 < n; c++)
		width[c] = column_width(rows, keys[c], titles[c]);

	clo_color_set(cli, CLO_COLOR_DIM);
	for (c = 0; c < n; c++)
		clo_text_pad(stdout, titles[c], width[c]);
	clo_color_set(cli, CLO_COLOR_NONE);
	(void)putchar('\n');
	json_array_foreach (rows, i, row) {
		for (c = 0; c < n; c++)
			clo_text_pad(stdout, cell(row, keys[c], buffer),
				     width[c]);
		(void)putchar('\n');
	}
}
