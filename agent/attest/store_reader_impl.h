/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "agent/attest/store_reader.h"

/* Between store_reader.c and store_list.c only. */
struct clo_reader {
	struct clo_store *store;
};

#define CLO_READER_COLUMNS                                                     \
	" id, boot, sequence, kind, scope, time, verdict, digest "

/* A row of these columns; what a damaged file holds is not handed on. */
int clo_reader_row(sqlite3_stmt *stmt, struct clo_row *row);
