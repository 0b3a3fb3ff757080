/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * The policy in a directory: every *.json that does not begin with a dot,
 * sorted by name; sub-directories are not entered. CLO_EXIT_OK and an array of
 * {"name": path, "text":}; else it has been printed why, with a flaw for each
 * file that is no document.
 */
int clo_documents_read(const struct clo_cli *cli, const char *dir,
		       json_t **ret_documents);
