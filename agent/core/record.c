/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "agent/base/log.h"
#include "agent/core/identity.h"
#include "agent/core/predicate.h"

/* Place in the chain: sequence, and digest of the payload before it. */
static int set_chain(struct clo_node *node, json_t *predicate,
		     uint64_t *ret_sequence)
{
	uint8_t previous[32];
	char hex[65];
	uint64_t next;
	int r;

	r = clo_store_head(node->store, node->boot_id, &next, previous);
	if (r < 0)
		return r;
	if (next > 0)
		clo_hex_encode(previous, sizeof(previous), hex);
	r = json_object_set_new(predicate, "chain",
				json_pack("{s:I, s:s?}", "sequence",
					  (json_int_t)next, "previous",
					  next > 0 ? hex : NULL));
	if (r < 0)
		return -ENOMEM;

	*ret_sequence = next;
	return 0;
}

/* Seal, sign and append one statement. */
static int append(struct clo_node *node, const struct clo_audit *audit,
		  json_t *predicate, const char *scope, time_t now)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	enum clo_verdict_word verdict;
	uint8_t payload_digest[32];
	uint8_t tables_digest[32] = {0};
	char subject[CLO_SCOPE_MAX + 16];
	uint64_t sequence;
	int r;

	r = set_chain(node, predicate, &sequence);
	if (r < 0)
		return r;
	if (audit->observed)
		clo_tables_digest_all(audit->observed, tables_digest);
	(void)snprintf(
		subject, sizeof(subject), "%s/%s", scope ? "scope" : "node",
		scope ? scope
		      : json_string_value(json_object_get(
				json_object_get(predicate, "node"), "name")));

	r = clo_statement_seal(predicate, subject, tables_digest, &text,
			       &verdict);
	if (r < 0)
		return r;
	r = clo_dsse_sign(clo_node_signer(node), text, strlen(text), &envelope);
	if (r < 0)
		return r;
	r = clo_sha256(text, strlen(text), payload_digest);
	if (r < 0)
		return r;

	return clo_store_append(node->store,
				&(const struct clo_record){
					.boot_id = node->boot_id,
					.sequence = sequence,
					.kind = "isolation/v1",
					.scope = scope ? scope : "",
					.time = now,
					.verdict = clo_verdict_text(verdict),
					.payload_digest = payload_digest,
					.envelope = envelope,
				});
}

static int record_scope(struct clo_node *node, const struct clo_audit *audit,
			const struct clo_occasion *occasion, const char *scope)
{
	json_auto_t *predicate = NULL;
	const char *verdict;
	int r;

	predicate = clo_predicate_make(node, audit, occasion, scope);
	if (!predicate)
		return -ENOMEM;
	r = append(node, audit, predicate, scope, occasion->now);
	if (scope)
		return r;

	/* `status` shows it even if the log refused it */
	verdict = json_string_value(json_object_get(predicate, "verdict"));
	(void)snprintf(node->verdict, sizeof(node->verdict), "%s",
		       r < 0 || !verdict ? "INCONCLUSIVE" : verdict);
	json_decref(node->last);
	node->last = json_incref(predicate);
	node->last_time = occasion->now;
	return r;
}

/* Scopes with an endpoint on this node. */
static bool present(const struct clo_node *node, const char *scope)
{
	for (size_t i = 0; i < node->inventory->n_taps; i++)
		if (clo_predicate_covers(scope, &node->inventory->taps[i]))
			return true;
	return false;
}

static int record_scopes(struct clo_node *node, const struct clo_audit *audit,
			 const struct clo_occasion *occasion)
{
	const struct clo_policy *policy = node->force->policy;
	int worst = 0;

	for (size_t t = 0; t < policy->n_tenants; t++)
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT;
		     e++) {
			char scope[CLO_SCOPE_MAX];
			int r;

			(void)snprintf(
				scope, sizeof(scope), "%s/%s",
				policy->tenants[t].name,
				clo_environment_name((enum clo_environment)e));
			if (!present(node, scope))
				continue;
			r = record_scope(node, audit, occasion, scope);
			if (r < 0)
				worst = r;
		}
	return worst;
}

int clo_record_audit(struct clo_node *node, const struct clo_audit *audit,
		     const char *trigger, const char *nonce)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	struct clo_occasion occasion = {
		.trigger = trigger, .nonce = nonce, .now = time(NULL)};
	CLO_AUTO_MEM struct clo_facts *facts = NULL;
	json_auto_t *quote = NULL;
	int worst = 0;
	int r;

	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	r = clo_facts_collect("/", facts);
	if (r < 0)
		return r;
	occasion.facts = facts;
	r = clo_store_gaps(node->store, &gaps, &occasion.n_gaps);
	if (r < 0)
		return r;
	occasion.gaps = gaps;
	quote = clo_identity_quote(
		node, audit->observed ? audit->observed->gen.epoch : 0, nonce);
	occasion.quote = quote;

	if (node->force)
		worst = record_scopes(node, audit, &occasion);
	r = record_scope(node, audit, &occasion, NULL);
	if (r < 0)
		worst = r;
	if (worst < 0)
		return worst;

	r = clo_store_gaps_signed(node->store);
	clo_log(strcmp(node->verdict, "PASSED") == 0 ? CLO_LOG_INFO
						     : CLO_LOG_WARN,
		"attested verdict=%s trigger=%s problems=%zu", node->verdict,
		trigger, audit->problems.n);
	return r < 0 ? r : clo_store_run_alive(node->store, occasion.now);
}
