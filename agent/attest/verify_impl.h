/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/verify.h"

/*
 * The reason goes to terminals and logs, and parts of it come from others: it
 * becomes printable ASCII.
 */
__attribute__((format(printf, 3, 4))) void
clo_verify_conclude(struct clo_verify_result *result, enum clo_verify_exit exit,
		    const char *fmt, ...);
/* By a key that is trusted for whatever reason; see clo_verify(). */
void clo_verify_signed(const struct clo_key *key, const char *envelope,
		       size_t len, const struct clo_verify_options *options,
		       struct clo_verify_result *ret_result);
