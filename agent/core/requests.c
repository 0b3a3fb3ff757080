/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/requests.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/base/log.h"
#include "agent/core/apply.h"
#include "agent/core/ask.h"
#include "agent/core/bundle.h"
#include "agent/core/control.h"
#include "agent/core/domain.h"
#include "agent/core/held.h"
#include "agent/core/hook.h"
#include "agent/core/identity.h"
#include "agent/core/prove.h"
#include "agent/core/reply.h"
#include "agent/core/report.h"
#include "agent/core/tend.h"
#include "agent/core/trace.h"
#include "policy/explain.h"

static json_t *answer_status(struct clo_node *node, const json_t *request)
{
	(void)request;
	return clo_reply_accept(clo_report_status(node));
}

static json_t *answer_endpoints(struct clo_node *node, const json_t *request)
{
	(void)request;
	return clo_reply_accept(clo_report_endpoints(node));
}

/* The tables that the kernel holds now, for questions about what is real. */
static json_t *with_tables(struct clo_node *node,
			   struct clo_tables **ret_tables)
{
	int r;

	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	r = clo_bpf_tables_read(node->bpf, ret_tables);
	return r < 0 ? clo_reply_failure("the tables cannot be read back", r)
		     : NULL;
}

static json_t *answer_matrix(struct clo_node *node, const json_t *request)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	json_t *refused = with_tables(node, &tables);

	(void)request;
	if (refused)
		return refused;
	return clo_reply_accept(
		clo_explain_matrix(node->force->compiled, tables));
}

/* Looks anew, and changes nothing. */
static json_t *answer_prove(struct clo_node *node, const json_t *request)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	int r;

	(void)request;
	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	clo_decisions_finish(node);
	r = clo_audit_run(node, &audit);
	if (r < 0)
		return clo_reply_failure("the node cannot be looked at", r);
	if (!audit->observed)
		return clo_reply_refuse(CLO_EXIT_FAILED,
					"the tables cannot be read back");
	return clo_reply_accept(clo_prove_tell(node, audit));
}

static bool good_nonce(const char *nonce)
{
	size_t len = strlen(nonce);

	if (len == 0 || len > 128 || len % 2)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isxdigit((unsigned char)nonce[i]) ||
		    isupper((unsigned char)nonce[i]))
			return false;
	return true;
}

/* A member that may be left out; false if it is there and no string. */
static bool optional(const json_t *request, const char *member,
		     const char **ret_text)
{
	const json_t *value = json_object_get(request, member);

	*ret_text = json_string_value(value);
	return !value || json_is_null(value) || *ret_text;
}

/* What takes long, or is kept for a year, strangers get seldom. */
static bool too_soon(double *due)
{
	const double spacing = 6000; /* ms for each, */
	const double burst = 10; /* so many at once */
	double now = clo_milliseconds();

	if (*due < now)
		*due = now;
	if (*due > now + spacing * (burst - 1))
		return true;
	*due += spacing;
	return false;
}

/* NULL: a new statement carries the nonce; else the reply that refuses. */
static json_t *prove_anew(struct clo_node *node,
			  const struct clo_challenge *challenge)
{
	int r;

	if (challenge->scope && !clo_record_has(node, challenge->scope))
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no endpoint of this scope is here");
	r = clo_tend_prove(node, "request", challenge);
	if (r < 0)
		return clo_reply_failure("no fresh attestation", r);
	if (challenge->scope && !clo_record_has(node, challenge->scope))
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no endpoint of this scope is here");
	return NULL;
}

static json_t *latest_reply(struct clo_node *node, const char *scope)
{
	CLO_AUTO_MEM char *text = NULL;
	json_t *envelope;
	time_t when;
	int r;

	r = clo_store_latest(node->store, scope ? scope : "", &text, &when);
	if (r == -ENOENT)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no attestation of this scope yet");
	if (r < 0)
		return clo_reply_failure("the log cannot be read", r);
	envelope = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!envelope)
		return clo_reply_refuse(CLO_EXIT_FAILED,
					"the log holds no envelope");
	return clo_reply_accept(json_pack("{s:o}", "envelope", envelope));
}

/* A statement may stand long; who asks for it gets one of this period. */
static bool is_old(struct clo_node *node, const char *scope)
{
	CLO_AUTO_MEM char *text = NULL;
	time_t when;

	return (!scope || clo_record_has(node, scope)) &&
	       clo_store_latest(node->store, scope ? scope : "", &text,
				&when) == 0 &&
	       time(NULL) - when > (time_t)node->options->period;
}

