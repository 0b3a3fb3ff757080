/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/import/translate.h"

/* What Kubernetes allows, for one flow after the other. */

/* One side of a flow, and what is known about its ports so far. */
struct side {
	const struct clo_import *import;
	enum clo_kube_direction direction;
	uint32_t class; /* of the pod whose policies count */
	const struct clo_import_end *other;
	uint32_t destination; /* class, or NONE: outside */
	bool ordered, baseline; /* policies of this step */
	uint64_t *open; /* nothing has decided about these yet */
	uint64_t *passed; /* handed on to the policies without an order */
	uint64_t *ports; /* of a rule */
	uint64_t *allowed, *named;
};

static bool in_block(const struct clo_import *import,
		     const struct clo_import_peer *peer, uint32_t block)
{
	const uint32_t *sets;
	size_t n;

	if (block == CLO_IMPORT_NONE)
		return false;
	sets = clo_lists_get(&import->lists, import->blocks.blocks[block].sets,
			     &n);
	for (size_t i = 0; i < n; i++)
		if (sets[i] == peer->set)
			return true;
	return false;
}

static bool means(const struct clo_import *import,
		  const struct clo_import_peer *peer, uint32_t subject,
		  uint32_t class)
{
	if (class == CLO_IMPORT_NONE || peer->kube->block ||
	    !import->means[peer->number * import->n_classes + class])
		return false;
	return !peer->relative ||
	       clo_kube_means(peer->kube, import->classes[subject].pod,
			      import->classes[class].pod);
}

/* Whether the rule is about the other end; then, because of its labels? */
static bool matches(const struct side *side, const struct clo_import_rule *rule,
		    bool *ret_named)
{
	bool found = rule->kube->anyone;

	*ret_named = false;
	for (size_t i = 0; i < rule->peers.n && !*ret_named; i++) {
		const struct clo_import_peer *peer = &rule->peers.items[i];

		*ret_named = means(side->import, peer, side->class,
				   side->other->class);
		found |= *ret_named ||
			 (peer->kube->block &&
			  in_block(side->import, peer, side->other->block));
	}
	return found;
}

static bool is_about(const struct side *side,
		     const struct clo_import_policy *policy,
		     const struct clo_import_rule *rule)
{
	const struct clo_import_peers *subjects =
		rule && rule->subjects.n ? &rule->subjects : &policy->subjects;

	for (size_t i = 0; i < subjects->n; i++)
		if (means(side->import, &subjects->items[i], side->class,
			  side->class))
			return true;
	return false;
}

/* The rule's ports at this destination. */
static void find_ports(const struct side *side,
		       const struct clo_import_rule *rule)
{
	const struct clo_import *import = side->import;

	memcpy(side->ports, rule->fixed, import->words * sizeof(*side->ports));
	for (size_t i = 0;
	     i < rule->n_names && side->destination != CLO_IMPORT_NONE; i++) {
		const uint64_t *bits =
			import->resolved + (rule->names[i] * import->n_classes +
					    side->destination) *
						   import->words;

		for (size_t w = 0; w < import->words; w++)
			side->ports[w] |= bits[w];
	}
}

/* The ports that are still open to this rule are decided. */
static void decide(const struct side *side, enum clo_kube_action action,
		   bool named)
{
	for (size_t w = 0; w < side->import->words; w++) {
		uint64_t bits = side->ports[w] & side->open[w];

		/* Policies without an order add up: nothing is used up. */
		if (side->ordered)
			side->open[w] &= ~bits;
		if (action == CLO_KUBE_PASS)
			side->passed[w] |= bits;
		if (action != CLO_KUBE_ALLOW)
			continue;
		side->allowed[w] |= bits;
		if (named)
			side->named[w] |= bits;
	}
}

/* All policies of this step; returns whether one of them isolates the pod. */
static bool step(const struct side *side)
{
	const struct clo_import *import = side->import;
	const struct clo_import_class *class = &import->classes[side->class];
	bool isolated = false;

	for (size_t p = 0; p < class->n_policies; p++) {
		const struct clo_import_policy *policy =
			&import->policies[class->policies[p]];
		const struct clo_kube_policy *kube = policy->kube;

		if (kube->ordered != side->ordered ||
		    (kube->ordered &&
		     (kube->tier >= CLO_KUBE_BASELINE) != side->baseline) ||
		    (!kube->ordered && !kube->isolates[side->direction]))
			continue;
		isolated |= !kube->ordered;
		for (size_t i = 0; i < kube->n_rules[side->direction]; i++) {
			const struct clo_import_rule *rule =
				&policy->rules[side->direction][i];
			bool named;

			if (!is_about(side, policy, rule) ||
			    !matches(side, rule, &named))
				continue;
			find_ports(side, rule);
			decide(side, rule->kube->action, named);
		}
	}
	return isolated;
}

