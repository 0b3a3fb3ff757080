/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include <jansson.h>

/* For CLO_AUTO(clo_json): jansson's type under a name of ours. */
static inline void clo_json_freep(json_t **json)
{
	json_decref(*json);
}

/*
 * JSON as signed documents must be: one object, no duplicate members, nothing
 * after it, nested at most `max_depth` deep. -EBADMSG else.
 */
int clo_json_parse(const char *text, size_t len, unsigned max_depth,
		   json_t **ret_root);
