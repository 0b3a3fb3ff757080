/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/verify.h"
#include "agent/cli/cli.h"

/*
 * The outcome of clo_verify for people, or with --json {"verified": bool,
 * "verdict":, "stale":, "reason":, "statement":}. Nothing of the payload is
 * shown unless it is authentic. Returns the exit code.
 */
int clo_summary_print(const struct clo_cli *cli,
		      const struct clo_verify_result *result);
