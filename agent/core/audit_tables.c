/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/core/audit_impl.h"
#include "policy/explain.h"

#define DIFFERENCES_MAX 16

static const char *identity_scope(const struct clo_compiled *compiled,
				  uint32_t identity)
{
	if (identity >= compiled->tables->gen.identities)
		return NULL;
	return compiled->identities[identity].scope;
}

static int note_difference(struct clo_node *node, struct clo_audit *audit,
			   const struct clo_difference *difference)
{
	const struct clo_compiled *compiled = node->force->compiled;
	json_auto_t *line = NULL;
	struct clo_problem *found;
	const char *text;

	line = clo_explain_difference(compiled, audit->observed, difference);
	text = json_string_value(
		json_is_string(line) ? line : json_object_get(line, "text"));
	found = clo_problem_add(&audit->problems, "net.flow-matrix", "%s",
				text ? text : "the kernel's tables differ");
	if (!difference->has_pair)
		return clo_problem_everyone(found);
	return clo_problem_scoped(
		found, identity_scope(compiled, difference->pair.src),
		identity_scope(compiled, difference->pair.dst),
		"the verdict of a flow from or to this scope differs "
		"from the policy");
}

static int compare(struct clo_node *node, struct clo_audit *audit)
{
	struct clo_difference differences[DIFFERENCES_MAX];
	size_t n;
	int r;

	n = clo_tables_compare(node->force->compiled->tables, audit->observed,
			       differences, DIFFERENCES_MAX);
	if (n)
		audit->repair |= CLO_REPAIR_TABLES;
	for (size_t i = 0; i < n && i < DIFFERENCES_MAX; i++) {
		r = note_difference(node, audit, &differences[i]);
		if (r < 0)
			return r;
	}
	if (n > DIFFERENCES_MAX)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.flow-matrix",
			"and %zu more differences", n - DIFFERENCES_MAX));
	return 0;
}

static int note_breach(struct clo_node *node, struct clo_audit *audit,
		       const struct clo_breach *breach)
{
	const struct clo_compiled *compiled = node->force->compiled;
	json_auto_t *told = clo_explain_breach(compiled, breach);
	const char *packet = json_string_value(json_object_get(told, "packet"));
	const char *from = json_string_value(json_object_get(told, "from"));
	const char *to = json_string_value(json_object_get(told, "to"));
	const char *service =
		json_string_value(json_object_get(told, "service"));
	struct clo_problem *found;

	found = clo_problem_add(&audit->problems, breach->invariant->control,
				"%s is broken: %s to %s on %s (%s)",
				breach->invariant->name, from ? from : "?",
				to ? to : "?", service ? service : "?",
				packet ? packet : "no packet");
	if (found)
		found->excepted = breach->rule < compiled->tables->gen.rules &&
				  node->force->excepted[breach->rule];
	return clo_problem_scoped(
		found, identity_scope(compiled, breach->pair.src),
		identity_scope(compiled, breach->pair.dst),
		"a flow that crosses this scope's border is allowed");
}

static int prove(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_force *force = node->force;
	double begin = clo_milliseconds();
	char text[160] = "";
	int r;

	/* Of what is as compiled and proven, no more is to be proven. */
	r = clo_prove_change(force->proved, audit->observed, force->excepted,
			     force->compiled->tables->gen.rules, &audit->proof,
			     NULL, text);
	audit->ms_prove = clo_milliseconds() - begin;
	if (r == -EBADMSG) {
		audit->repair |= CLO_REPAIR_TABLES;
		r = 0;
		for (size_t i = 0; r == 0 && i < clo_invariants_count; i++)
			r = clo_problem_everyone(clo_problem_add(
				&audit->problems, clo_invariants[i].control,
				"the kernel's tables contradict "
				"themselves: %s",
				text));
	}
	for (size_t i = 0; r == 0 && i < audit->proof.n_breaches; i++)
		r = note_breach(node, audit, &audit->proof.breaches[i]);
	return r;
}

int clo_audit_tables(struct clo_node *node, struct clo_audit *audit)
{
	double begin = clo_milliseconds();
	int r;

	r = clo_bpf_tables_read(node->bpf, &audit->observed);
	audit->ms_read = clo_milliseconds() - begin;
	if (!node->force)
		return r == -ENOMEM ? r : 0;
	if (r < 0) {
		audit->repair |= CLO_REPAIR_TABLES;
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.flow-matrix",
			"the tables cannot be read back: %s",
			r == -EBADMSG  ? "they are not those of their "
					 "generation (gen, epoch)"
			: r == -ENOENT ? "no epoch is in force in the kernel"
				       : strerrordesc_np(-r)));
	}

	r = compare(node, audit);
	if (r < 0)
		return r;
	return prove(node, audit);
}
