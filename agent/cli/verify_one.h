/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/bundle.h"
#include "agent/attest/store.h"
#include "agent/attest/verify.h"
#include "agent/cli/cli.h"
#include "agent/cli/verify_policy.h"

enum clo_verify_format {
	CLO_VERIFY_TEXT,
	CLO_VERIFY_JSON,
	CLO_VERIFY_JUNIT,
};

/* What is verified, and how it is told. */
struct clo_verify_request {
	const struct clo_key *key; /* or */
	const struct clo_trust *trust;
	struct clo_verify_options options;
	/* Each must be in its node's log, as its bundle shows, or one of these. */
	bool require_log;
	struct clo_store *log; /* or NULL */
	const struct clo_tlog_proof *proof; /* or NULL */
	struct clo_verify_policy *policy; /* that must be in force, or NULL */
	const char *fetched; /* in place of the operand; NULL: nothing */
	size_t fetched_len;
	bool chain_complete;
	enum clo_verify_format format;
};

/* A trust store; CLO_EXIT_OK, else it has been printed why. */
int clo_verify_trust(const struct clo_cli *cli, const char *path,
		     struct clo_trust **ret_trust);
/*
 * The envelope of what may be a bundle: *text itself, or what *ret_bundled,
 * which the caller frees, has of it. -EBADMSG: a bundle that is none.
 */
int clo_verify_unwrap(const char **text, size_t *len,
		      struct clo_bundled **ret_bundled);
/*
 * An envelope or a bundle by the key or the store of the request, and, where
 * that is asked, by log and policy. A bundle must always hold.
 */
void clo_verify_one(const struct clo_verify_request *request, const char *text,
		    size_t len, struct clo_verify_result *ret_result);
