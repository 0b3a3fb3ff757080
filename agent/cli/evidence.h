/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Envelopes from where people keep them: a file, "-" for stdin, a .jsonl file
 * (one on each line, empty lines are none), or a directory of .json and .jsonl
 * files, in the order of their names.
 */

/* More than one may be there. */
bool clo_evidence_is_many(const char *operand);
/*
 * One after the other; `name` is the file and, of a .jsonl file, the line.
 * 0, what on_item returned if that is not 0, or -errno with *ret_name, which
 * the caller frees, of what cannot be read.
 */
int clo_evidence_each(const char *operand,
		      int (*on_item)(const char *name, const char *text,
				     size_t len, void *userdata),
		      void *userdata, char **ret_name);
