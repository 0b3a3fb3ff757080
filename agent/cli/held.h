/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * clo_client_call() for a request with "documents", as clo_documents_read()
 * gives them: a text that the daemon holds goes as its SHA-256. All go as texts
 * where they are short, where the daemon does not say what it holds, and once
 * more where it holds them no longer. The request stays as it is.
 */
int clo_held_call(const struct clo_cli *cli, json_t *request,
		  json_t **ret_result);
