/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/cli/verify_one.h"

/*
 * All of the operand, a line, element or test case each, and the chain as one
 * more where it is asked for. Returns the worst exit code.
 */
int clo_verify_many(const struct clo_cli *cli,
		    const struct clo_verify_request *request);
