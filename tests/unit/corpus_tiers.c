/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/address.h"
#include "unit/corpus_case.h"

/* Policies with an order, made by hand: Kubernetes has no one kind for them. */

struct making {
	struct clo_arena *arena;
	const char *home; /* of the policy, or NULL */
};

static const char *keep(struct making *making, const json_t *text)
{
	assert(json_is_string(text));
	return clo_arena_strdup(making->arena, json_string_value(text));
}

static void *room(struct making *making, size_t n, size_t size)
{
	void *array = clo_arena_array(making->arena, n, size);

	assert(array);
	return array;
}

static const char **texts(struct making *making, const json_t *list, size_t *n)
{
	const char **all = room(making, json_array_size(list), sizeof(*all));
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		all[i] = keep(making, item);
	*n = json_array_size(list);
	return all;
}

static enum clo_kube_op op_of(const json_t *expr)
{
	static const char *const ops[] = {"In", "NotIn", "Exists",
					  "DoesNotExist"};
	const char *text = json_string_value(json_object_get(expr, "op"));
	size_t i = 0;

	while (strcmp(ops[i], text) != 0) {
		i++;
		assert(i < CLO_ARRAY_LEN(ops));
	}
	return (enum clo_kube_op)i;
}

static struct clo_kube_selector selector(struct making *making, json_t *from)
{
	json_t *labels = json_object_get(from, "labels");
	const json_t *exprs = json_object_get(from, "expr");
	struct clo_kube_selector to = {0};
	const json_t *expr;
	const char *key;
	json_t *value;
	size_t i;

	to.needs =
		room(making, json_object_size(labels) + json_array_size(exprs),
		     sizeof(*to.needs));
	json_object_foreach (labels, key, value) {
		struct clo_kube_need *need = &to.needs[to.n_needs++];

		need->op = CLO_KUBE_IN;
		need->key = clo_arena_strdup(making->arena, key);
		need->n_values = 1;
		need->values = room(making, 1, sizeof(*need->values));
		need->values[0] = keep(making, value);
	}
	json_array_foreach (exprs, i, expr) {
		struct clo_kube_need *need = &to.needs[to.n_needs++];

		need->op = op_of(expr);
		need->key = keep(making, json_object_get(expr, "key"));
		need->values = texts(making, json_object_get(expr, "values"),
				     &need->n_values);
	}
	return to;
}

static struct clo_cidr cidr(const json_t *text)
{
	struct clo_cidr cidr;
	int r = clo_cidr_parse(json_string_value(text), CLO_FORM_EITHER, &cidr);

	assert(r == 0);
	return cidr;
}

static void make_block(struct making *making, const json_t *from,
		       struct clo_kube_peer *to)
{
	const json_t *except = json_object_get(from, "except"), *item;
	size_t i;

	to->block = true;
	to->cidr = cidr(json_object_get(from, "cidr"));
	to->n_except = json_array_size(except);
	to->except = room(making, to->n_except, sizeof(*to->except));
	json_array_foreach (except, i, item)
		to->except[i] = cidr(item);
}

static void make_peer(struct making *making, const json_t *from,
		      struct clo_kube_peer *to)
{
	json_t *namespaces = json_object_get(from, "namespaces");
	json_t *same = json_object_get(from, "same_labels");
	json_t *other = json_object_get(from, "not_same_labels");

	if (json_object_get(from, "cidr")) {
		make_block(making, from, to);
		return;
	}
	to->pods = selector(making, json_object_get(from, "pods"));
	if (json_is_object(namespaces)) {
		to->where = CLO_KUBE_SELECTED;
		to->namespaces = selector(making, namespaces);
	} else if (json_is_array(same)) {
		to->where = CLO_KUBE_SAME_LABELS;
		to->keys = texts(making, same, &to->n_keys);
	} else if (json_is_array(other)) {
		to->where = CLO_KUBE_OTHER_LABELS;
		to->keys = texts(making, other, &to->n_keys);
	} else if (making->home) {
		to->where = CLO_KUBE_HOME;
		to->home = making->home;
	} else {
		to->where = CLO_KUBE_SAME;
	}
}

/* One peer, or an array of them. */
static struct clo_kube_peer *make_peers(struct making *making,
					const json_t *from, size_t *ret_n)
{
	struct clo_kube_peer *peers;
	size_t n = json_is_array(from) ? json_array_size(from) : 1;

	if (!from || json_is_null(from))
		n = 0;
	peers = room(making, n, sizeof(*peers));
	for (size_t i = 0; i < n; i++)
		make_peer(making,
			  json_is_array(from) ? json_array_get(from, i) : from,
			  &peers[i]);
	*ret_n = n;
	return peers;
}

