/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "policy/compile.h"

/*
 * What a person approves: the flow matrix as one canonical document, and its
 * SHA-256. The document says which endpoints there are and how they are bound,
 * who may reach whom on which services, and the exceptions; by meaning, so
 * that neither names of files nor the order or number of documents and rules
 * matter. What it leaves out (limits, the sandbox, the log) moves no packet
 * over a border. docs/man/cloison-plan.1 says it in full.
 */
#define CLO_MATRIX_DIGEST 72 /* "sha256:" and 64 digits, with its 0 */

/*
 * The digest, which is that of the very bytes that go to `file`, if any. 0,
 * -ENOMEM, or -EIO: the file does not take them.
 */
int clo_matrix_digest(const struct clo_compiled *compiled, FILE *file,
		      char ret_digest[CLO_MATRIX_DIGEST]);
