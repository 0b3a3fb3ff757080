/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/cli/cli.h"

/*
 * `cloison prove --fleet`: the union of many nodes. `dir` has a directory for
 * each node, which has the documents of its policy in policy and an attestation of
 * it in attestation.json. `trust` NULL: of the policies alone, whether or not
 * they are in force. Prints and returns enum clo_exit.
 */
int clo_prove_fleet(const struct clo_cli *cli, const char *dir,
		    const char *trust);