static uint8_t proto(const json_t *text)
{
	const char *name = json_string_value(text);

	if (!name)
		return 0;
	if (strcmp(name, "TCP") == 0)
		return IPPROTO_TCP;
	if (strcmp(name, "UDP") == 0)
		return IPPROTO_UDP;
	assert(strcmp(name, "SCTP") == 0);
	return IPPROTO_SCTP;
}

static struct clo_kube_ports port_of(struct making *making, uint8_t number,
				     const json_t *from)
{
	const json_t *port = json_object_get(from, "port");
	const json_t *end = json_object_get(from, "end");
	struct clo_kube_ports ports = {
		.proto = number, .first = 1, .last = UINT16_MAX};

	if (json_is_string(port))
		ports.name = keep(making, port);
	if (json_is_integer(port))
		ports.first = ports.last = (uint16_t)json_integer_value(port);
	if (json_is_integer(end))
		ports.last = (uint16_t)json_integer_value(end);
	return ports;
}

/* Every protocol with a port stands for the three that have ports. */
static void make_ports(struct making *making, const json_t *from,
		       struct clo_kube_rule *to)
{
	static const uint8_t all[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	const json_t *item;
	size_t i;

	to->everything = json_array_size(from) == 0;
	to->ports = room(making, 3 * json_array_size(from), sizeof(*to->ports));
	json_array_foreach (from, i, item) {
		uint8_t one = proto(json_object_get(item, "proto"));
		const json_t *port = json_object_get(item, "port");
		bool any = !one && port && !json_is_null(port);

		for (size_t p = 0; p < (any ? CLO_ARRAY_LEN(all) : 1); p++)
			to->ports[to->n_ports++] =
				port_of(making, any ? all[p] : one, item);
	}
}

static enum clo_kube_action action(const json_t *text)
{
	const char *word = json_string_value(text);

	if (strcmp(word, "allow") == 0)
		return CLO_KUBE_ALLOW;
	if (strcmp(word, "pass") == 0)
		return CLO_KUBE_PASS;
	assert(strcmp(word, "drop") == 0 || strcmp(word, "reject") == 0);
	return CLO_KUBE_DENY;
}

static void make_rules(struct making *making, const json_t *from,
		       enum clo_kube_direction direction,
		       struct clo_kube_policy *to)
{
	struct clo_kube_rule *rules =
		room(making, json_array_size(from), sizeof(*rules));
	const json_t *item;
	size_t i;

	to->rules[direction] = rules;
	to->n_rules[direction] = json_array_size(from);
	json_array_foreach (from, i, item) {
		const json_t *peers = json_object_get(item, "peers");

		rules[i].action = action(json_object_get(item, "action"));
		rules[i].anyone = json_array_size(peers) == 0;
		rules[i].peers = make_peers(making, peers, &rules[i].n_peers);
		rules[i].subjects =
			make_peers(making, json_object_get(item, "applies_to"),
				   &rules[i].n_subjects);
		make_ports(making, json_object_get(item, "ports"), &rules[i]);
	}
}

/* Some have priorities between the whole numbers. */
static int64_t thousandths(const json_t *number)
{
	return (int64_t)(json_number_value(number) * 1000.0);
}

void corpus_add_tiers(struct clo_kube *kube, const json_t *step)
{
	struct making making = {.arena = kube->arena};
	const json_t *list = json_object_get(step, "policies"), *item;
	struct clo_kube_policy *all;
	size_t i;

	all = room(&making, kube->n_policies + json_array_size(list),
		   sizeof(*all));
	for (i = 0; i < kube->n_policies; i++)
		all[i] = kube->policies[i];
	kube->policies = all;
	json_array_foreach (list, i, item) {
		struct clo_kube_policy *to = &all[kube->n_policies];
		const json_t *home = json_object_get(item, "namespace");
		const json_t *name = json_object_get(item, "name");

		if (strcmp(json_string_value(json_object_get(item, "kind")),
			   "tiered") != 0)
			continue;
		kube->n_policies++;
		making.home = json_is_string(home) ? keep(&making, home) : NULL;
		to->home = making.home;
		to->name = json_is_string(name)
				   ? keep(&making, name)
				   : clo_arena_printf(making.arena, "%zu", i);
		to->ordered = true;
		to->tier = json_integer_value(json_object_get(item, "tier"));
		to->priority = thousandths(json_object_get(item, "priority"));
		to->subjects =
			make_peers(&making, json_object_get(item, "applies_to"),
				   &to->n_subjects);
		make_rules(&making, json_object_get(item, "ingress"),
			   CLO_KUBE_INGRESS, to);
		make_rules(&making, json_object_get(item, "egress"),
			   CLO_KUBE_EGRESS, to);
	}
}
