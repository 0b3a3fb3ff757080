/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"
#include "policy/scan.h"

/* Bytes -> documents that have a kind. */

/* At most this many JSON values in all files: bounds the memory they take. */
#define VALUES_MAX (4U << 20)

#define EMPTY "the file is empty: expected a document or an array of documents"

/* What jansson would have to be protected from. */
static bool check_size(struct clo_parse *parse, const struct clo_document *file,
		       struct clo_totals *totals)
{
	struct clo_flaws *flaws = parse->reader.flaws;
	struct clo_scan_size size;
	const char *end;

	if (file->len == 0) {
		clo_flaws_add(flaws, file->name, 1, "$", EMPTY);
		return false;
	}
	if (file->len > CLO_DOCUMENT_MAX) {
		clo_flaws_add(flaws, file->name, 0, "$",
			      "the file has %zu bytes, at most %u are read: "
			      "split it",
			      file->len, CLO_DOCUMENT_MAX);
		return false;
	}
	if (totals->bytes + file->len > CLO_POLICY_MAX) {
		clo_flaws_add(flaws, file->name, 0, "$",
			      "with this file the policy has more than %u "
			      "bytes: remove what the node does not need",
			      CLO_POLICY_MAX);
		return false;
	}
	end = file->text + file->len;
	if (clo_scan_space(file->text, end) == end) {
		clo_flaws_add(flaws, file->name, 1, "$", EMPTY);
		return false;
	}
	size = clo_scan_size(file->text, end, CLO_NESTING_MAX);
	if (size.depth > CLO_NESTING_MAX) {
		const char *at = file->text + size.deepest;

		clo_flaws_add(flaws, file->name,
			      1 + clo_scan_lines(file->text, at), "$",
			      "arrays and objects are nested %u deep, at most "
			      "%u are read",
			      size.depth, CLO_NESTING_MAX);
		return false;
	}
	if (totals->values + size.values > VALUES_MAX) {
		clo_flaws_add(flaws, file->name, 0, "$",
			      "with this file the policy has more than %u JSON "
			      "values: remove what the node does not need",
			      VALUES_MAX);
		return false;
	}
	totals->bytes += file->len;
	totals->values += size.values;
	return true;
}

/* New reference or NULL: a flaw, or no memory. */
static json_t *read_json(struct clo_parse *parse,
			 const struct clo_document *file, bool *ret_repeats)
{
	json_error_t error;
	json_t *json;

	*ret_repeats = false;
	json = json_loadb(file->text, file->len, JSON_REJECT_DUPLICATES,
			  &error);
	if (json)
		return json;
	if (json_error_code(&error) == json_error_duplicate_key) {
		*ret_repeats = true;
		json = json_loadb(file->text, file->len, 0, &error);
		if (json)
			return json;
	}

	if (json_error_code(&error) == json_error_out_of_memory)
		parse->failed = true;
	else
		clo_flaws_add(parse->reader.flaws, file->name, error.line, "$",
			      "not JSON in UTF-8: %s (column %d)", error.text,
			      error.column);
	return NULL;
}

json_t *clo_parse_load_file(struct clo_parse *parse,
			    const struct clo_document *file,
			    struct clo_totals *totals, bool *ret_repeats)
{
	*ret_repeats = false;
	return check_size(parse, file, totals)
		       ? read_json(parse, file, ret_repeats)
		       : NULL;
}

static const char *member_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* The envelope. False: no document that anything more can be said about. */
static bool check_source(struct clo_parse *parse, struct clo_source *source)
{
	static const char *const kinds[] = {"Exception", "Node", "Tenant",
					    "Workload"};
	static const struct clo_member version = {"apiVersion", JSON_STRING,
						  true};
	static const struct clo_member kind = {"kind", JSON_STRING, true};
	struct clo_place top = clo_place_top(source);
	struct clo_place place;

	if (!clo_check_type(&parse->reader, &top, JSON_OBJECT) ||
	    !clo_read_member(&parse->reader, &top, &version, &place))
		return false;
	if (strcmp(json_string_value(place.json), "cloison/v1") != 0) {
		clo_flaw_at(&parse->reader, &place,
			    "%s: expected \"cloison/v1\", the one version that "
			    "is known",
			    clo_quote(json_string_value(place.json)).text);
		return false;
	}

	if (!clo_read_member(&parse->reader, &top, &kind, &place))
		return false;
	source->kind = json_string_value(place.json);
	source->name = member_text(source->json, "name");
	for (size_t i = 0; i < CLO_ARRAY_LEN(kinds); i++)
		if (strcmp(source->kind, kinds[i]) == 0)
			return true;
	clo_flaw_at(&parse->reader, &place,
		    "%s: expected \"Node\", \"Tenant\", \"Workload\" or "
		    "\"Exception\"",
		    clo_quote(source->kind).text);
	return false;
}

