/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/core/audit_impl.h"
#include "agent/core/prove.h"

static const char *scope_of(const struct clo_compiled *compiled,
			    uint32_t identity)
{
	return identity < compiled->tables->gen.identities
		       ? compiled->identities[identity].scope
		       : NULL;
}

static const char *member(const json_t *told, const char *key)
{
	const char *text = json_string_value(json_object_get(told, key));

	return text ? text : "?";
}

static int note_wrong(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_compiled *compiled = node->force->compiled;
	const struct clo_contradiction *first = &audit->decided.first;
	const json_t *told;
	struct clo_problem *found;

	audit->repair |= CLO_REPAIR_TABLES;
	audit->contradiction = clo_prove_contradiction(node, audit);
	told = audit->contradiction;
	if (!told)
		return -ENOMEM;
	found = clo_problem_add(
		&audit->problems, "net.flow-matrix",
		"the decision code in the kernel says %s of %s to %s on %s, "
		"the policy says %s (%llu verdicts differ; %s: %s)",
		member(told, "kernel"), member(told, "from"),
		member(told, "to"), member(told, "service"),
		member(told, "policy"),
		(unsigned long long)audit->decided.wrong,
		json_is_null(json_object_get(told, "packet"))
			? "no packet"
			: member(told, "packet"),
		member(told, "reason"));
	return clo_problem_scoped(
		found, scope_of(compiled, first->pair.src),
		scope_of(compiled, first->pair.dst),
		"the verdict of a flow from or to this scope differs "
		"from the policy");
}

static int note_unanswered(struct clo_audit *audit, int error)
{
	audit->repair |= CLO_REPAIR_TABLES;
	return clo_problem_everyone(clo_problem_add(
		&audit->problems, "net.flow-matrix",
		"the decision code in the kernel cannot be enumerated: %s",
		strerrordesc_np(-error)));
}

/* What the event loop found of the tables in force, if it is done with them. */
int clo_audit_decisions(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_decisions *decisions = &node->decisions;
	uint64_t epoch = audit->observed ? audit->observed->gen.epoch : 0;

	if (!node->force)
		return 0;
	if (decisions->error && decisions->asked == epoch)
		return note_unanswered(audit, decisions->error);
	if (!clo_decisions_known(node, epoch))
		return 0;

	audit->decided = decisions->last;
	return audit->decided.wrong ? note_wrong(node, audit) : 0;
}
