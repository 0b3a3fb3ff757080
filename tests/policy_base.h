/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "policy/parse.h"

/* The documents of data/policy/base, and reading files as documents. */

#define POLICY_DATA CLO_SOURCE_DIR "/tests/data/policy/"
#define POLICY_NOW 1781000000 /* June 2026: the base exception is in force */

#define BASE_COUNT 5

static const char *const base_names[BASE_COUNT] = {
	"node.json", "acme.json", "globex.json", "workloads.json",
	"exception.json"};

/* The whole file; text is for free(). */
static inline struct clo_document document_read(const char *path,
						const char *name)
{
	struct clo_document document = {.name = name};
	size_t room = 0;
	FILE *file = fopen(path, "re");
	char *text = NULL;

	assert_non_null(file);
	do {
		room += 65536;
		text = realloc(text, room);
		assert_non_null(text);
		document.len += fread(text + document.len, 1,
				      room - document.len, file);
	} while (document.len == room);
	assert_int_equal(fclose(file), 0);
	document.text = text;
	return document;
}

static inline void document_done(struct clo_document *document)
{
	void *text;

	/* The one owner of what is const to everybody else. */
	memcpy(&text, &document->text, sizeof(text));
	free(text);
}

static inline void base_read(struct clo_document ret_base[BASE_COUNT])
{
	char path[512];

	for (size_t i = 0; i < BASE_COUNT; i++) {
		(void)snprintf(path, sizeof(path), POLICY_DATA "base/%s",
			       base_names[i]);
		ret_base[i] = document_read(path, base_names[i]);
	}
}

static inline void base_done(struct clo_document base[BASE_COUNT])
{
	for (size_t i = 0; i < BASE_COUNT; i++)
		document_done(&base[i]);
}