static void add_source(struct clo_parse *parse, const struct clo_source *found)
{
	struct clo_source *source = &parse->sources[parse->n_sources];

	*source = *found;
	if (source->repeats)
		clo_parse_repeats(parse, source);
	if (check_source(parse, source))
		parse->n_sources++;
	else
		parse->unsure = true;
}

/* The documents of one file. */
static void add_file(struct clo_parse *parse, const struct clo_document *file,
		     json_t *json, bool repeats)
{
	const char *start = clo_scan_space(file->text, file->text + file->len);
	struct clo_source source = {
		.file = file,
		.offset = (size_t)(start - file->text),
		.line = 1 + clo_scan_lines(file->text, start),
		.repeats = repeats,
		.json = json,
	};
	struct clo_place array = clo_place_top(&source);
	size_t n = json_array_size(json);
	size_t *offsets;
	int *lines;

	if (!json_is_array(json)) {
		add_source(parse, &source);
		return;
	}

	lines = clo_arena_array(parse->reader.scratch, n, sizeof(*lines));
	offsets = clo_arena_array(parse->reader.scratch, n, sizeof(*offsets));
	if (!lines || !offsets)
		return;

	clo_place_lines(&array, n, lines, offsets);
	for (size_t i = 0; i < n; i++) {
		struct clo_source item = source;

		item.listed = true;
		item.index = i;
		item.line = lines[i];
		item.offset = offsets[i];
		item.json = json_array_get(json, i);
		add_source(parse, &item);
	}
}

static int compare_sources(const void *a, const void *b)
{
	const struct clo_source *x = a, *y = b;
	int r = strcmp(x->kind, y->kind);

	if (r == 0)
		r = strcmp(x->name, y->name);
	if (r == 0)
		r = strcmp(x->file->name, y->file->name);
	return r ? r : (x->offset > y->offset) - (x->offset < y->offset);
}

static void check_names(struct clo_parse *parse)
{
	for (size_t i = 1; i < parse->n_sources; i++) {
		struct clo_source *first = &parse->sources[i - 1];
		struct clo_source *again = &parse->sources[i];
		struct clo_place top = clo_place_top(again);
		struct clo_place name = clo_place_member(&top, "name");

		/* There is one Node at most, whatever its name. */
		if (strcmp(first->kind, again->kind) != 0 || !*again->name ||
		    strcmp(first->name, again->name) != 0 ||
		    strcmp(again->kind, "Node") == 0)
			continue;
		first->twice = again->twice = true;
		clo_flaw_at(&parse->reader, &name,
			    "there is a %s %s already, in %s line %d: rename "
			    "or remove one",
			    again->kind, clo_quote(again->name).text,
			    first->file->name, first->line);
	}
}

void clo_parse_load(struct clo_parse *parse,
		    const struct clo_document *documents, size_t n)
{
	struct clo_arena *scratch = parse->reader.scratch;
	struct clo_totals totals = {0};
	size_t room = 0;
	bool *repeats;

	parse->roots = clo_arena_array(scratch, n, sizeof(void *));
	repeats = clo_arena_array(scratch, n, sizeof(*repeats));
	if (!parse->roots || !repeats)
		return;

	parse->n_roots = n;
	for (size_t i = 0; i < n; i++) {
		json_t *json = clo_parse_load_file(parse, &documents[i],
						   &totals, &repeats[i]);

		parse->roots[i] = json;
		parse->unsure |= !json;
		room += json_is_array(json) ? json_array_size(json) : 1;
	}

	parse->policy->values = totals.values;
	parse->sources =
		clo_arena_array(scratch, room, sizeof(*parse->sources));
	if (!parse->sources)
		return;
	for (size_t i = 0; i < n; i++)
		if (parse->roots[i])
			add_file(parse, &documents[i], parse->roots[i],
				 repeats[i]);
	clo_sort(parse->sources, parse->n_sources, sizeof(*parse->sources),
		 compare_sources);
	check_names(parse);
}
