/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/corpus_case.h"

#include <assert.h>
#include <string.h>

/* Written for data that is trusted: whatever surprises is an assertion. */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert(text);
	return text;
}

static void append(json_t *array, json_t *item)
{
	int r = json_array_append_new(array, item);

	assert(r == 0);
}

static void put(json_t *object, const char *key, json_t *value)
{
	int r = json_object_set_new(object, key, value);

	assert(r == 0);
}

/* {labels, expr} -> {matchLabels, matchExpressions} */
static json_t *selector(const json_t *from)
{
	const json_t *labels = json_object_get(from, "labels");
	const json_t *exprs = json_object_get(from, "expr");
	json_t *to = json_object(), *expressions = json_array();
	const json_t *expr;
	size_t i;

	assert(to && expressions);
	if (labels)
		put(to, "matchLabels", json_deep_copy(labels));
	json_array_foreach (exprs, i, expr) {
		json_t *need =
			json_pack("{s:s, s:s}", "key", text_of(expr, "key"),
				  "operator", text_of(expr, "op"));

		if (json_array_size(json_object_get(expr, "values")) > 0)
			put(need, "values",
			    json_deep_copy(json_object_get(expr, "values")));
		append(expressions, need);
	}
	put(to, "matchExpressions", expressions);
	return to;
}

static json_t *peer(const json_t *from)
{
	const json_t *namespaces = json_object_get(from, "namespaces");
	json_t *to = json_object();

	assert(to);
	if (json_object_get(from, "cidr")) {
		json_t *block =
			json_pack("{s:s}", "cidr", text_of(from, "cidr"));

		if (json_object_get(from, "except"))
			put(block, "except",
			    json_deep_copy(json_object_get(from, "except")));
		put(to, "ipBlock", block);
		return to;
	}
	if (json_is_object(namespaces))
		put(to, "namespaceSelector", selector(namespaces));
	if (json_is_object(json_object_get(from, "pods")))
		put(to, "podSelector", selector(json_object_get(from, "pods")));
	else if (!json_is_object(namespaces))
		put(to, "podSelector", json_object());
	return to;
}

static json_t *port(const json_t *from)
{
	json_t *to = json_object();

	assert(to);
	if (json_is_string(json_object_get(from, "proto")))
		put(to, "protocol", json_string(text_of(from, "proto")));
	if (json_object_get(from, "port"))
		put(to, "port", json_deep_copy(json_object_get(from, "port")));
	if (json_object_get(from, "end"))
		put(to, "endPort",
		    json_deep_copy(json_object_get(from, "end")));
	return to;
}

static json_t *rule(const json_t *from, const char *peers_key)
{
	json_t *peers = json_array(), *ports = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(from, "peers"), i, item)
		append(peers, peer(item));
	json_array_foreach (json_object_get(from, "ports"), i, item)
		append(ports, port(item));
	return json_pack("{s:o, s:o}", peers_key, peers, "ports", ports);
}

static json_t *policy(const json_t *from)
{
	json_t *types = json_array(), *ingress = json_array(),
	       *egress = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(from, "directions"), i, item)
		append(types,
		       json_string(strcmp(json_string_value(item), "ingress")
					   ? "Egress"
					   : "Ingress"));
	json_array_foreach (json_object_get(from, "ingress"), i, item)
		append(ingress, rule(item, "from"));
	json_array_foreach (json_object_get(from, "egress"), i, item)
		append(egress, rule(item, "to"));
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:o, s:o, s:o, s:o}}",
		"apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
		"metadata", "name", text_of(from, "name"), "namespace",
		text_of(from, "namespace"), "spec", "podSelector",
		selector(json_object_get(from, "select")), "policyTypes", types,
		"ingress", ingress, "egress", egress);
}

static json_t *pod(const json_t *from)
{
	json_t *ports = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(from, "ports"), i, item) {
		json_t *entry = json_pack("{s:O, s:s}", "containerPort",
					  json_object_get(item, "port"),
					  "protocol", text_of(item, "proto"));

		if (json_is_string(json_object_get(item, "name")))
			put(entry, "name", json_string(text_of(item, "name")));
		append(ports, entry);
	}
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:O}, s:{s:[{s:o}]}, "
		"s:{s:[{s:s}]}}",
		"apiVersion", "v1", "kind", "Pod", "metadata", "name",
		text_of(from, "name"), "namespace", text_of(from, "namespace"),
		"labels", json_object_get(from, "labels"), "spec", "containers",
		"ports", ports, "status", "podIPs", "ip", text_of(from, "ip"));
}

static json_t *namespace(const char *name, const json_t *from, size_t index,
			 enum corpus_mapping mapping)
{
	static const char *const environments[] = {"production", "test",
						   "development"};
	json_t *labels = json_deep_copy(json_object_get(from, "labels"));

	assert(labels);
	if (mapping == CORPUS_ENVIRONMENTS) {
		assert(index < CLO_ARRAY_LEN(environments));
		put(labels, "cloison.io/environment",
		    json_string(environments[index]));
	}
	if (mapping == CORPUS_TENANTS)
		put(labels, "cloison.io/tenant", json_string(name));
	return json_pack("{s:s, s:s, s:{s:s, s:o}}", "apiVersion", "v1", "kind",
			 "Namespace", "metadata", "name", name, "labels",
			 labels);
}

json_t *corpus_objects(const json_t *step, enum corpus_mapping mapping)
{
	json_t *items = json_array();
	const char *name;
	json_t *item;
	size_t i, n = 0;

	json_object_foreach (json_object_get(step, "namespaces"), name, item)
		append(items, namespace(name, item, n++, mapping));
	json_array_foreach (json_object_get(step, "pods"), i, item)
		append(items, pod(item));
	json_array_foreach (json_object_get(step, "policies"), i, item)
		if (strcmp(text_of(item, "kind"), "allow") == 0)
			append(items, policy(item));
	return json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List",
			 "items", items);
}
