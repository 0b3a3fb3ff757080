/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store_reader.h"
#include "agent/gateway/route.h"

void clo_answer_health(const struct clo_call *call, struct clo_answer *answer)
{
	(void)call;
	clo_answer_json(answer, json_pack("{s:s}", "status", "ok"));
}

/* Can it do what it is for: read the log, reach the daemon? */
void clo_answer_ready(const struct clo_call *call, struct clo_answer *answer)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	CLO_AUTO_FD int fd = -1;
	int r;

	r = clo_reader_open(call->gateway->options->log, &reader);
	if (r < 0) {
		clo_answer_failure(answer, r, "the log cannot be read");
		return;
	}
	r = clo_connector_get(call->gateway->connector, &fd);
	if (r < 0)
		clo_answer_failure(answer, r, "cloisond cannot be reached");
	else
		clo_answer_json(answer, json_pack("{s:s}", "status", "ready"));
}
