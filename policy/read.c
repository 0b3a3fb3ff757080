/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/read.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/quote.h"

void clo_flaw_at(struct clo_reader *reader, const struct clo_place *place,
		 const char *fmt, ...)
{
	CLO_AUTO_MEM char *text = NULL;
	va_list args;
	int r;

	/* Only what is kept is worth a search through the document. */
	if (clo_flaws_kept(reader->flaws) == CLO_FLAWS_MAX) {
		clo_flaws_add(reader->flaws, "", 0, "", "not kept");
		return;
	}

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0)
		text = NULL;
	clo_flaws_add(reader->flaws, place->source->file->name,
		      clo_place_line(place),
		      clo_place_path(reader->scratch, place), "%s",
		      text ? text : "out of memory");
}

void clo_sort(void *items, size_t n, size_t size,
	      int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(items, n, size, compare);
}

void *clo_find(const void *key, const void *items, size_t n, size_t size,
	       int (*compare)(const void *, const void *))
{
	return n > 0 ? bsearch(key, items, n, size, compare) : NULL;
}

static const char *type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static bool has_type(const json_t *json, json_type type)
{
	return type_name(json_typeof(json)) == type_name(type);
}

bool clo_check_type(struct clo_reader *reader, const struct clo_place *place,
		    json_type type)
{
	if (!place->json)
		return false;
	if (has_type(place->json, type))
		return true;
	clo_flaw_at(reader, place, "expected %s, found %s", type_name(type),
		    type_name(json_typeof(place->json)));
	return false;
}

static const char *list_members(struct clo_arena *arena,
				const struct clo_member *members, size_t n)
{
	const char *list = members[0].name;

	for (size_t i = 1; i < n; i++)
		list = clo_arena_printf(arena, "%s, %s", list, members[i].name);
	return list;
}

static void check_unknown(struct clo_reader *reader,
			  const struct clo_place *place,
			  const struct clo_member *members, size_t n)
{
	const char *key, *list = NULL;
	json_t *json;

	json_object_foreach (place->json, key, json) {
		struct clo_place member = {.source = place->source,
					   .up = place,
					   .key = key,
					   .json = json};
		size_t i = 0;

		while (i < n && strcmp(members[i].name, key) != 0)
			i++;
		if (i < n)
			continue;
		if (!list)
			list = list_members(reader->scratch, members, n);
		clo_flaw_at(reader, &member,
			    "unknown member %s: correct its name or remove it; "
			    "known here: %s",
			    clo_quote(key).text, list);
	}
}

bool clo_read_member(struct clo_reader *reader, const struct clo_place *object,
		     const struct clo_member *member,
		     struct clo_place *ret_place)
{
	*ret_place = clo_place_member(object, member->name);
	if (!ret_place->json) {
		if (member->required)
			clo_flaw_at(reader, object,
				    "member \"%s\" is missing: add it, %s",
				    member->name, type_name(member->type));
		return false;
	}
	if (!clo_check_type(reader, ret_place, member->type)) {
		ret_place->json = NULL;
		return false;
	}
	if (member->filled && clo_place_items(ret_place) == 0)
		clo_flaw_at(reader, ret_place,
			    "\"%s\" is empty: at least one item is needed",
			    member->name);
	return true;
}

bool clo_read_object(struct clo_reader *reader, const struct clo_place *place,
		     const struct clo_member *members, size_t n,
		     struct clo_place *ret_places)
{
	if (!clo_check_type(reader, place, JSON_OBJECT)) {
		for (size_t i = 0; i < n; i++)
			ret_places[i] = (struct clo_place){
				.source = place->source, .up = place};
		return false;
	}

	check_unknown(reader, place, members, n);
	for (size_t i = 0; i < n; i++)
		(void)clo_read_member(reader, place, &members[i],
				      &ret_places[i]);
	return true;
}

const char *clo_read_string(struct clo_reader *reader,
			    const struct clo_place *place)
{
	if (!clo_check_type(reader, place, JSON_STRING))
		return NULL;
	return json_string_value(place->json);
}

const char *clo_read_text(struct clo_reader *reader,
			  const struct clo_place *place,
			  const struct clo_format *format)
{
	const char *text = clo_read_string(reader, place);

	if (!text)
		return "";
	if (!format->valid(text))
		clo_flaw_at(reader, place, "%s: expected %s",
			    clo_quote(text).text, format->expected);
	return clo_arena_strdup(reader->keep, text);
}

/* An item and where it stood, to name the later of two that are equal. */
struct numbered {
	const char *text;
	size_t index;
};

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* The string that makes an item what it is: itself, or its member `key`. */
static struct clo_place naming(const struct clo_place *item, const char *key)
{
	return key ? clo_place_member(item, key) : *item;
}

void clo_check_repeats(struct clo_reader *reader, const struct clo_place *place,
		       const char *key)
{
	size_t n = 0;
	struct numbered *seen;

	seen = clo_arena_array(reader->scratch, clo_place_items(place),
			       sizeof(*seen));
	if (!seen)
		return;

	for (size_t i = 0; i < clo_place_items(place); i++) {
		struct clo_place item = clo_place_item(place, i);

		seen[n].text = json_string_value(naming(&item, key).json);
		seen[n].index = i;
		n += seen[n].text != NULL;
	}
	clo_sort(seen, n, sizeof(*seen), compare_numbered);
	for (size_t i = 1; i < n; i++) {
		struct clo_place item = clo_place_item(place, seen[i].index);
		struct clo_place name = naming(&item, key);

		if (strcmp(seen[i - 1].text, seen[i].text) == 0)
			clo_flaw_at(reader, &name,
				    "%s is listed twice, before as item %zu: "
				    "rename or remove one",
				    clo_quote(seen[i].text).text,
				    seen[i - 1].index);
	}
}

int clo_compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int clo_compare_named(const void *a, const void *b)
{
	return clo_compare_text(*(const void *const *)a,
				*(const void *const *)b);
}

struct clo_texts clo_read_texts(struct clo_reader *reader,
				const struct clo_place *place,
				const struct clo_format *format)
{
	size_t n = clo_place_items(place);
	const char **items;

	items = clo_arena_array(reader->keep, n, sizeof(*items));
	if (!items)
		return (struct clo_texts){0};

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(place, i);

		items[i] = clo_read_text(reader, &item, format);
	}
	clo_check_repeats(reader, place, NULL);
	clo_sort(items, n, sizeof(*items), clo_compare_text);
	return (struct clo_texts){items, n};
}

bool clo_texts_have(const struct clo_texts *texts, const char *text)
{
	return clo_find(&text, texts->items, texts->n, sizeof(*texts->items),
			clo_compare_text) != NULL;
}
