/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/base/auto.h"
#include "agent/cli/cli.h"
#include "policy/compile.h"

/*
 * The policy that a node should have in force, compiled here, against what its
 * statements say that it had.
 */
struct clo_verify_policy;

/* Of a directory; CLO_EXIT_OK, else it has been printed why. */
int clo_verify_policy_read(const struct clo_cli *cli, const char *dir,
			   struct clo_verify_policy **ret_policy);
void clo_verify_policy_free(struct clo_verify_policy *policy);
CLO_DEFINE_FREEP(clo_verify_policy)
/* As last compiled: for now, or for the statement that was checked. */
const struct clo_compiled *
clo_verify_policy_compiled(const struct clo_verify_policy *policy);
/*
 * Of a sound statement of that time. 0; -EBADMSG: it is of another policy, or
 * of tables that are not this policy's, which ret_reason says; -errno.
 */
int clo_verify_policy_check(struct clo_verify_policy *policy,
			    const json_t *statement, time_t then,
			    char ret_reason[200]);
