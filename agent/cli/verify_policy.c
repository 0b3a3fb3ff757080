/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/verify_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/cli/documents.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "policy/compile.h"

struct clo_verify_policy {
	struct clo_policy *policy;
	char digest[65];
	/* Its tables, which depend on the time where there are exceptions. */
	struct clo_compiled *compiled;
	char tables[65];
	time_t then;
};

void clo_verify_policy_free(struct clo_verify_policy *policy)
{
	if (!policy)
		return;

	clo_compiled_free(policy->compiled);
	clo_policy_free(policy->policy);
	free(policy);
}

static int compile(struct clo_verify_policy *policy, time_t then,
		   struct clo_flaws *flaws)
{
	struct clo_compiled *compiled = NULL;
	uint8_t digest[32];
	int r;

	if (policy->compiled &&
	    (policy->policy->n_exceptions == 0 || policy->then == then))
		return 0;
	r = clo_compile(policy->policy, then, &compiled, flaws);
	if (r < 0)
		return r;
	clo_tables_digest_all(compiled->tables, digest);
	clo_hex_encode(digest, sizeof(digest), policy->tables);
	clo_compiled_free(policy->compiled);
	policy->compiled = compiled;
	policy->then = then;
	return 0;
}

int clo_verify_policy_read(const struct clo_cli *cli, const char *dir,
			   struct clo_verify_policy **ret_policy)
{
	CLO_AUTO(clo_verify_policy) struct clo_verify_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	json_auto_t *documents = NULL;
	int code, r;

	code = clo_documents_read(cli, dir, &documents);
	if (code != CLO_EXIT_OK)
		return code;
	policy = calloc(1, sizeof(*policy));
	r = policy ? clo_flaws_new(&flaws) : -ENOMEM;
	if (r == 0) /* what has expired since then had not */
		r = clo_offline_parse(documents, 0, &policy->policy, flaws);
	if (r == 0)
		r = compile(policy, time(NULL), flaws);
	if (r == -EINVAL)
		return clo_offline_refuse(cli, flaws);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_INCONCLUSIVE,
				"the check itself failed: %s",
				strerrordesc_np(-r));
	clo_hex_encode(policy->policy->digest, 32, policy->digest);
	*ret_policy = CLO_TAKE(policy);
	return CLO_EXIT_OK;
}

const struct clo_compiled *
clo_verify_policy_compiled(const struct clo_verify_policy *policy)
{
	return policy->compiled;
}

int clo_verify_policy_check(struct clo_verify_policy *policy,
			    const json_t *statement, time_t then,
			    char ret_reason[200])
{
	const json_t *predicate = json_object_get(statement, "predicate");
	const json_t *subject =
		json_array_get(json_object_get(statement, "subject"), 0);
	const char *tables =
		clo_member_text(json_object_get(subject, "digest"), "sha256");
	const json_t *stated = json_object_get(predicate, "policy");
	const char *digest = clo_member_text(stated, "digest");
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	int r;

	if (stated && strcmp(digest, policy->digest) != 0) {
		(void)snprintf(ret_reason, 200,
			       "of another policy: %.64s, not %s", digest,
			       policy->digest);
		return -EBADMSG;
	}
	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = compile(policy, then, flaws);
	if (r < 0)
		return r;
	if (strcmp(tables, policy->tables) == 0)
		return 0;
	(void)snprintf(ret_reason, 200,
		       "of other tables than the policy makes: %.64s, not %s",
		       tables, policy->tables);
	return -EBADMSG;
}
