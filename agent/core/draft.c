/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/draft.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/core/problem.h"

/* Place in the chain: sequence, and digest of the payload before it. */
static int set_chain(struct clo_node *node, json_t *predicate,
		     uint64_t *ret_sequence)
{
	struct clo_chain_place chain;
	int r;

	r = clo_store_chain(node->store, node->boot_id, &chain);
	if (r < 0)
		return r;
	if (json_object_set_new(predicate, "chain",
				clo_chain_place_make(&chain)) < 0)
		return -ENOMEM;

	*ret_sequence = chain.sequence;
	return 0;
}

static int seal(const struct clo_tables *observed, struct clo_draft *draft,
		char **ret_text)
{
	const json_t *node = json_object_get(draft->predicate, "node");
	uint8_t tables_digest[32] = {0};
	char subject[CLO_SCOPE_MAX + 16];

	if (observed)
		clo_tables_digest_all(observed, tables_digest);
	(void)snprintf(subject, sizeof(subject), "%s/%s",
		       draft->scope ? "scope" : "node",
		       draft->scope ? draft->scope
				    : json_string_value(
					      json_object_get(node, "name")));
	if (draft->kind == CLO_KIND_ISOLATION)
		return clo_statement_seal(draft->predicate, subject,
					  tables_digest, ret_text,
					  &draft->verdict);
	return clo_statement_wrap(draft->predicate, draft->kind, subject,
				  tables_digest, ret_text);
}

int clo_draft_append(struct clo_node *node, const struct clo_tables *observed,
		     struct clo_draft *draft)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	int r;

	r = set_chain(node, draft->predicate, &draft->sequence);
	if (r == 0)
		r = seal(observed, draft, &text);
	if (r == 0 && node->log_full && draft->verdict == CLO_PASSED &&
	    !clo_kinds[draft->kind].lasting)
		r = -ENOSPC;
	if (r == 0)
		r = clo_dsse_sign(clo_node_signer(node), text, strlen(text),
				  &envelope);
	if (r == 0)
		r = clo_sha256(text, strlen(text), draft->digest);
	if (r < 0)
		return r;
	r = clo_store_append(
		node->store,
		&(const struct clo_record){
			.boot_id = node->boot_id,
			.sequence = draft->sequence,
			.kind = clo_kinds[draft->kind].name,
			.scope = draft->scope ? draft->scope : "",
			.time = draft->now,
			.verdict = clo_verdict_text(draft->verdict),
			.payload_digest = draft->digest,
			.envelope = envelope,
			.signer = clo_node_signer(node),
		});
	if (r < 0)
		return r;
	memcpy(node->head, draft->digest, sizeof(node->head));
	node->head_known = true;
	return 0;
}
