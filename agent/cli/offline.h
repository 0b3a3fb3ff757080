/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"
#include "policy/parse.h"

/*
 * The daemon's `plan` without a daemon, against an empty policy. CLO_EXIT_OK
 * and a result of the same shape; else it has been printed why.
 */
int clo_offline_plan(const struct clo_cli *cli, const json_t *documents,
		     json_t **ret_result);

/* What clo_documents_read() gave, as clo_policy_parse(). */
int clo_offline_parse(const json_t *documents, time_t now,
		      struct clo_policy **ret_policy, struct clo_flaws *flaws);
/* That it has flaws, and which. */
int clo_offline_refuse(const struct clo_cli *cli,
		       const struct clo_flaws *flaws);
