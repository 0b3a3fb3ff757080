/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a stranger may write to the gateway: a byte that chooses the role, then
 * a target; the same bytes as a certificate's name, as a cursor and as the path
 * of a tile.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/tile.h"
#include "agent/gateway/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *text, size_t len)
{
	struct clo_who who = {.role = CLO_ROLE_NOBODY};
	int r = clo_role_add(text, len, &who);

	assert(r == 0 || r == -EINVAL);
	assert(r == 0 || who.role == CLO_ROLE_NOBODY);
	assert((who.role == CLO_ROLE_TENANT) == (who.tenant[0] != '\0'));
	assert(strlen(who.tenant) < CLO_NAME_MAX);
}

/* Each cursor has one spelling. */
static void check_cursor(const char *text)
{
	char again[CLO_CURSOR_TEXT];
	struct clo_cursor cursor;

	if (clo_cursor_parse(text, &cursor) < 0)
		return;
	assert(cursor.time > 0 && cursor.id > 0);
	clo_cursor_format(&cursor, again);
	assert(strcmp(again, text) == 0);
}

/* So has each tile. */
static void check_tile(const char *text)
{
	char again[CLO_TILE_PATH_MAX];
	struct clo_tile tile;

	if (clo_tile_parse(text, &tile) < 0)
		return;
	clo_tile_path(&tile, again);
	assert(strcmp(again, text) == 0);
	assert(!clo_tile_is_in(&tile, 0));
}

static void check_filter(const struct clo_query *query)
{
	const struct clo_who plane = {.role = CLO_ROLE_CONTROL_PLANE};
	const char *wrong = NULL;
	struct clo_filter filter;
	int r = clo_filter_make(query, &plane, &filter, &wrong);

	assert(r == 0 || (r == -EINVAL && wrong));
	assert(r < 0 ||
	       (filter.limit > 0 && filter.limit <= CLO_FILTER_LIMIT_MAX));
}

/* Whatever is asked for, a tenant's filter takes nothing of another's. */
static void check_tenant(const struct clo_query *query)
{
	const struct clo_who acme = {.role = CLO_ROLE_TENANT, .tenant = "acme"};
	const char *wrong = NULL;
	struct clo_filter filter;

	if (clo_filter_make(query, &acme, &filter, &wrong) < 0)
		return;
	assert(!clo_filter_takes(&filter, "", "isolation/v1", "PASSED", 1));
	assert(!clo_filter_takes(&filter, "globex/test", "isolation/v1",
				 "PASSED", 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clo_query query;
	char *text;
	int r;

	if (size > 4096)
		return 0;
	text = malloc(size + 1);
	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';

	check_name(text, size);
	check_cursor(text);
	check_tile(text);
	r = clo_query_parse(text, size, &query);
	assert(r == 0 || r == -EINVAL || r == -EEXIST || r == -E2BIG);
	if (r == 0) {
		check_filter(&query);
		check_tenant(&query);
	}
	free(text);
	return 0;
}
