/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/base/auto.h"
#include "agent/gateway/ask.h"
#include "agent/gateway/route.h"

static json_t *told(json_t *key)
{
	const char *pem, *id, *protection;

	if (json_unpack(key, "{s:s, s:s, s:s}", "pem", &pem, "id", &id,
			"protection", &protection) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s}", "id", id, "algorithm",
			 "ed25519", "protection", protection, "pem", pem);
}

/*
 * The keys that sign statements and the log now, or the one for both. Whoever
 * relies on them pins them out of band.
 */
void clo_answer_trust(const struct clo_call *call, struct clo_answer *answer)
{
	json_auto_t *request = json_pack("{s:s}", "op", "key");
	json_auto_t *key = NULL;
	json_auto_t *keys = json_array();
	enum clo_exit code = CLO_EXIT_FAILED;
	json_t *signer, *log;
	int r;

	r = clo_ask(call->gateway->connector, request, &key, &code);
	if (r < 0) {
		clo_answer_failure(answer, r, "cloisond cannot be asked");
		return;
	}
	signer = told(key);
	log = told(json_object_get(key, "log"));
	r = signer && log ? 0 : -EBADMSG;
	if (r == 0)
		r = json_array_append(keys, signer);
	if (r == 0 && !json_equal(signer, log))
		r = json_array_append(keys, log);
	json_decref(signer);
	json_decref(log);
	if (r < 0) {
		clo_answer_failure(answer, -EBADMSG, "cloisond's key");
		return;
	}
	clo_answer_json(answer, json_pack("{s:O}", "keys", keys));
}
