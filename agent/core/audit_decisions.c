/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/core/audit_impl.h"
#include "policy/explain_name.h"
#include "policy/explain_service.h"

static const char *said(bool allowed)
{
	return allowed ? "allowed" : "denied";
}

/* "tcp/443", of the slot or else the class that was judged. */
static const char *service(const struct clo_compiled *compiled,
			   const struct clo_contradiction *first,
			   char slot[CLO_SERVICE_TEXT],
			   char buffer[CLO_NAME_MAX])
{
	if (first->slot >= CLO_SLOTS)
		return clo_name_class(compiled, first->class, buffer);
	clo_service_text(first->slot, first->slot, slot);
	return slot;
}

static const char *scope_of(const struct clo_compiled *compiled,
			    uint32_t identity)
{
	return identity < compiled->tables->gen.identities
		       ? compiled->identities[identity].scope
		       : NULL;
}

static int note_wrong(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_compiled *compiled = node->force->compiled;
	const struct clo_contradiction *first = &audit->decided.first;
	char names[3][CLO_NAME_MAX];
	char slot[CLO_SERVICE_TEXT];
	struct clo_problem *found;

	audit->repair |= CLO_REPAIR_TABLES;
	found = clo_problem_add(
		&audit->problems, "net.flow-matrix",
		"the decision code in the kernel says %s of %s to %s on %s, "
		"the policy says %s (%llu verdicts differ)",
		said(first->allowed),
		clo_name_identity(compiled, first->pair.src, names[0]),
		clo_name_identity(compiled, first->pair.dst, names[1]),
		service(compiled, first, slot, names[2]), said(first->expected),
		(unsigned long long)audit->decided.wrong);
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
