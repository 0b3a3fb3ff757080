/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/oracle_state.h"

/*
 * Rules that name the same peer on one side are asked once whether it means a
 * party: there are far fewer peers than rules.
 */

static int order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int order_blocks(const struct clo_cidr *a, const struct clo_cidr *b,
			size_t n)
{
	int order = 0;

	for (size_t i = 0; i < n && order == 0; i++)
		order = clo_cidr_compare(&a[i], &b[i]);
	return order;
}

/* 0: they mean the same. */
static int order_peers(const struct clo_peer *a, const struct clo_peer *b)
{
	int order = order_numbers(a->kind, b->kind);

	if (order == 0)
		order = order_numbers((uintptr_t)a->tenant,
				      (uintptr_t)b->tenant);
	if (order == 0)
		order = order_numbers(a->environment, b->environment);
	if (order != 0)
		return order;
	switch (a->kind) {
	case CLO_PEER_GROUP:
	case CLO_PEER_SEGMENT:
		return order_numbers(a->index, b->index);
	case CLO_PEER_SERVICE:
		return order_numbers((uintptr_t)a->service,
				     (uintptr_t)b->service);
	case CLO_PEER_CIDR:
		break;
	}
	order = order_blocks(&a->cidr, &b->cidr, 1);
	if (order == 0)
		order = order_numbers(a->n_except, b->n_except);
	return order ? order : order_blocks(a->except, b->except, a->n_except);
}

static int order_entries(const void *left, const void *right)
{
	const struct clo_oracle_peer *a = left;
	const struct clo_oracle_peer *b = right;
	int order = order_peers(a->peer, b->peer);

	return order ? order : order_numbers(a->rule, b->rule);
}

/* Where the next peer begins, which is known for the one behind this. */
static size_t next_of(const struct clo_oracle_peers *peers, size_t i)
{
	if (i + 1 == peers->n ||
	    order_peers(peers->items[i].peer, peers->items[i + 1].peer) != 0)
		return i + 1;
	return peers->items[i + 1].next;
}

int clo_oracle_peers(struct clo_oracle_state *state)
{
	for (int to = 0; to < 2; to++) {
		struct clo_oracle_peers *peers = &state->peers[to];

		peers->items =
			calloc(state->n_rules + 1U, sizeof(*peers->items));
		if (!peers->items)
			return -ENOMEM;
		for (uint32_t i = 1; i < state->n_rules; i++) {
			const struct clo_rule_doc *rule =
				state->compiled->rules[i];

			if (!state->asleep[i])
				peers->items[peers->n++] =
					(struct clo_oracle_peer){
						to ? &rule->to : &rule->from,
						i};
		}
		qsort(peers->items, peers->n, sizeof(*peers->items),
		      order_entries);
		for (size_t i = peers->n; i > 0; i--)
			peers->items[i - 1].next = next_of(peers, i - 1);
	}
	return 0;
}

static int order_rules(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return order_numbers(*a, *b);
}

int clo_oracle_meant(const struct clo_oracle_state *state, bool to,
		     const struct clo_party *party,
		     struct clo_oracle_list *ret_rules)
{
	const struct clo_oracle_peers *peers = &state->peers[to];

	ret_rules->n = 0;
	for (size_t i = 0; i < peers->n; i = peers->items[i].next) {
		if (!clo_oracle_means(state->policy, peers->items[i].peer,
				      party))
			continue;
		for (size_t j = i; j < peers->items[i].next; j++) {
			int r = clo_oracle_push(ret_rules,
						peers->items[j].rule);

			if (r < 0)
				return r;
		}
	}
	if (ret_rules->n > 1)
		qsort(ret_rules->items, ret_rules->n, sizeof(*ret_rules->items),
		      order_rules);
	return 0;
}
