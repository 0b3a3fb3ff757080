/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/predicate.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "agent/core/measures.h"
#include "policy/explain.h"

static json_t *hex(const uint8_t *data, size_t len)
{
	char text[65];

	clo_hex_encode(data, len, text);
	return json_string(text);
}

static json_t *node_member(const struct clo_node *node)
{
	struct utsname kernel = {0};

	(void)uname(&kernel);
	return json_pack("{s:s, s:s, s:s, s:s}", "name",
			 node->force ? node->force->policy->node.name
				     : kernel.nodename,
			 "bootId", node->boot_id, "kernel", kernel.release,
			 "agent", CLO_VERSION);
}

static json_t *policy_member(const struct clo_node *node,
			     const struct clo_audit *audit)
{
	const struct clo_tables *observed = audit->observed;
	uint8_t tables[32];
	bool known;

	if (!observed)
		return json_pack("{s:n, s:i, s:s}", "digest", "epoch", 0,
				 "attached", clo_bpf_attach_name(node->bpf));
	/* The matrix that was approved: of tables that are the kernel's. */
	clo_tables_digest_all(observed, tables);
	known = node->force &&
		memcmp(node->force->compiled->tables->gen.tables_digest, tables,
		       sizeof(tables)) == 0;
	return json_pack("{s:o, s:I, s:s, s:s*}", "digest",
			 hex(observed->gen.policy_digest, 32), "epoch",
			 (json_int_t)observed->gen.epoch, "attached",
			 clo_bpf_attach_name(node->bpf), "matrix",
			 known ? node->force->matrix : NULL);
}

static json_t *programs_member(const struct clo_audit *audit)
{
	json_t *programs = json_array();

	for (int i = 0; audit->programs_read && i < 2; i++) {
		const struct clo_bpf_program *program = &audit->programs[i];

		(void)json_array_append_new(
			programs,
			json_pack("{s:s, s:i, s:o, s:o, s:b}", "name",
				  program->name, "id", (int)program->id, "tag",
				  hex(program->tag, sizeof(program->tag)),
				  "xlated", hex(program->xlated, 32), "asBuilt",
				  program->as_built));
	}
	return programs;
}

static json_t *tables_member(const struct clo_audit *audit)
{
	json_t *tables = json_object();

	for (int t = 0; audit->observed && t < CLO_TABLE_COUNT; t++) {
		uint8_t digest[32];

		clo_tables_digest(audit->observed, (enum clo_table)t, digest);
		(void)json_object_set_new(tables, clo_table_types[t].name,
					  hex(digest, sizeof(digest)));
	}
	return tables;
}

/* What the attached programs' code says, over all that it can be asked. */
static json_t *decided_member(const struct clo_audit *audit)
{
	const struct clo_enumeration *decided = &audit->decided;
	char at[21];

	if (!decided->epoch)
		return json_null();
	clo_time_format(decided->at, at);
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:O*}", "epoch",
		(json_int_t)decided->epoch, "pairs", (json_int_t)decided->pairs,
		"classes", (json_int_t)decided->classes, "verdicts",
		(json_int_t)decided->verdicts, "allowed",
		(json_int_t)decided->allowed, "slots",
		(json_int_t)decided->slots, "wrong", (json_int_t)decided->wrong,
		"ms", decided->ms, "time", at, "witness", audit->contradiction);
}

/* Tables that are compiled as the documents mean it. */
static json_t *documents_member(const struct clo_node *node)
{
	const struct clo_meaning *meaning = &node->meaning;
	char at[21];

	if (!clo_meaning_known(node) || meaning->error)
		return json_null();
	clo_time_format(meaning->at, at);
	return json_pack("{s:I, s:I, s:s?, s:f, s:s}", "verdicts",
			 (json_int_t)meaning->verdicts, "differences",
			 (json_int_t)meaning->differences, "first",
			 meaning->first[0] ? meaning->first : NULL, "ms",
			 meaning->ms, "time", at);
}

/* Every packet kind through the attached programs. */
static json_t *kinds_member(const struct clo_kinds *kinds)
{
	char at[21];

	if (!kinds->signature)
		return json_null();
	clo_time_format(kinds->at, at);
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:f, s:s}", "kinds",
		(json_int_t)kinds->kinds, "run", (json_int_t)kinds->run,
		"right", (json_int_t)kinds->right, "wrong",
		(json_int_t)kinds->wrong, "taps", (json_int_t)kinds->taps,
		"alike", (json_int_t)kinds->alike, "notCovered",
		kinds->uncovered, "ms", kinds->ms, "time", at);
}

json_t *clo_predicate_flows(const struct clo_revoke *revoke)
{
	json_t *flows;
	char at[21];

	if (!revoke->epoch)
		return json_null();
	clo_time_format(revoke->at, at);
	flows = json_pack("{s:I, s:I, s:I, s:I, s:b}", "epoch",
			  (json_int_t)revoke->epoch, "walked",
			  (json_int_t)revoke->walked, "kept",
			  (json_int_t)revoke->kept, "ended",
			  (json_int_t)revoke->removed, "done", revoke->done);
	if (revoke->at) {
		(void)json_object_set_new(flows, "ms", json_real(revoke->ms));
		(void)json_object_set_new(flows, "time", json_string(at));
	}
	return flows;
}

