/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>

#include "policy/import/read.h"
#include "policy/quote.h"

/*
 * AdminNetworkPolicies, which have an order, and the BaselineAdminNetworkPolicy
 * that comes last. Nodes and names of domains are no addresses that are known
 * here: rules about them are flaws.
 */

static const struct {
	const char *rules, *peers;
} directions[] = {
	[CLO_KUBE_INGRESS] = {"ingress", "from"},
	[CLO_KUBE_EGRESS] = {"egress", "to"},
};

/* What of two members is there; exactly one must be. False: a flaw. */
static bool read_either(struct clo_reader *reader,
			const struct clo_place *place, const char *first,
			const char *second, struct clo_place *ret_first,
			struct clo_place *ret_second)
{
	(void)clo_kube_get(reader, place, first, JSON_OBJECT, ret_first);
	(void)clo_kube_get(reader, place, second, JSON_OBJECT, ret_second);
	if (!ret_first->json != !ret_second->json)
		return true;
	clo_flaw_at(reader, place, "expected either \"%s\" or \"%s\"", first,
		    second);
	return false;
}

/* {"namespaces": selector} or {"pods": {namespaceSelector, podSelector}} */
static void read_pods(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_peer *peer)
{
	static const char *const known[] = {"namespaceSelector", "podSelector",
					    NULL};
	struct clo_place whole, some, namespaces, pods;

	if (!read_either(reader, place, "namespaces", "pods", &whole, &some))
		return;
	peer->where = CLO_KUBE_SELECTED;
	if (whole.json) {
		peer->namespaces = clo_kube_read_selector(reader, &whole);
		return;
	}
	clo_kube_known(reader, &some, known);
	if (!clo_kube_get(reader, &some, "namespaceSelector", JSON_OBJECT,
			  &namespaces) ||
	    !clo_kube_get(reader, &some, "podSelector", JSON_OBJECT, &pods)) {
		clo_flaw_at(reader, &some,
			    "\"pods\" needs both selectors: an empty one means "
			    "all");
		return;
	}
	peer->namespaces = clo_kube_read_selector(reader, &namespaces);
	peer->pods = clo_kube_read_selector(reader, &pods);
}

static void read_networks(struct clo_reader *reader,
			  const struct clo_place *list,
			  struct clo_kube_rule *rule)
{
	for (size_t i = 0; i < clo_place_items(list); i++) {
		struct clo_place item = clo_place_item(list, i);
		struct clo_kube_peer *peer = &rule->peers[rule->n_peers];

		peer->block = true;
		if (clo_kube_read_cidr(reader, &item, &peer->cidr))
			rule->n_peers++;
	}
}

static void read_peer(struct clo_reader *reader, const struct clo_place *place,
		      enum clo_kube_direction direction,
		      struct clo_kube_rule *rule)
{
	static const char *const known[] = {"namespaces", "pods", "networks",
					    NULL};
	struct clo_place networks = {0};

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	if (direction == CLO_KUBE_EGRESS &&
	    clo_kube_get(reader, place, "networks", JSON_ARRAY, &networks))
		read_networks(reader, &networks, rule);
	else
		read_pods(reader, place, &rule->peers[rule->n_peers++]);
}

static void read_peers(struct clo_reader *reader, const struct clo_place *place,
		       enum clo_kube_direction direction,
		       struct clo_kube_rule *rule)
{
	struct clo_place list;
	size_t n, room;

	(void)clo_kube_get(reader, place, directions[direction].peers,
			   JSON_ARRAY, &list);
	n = room = clo_place_items(&list);
	if (n == 0)
		clo_flaw_at(reader, place, "\"%s\" is missing: nobody is meant",
			    directions[direction].peers);
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		room += json_array_size(json_object_get(item.json, "networks"));
	}
	rule->peers = clo_arena_array(reader->keep, room, sizeof(*rule->peers));
	for (size_t i = 0; rule->peers && i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		read_peer(reader, &item, direction, rule);
	}
}

/* A name stands for the port of that name of each protocol. */
static void add_named(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_rule *rule)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP,
					 IPPROTO_SCTP};
	const char *name = clo_kube_text(reader, place, "namedPort");

	for (size_t i = 0; name && i < CLO_ARRAY_LEN(protos); i++)
		rule->ports[rule->n_ports++] = (struct clo_kube_ports){
			.proto = protos[i], .name = name};
}

