/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/* A result of `prove`, from here or from the daemon, for people. */
void clo_prove_print(const struct clo_cli *cli, const json_t *result);

/*
 * Plants in a kernel too: adds to what clo_explain_selftest() gave its plants,
 * whose "result" may also be "not run", and "notRun", how many these are. They
 * count neither as planted nor as found. 0 or -ENOMEM.
 */
int clo_prove_add_live(json_t *result);
/* What they gave. */
void clo_prove_print_selftest(const struct clo_cli *cli, const json_t *result);
