/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/json.h"
#include "agent/gateway/ask.h"
#include "agent/gateway/filter.h"
#include "agent/gateway/route.h"

#define NONCE_MIN 16 /* hex digits: fewer could be guessed ahead */
#define NONCE_MAX 128
#define DEPTH 4

static bool is_nonce(const char *text)
{
	size_t len = strlen(text);

	return len >= NONCE_MIN && len <= NONCE_MAX && len % 2 == 0 &&
	       strspn(text, "0123456789abcdefABCDEF") == len;
}

/* Lower case is the protocol's one spelling. */
static bool spell(const char *nonce, char ret_text[NONCE_MAX + 1])
{
	size_t i;

	if (!is_nonce(nonce))
		return false;
	for (i = 0; nonce[i]; i++)
		ret_text[i] = (char)tolower((unsigned char)nonce[i]);
	ret_text[i] = '\0';
	return true;
}

/* tenant/environment, as the log names it. */
static bool is_scope(const char *text)
{
	static const char *const environments[] = {"production", "test",
						   "development"};
	const char *slash = strchr(text, '/');
	char tenant[CLO_NAME_MAX];

	if (!slash || clo_role_tenant(text, (size_t)(slash - text), tenant) < 0)
		return false;
	for (size_t i = 0; i < CLO_ARRAY_LEN(environments); i++)
		if (strcmp(slash + 1, environments[i]) == 0)
			return true;
	return false;
}

/* The request to the daemon; NULL after an answer. */
static json_t *understand(const struct clo_call *call,
			  struct clo_answer *answer)
{
	json_auto_t *body = NULL;
	const char *nonce;
	const char *scope = NULL;
	char spelt[NONCE_MAX + 1];

	if (clo_json_parse(call->body, call->body_len, DEPTH, &body) < 0 ||
	    json_unpack(body, "{s:s, s?s!}", "nonce", &nonce, "scope", &scope) <
		    0)
		clo_answer_problem(answer, 400,
				   "the body must be {\"nonce\": hex, "
				   "\"scope\": \"tenant/environment\"}");
	else if (!spell(nonce, spelt))
		clo_answer_problem(answer, 400,
				   "a nonce is 8 to 64 bytes as hex digits");
	else if (scope && !is_scope(scope))
		clo_answer_problem(answer, 400,
				   "a scope is tenant/environment");
	else if (!clo_who_sees(&call->who, scope ? scope : ""))
		clo_answer_problem(answer, 403, "another's scope");
	else
		return json_pack("{s:s, s:s, s:s*}", "op", "attest", "nonce",
				 spelt, "scope", scope);
	return NULL;
}

static void refuse(struct clo_answer *answer, enum clo_exit code)
{
	if (code == CLO_EXIT_INCONCLUSIVE) {
		clo_answer_problem(answer, 404, "no such scope on this node");
		return;
	}
	clo_answer_problem(answer, 503, "the node proves nothing now");
	answer->retry_after = 10;
}

static void give(struct clo_answer *answer, const json_t *result)
{
	const json_t *envelope = json_object_get(result, "envelope");

	clo_answer_text(answer, CLO_ENVELOPE_TYPE,
			envelope ? json_dumps(envelope, JSON_COMPACT) : NULL);
}

void clo_answer_challenge(const struct clo_call *call,
			  struct clo_answer *answer)
{
	json_auto_t *request = understand(call, answer);
	json_auto_t *result = NULL;
	enum clo_exit code = CLO_EXIT_FAILED;
	int r;

	if (!request)
		return;
	if (!clo_gateway_admit(call->gateway, call->client, true)) {
		clo_answer_problem(answer, 429, "too many challenges");
		answer->retry_after = 60;
		return;
	}
	call->gateway->counters[CLO_COUNT_CHALLENGES]++;
	r = clo_ask(call->gateway->connector, request, &result, &code);
	if (r == -EREMOTE)
		refuse(answer, code);
	else if (r < 0)
		clo_answer_failure(answer, r, "cloisond cannot be asked");
	else
		give(answer, result);
}
