/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/base/auto.h"
#include "agent/gateway/ask.h"
#include "agent/gateway/route.h"

/* The key that signs now. Whoever relies on it pins it out of band. */
void clo_answer_trust(const struct clo_call *call, struct clo_answer *answer)
{
	json_auto_t *request = json_pack("{s:s}", "op", "key");
	json_auto_t *key = NULL;
	enum clo_exit code = CLO_EXIT_FAILED;
	const char *pem, *id;
	int r;

	r = clo_ask(call->gateway->connector, request, &key, &code);
	if (r < 0) {
		clo_answer_failure(answer, r, "cloisond cannot be asked");
		return;
	}
	if (json_unpack(key, "{s:s, s:s}", "pem", &pem, "id", &id) < 0) {
		clo_answer_failure(answer, -EBADMSG, "cloisond's key");
		return;
	}
	clo_answer_json(answer, json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "keys",
					  "id", id, "algorithm", "ed25519",
					  "protection", "file", "pem", pem));
}
