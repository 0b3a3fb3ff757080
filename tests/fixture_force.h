/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/core/force.h"
#include "check.h"

/*
 * The documents of tests/data/policy/base: tenants acme and globex, which
 * overlap addresses, and an exception from START to the end of 2026.
 */
#define FIXTURE_START 1767225600 /* 2026-01-01T00:00:00Z */
#define FIXTURE_END 1798761599 /* 2026-12-31T23:59:59Z */

static const char *const fixture_names[] = {
	"acme.json",      "globex.json",    "node.json",
	"workloads.json", "exception.json",
};

static inline json_t *fixture_document(const char *name)
{
	char path[256];
	static char text[8192];
	FILE *file;
	size_t len;

	(void)snprintf(path, sizeof(path),
		       CLO_SOURCE_DIR "/tests/data/policy/base/%s", name);
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	assert_in_range(len, 2, sizeof(text) - 1);
	return json_pack("{s:s, s:s%}", "name", name, "text", text, len);
}

/* As `apply` receives them. */
static inline json_t *fixture_documents(bool with_exception)
{
	size_t n = CLO_ARRAY_LEN(fixture_names) - !with_exception;
	json_t *documents = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(documents,
					    fixture_document(fixture_names[i]));
	assert_int_equal(json_array_size(documents), n);
	return documents;
}

/* One document of them with a piece of its text replaced. */
static inline void fixture_edit(json_t *documents, const char *name,
				const char *old, const char *new)
{
	json_t *document;
	size_t i;

	json_array_foreach (documents, i, document) {
		const char *text =
			json_string_value(json_object_get(document, "text"));
		const char *at = strstr(text, old);

		if (strcmp(json_string_value(json_object_get(document, "name")),
			   name) != 0)
			continue;
		assert_non_null(at);
		(void)json_object_set_new(document, "text",
					  json_sprintf("%.*s%s%s",
						       (int)(at - text), text,
						       new, at + strlen(old)));
		return;
	}
	fail_msg("no document %s", name);
}

/* What clo_force_make() says; with 0 a force whatever flaws there are. */
static inline int fixture_make(json_t *documents, time_t now,
			       struct clo_force **ret_force)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;

	assert_int_equal(clo_flaws_new(&flaws), 0);
	return clo_force_make(NULL, documents, now, now, ret_force, flaws);
}

static inline struct clo_force *fixture_force(time_t now)
{
	json_auto_t *documents = fixture_documents(true);
	struct clo_force *force = NULL;

	assert_int_equal(fixture_make(documents, now, &force), 0);
	return force;
}
