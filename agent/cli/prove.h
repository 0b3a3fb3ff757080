/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/* A result of `prove`, from here or from the daemon, for people. */
void clo_prove_print(const struct clo_cli *cli, const json_t *result);

/* What clo_explain_selftest() gave. */
void clo_prove_print_selftest(const struct clo_cli *cli, const json_t *result);
