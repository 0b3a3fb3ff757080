/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Bounded reads below a root directory; paths are relative to it. The last
 * component is never followed as a link and never waited for.
 */

/* The whole file, 0-terminated; -EFBIG if it does not fit. */
int clo_source_read(int root, const char *path, char *ret_text, size_t size,
		    size_t *ret_len);
int clo_source_open(int root, const char *path, FILE **ret_file);
int clo_source_list(int root, const char *path, DIR **ret_dir);
/* First line of `text`, printable ASCII, cut to `size` with its 0. */
void clo_source_line(const char *text, char *ret_line, size_t size);