static json_t *attest(struct clo_node *node, const json_t *request, bool seldom)
{
	struct clo_challenge challenge;
	json_t *refused;

	if (!optional(request, "scope", &challenge.scope))
		return clo_reply_refuse(CLO_EXIT_USAGE, "scope is not a text");
	if (challenge.scope && !challenge.scope[0])
		challenge.scope = NULL;
	if (!optional(request, "nonce", &challenge.nonce) ||
	    (challenge.nonce && !good_nonce(challenge.nonce)))
		return clo_reply_refuse(
			CLO_EXIT_USAGE,
			"nonce is not lower-case hex of 1 to 64 bytes");
	if (challenge.nonce && seldom && too_soon(&node->challenges_due))
		return clo_reply_refuse(CLO_EXIT_UNREACHABLE,
					"too many challenges: ask again later");
	refused = challenge.nonce || (!seldom && is_old(node, challenge.scope))
			  ? prove_anew(node, &challenge)
			  : NULL;
	return refused ? refused : latest_reply(node, challenge.scope);
}

static json_t *answer_attest(struct clo_node *node, const json_t *request)
{
	return attest(node, request, false);
}

static json_t *answer_stranger(struct clo_node *node, const json_t *request)
{
	return attest(node, request, true);
}

static json_t *key_member(const struct clo_key *key, const char *protection)
{
	CLO_AUTO_MEM char *pem = NULL;
	char id[65];

	if (clo_key_public_pem(key, &pem) < 0 || clo_key_id(key, id) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "pem", pem, "id", id, "protection",
			 protection);
}

/* What signs statements, and in it what signs the log. */
static json_t *answer_key(struct clo_node *node, const json_t *request)
{
	json_t *key = key_member(clo_node_signer(node),
				 node->boot_key ? "tpm" : "file");

	(void)request;
	if (!key || json_object_set_new(key, "log",
					key_member(node->key, "file")) < 0) {
		json_decref(key);
		return clo_reply_failure("the key cannot be read", -EIO);
	}
	return clo_reply_accept(key);
}

/* Its signature decides; how often one is looked at, this does. */
static json_t *answer_stream(struct clo_node *node, const json_t *request)
{
	return too_soon(&node->bundles_due)
		       ? clo_reply_refuse(CLO_EXIT_UNREACHABLE,
					  "too many bundles: ask again later")
		       : clo_bundle_answer(node, request);
}

static const struct operation {
	const char *name;
	bool writes;
	json_t *(*answer)(struct clo_node *node, const json_t *request);
	/* what the gateway, and the stream, get instead; NULL: nothing */
	json_t *(*gateway)(struct clo_node *node, const json_t *request);
	json_t *(*stream)(struct clo_node *node, const json_t *request);
	/* what root gets instead; NULL: the same */
	json_t *(*root)(struct clo_node *node, const json_t *request);
} operations[] = {
	{"activate", true, clo_identity_activate, NULL, NULL},
	{"apply", true, clo_bundle_apply, NULL, NULL},
	{"ask", false, clo_ask_answer, NULL, NULL},
	{"attest", false, answer_attest, answer_stranger, NULL},
	{"bundle", true, clo_bundle_answer, NULL, answer_stream},
	{"define", false, clo_domain_define, NULL, NULL},
	{"endpoints", false, answer_endpoints, NULL, NULL},
	{"harden", false, clo_domain_harden, NULL, NULL},
	{"held", true, clo_held_answer, NULL, NULL},
	{"hook", true, clo_hook_answer, NULL, NULL},
	{"key", false, answer_key, answer_key, NULL},
	{"matrix", false, answer_matrix, NULL, NULL},
	{"plan", false, clo_apply_plan, NULL, NULL},
	{"prove", false, answer_prove, NULL, NULL},
	{"status", false, answer_status, answer_status, NULL},
	{"trace", false, clo_trace_answer, NULL, NULL, clo_trace_answer_root},
};

static json_t *dispatch(const struct operation *operation,
			struct clo_node *node, const json_t *request,
			enum clo_caller caller)
{
	if (caller == CLO_CALLER_GATEWAY)
		return operation->gateway
			       ? operation->gateway(node, request)
			       : clo_reply_refuse(CLO_EXIT_FORBIDDEN,
						  "not for the gateway");
	if (caller == CLO_CALLER_STREAM)
		return operation->stream
			       ? operation->stream(node, request)
			       : clo_reply_refuse(CLO_EXIT_FORBIDDEN,
						  "not for the stream");
	if (operation->writes && caller != CLO_CALLER_ROOT)
		return clo_reply_refuse(CLO_EXIT_FORBIDDEN,
					"only root may change the policy");
	if (caller == CLO_CALLER_ROOT && operation->root)
		return operation->root(node, request);
	return operation->answer(node, request);
}

json_t *clo_request_answer(struct clo_node *node, const json_t *request,
			   enum clo_caller caller)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	int r = node->inventory ? 0 : clo_node_look(node);

	if (r < 0)
		return clo_reply_failure("the node cannot be read", r);
	for (size_t i = 0; op && i < CLO_ARRAY_LEN(operations); i++)
		if (strcmp(operations[i].name, op) == 0)
			return dispatch(&operations[i], node, request, caller);
	return clo_reply_refuse(CLO_EXIT_USAGE, "no such operation");
}
