/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/attest/verify.h"

/*
 * Heartbeats and the statements that they name, of one node, boot and scope
 * each, verified one by one and in any order. With its statement a heartbeat is
 * worth what that says, and not authentic if it says other; a statement that
 * passed and is only stale has passed again if a heartbeat is young enough.
 * Borrows the results and settles them. -ENOMEM.
 */
int clo_beats_settle(struct clo_verify_result *const *results, size_t n,
		     const struct clo_verify_options *options);
