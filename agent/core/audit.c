/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/audit.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/core/audit_impl.h"
#include "agent/core/fencing.h"
#include "agent/core/kinds.h"
#include "agent/core/tagging.h"

static int read_programs(struct clo_node *node, struct clo_audit *audit)
{
	int r;

	r = clo_bpf_programs_read(node->bpf, audit->programs);
	if (r < 0)
		return clo_problem_everyone(
			clo_problem_add(&audit->problems, "agt.self-integrity",
					"the programs cannot be read: %s",
					strerrordesc_np(-r)));
	audit->programs_read = true;
	for (int i = 0; i < 2; i++) {
		if (audit->programs[i].as_built)
			continue;
		audit->repair |= CLO_REPAIR_PROGRAMS;
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "agt.self-integrity",
			"the pinned program %s is %s", audit->programs[i].name,
			audit->programs[i].id ? "not the one that was built"
					      : "gone"));
		if (r < 0)
			return r;
	}
	return 0;
}

/* What holds the guards when this process ends. */
static int check_pins(struct clo_node *node, struct clo_audit *audit)
{
	int r = clo_bpf_pins_check(node->bpf);

	if (r == 0)
		return 0;
	audit->repair |= CLO_REPAIR_PINS;
	return clo_problem_everyone(clo_problem_add(
		&audit->problems, "agt.self-integrity",
		"the pins are not where their name leads: %s is %s",
		node->options->pin_dir,
		r == -EBUSY ? "another directory" : strerrordesc_np(-r)));
}

static int note_conflicts(struct clo_node *node, struct clo_audit *audit)
{
	for (size_t i = 0; i < node->inventory->n_conflicts; i++) {
		const struct clo_conflict *c = &node->inventory->conflicts[i];
		struct clo_problem *found = clo_problem_add(
			&audit->problems, c->control, "%s", c->text);
		char scope[CLO_SCOPE_MAX];
		int r;

		if (!found)
			return -ENOMEM;
		if (c->workload)
			clo_scope_name(c->workload->tenant,
				       c->workload->environment, scope);
		else if (c->uplink)
			clo_scope_name(c->uplink->tenant,
				       c->uplink->environment, scope);
		else
			continue;
		r = clo_problem_scoped(
			found, scope, NULL,
			c->uplink ? "an uplink of this scope is missing or "
				    "contradicts its declaration"
				  : "an interface of this scope contradicts "
				    "its declaration and is cut off");
		if (r < 0)
			return r;
	}
	return 0;
}

/* The head of the chain opens with our key and is what the log says it is. */
static int check_head(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t previous[CLO_SHA256_SIZE];
	uint8_t digest[CLO_SHA256_SIZE];
	uint64_t next = 0;
	size_t len;
	int r;

	r = clo_store_head(node->store, node->boot_id, &next, previous);
	if (r == 0 && next == 0 && !node->head_known)
		return 0; /* the first statement of this boot */
	if (r == 0)
		r = clo_store_last(node->store, &envelope);
	if (r == 0)
		r = clo_dsse_open(clo_node_signer(node), envelope,
				  strlen(envelope), &payload, &len);
	if (r == 0)
		r = clo_sha256(payload, len, digest);
	if (r == 0 && (memcmp(digest, previous, sizeof(digest)) != 0 ||
		       (node->head_known &&
			memcmp(digest, node->head, sizeof(digest)) != 0)))
		r = -EBADMSG;
	if (r == -ENOMEM || r == 0)
		return r;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "att.authentic-fresh",
				"the log's last statement is not the one that "
				"was signed: %s",
				strerrordesc_np(-r)));
}

/* The key on disk is still ours alone, and the periods were kept. */
static int check_log(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	char ours[65] = "";
	char stored[65] = "?";
	time_t late = time(NULL) - node->last_time;
	int r;

	r = check_head(node, audit);
	if (r < 0)
		return r;
	r = clo_key_load(node->key_path, &key);
	if (r == 0)
		r = clo_key_id(key, stored);
	if (r == 0)
		r = clo_key_id(node->key, ours);
	if (r < 0 || strcmp(ours, stored) != 0) {
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "att.authentic-fresh",
			"the signing key's file: %s",
			r < 0 ? strerrordesc_np(-r) : "holds another key"));
		if (r < 0)
			return r;
	}
	if (node->last_time && late > 3 * (time_t)node->options->period)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "att.authentic-fresh",
			"no proof for %lld seconds", (long long)late));
	return 0;
}

static int check_exceptions(struct clo_node *node, struct clo_audit *audit)
{
	if (!node->force || !clo_force_outdated(node->force, time(NULL)))
		return 0;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "drg.exception-hygiene",
				"an exception began or ended and the tables "
				"do not follow"));
}

static int run_steps(struct clo_node *node,
		     int (*const *steps)(struct clo_node *node,
					 struct clo_audit *audit),
		     struct clo_audit **ret_audit)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;

	audit = calloc(1, sizeof(*audit));
	if (!audit)
		return -ENOMEM;
	for (size_t i = 0; steps[i]; i++) {
		int r = steps[i](node, audit);

		if (r < 0)
			return r;
	}

	*ret_audit = CLO_TAKE(audit);
	return 0;
}

int clo_audit_run(struct clo_node *node, struct clo_audit **ret_audit)
{
	static int (*const steps[])(struct clo_node * node,
				    struct clo_audit * audit) = {
		clo_audit_tables,  read_programs,       check_pins,
		clo_audit_ports,   clo_audit_live,      clo_audit_quotas,
		clo_audit_taps,    clo_audit_decisions, clo_kinds_audit,
		clo_audit_bridges, note_conflicts,      check_log,
		check_exceptions,  clo_fencing_audit,   clo_audit_sandboxes,
		clo_audit_host,    clo_tagging_audit,   NULL,
	};

	return run_steps(node, steps, ret_audit);
}

int clo_audit_guards(struct clo_node *node, struct clo_audit **ret_audit)
{
	static int (*const steps[])(struct clo_node * node,
				    struct clo_audit * audit) = {
		read_programs, clo_audit_ports, clo_audit_taps, NULL};

	return run_steps(node, steps, ret_audit);
}

void clo_audit_free(struct clo_audit *audit)
{
	if (!audit)
		return;

	for (size_t i = 0; i < audit->n_sandboxes; i++)
		clo_sandbox_free(audit->sandboxes[i].sandbox);
	free(audit->sandboxes);
	json_decref(audit->contradiction);
	clo_problems_done(&audit->problems);
	free(audit->taps);
	clo_tables_free(audit->observed);
	free(audit);
}
