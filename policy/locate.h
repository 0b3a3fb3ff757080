/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "policy/arena.h"
#include "policy/parse.h"

/*
 * Where values stand. jansson keeps no positions, so a value is described by
 * the way to it and looked up in the text when somebody needs the line.
 */

/* One document as found in a file. */
struct clo_source {
	const struct clo_document *file;
	size_t offset; /* of its first byte in the file */
	int line; /* there */
	bool listed; /* an item of the file's array, number `index` */
	size_t index;
	bool repeats; /* has duplicate keys: the last one counts */
	bool twice; /* another document has its kind and name */
	json_t *json; /* borrowed from the file's */
	const char *kind, *name; /* borrowed from json; never NULL */
};

/* A value inside a document; lives on the stack of who walks it. */
struct clo_place {
	const struct clo_source *source;
	const struct clo_place *up; /* NULL: the document itself */
	const char *key; /* member of `up`; NULL: an item */
	size_t index;
	json_t *json; /* borrowed; NULL: absent */
};

struct clo_place clo_place_top(const struct clo_source *source);
/* Without complaints: absent if `up` is no object or array. */
struct clo_place clo_place_member(const struct clo_place *up, const char *key);
struct clo_place clo_place_item(const struct clo_place *up, size_t index);
size_t clo_place_items(const struct clo_place *array); /* 0 if it is none */

/* "$.environments.production.rules[3].to" */
const char *clo_place_path(struct clo_arena *arena,
			   const struct clo_place *place);

/* Line where the value begins; of an absent one, where its parent does. */
int clo_place_line(const struct clo_place *place);

/*
 * Lines and, unless NULL, offsets in the file of the first n items of an
 * array, in one pass.
 */
void clo_place_lines(const struct clo_place *array, size_t n, int *ret_lines,
		     size_t *ret_offsets);
