/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/apply.h"

#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/core/held.h"
#include "agent/core/reply.h"
#include "agent/core/report.h"
#include "agent/core/tend.h"
#include "policy/explain.h"

/* Before the proof, so that it can say what became of the flows. */
#define REVOKE_MS 20.0

static json_t *flaws_reply(const struct clo_flaws *flaws)
{
	json_t *list = json_array();

	for (size_t i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		(void)json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:s}", "file",
					flaw->file, "line", flaw->line, "path",
					flaw->path, "text", flaw->text));
	}
	return json_pack("{s:b, s:o, s:i, s:o}", "ok", 0, "error",
			 json_sprintf("the policy is refused: %zu flaws",
				      clo_flaws_count(flaws)),
			 "exit", (int)CLO_EXIT_REFUSED, "flaws", list);
}

static json_t *breaches_of(const struct clo_force *force)
{
	json_t *list = json_array();

	for (size_t i = 0; i < force->proof.n_breaches; i++)
		(void)json_array_append_new(
			list, clo_explain_breach(force->compiled,
						 &force->proof.breaches[i]));
	return list;
}

static json_t *breach_reply(const struct clo_force *force)
{
	return json_pack("{s:b, s:s, s:i, s:o}", "ok", 0, "error",
			 "the policy is refused: it breaks an invariant",
			 "exit", (int)CLO_EXIT_REFUSED, "breaches",
			 breaches_of(force));
}

static bool same_scope(const struct clo_workload_doc *a,
		       const struct clo_workload_doc *b)
{
	return a->environment == b->environment &&
	       strcmp(a->tenant->name, b->tenant->name) == 0;
}

/*
 * Invariant 7: a tap that is bound now may not wake up in another scope.
 * NULL, or the reply that refuses.
 */
static json_t *refuse_relabel(struct clo_node *node,
			      const struct clo_policy *policy)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *after = NULL;
	int r = clo_node_preview(node, policy, &after);

	if (r < 0)
		return clo_reply_failure("the node cannot be read", r);
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *was = &node->inventory->taps[i];
		const struct clo_tap *is =
			clo_inventory_find(after, was->ifindex);

		if (!was->workload || !is || !is->workload ||
		    same_scope(was->workload, is->workload))
			continue;
		return json_pack("{s:b, s:o, s:i}", "ok", 0, "error",
				 json_sprintf("workload %s would change its "
					      "tenant or environment while it "
					      "runs: stop it first",
					      was->workload->name),
				 "exit", (int)CLO_EXIT_REFUSED);
	}
	return NULL;
}

static json_t *applied(struct clo_node *node, const json_t *plan,
		       double ms_load)
{
	const struct clo_force *force = node->force;
	const struct clo_gen *gen = &force->compiled->tables->gen;
	uint64_t epoch = 0;
	char digest[65];

	(void)clo_bpf_epoch(node->bpf, &epoch);
	clo_hex_encode(gen->policy_digest, sizeof(gen->policy_digest), digest);
	return clo_reply_accept(json_pack(
		"{s:s, s:{s:s}, s:I, s:I, s:i, s:i, s:i, s:o, s:O, s:{s:f, "
		"s:f, s:f, s:f, s:f}, s:s}",
		"policy", digest, "matrix", "digest", force->matrix, "epoch",
		(json_int_t)epoch, "endpoints",
		(json_int_t)clo_report_declared(force->policy), "identities",
		(int)gen->identities - 1, "classes", (int)gen->classes, "rules",
		(int)gen->rules - 1, "proof",
		clo_explain_proof(force->compiled, &force->proof), "plan", plan,
		"ms", "parse", force->ms_parse, "compile", force->ms_compile,
		"prove", force->ms_prove, "load", ms_load, "readback",
		node->ms_readback, "verdict", node->verdict));
}

/* Parse, compile, prove: *ret_force, else the reply that refuses. */
static json_t *judge(const struct clo_node *node, json_t *documents,
		     struct clo_force **ret_force, bool keep_refused)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	time_t now = time(NULL);
	int r;

	r = clo_flaws_new(&flaws);
	if (r < 0)
		return clo_reply_failure("no memory", r);
	r = clo_force_make(node->force, documents, now, now, &force, flaws);
	if (r == -EINVAL || (r < 0 && clo_flaws_count(flaws) > 0))
		return flaws_reply(flaws);
	if (r == -EKEYREJECTED && !keep_refused)
		return breach_reply(force);
	if (r < 0 && r != -EKEYREJECTED)
		return clo_reply_failure("the policy cannot be compiled", r);

	*ret_force = CLO_TAKE(force);
	return NULL;
}

static json_t *refuse_name(const struct clo_policy *policy, const char *name)
{
	if (!name || strcmp(policy->node.name, name) == 0)
		return NULL;
	return clo_reply_because(
		CLO_EXIT_REFUSED,
		json_sprintf("the policy is of node %s, not of %s",
			     policy->node.name, name));
}

/* What a person approved, and nothing else. */
static json_t *refuse_unapproved(const struct clo_force *force,
				 const char *approved)
{
	if (!approved || strcmp(force->matrix, approved) == 0)
		return NULL;
	return clo_reply_because(
		CLO_EXIT_REFUSED,
		json_sprintf("the flow matrix of this policy is %s, approved "
			     "was %s: look at cloison plan and approve again",
			     force->matrix, approved));
}

json_t *clo_apply_documents(struct clo_node *node, json_t *documents,
			    const char *name, const char *approved)
{
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	json_auto_t *plan = NULL;
	json_t *refused;
	double begin;
	int r;

	refused = judge(node, documents, &force, false);
	if (!force)
		return refused;
	refused = refuse_name(force->policy, name);
	if (!refused)
		refused = refuse_unapproved(force, approved);
	if (!refused)
		refused = refuse_relabel(node, force->policy);
	if (refused)
		return refused;

	plan = clo_explain_plan(node->force ? node->force->compiled : NULL,
				force->compiled, time(NULL));
	if (!plan)
		return clo_reply_failure("no memory", -ENOMEM);
	begin = clo_milliseconds();
	r = clo_tend_apply(node, CLO_TAKE(force));
	if (r < 0)
		return clo_reply_failure("the policy could not be loaded", r);
	begin = clo_milliseconds() - begin;
	(void)clo_revoke_some(node,
			      REVOKE_MS); /* the event loop does the rest */
	(void)clo_tend_prove(node, "apply", NULL);
	return applied(node, plan, begin);
}

json_t *clo_apply_plan(struct clo_node *node, const json_t *request)
{
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	json_auto_t *documents = NULL;
	json_t *refused = clo_held_resolve(
		node, json_object_get(request, "documents"), &documents);
	const struct clo_compiled *before =
		node->force ? node->force->compiled : NULL;

	if (!documents)
		return refused;
	refused = judge(node, documents, &force, true);
	if (!force)
		return refused;
	return clo_reply_accept(json_pack(
		"{s:o, s:{s:s}, s:o, s:o, s:b}", "plan",
		clo_explain_plan(before, force->compiled, time(NULL)), "matrix",
		"digest", force->matrix, "proof",
		clo_explain_proof(force->compiled, &force->proof), "breaches",
		breaches_of(force), "changed",
		!before || memcmp(before->tables->gen.tables_digest,
				  force->compiled->tables->gen.tables_digest,
				  32) != 0));
}
