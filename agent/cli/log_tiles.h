/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/store.h"

/*
 * The first `size` entries as C2SP tiles below a directory, which is made; the
 * checkpoint comes last. -errno; *ret_path is what could not be written.
 */
int clo_log_tiles(struct clo_store *store, uint64_t size, const char *note,
		  const char *directory, char ret_path[4096]);
