/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/verify_one.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/inclusion.h"
#include "agent/attest/logged.h"
#include "agent/base/file.h"
#include "agent/cli/output.h"

int clo_verify_unwrap(const char **text, size_t *len,
		      struct clo_bundled **ret_bundled)
{
	int r;

	if (!clo_bundle_is_claimed(*text, *len))
		return 0;
	r = clo_bundle_parse(*text, *len, ret_bundled);
	if (r < 0)
		return r;
	*text = (*ret_bundled)->envelope;
	*len = strlen(*text);
	return 0;
}

int clo_verify_trust(const struct clo_cli *cli, const char *path,
		     struct clo_trust **ret_trust)
{
	CLO_AUTO_MEM char *text = NULL;
	char reason[200] = "out of memory";
	size_t len;
	int r = clo_file_read(path, CLO_TRUST_MAX, &text, &len);

	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	if (clo_trust_parse(text, len, ret_trust, reason) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s: %s", path, reason);
	return CLO_EXIT_OK;
}

static void reject(struct clo_verify_result *result, const char *flaw)
{
	if (flaw)
		clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC, "%s",
				    flaw);
}

static void fail(struct clo_verify_result *result)
{
	clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
			    "the check itself failed");
}

static void verify_envelope(const struct clo_verify_request *request,
			    const char *envelope, size_t len,
			    struct clo_verify_result *ret_result)
{
	if (request->trust)
		clo_verify_trusted(request->trust, envelope, len,
				   &request->options, ret_result);
	else
		clo_verify(request->key, envelope, len, &request->options,
			   ret_result);
}

static time_t time_of(const struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");
	time_t then = 0;

	(void)clo_time_parse(clo_member_text(predicate, "time"), &then);
	return then;
}

/* By what the given log has of this payload. */
static const char *store_flaw(const struct clo_log_trust *by,
			      struct clo_store *log, const char *envelope,
			      size_t len,
			      const struct clo_verify_result *result)
{
	CLO_AUTO(clo_inclusion) struct clo_inclusion *inclusion = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *entry = NULL;
	struct clo_tlog_proof proof;
	uint64_t index = 0;
	int r;

	r = clo_store_find_digest(log, result->digest, &index);
	if (r == -ENOENT)
		return "the log does not have it";
	if (r == 0)
		r = clo_inclusion_new(log, index, &inclusion);
	if (r == 0)
		r = clo_inclusion_proof(inclusion, &text);
	if (r == 0)
		r = clo_tlog_proof_parse(text, strlen(text), &proof, &entry);
	return r < 0 ? "the log is damaged: cloison log verify tells where"
		     : clo_logged_flaw(by, envelope, len, &proof);
}

static void check_log(const struct clo_verify_request *request,
		      const char *envelope, size_t len,
		      const struct clo_bundled *bundled,
		      struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");
	const struct clo_log_trust by = {
		.key = request->key,
		.trust = request->trust,
		.node = clo_member_text(json_object_get(predicate, "node"),
					"name"),
		.then = time_of(result),
	};

	if (bundled)
		reject(result, clo_logged_bundle_flaw(&by, bundled));
	else if (request->proof)
		reject(result,
		       clo_logged_flaw(&by, envelope, len, request->proof));
	else if (request->log)
		reject(result,
		       store_flaw(&by, request->log, envelope, len, result));
	else if (request->require_log)
		reject(result, "nothing shows that a log has it: give its "
			       "bundle, --log or --proof");
}

static void check_policy(const struct clo_verify_request *request,
			 struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");
	char reason[200] = "";
	int r;

	/* a record of a key is of no policy */
	if (!request->policy || !json_object_get(predicate, "verdict"))
		return;
	r = clo_verify_policy_check(request->policy, result->statement,
				    time_of(result), reason);
	if (r == -EBADMSG)
		clo_verify_conclude(result, CLO_VERIFY_FAILED, "%s", reason);
	else if (r < 0)
		fail(result);
}

void clo_verify_one(const struct clo_verify_request *request, const char *text,
		    size_t len, struct clo_verify_result *ret_result)
{
	CLO_AUTO(clo_bundled) struct clo_bundled *bundled = NULL;
	int r;

	*ret_result = (struct clo_verify_result){0};
	r = clo_verify_unwrap(&text, &len, &bundled);
	if (r == -EBADMSG)
		reject(ret_result, "not a Sigstore bundle v0.3 of an envelope "
				   "and its entry in the log");
	else if (r < 0)
		fail(ret_result);
	if (r < 0)
		return;

	verify_envelope(request, text, len, ret_result);
	if (ret_result->statement &&
	    ret_result->exit != CLO_VERIFY_NOT_AUTHENTIC)
		check_log(request, text, len, bundled, ret_result);
	if (ret_result->statement &&
	    ret_result->exit != CLO_VERIFY_NOT_AUTHENTIC)
		check_policy(request, ret_result);
}
