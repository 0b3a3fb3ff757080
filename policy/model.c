/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/model.h"

#include "policy/arena.h"
#include "policy/parse.h"

const char *clo_environment_name(enum clo_environment environment)
{
	switch (environment) {
	case CLO_ENV_PRODUCTION:
		return "production";
	case CLO_ENV_TEST:
		return "test";
	case CLO_ENV_DEVELOPMENT:
		return "development";
	case CLO_ENV_NONE:
		break;
	}
	return "none";
}

void clo_policy_free(struct clo_policy *policy)
{
	/* The struct itself lives in its arena. */
	if (policy)
		clo_arena_free(policy->arena);
}
