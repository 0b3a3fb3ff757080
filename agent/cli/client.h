/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * One request to the daemon and its reply. CLO_EXIT_OK and a new reference to
 * the "result" object; else the failure has been printed, with its flaws and
 * breaches, and its exit code is returned. `request` NULL: out of memory.
 */
int clo_client_call(const struct clo_cli *cli, const json_t *request,
		    json_t **ret_result);