static void read_port(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_rule *rule)
{
	static const char *const known[] = {"portNumber", "portRange",
					    "namedPort", NULL};
	static const char *const numbers[] = {"protocol", "port", "start",
					      "end", NULL};
	struct clo_kube_ports ports = {0};
	struct clo_place one, range;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	if (json_object_get(place->json, "namedPort")) {
		add_named(reader, place, rule);
		return;
	}
	if (!read_either(reader, place, "portNumber", "portRange", &one,
			 &range))
		return;
	if (one.json) {
		ports.first = clo_kube_read_number(reader, &one, "port");
		ports.last = ports.first;
	} else {
		ports.first = clo_kube_read_number(reader, &range, "start");
		ports.last = clo_kube_read_number(reader, &range, "end");
		one = range;
	}
	clo_kube_known(reader, &one, numbers);
	ports.proto = clo_kube_read_proto(reader, &one);
	if (ports.first && ports.first <= ports.last)
		rule->ports[rule->n_ports++] = ports;
	else
		clo_flaw_at(reader, place,
			    "no port is meant: expected numbers "
			    "from 1 to 65535");
}

static void read_ports(struct clo_reader *reader, const struct clo_place *place,
		       struct clo_kube_rule *rule)
{
	struct clo_place list;
	size_t n;

	(void)clo_kube_get(reader, place, "ports", JSON_ARRAY, &list);
	n = clo_place_items(&list);
	rule->everything = n == 0;
	rule->ports =
		clo_arena_array(reader->keep, 3 * n, sizeof(*rule->ports));
	for (size_t i = 0; rule->ports && i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		read_port(reader, &item, rule);
	}
}

static void read_rule(struct clo_reader *reader, const struct clo_place *place,
		      enum clo_kube_direction direction, bool baseline,
		      struct clo_kube_rule *rule)
{
	static const char *const actions[] = {
		[CLO_KUBE_ALLOW] = "Allow",
		[CLO_KUBE_DENY] = "Deny",
		[CLO_KUBE_PASS] = "Pass",
	};
	const char *const known[] = {
		"name", "action", directions[direction].peers, "ports", NULL};
	size_t n = baseline ? CLO_KUBE_PASS : CLO_ARRAY_LEN(actions);
	const char *action;
	size_t i = 0;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	action = clo_kube_text(reader, place, "action");
	while (i < n && (!action || strcmp(action, actions[i]) != 0))
		i++;
	if (i == n)
		clo_flaw_at(reader, place, "action %s: expected Allow%s",
			    clo_quote(action ? action : "").text,
			    baseline ? " or Deny" : ", Deny or Pass");
	rule->action = (enum clo_kube_action)i;
	read_peers(reader, place, direction, rule);
	read_ports(reader, place, rule);
}

static void read_rules(struct clo_reader *reader, const struct clo_place *spec,
		       enum clo_kube_direction direction, bool baseline,
		       struct clo_kube_policy *policy)
{
	struct clo_place list;
	size_t n = clo_kube_rules(reader, spec, directions[direction].rules,
				  direction, policy, &list);

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		read_rule(reader, &item, direction, baseline,
			  &policy->rules[direction][i]);
	}
}

static void read_policy(struct clo_kube_reading *reading,
			const struct clo_place *object, bool baseline)
{
	static const char *const known[] = {"priority", "subject", "ingress",
					    "egress", NULL};
	struct clo_reader *reader = &reading->reader;
	struct clo_kube_policy *policy =
		&reading->kube->policies[reading->kube->n_policies];
	struct clo_place metadata, spec, subject, priority;

	(void)clo_kube_get(reader, object, "metadata", JSON_OBJECT, &metadata);
	policy->name = clo_kube_text(reader, &metadata, "name");
	if (!policy->name ||
	    !clo_kube_get(reader, object, "spec", JSON_OBJECT, &spec) ||
	    !clo_kube_get(reader, &spec, "subject", JSON_OBJECT, &subject)) {
		clo_flaw_at(reader, object,
			    "the policy has no name, spec or subject: read it "
			    "with kubectl get -o json");
		return;
	}
	clo_kube_known(reader, &spec, known);
	policy->ordered = true;
	policy->tier = baseline ? CLO_KUBE_BASELINE : 0;
	if (clo_kube_get(reader, &spec, "priority", JSON_INTEGER, &priority))
		policy->priority = (int64_t)json_number_value(priority.json);
	policy->subjects =
		clo_arena_array(reader->keep, 1, sizeof(*policy->subjects));
	if (!policy->subjects)
		return;
	policy->n_subjects = 1;
	read_pods(reader, &subject, policy->subjects);
	for (enum clo_kube_direction d = 0; d < CLO_KUBE_DIRECTIONS; d++)
		read_rules(reader, &spec, d, baseline, policy);
	reading->kube->n_policies++;
}

void clo_kube_read_admin(struct clo_kube_reading *reading,
			 const struct clo_place *object)
{
	read_policy(reading, object, false);
}

void clo_kube_read_baseline(struct clo_kube_reading *reading,
			    const struct clo_place *object)
{
	read_policy(reading, object, true);
}
