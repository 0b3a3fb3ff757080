/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/import/read.h"
#include "policy/quote.h"

/* NetworkPolicies: all of their spec is understood, or it is a flaw. */

static const struct {
	const char *name, *rules, *peers;
} directions[] = {
	[CLO_KUBE_INGRESS] = {"Ingress", "ingress", "from"},
	[CLO_KUBE_EGRESS] = {"Egress", "egress", "to"},
};

static void read_block(struct clo_reader *reader, const struct clo_place *place,
		       struct clo_kube_peer *peer)
{
	static const char *const known[] = {"cidr", "except", NULL};
	struct clo_place cidr, list;
	size_t n;

	peer->block = true;
	clo_kube_known(reader, place, known);
	if (!clo_kube_get(reader, place, "cidr", JSON_STRING, &cidr)) {
		clo_flaw_at(reader, place, "the ipBlock has no \"cidr\"");
		return;
	}
	if (!clo_kube_read_cidr(reader, &cidr, &peer->cidr))
		return;
	(void)clo_kube_get(reader, place, "except", JSON_ARRAY, &list);
	n = clo_place_items(&list);
	peer->except = clo_arena_array(reader->keep, n, sizeof(*peer->except));
	for (size_t i = 0; peer->except && i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);
		struct clo_cidr *except = &peer->except[peer->n_except];

		if (!clo_kube_read_cidr(reader, &item, except))
			continue;
		if (clo_cidr_contains(&peer->cidr, except))
			peer->n_except++;
		else
			clo_flaw_at(
				reader, &item,
				"%s is not in %s, from which it is to be "
				"excepted",
				clo_quote(json_string_value(item.json)).text,
				clo_quote(json_string_value(cidr.json)).text);
	}
}

static void read_peer(struct clo_reader *reader, const struct clo_place *place,
		      const char *home, struct clo_kube_peer *peer)
{
	static const char *const known[] = {"podSelector", "namespaceSelector",
					    "ipBlock", NULL};
	struct clo_place pods, namespaces, block;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	(void)clo_kube_get(reader, place, "podSelector", JSON_OBJECT, &pods);
	(void)clo_kube_get(reader, place, "namespaceSelector", JSON_OBJECT,
			   &namespaces);
	(void)clo_kube_get(reader, place, "ipBlock", JSON_OBJECT, &block);
	if (!block.json == !(pods.json || namespaces.json)) {
		clo_flaw_at(reader, place,
			    "expected either \"ipBlock\", or \"podSelector\" "
			    "or \"namespaceSelector\" or both of these");
		return;
	}
	if (block.json) {
		read_block(reader, &block, peer);
		return;
	}
	peer->where = namespaces.json ? CLO_KUBE_SELECTED : CLO_KUBE_HOME;
	peer->home = home;
	peer->namespaces = clo_kube_read_selector(reader, &namespaces);
	peer->pods = clo_kube_read_selector(reader, &pods);
}

/* "port" is a number or a name. */
static void read_port(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_ports *ports)
{
	static const char *const known[] = {"protocol", "port", "endPort",
					    NULL};
	const json_t *port, *end;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	ports->proto = clo_kube_read_proto(reader, place);
	ports->first = 1;
	ports->last = UINT16_MAX;
	port = json_object_get(place->json, "port");
	end = json_object_get(place->json, "endPort");
	if (json_is_string(port)) {
		ports->name = clo_kube_text(reader, place, "port");
	} else if (port && !json_is_null(port)) {
		ports->first = clo_kube_read_number(reader, place, "port");
		ports->last = ports->first;
	}
	if (!end || json_is_null(end))
		return;
	ports->last = clo_kube_read_number(reader, place, "endPort");
	if (!json_is_number(port) || ports->last < ports->first)
		clo_flaw_at(reader, place,
			    "\"endPort\" needs a \"port\" that is a number and "
			    "not above it");
}