/* A scope reads that its borders were enumerated, not how large others are. */
static json_t *proof_member(const struct clo_node *node,
			    const struct clo_audit *audit, const char *scope)
{
	json_t *proof;

	if (!node->force || !audit->observed)
		return json_null();
	if (scope)
		return json_pack("{s:i}", "invariants",
				 (int)clo_invariants_count);

	proof = clo_explain_proof(node->force->compiled, &audit->proof);
	(void)json_object_set_new(proof, "readMs", json_real(audit->ms_read));
	(void)json_object_set_new(proof, "proveMs", json_real(audit->ms_prove));
	(void)json_object_set_new(proof, "documents", documents_member(node));
	(void)json_object_set_new(proof, "decided", decided_member(audit));
	(void)json_object_set_new(proof, "packetKinds",
				  kinds_member(&node->kinds));
	(void)json_object_set_new(proof, "flows",
				  clo_predicate_flows(&node->revoke));
	return proof;
}

bool clo_predicate_covers(const char *scope, const struct clo_tap *tap)
{
	char own[CLO_SCOPE_MAX];

	if (!scope)
		return true;
	return clo_scope_of_tap(tap, own) && strcmp(own, scope) == 0;
}

/*
 * Expected: every tap that rtnetlink or libvirt shows. Observed: those whose
 * two hooks the kernel lists as ours.
 */
static json_t *coverage_member(const struct clo_node *node,
			       const struct clo_audit *audit, const char *scope)
{
	const struct clo_inventory *inventory = node->inventory;
	json_t *missing = json_array();
	json_int_t expected = 0;
	json_int_t observed = 0;

	for (size_t i = 0; i < inventory->n_taps; i++) {
		if (!clo_predicate_covers(scope, &inventory->taps[i]))
			continue;
		expected++;
		if (audit->taps[i].guarded)
			observed++;
		else
			(void)json_array_append_new(
				missing, json_string(inventory->taps[i].name));
	}
	return json_pack("{s:I, s:I, s:b, s:[s, s], s:o}", "expected", expected,
			 "observed", observed, "complete", expected == observed,
			 "sources", "rtnetlink",
			 node->virt ? "libvirt" : "policy devices", "missing",
			 missing);
}

static json_t *gap_item(const struct clo_gap *gap)
{
	char from[21];
	char to[21];

	clo_time_format(gap->from, from);
	clo_time_format(gap->to, to);
	return json_pack("{s:s, s:s?, s:s}", "from", from, "to",
			 gap->to ? to : NULL, "reason", gap->reason);
}

static json_t *gaps_member(const struct clo_occasion *occasion)
{
	json_t *gaps = json_array();

	for (size_t i = 0; i < occasion->n_gaps; i++)
		(void)json_array_append_new(gaps, gap_item(&occasion->gaps[i]));
	return gaps;
}

static json_t *platform_member(const struct clo_facts *facts)
{
	json_t *platform = json_array();

	for (size_t i = 0; i < facts->n; i++)
		(void)json_array_append_new(
			platform,
			json_pack("{s:s, s:s, s:s, s:s}", "fact",
				  facts->facts[i].name, "state",
				  clo_fact_state_text(facts->facts[i].state),
				  "value", facts->facts[i].value, "source",
				  facts->facts[i].source));
	return platform;
}

json_t *clo_predicate_make(const struct clo_node *node,
			   const struct clo_audit *audit,
			   const struct clo_occasion *occasion,
			   const char *scope)
{
	char when[21];
	char key_id[65] = "";

	clo_time_format(occasion->now, when);
	(void)clo_key_id(clo_node_signer(node), key_id);
	return json_pack(
		"{s:o, s:s?, s:s, s:i, s:s?, s:s, s:{s:s, s:s}, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:o, s:o, s:O*}",
		"node", node_member(node), "scope", scope, "time", when,
		"period", (int)node->options->period, "nonce", occasion->nonce,
		"trigger", occasion->trigger, "key", "id", key_id, "protection",
		node->boot_key ? "tpm" : "file", "policy",
		policy_member(node, audit), "programs", programs_member(audit),
		"tables", tables_member(audit), "proof",
		proof_member(node, audit, scope), "coverage",
		coverage_member(node, audit, scope), "controls",
		clo_measures_report(node, audit, occasion, scope), "gaps",
		gaps_member(occasion), "platform",
		platform_member(occasion->facts), "quote", occasion->quote);
}

/* Was it there already when the audit before looked? */
static bool was_told(const struct clo_node *node,
		     const struct clo_problem *problem)
{
	const json_t *told = json_object_get(node->told, problem->text);

	return told && strcmp(json_string_value(told), problem->control) == 0;
}

