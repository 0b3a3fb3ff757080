/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * Whole files, bounded. The content ends in a 0 that is not counted. -EFBIG
 * over max; memory follows what was read.
 */

/* To the end of what is open. */
int clo_file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_len);
/* Only regular files, else -EINVAL; refused by size before a byte is read. */
int clo_file_read_at(int dir, const char *name, size_t max, char **ret_text,
		     size_t *ret_len);
/* The same of what nobody else may put there: -ELOOP if it is a link. */
int clo_file_read_own(int dir, const char *name, size_t max, char **ret_text,
		      size_t *ret_len);
/* Also from pipes; "-" is stdin. */
int clo_file_read(const char *path, size_t max, char **ret_text,
		  size_t *ret_len);
/* Creates or overwrites, 0644 less the umask. */
int clo_file_write(const char *path, const char *text, size_t len);
/* Creates with 0600 or replaces; whole or as it was, also after a crash. */
int clo_file_replace(const char *dir, const char *name, const char *text);
/*
 * The same in an open directory, for good once that is synced. What is cut off
 * leaves a draft, which the next one overwrites.
 */
#define CLO_FILE_DRAFT ".new" /* behind the name */
int clo_file_replace_at(int dir, const char *name, const char *text,
			size_t len);
