/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/json.h"

#include <errno.h>
#include <stdbool.h>

/*
 * Counts brackets before the parser recurses over them. Malformed text may be
 * miscounted; the parser refuses that anyway.
 */
static bool too_deep(const char *text, size_t len, unsigned max_depth)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (text[i] == '{' || text[i] == '[')
			depth++;
		else if ((text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;

		if (depth > max_depth)
			return true;
	}
	return false;
}

int clo_json_parse(const char *text, size_t len, unsigned max_depth,
		   json_t **ret_root)
{
	json_error_t error;
	json_t *root;

	if (too_deep(text, len, max_depth))
		return -EBADMSG;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return json_error_code(&error) == json_error_out_of_memory
			       ? -ENOMEM
			       : -EBADMSG;
	if (!json_is_object(root)) {
		json_decref(root);
		return -EBADMSG;
	}

	*ret_root = root;
	return 0;
}
