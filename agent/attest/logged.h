/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/bundle.h"
#include "agent/attest/trust.h"

/*
 * That a statement is in the log of its node, as the relying party sees it:
 * the entry is of this envelope, a checkpoint's tree has the entry, and a key
 * that is trusted with this log signed the checkpoint.
 */
struct clo_log_trust {
	const struct clo_key *key; /* or */
	const struct clo_trust *trust; /* its keys of the role log */
	const char *node; /* of the store: whose log */
	time_t then; /* and when the statement was made */
};

/* An envelope whose signature held. NULL: it holds; else what does not. */
const char *clo_logged_flaw(const struct clo_log_trust *by,
			    const char *envelope, size_t len,
			    const struct clo_tlog_proof *proof);
/* The same of a bundle, whose other members say what was signed. */
const char *clo_logged_bundle_flaw(const struct clo_log_trust *by,
				   const struct clo_bundled *bundled);
