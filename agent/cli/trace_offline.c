/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/documents.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "agent/cli/trace.h"
#include "policy/explain_trace.h"

static int run(const struct clo_cli *cli, const struct clo_compiled *compiled,
	       const json_t *json, json_t **ret_result)
{
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	struct clo_trace_request request;
	char why[160] = "out of memory";
	json_t *result = NULL;

	assert(compiled); /* it was made without a flaw */
	if (clo_trace_request_parse(json, &request, why) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s", why);
	if (clo_tracer_new(compiled, compiled->tables, NULL, &tracer) == 0)
		result = clo_trace_request_run(tracer, &request, NULL, NULL,
					       why);
	if (!result)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s", why);

	*ret_result = result;
	return CLO_EXIT_OK;
}

int clo_trace_offline(const struct clo_cli *cli, const char *dir,
		      const json_t *request, json_t **ret_result)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	json_auto_t *documents = NULL;
	const time_t now = time(NULL);
	int code = clo_documents_read(cli, dir, &documents);
	int r;

	if (code != CLO_EXIT_OK)
		return code;
	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = clo_offline_parse(documents, now, &policy, flaws);
	if (r == 0)
		r = clo_compile(policy, now, &compiled, flaws);
	if (r == -EINVAL)
		return clo_offline_refuse(cli, flaws);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot compile: %s",
				strerrordesc_np(-r));
	return run(cli, compiled, request, ret_result);
}
