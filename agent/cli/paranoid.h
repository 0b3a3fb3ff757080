/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * --paranoid: the tables that the compiler makes of these documents, whole,
 * against what the documents mean. Here and not in the daemon: it takes as long
 * as it takes. CLO_EXIT_OK and ret_oracle as clo_oracle_explain() has it, with
 * "milliseconds"; else it has been printed why.
 */
int clo_paranoid_check(const struct clo_cli *cli, const json_t *documents,
		       json_t **ret_oracle);
/* For people. */
void clo_paranoid_print(const json_t *oracle);