static void read_rule(struct clo_reader *reader, const struct clo_place *place,
		      enum clo_kube_direction direction, const char *home,
		      struct clo_kube_rule *rule)
{
	const char *const known[] = {directions[direction].peers, "ports",
				     NULL};
	struct clo_place peers, ports;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	(void)clo_kube_get(reader, place, directions[direction].peers,
			   JSON_ARRAY, &peers);
	(void)clo_kube_get(reader, place, "ports", JSON_ARRAY, &ports);
	rule->n_peers = clo_place_items(&peers);
	rule->anyone = rule->n_peers == 0;
	rule->peers = clo_arena_array(reader->keep, rule->n_peers,
				      sizeof(*rule->peers));
	rule->n_ports = clo_place_items(&ports);
	rule->everything = rule->n_ports == 0;
	rule->ports = clo_arena_array(reader->keep, rule->n_ports,
				      sizeof(*rule->ports));
	for (size_t i = 0; rule->peers && i < rule->n_peers; i++) {
		struct clo_place item = clo_place_item(&peers, i);

		read_peer(reader, &item, home, &rule->peers[i]);
	}
	for (size_t i = 0; rule->ports && i < rule->n_ports; i++) {
		struct clo_place item = clo_place_item(&ports, i);

		read_port(reader, &item, &rule->ports[i]);
	}
}

static void read_rules(struct clo_reader *reader, const struct clo_place *spec,
		       enum clo_kube_direction direction,
		       struct clo_kube_policy *policy)
{
	struct clo_place list;
	size_t n = clo_kube_rules(reader, spec, directions[direction].rules,
				  direction, policy, &list);

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);

		read_rule(reader, &item, direction, policy->home,
			  &policy->rules[direction][i]);
	}
}

/* Without the list: Ingress, and Egress if there are rules for it. */
static void read_types(struct clo_reader *reader, const struct clo_place *spec,
		       struct clo_kube_policy *policy)
{
	struct clo_place list;

	(void)clo_kube_get(reader, spec, "policyTypes", JSON_ARRAY, &list);
	if (clo_place_items(&list) == 0) {
		policy->isolates[CLO_KUBE_INGRESS] = true;
		policy->isolates[CLO_KUBE_EGRESS] =
			policy->n_rules[CLO_KUBE_EGRESS] > 0;
		return;
	}
	for (size_t i = 0; i < clo_place_items(&list); i++) {
		struct clo_place item = clo_place_item(&list, i);
		const char *text = clo_read_string(reader, &item);
		size_t d = 0;

		if (!text)
			continue;
		while (d < CLO_KUBE_DIRECTIONS &&
		       strcmp(text, directions[d].name) != 0)
			d++;
		if (d < CLO_KUBE_DIRECTIONS)
			policy->isolates[d] = true;
		else
			clo_flaw_at(reader, &item,
				    "%s: expected Ingress or Egress",
				    clo_quote(text).text);
	}
}

void clo_kube_read_policy(struct clo_kube_reading *reading,
			  const struct clo_place *object)
{
	static const char *const known[] = {"podSelector", "policyTypes",
					    "ingress", "egress", NULL};
	struct clo_reader *reader = &reading->reader;
	struct clo_kube_policy *policy =
		&reading->kube->policies[reading->kube->n_policies];
	struct clo_place metadata, spec, pods;

	(void)clo_kube_get(reader, object, "metadata", JSON_OBJECT, &metadata);
	policy->name = clo_kube_text(reader, &metadata, "name");
	policy->home = clo_kube_text(reader, &metadata, "namespace");
	if (!policy->name || !policy->home ||
	    !clo_kube_get(reader, object, "spec", JSON_OBJECT, &spec)) {
		clo_flaw_at(reader, object,
			    "the NetworkPolicy has no name, namespace or spec: "
			    "read it with kubectl get -o json");
		return;
	}

	clo_kube_known(reader, &spec, known);
	(void)clo_kube_get(reader, &spec, "podSelector", JSON_OBJECT, &pods);
	policy->subjects =
		clo_arena_array(reader->keep, 1, sizeof(*policy->subjects));
	if (!policy->subjects)
		return;
	policy->n_subjects = 1;
	policy->subjects[0] = (struct clo_kube_peer){
		.where = CLO_KUBE_HOME,
		.home = policy->home,
		.pods = clo_kube_read_selector(reader, &pods),
	};
	for (enum clo_kube_direction d = 0; d < CLO_KUBE_DIRECTIONS; d++)
		read_rules(reader, &spec, d, policy);
	read_types(reader, &spec, policy);
	reading->kube->n_policies++;
}
