/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

/*
 * One character for each pair of scopes; columns carry the number of their
 * scope, so that the matrix stays narrow however long the names are.
 */

struct mark {
	char sign[2];
	enum clo_color color;
};

static struct mark mark_of(const json_t *cell, bool inside)
{
	if (clo_member_int(cell, "allowed") == 0)
		return (struct mark){".", CLO_COLOR_DIM};
	if (!json_is_false(json_object_get(cell, "forbidden")))
		return (struct mark){"!", CLO_COLOR_BAD};
	return inside ? (struct mark){"#", CLO_COLOR_GOOD}
		      : (struct mark){"+", CLO_COLOR_WARN};
}

static const json_t *cell_at(const json_t *cells, size_t from, size_t to)
{
	return json_array_get(json_array_get(cells, from), to);
}

/* Square, of one size, every cell an object with its counts. */
static bool well_formed(const json_t *scopes, const json_t *cells)
{
	size_t n = json_array_size(scopes), i, j;

	if (!json_is_array(scopes) || json_array_size(cells) != n)
		return false;

	for (i = 0; i < n; i++) {
		if (!json_is_string(json_array_get(scopes, i)) ||
		    json_array_size(json_array_get(cells, i)) != n)
			return false;
		for (j = 0; j < n; j++) {
			const json_t *cell = cell_at(cells, i, j);

			if (!json_is_integer(
				    json_object_get(cell, "allowed")) ||
			    !json_is_boolean(
				    json_object_get(cell, "forbidden")))
				return false;
		}
	}
	return true;
}

static void print_square(const struct clo_cli *cli, const json_t *scopes,
			 const json_t *cells)
{
	size_t n = json_array_size(scopes), i, j;
	int width = clo_text_width("from / to");
	json_t *scope;

	json_array_foreach (scopes, i, scope) {
		int w = clo_text_width(json_string_value(scope));

		width = w > width ? w : width;
	}

	(void)printf("    %-*s", width, "from / to");
	for (j = 0; j < n; j++)
		(void)printf(" %3zu", j + 1);
	(void)putchar('\n');
	json_array_foreach (scopes, i, scope) {
		(void)printf("%3zu ", i + 1);
		clo_text_pad(stdout, json_string_value(scope), width);
		for (j = 0; j < n; j++) {
			struct mark mark =
				mark_of(cell_at(cells, i, j), i == j);

			(void)fputs("   ", stdout);
			clo_color_print(cli, mark.color, mark.sign);
		}
		(void)putchar('\n');
	}
}

/* What crosses a scope's border, in words. */
static void print_crossings(const struct clo_cli *cli, const json_t *scopes,
			    const json_t *cells)
{
	size_t n = json_array_size(scopes), at, k;
	const char *separator = "\n";
	json_t *service;

	for (at = 0; at < n * n; at++) {
		size_t i = at / n, j = at % n;
		const json_t *cell = cell_at(cells, i, j);
		struct mark mark = mark_of(cell, i == j);

		if (mark.color == CLO_COLOR_DIM || mark.color == CLO_COLOR_GOOD)
			continue;
		(void)fputs(separator, stdout);
		separator = "";
		clo_color_print(cli, mark.color, mark.sign);
		(void)putchar(' ');
		clo_text_print(stdout,
			       json_string_value(json_array_get(scopes, i)));
		(void)fputs(" > ", stdout);
		clo_text_print(stdout,
			       json_string_value(json_array_get(scopes, j)));
		(void)putchar(':');
		json_array_foreach (json_object_get(cell, "services"), k,
				    service) {
			const char *name = json_string_value(service);

			(void)putchar(' ');
			clo_text_print(stdout, name ? name : "-");
		}
		(void)putchar('\n');
	}
}

static void print_legend(const struct clo_cli *cli)
{
	(void)putchar('\n');
	clo_color_print(cli, CLO_COLOR_GOOD, "#");
	(void)fputs(" allowed inside the scope   ", stdout);
	clo_color_print(cli, CLO_COLOR_WARN, "+");
	(void)fputs(" allowed across scopes\n", stdout);
	clo_color_print(cli, CLO_COLOR_BAD, "!");
	(void)fputs(" forbidden and yet allowed  ", stdout);
	clo_color_print(cli, CLO_COLOR_DIM, ".");
	(void)fputs(" denied\n", stdout);
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *result = NULL;
	const json_t *scopes, *cells;
	int code;

	request = json_pack("{s:s}", "op", "matrix");
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;

	scopes = json_object_get(result, "scopes");
	cells = json_object_get(result, "cells");
	if (!well_formed(scopes, cells))
		return clo_fail_reply(cli);
	if (cli->json)
		return clo_json_print(result);

	print_square(cli, scopes, cells);
	print_legend(cli);
	print_crossings(cli, scopes, cells);
	return CLO_EXIT_OK;
}

const struct clo_command clo_command_matrix = {
	.name = "matrix",
	.summary = "show which tenant and environment may reach which",
	.details =
		"One row for each source scope, one column for each "
		"destination scope; below it the\nservices that cross from one "
		"scope to another.\n",
	.run = run,
};