static json_t *violations_member(const struct clo_node *node,
				 const struct clo_audit *audit,
				 const char *scope)
{
	json_t *violations = json_array();

	for (size_t i = 0; i < audit->problems.n; i++) {
		const struct clo_problem *problem = &audit->problems.list[i];

		if (problem->excepted ||
		    !clo_problem_concerns(problem, scope) ||
		    was_told(node, problem))
			continue;
		(void)json_array_append_new(
			violations, json_pack("{s:s, s:s}", "control",
					      problem->control, "detail",
					      scope && !problem->everyone
						      ? problem->scope_text
						      : problem->text));
	}
	return violations;
}

/* What every record says that is no statement of the whole. */
static json_t *brief(const struct clo_node *node,
		     const struct clo_occasion *occasion, const char *scope,
		     enum clo_verdict_word verdict)
{
	char key_id[65] = "";
	char when[21];

	clo_time_format(occasion->now, when);
	(void)clo_key_id(clo_node_signer(node), key_id);
	return json_pack("{s:o, s:s?, s:s, s:i, s:n, s:{s:s, s:s}, s:s}",
			 "node", node_member(node), "scope", scope, "time",
			 when, "period", (int)node->options->period, "nonce",
			 "key", "id", key_id, "protection",
			 node->boot_key ? "tpm" : "file", "verdict",
			 clo_verdict_text(verdict));
}

int clo_predicate_violations(const struct clo_node *node,
			     const struct clo_audit *audit,
			     const struct clo_occasion *occasion,
			     const char *scope, json_t **ret_predicate)
{
	json_auto_t *violations = violations_member(node, audit, scope);
	json_auto_t *predicate = NULL;

	*ret_predicate = NULL;
	if (!violations)
		return -ENOMEM;
	if (json_array_size(violations) == 0)
		return 0;
	predicate = brief(node, occasion, scope, CLO_FAILED);
	if (!predicate ||
	    json_object_set_new(predicate, "trigger",
				json_string(occasion->trigger)) < 0 ||
	    json_object_set(predicate, "violations", violations) < 0)
		return -ENOMEM;
	*ret_predicate = CLO_TAKE(predicate);
	return 0;
}

/* Takes the gap, which may be NULL for want of memory. */
static json_t *with_gap(const struct clo_node *node,
			const struct clo_occasion *occasion, const char *scope,
			json_t *gap)
{
	json_t *predicate = brief(node, occasion, scope, CLO_INCONCLUSIVE);

	if (json_object_set_new(predicate, "gap", gap) == 0)
		return predicate;
	json_decref(predicate);
	return NULL;
}

json_t *clo_predicate_gap(const struct clo_node *node,
			  const struct clo_occasion *occasion,
			  const char *scope, const struct clo_gap *gap)
{
	json_t *item = gap_item(gap);

	if (json_object_set_new(item, "kind", json_string("unwatched")) == 0)
		return with_gap(node, occasion, scope, item);
	json_decref(item);
	return NULL;
}

json_t *clo_predicate_removal(const struct clo_node *node,
			      const struct clo_occasion *occasion,
			      const struct clo_removal *removal)
{
	return with_gap(node, occasion, NULL, clo_removal_make(removal));
}

json_t *clo_predicate_heartbeat(const struct clo_node *node,
				const struct clo_occasion *occasion,
				const char *scope,
				const struct clo_standing *standing)
{
	json_t *predicate = brief(node, occasion, scope, standing->verdict);

	if (json_object_set_new(predicate, "statement",
				json_pack("{s:I, s:o}", "sequence",
					  (json_int_t)standing->sequence,
					  "digest",
					  hex(standing->digest, 32))) == 0)
		return predicate;
	json_decref(predicate);
	return NULL;
}

json_t *clo_predicate_ack(const struct clo_node *node,
			  const struct clo_ack *ack,
			  const struct clo_occasion *occasion)
{
	const struct clo_tables *observed = ack->observed;
	json_t *predicate = brief(node, occasion, NULL, clo_ack_verdict(ack));
	json_t *policy = json_pack(
		"{s:o, s:I}", "digest",
		observed ? hex(observed->gen.policy_digest, 32) : json_null(),
		"epoch", observed ? (json_int_t)observed->gen.epoch : 0);
	json_t *bundle =
		json_pack("{s:I, s:s}", "revision", (json_int_t)ack->revision,
			  "digest", ack->digest);
	int r = json_object_set_new(predicate, "policy", policy);

	if (json_object_set_new(predicate, "bundle", bundle) < 0 ||
	    json_object_set_new(predicate, "outcome",
				json_string(clo_outcome_text(ack->outcome))) <
		    0 ||
	    json_object_set_new(predicate, "reason", json_string(ack->reason)) <
		    0)
		r = -1;
	if (r == 0)
		return predicate;
	json_decref(predicate);
	return NULL;
}

json_t *clo_predicate_violation(const struct clo_node *node,
				const struct clo_occasion *occasion,
				const char *control, const char *detail)
{
	json_t *predicate = brief(node, occasion, NULL, CLO_FAILED);

	if (json_object_set_new(predicate, "trigger",
				json_string(occasion->trigger)) == 0 &&
	    json_object_set_new(predicate, "violations",
				json_pack("[{s:s, s:s}]", "control", control,
					  "detail", detail)) == 0)
		return predicate;
	json_decref(predicate);
	return NULL;
}
