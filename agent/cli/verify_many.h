/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/verify.h"
#include "agent/cli/cli.h"

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
	bool chain_complete;
	enum clo_verify_format format;
};

/* One envelope by the key or the store of the request. */
void clo_verify_one(const struct clo_verify_request *request,
		    const char *envelope, size_t len,
		    struct clo_verify_result *ret_result);
/*
 * All of the operand, a line, element or test case each, and the chain as one
 * more where it is asked for. Returns the worst exit code.
 */
int clo_verify_many(const struct clo_cli *cli,
		    const struct clo_verify_request *request);
