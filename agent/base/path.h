/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <string.h>

/* Paths as text: nothing here looks at what is there. */

/* Absolute, of names alone: none is empty, "." or "..". */
static inline bool clo_path_is_plain(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *at = path; *at; at += 1 + strcspn(at + 1, "/")) {
		size_t len = strcspn(at + 1, "/");

		if (len == 0 || (len <= 2 && strspn(at + 1, ".") >= len))
			return false;
	}
	return true;
}

/* It begins with that directory. */
static inline bool clo_path_is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && path[len] == '/';
}
