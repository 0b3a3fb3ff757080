/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * The daemon's `plan` without a daemon, against an empty policy. CLO_EXIT_OK
 * and a result of the same shape; else it has been printed why.
 */
int clo_offline_plan(const struct clo_cli *cli, const json_t *documents,
		     json_t **ret_result);
