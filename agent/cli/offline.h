/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"
#include "policy/compile.h"
#include "policy/parse.h"

/*
 * The daemon's `plan` without a daemon, against an empty policy. CLO_EXIT_OK
 * and a result of the same shape; else it has been printed why.
 */
int clo_offline_plan(const struct clo_cli *cli, const json_t *documents,
		     json_t **ret_result);

/* Documents, parsed and compiled as of now. */
struct clo_chain {
	struct clo_policy *policy;
	struct clo_compiled *compiled;
};

/* CLO_EXIT_OK, or it has been printed why; done with it in any case. */
int clo_offline_make(const struct clo_cli *cli, const json_t *documents,
		     struct clo_chain *chain);
void clo_chain_done(struct clo_chain *chain);

/*
 * The flow matrix of the documents, as a canonical document at `path`. `digest`
 * is what it must have.
 */
int clo_offline_matrix(const struct clo_cli *cli, const json_t *documents,
		       const char *digest, const char *path);

/* What clo_documents_read() gave, as clo_policy_parse(). */
int clo_offline_parse(const json_t *documents, time_t now,
		      struct clo_policy **ret_policy, struct clo_flaws *flaws);
/* Those that were kept, as JSON. */
json_t *clo_offline_flaws(const struct clo_flaws *flaws);
/* That it has flaws, and which. */
int clo_offline_refuse(const struct clo_cli *cli,
		       const struct clo_flaws *flaws);
