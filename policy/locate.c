/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/locate.h"

#include <assert.h>
#include <string.h>

#include "policy/quote.h"
#include "policy/scan.h"

struct clo_place clo_place_top(const struct clo_source *source)
{
	return (struct clo_place){.source = source, .json = source->json};
}

struct clo_place clo_place_member(const struct clo_place *up, const char *key)
{
	return (struct clo_place){.source = up->source,
				  .up = up,
				  .key = key,
				  .json = json_object_get(up->json, key)};
}

struct clo_place clo_place_item(const struct clo_place *up, size_t index)
{
	return (struct clo_place){.source = up->source,
				  .up = up,
				  .index = index,
				  .json = json_array_get(up->json, index)};
}

size_t clo_place_items(const struct clo_place *array)
{
	return json_array_size(array->json);
}

static bool is_plain(const char *key)
{
	return *key && strspn(key, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-") == strlen(key);
}

const char *clo_place_path(struct clo_arena *arena,
			   const struct clo_place *place)
{
	const struct clo_source *source = place->source;
	const char *up;

	if (!place->up)
		return source->listed ? clo_arena_printf(arena, "$[%zu]",
							 source->index)
				      : "$";

	up = clo_place_path(arena, place->up);
	if (!place->key)
		return clo_arena_printf(arena, "%s[%zu]", up, place->index);
	if (is_plain(place->key) && strlen(place->key) <= CLO_QUOTE_MAX)
		return clo_arena_printf(arena, "%s.%s", up, place->key);
	return clo_arena_printf(arena, "%s[%s]", up,
				clo_quote(place->key).text);
}

/* Where the value begins; of an absent one, where its parent does. */
static const char *find(const struct clo_place *place)
{
	const struct clo_source *source = place->source;
	const char *end = source->file->text + source->file->len;
	const char *up, *found;

	if (!place->up)
		return source->file->text + source->offset;

	up = find(place->up);
	found = place->key
			? clo_scan_member(up, end, place->key, source->repeats)
			: clo_scan_item(up, end, place->index);
	return found ? found : up;
}

int clo_place_line(const struct clo_place *place)
{
	const struct clo_source *source = place->source;

	return source->line +
	       clo_scan_lines(source->file->text + source->offset, find(place));
}

void clo_place_lines(const struct clo_place *array, size_t n, int *ret_lines,
		     size_t *ret_offsets)
{
	const struct clo_source *source = array->source;
	const char *end = source->file->text + source->file->len;
	const char *counted = source->file->text + source->offset;
	const char *item = clo_scan_first(find(array), end);
	int line = source->line;

	for (size_t i = 0; i < n; i++) {
		assert(item); /* jansson found as many */
		line += clo_scan_lines(counted, item);
		counted = item;
		ret_lines[i] = line;
		if (ret_offsets)
			ret_offsets[i] = (size_t)(item - source->file->text);
		item = clo_scan_next(item, end);
	}
}