void clo_import_side(const struct clo_import *import,
		     enum clo_kube_direction direction, uint32_t class,
		     const struct clo_import_end *other, uint32_t destination,
		     uint64_t *ret_allowed, uint64_t *ret_named)
{
	size_t words = import->words;
	struct side side = {
		.import = import,
		.direction = direction,
		.class = class,
		.other = other,
		.destination = destination,
		.ordered = true,
		.open = import->work,
		.passed = import->work + words,
		.ports = import->work + 2 * words,
		.allowed = ret_allowed,
		.named = ret_named,
	};

	memcpy(side.open, import->all, words * sizeof(*side.open));
	memset(side.passed, 0, words * sizeof(*side.passed));
	memset(ret_allowed, 0, words * sizeof(*ret_allowed));
	memset(ret_named, 0, words * sizeof(*ret_named));

	(void)step(&side);
	for (size_t w = 0; w < words; w++)
		side.open[w] |= side.passed[w];
	side.ordered = false;
	if (step(&side))
		return;
	side.ordered = side.baseline = true;
	memset(side.passed, 0, words * sizeof(*side.passed));
	(void)step(&side);
	for (size_t w = 0; w < words; w++)
		ret_allowed[w] |= side.open[w] | side.passed[w];
}

static int intern(struct clo_import *import, const uint64_t *bits,
		  uint32_t *ret_set)
{
	uint64_t any = 0;

	for (size_t w = 0; w < import->words; w++)
		any |= bits[w];
	*ret_set = 0;
	if (!any)
		return 0;
	return clo_lists_intern(&import->sets, (const uint32_t *)bits,
				2 * import->words, ret_set);
}

/* Both sides allow it; of two scopes, as far as the options want it. */
static void judge(struct clo_import *import, uint32_t source,
		  uint32_t destination, size_t family, uint64_t *ret_bits,
		  bool *ret_closed)
{
	const struct clo_import_class *from = &import->classes[source];
	const struct clo_import_class *to = &import->classes[destination];
	const struct clo_import_end ends[] = {{source, from->block[family]},
					      {destination, to->block[family]}};
	size_t words = import->words;
	uint64_t *in = import->work + 3 * words;
	uint64_t *named_in = import->work + 4 * words;
	uint64_t *named = import->work + 5 * words;
	bool across = from->scope != to->scope;

	clo_import_side(import, CLO_KUBE_EGRESS, source, &ends[1], destination,
			ret_bits, named);
	clo_import_side(import, CLO_KUBE_INGRESS, destination, &ends[0],
			destination, in, named_in);
	for (size_t w = 0; w < words; w++) {
		uint64_t bits = ret_bits[w] & in[w];

		ret_bits[w] = bits;
		if (across && import->options->between == CLO_BETWEEN_NONE)
			ret_bits[w] = 0;
		if (across && import->options->between == CLO_BETWEEN_NAMED)
			ret_bits[w] &= named[w] | named_in[w];
		*ret_closed |= ret_bits[w] != bits;
	}
}

int clo_import_pair(struct clo_import *import, uint32_t source,
		    uint32_t destination, struct clo_import_verdict *ret)
{
	const uint32_t *from = import->classes[source].block;
	const uint32_t *to = import->classes[destination].block;
	size_t words = import->words;
	uint64_t *bits[] = {import->work + 6 * words, import->work + 7 * words};
	bool have[2];
	int r = 0;

	*ret = (struct clo_import_verdict){0};
	for (size_t family = 0; family < 2; family++) {
		have[family] = from[family] != CLO_IMPORT_NONE &&
			       to[family] != CLO_IMPORT_NONE;
		if (have[family])
			judge(import, source, destination, family, bits[family],
			      &ret->closed);
	}
	if (!have[0] || !have[1])
		return have[0] || have[1]
			       ? intern(import, bits[have[0] ? 0 : 1],
					&ret->set)
			       : 0;

	/* What both have is the group's, what only one has the addresses'. */
	for (size_t w = 0; w < words; w++) {
		uint64_t both = bits[0][w] & bits[1][w];

		bits[0][w] &= ~both;
		bits[1][w] &= ~both;
		import->work[w] = both;
	}
	r = intern(import, import->work, &ret->set);
	for (size_t family = 0; family < 2 && r == 0; family++)
		r = intern(import, bits[family], &ret->only[family]);
	return r;
}

int clo_import_outside(struct clo_import *import,
		       enum clo_kube_direction direction, uint32_t class,
		       uint32_t block, uint32_t *ret_set)
{
	const struct clo_import_end other = {CLO_IMPORT_NONE, block};
	uint64_t *bits = import->work + 3 * import->words;

	clo_import_side(import, direction, class, &other,
			direction == CLO_KUBE_EGRESS ? CLO_IMPORT_NONE : class,
			bits, import->work + 4 * import->words);
	return intern(import, bits, ret_set);
}
