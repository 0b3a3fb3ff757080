/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "agent/attest/store_reader.h"

/*
 * How far somebody outside has the log, in a file for the next start: the id
 * (names.h) of the last record that it has. `path` "": not kept.
 */

/* The record of an id of this node; -EPROTO: the log has none such. */
int clo_place_row(struct clo_reader *reader, const char *node, const char *id,
		  int64_t *ret_row);
/* 0: from the beginning, as nothing is known. */
int64_t clo_place_load(struct clo_reader *reader, const char *node,
		       const char *path);
/* Whole or not at all; that it fails costs duplicates, not records. */
void clo_place_save(const char *path, const char *id);
