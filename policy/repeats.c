/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse_state.h"
#include "policy/quote.h"
#include "policy/scan.h"

/*
 * Duplicate keys. jansson stops at the first one; this finds all of them in
 * text that is otherwise JSON. Recursion is bounded by CLO_NESTING_MAX.
 */

struct walk {
	struct clo_parse *parse;
	const struct clo_source *source;
	const char *start, *end; /* of the document */
};

static void walk_value(struct walk *walk, const struct clo_place *place,
		       const char *p);

static int line_of(const struct walk *walk, const char *p)
{
	return walk->source->line + clo_scan_lines(walk->start, p);
}

static void report(struct walk *walk, const struct clo_place *place,
		   const char *p, size_t first)
{
	struct clo_reader *reader = &walk->parse->reader;

	if (clo_flaws_kept(reader->flaws) == CLO_FLAWS_MAX) {
		clo_flaws_add(reader->flaws, "", 0, "", "not kept");
		return;
	}
	clo_flaws_add(reader->flaws, walk->source->file->name, line_of(walk, p),
		      clo_place_path(reader->scratch, place),
		      "%s is a member twice, first on line %d: remove one",
		      clo_quote(place->key).text,
		      line_of(walk, walk->start + first));
}

static void walk_object(struct walk *walk, const struct clo_place *up,
			const char *p)
{
	json_t *seen = json_object();

	for (p = clo_scan_first(p, walk->end); p;) {
		const char *value = clo_scan_member_value(p, walk->end);
		size_t len = (size_t)(clo_scan_string(p, walk->end) - p);
		json_t *key = json_loadb(p, len, JSON_DECODE_ANY, NULL);
		struct clo_place place = {.source = walk->source,
					  .up = up,
					  .key = json_string_value(key)};
		json_t *first = json_object_get(seen, place.key);

		if (first)
			report(walk, &place, p,
			       (size_t)json_integer_value(first));
		else if (json_object_set_new(seen, place.key,
					     json_integer(p - walk->start)) < 0)
			walk->parse->failed = true;
		if (place.key)
			walk_value(walk, &place, value);
		json_decref(key);
		p = clo_scan_next(value, walk->end);
	}
	json_decref(seen);
}

static void walk_array(struct walk *walk, const struct clo_place *up,
		       const char *p)
{
	struct clo_place place = {.source = walk->source, .up = up};

	for (p = clo_scan_first(p, walk->end); p;
	     p = clo_scan_next(p, walk->end)) {
		walk_value(walk, &place, p);
		place.index++;
	}
}

static void walk_value(struct walk *walk, const struct clo_place *place,
		       const char *p)
{
	if (*p == '{')
		walk_object(walk, place, p);
	else if (*p == '[')
		walk_array(walk, place, p);
}

void clo_parse_repeats(struct clo_parse *parse, const struct clo_source *source)
{
	const char *start = source->file->text + source->offset;
	struct clo_place top = clo_place_top(source);
	struct walk walk = {
		.parse = parse,
		.source = source,
		.start = start,
		.end = clo_scan_value(start,
				      source->file->text + source->file->len),
	};

	walk_value(&walk, &top, start);
}
