/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/import/read.h"
#include "policy/parse_state.h"
#include "policy/quote.h"

bool clo_kube_get(struct clo_reader *reader, const struct clo_place *up,
		  const char *key, json_type type, struct clo_place *ret_place)
{
	*ret_place = clo_place_member(up, key);
	if (json_is_null(ret_place->json))
		ret_place->json = NULL;
	if (!clo_check_type(reader, ret_place, type))
		ret_place->json = NULL;
	return ret_place->json != NULL;
}

const char *clo_kube_text(struct clo_reader *reader, const struct clo_place *up,
			  const char *key)
{
	struct clo_place place;

	if (!clo_kube_get(reader, up, key, JSON_STRING, &place))
		return NULL;
	return clo_arena_strdup(reader->keep, json_string_value(place.json));
}

void clo_kube_known(struct clo_reader *reader, const struct clo_place *place,
		    const char *const *known)
{
	const char *key;
	json_t *json;

	json_object_foreach (place->json, key, json) {
		struct clo_place member = clo_place_member(place, key);
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i] && !json_is_null(json))
			clo_flaw_at(reader, &member,
				    "%s is not known, and so cannot be "
				    "translated: remove it, or write the "
				    "policy by hand",
				    clo_quote(key).text);
	}
}

static int compare_labels(const void *a, const void *b)
{
	const struct clo_kube_label *x = a, *y = b;

	return strcmp(x->key, y->key);
}

struct clo_kube_labels clo_kube_read_labels(struct clo_reader *reader,
					    const struct clo_place *up,
					    const char *key)
{
	struct clo_kube_labels labels = {0};
	struct clo_place place;
	const char *name;
	json_t *json;

	if (!clo_kube_get(reader, up, key, JSON_OBJECT, &place))
		return labels;
	labels.items =
		clo_arena_array(reader->keep, json_object_size(place.json),
				sizeof(*labels.items));
	if (!labels.items)
		return labels;

	json_object_foreach (place.json, name, json) {
		struct clo_place member = clo_place_member(&place, name);
		const char *value = clo_read_string(reader, &member);

		if (!value)
			continue;
		labels.items[labels.n++] = (struct clo_kube_label){
			clo_arena_strdup(reader->keep, name),
			clo_arena_strdup(reader->keep, value)};
	}
	clo_sort(labels.items, labels.n, sizeof(*labels.items), compare_labels);
	return labels;
}

static void read_values(struct clo_reader *reader,
			const struct clo_place *place,
			struct clo_kube_need *need)
{
	bool wanted = need->op == CLO_KUBE_IN || need->op == CLO_KUBE_NOT_IN;
	struct clo_place list;
	size_t n;

	(void)clo_kube_get(reader, place, "values", JSON_ARRAY, &list);
	n = clo_place_items(&list);
	if (wanted != (n > 0)) {
		clo_flaw_at(reader, place,
			    wanted ? "In and NotIn need values"
				   : "Exists and DoesNotExist take no values");
		return;
	}
	need->values = clo_arena_array(reader->keep, n, sizeof(*need->values));
	if (!need->values)
		return;
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);
		const char *text = clo_read_string(reader, &item);

		if (text)
			need->values[need->n_values++] =
				clo_arena_strdup(reader->keep, text);
	}
}

static void read_need(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_need *need)
{
	static const char *const known[] = {"key", "operator", "values", NULL};
	static const char *const ops[] = {
		[CLO_KUBE_IN] = "In",
		[CLO_KUBE_NOT_IN] = "NotIn",
		[CLO_KUBE_EXISTS] = "Exists",
		[CLO_KUBE_MISSING] = "DoesNotExist",
	};
	const char *op;

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	clo_kube_known(reader, place, known);
	need->key = clo_kube_text(reader, place, "key");
	op = clo_kube_text(reader, place, "operator");
	if (!need->key || !op) {
		clo_flaw_at(reader, place, "expected \"key\" and \"operator\"");
		return;
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(ops); i++) {
		if (strcmp(op, ops[i]) != 0)
			continue;
		need->op = (enum clo_kube_op)i;
		read_values(reader, place, need);
		return;
	}
	clo_flaw_at(reader, place,
		    "operator %s: expected In, NotIn, Exists or DoesNotExist",
		    clo_quote(op).text);
}

struct clo_kube_selector clo_kube_read_selector(struct clo_reader *reader,
						const struct clo_place *place)
{
	static const char *const known[] = {"matchLabels", "matchExpressions",
					    NULL};
	struct clo_kube_selector selector = {0};
	struct clo_kube_labels labels;
	struct clo_place list;
	size_t n;

	if (!place->json)
		return selector;
	clo_kube_known(reader, place, known);
	labels = clo_kube_read_labels(reader, place, "matchLabels");
	(void)clo_kube_get(reader, place, "matchExpressions", JSON_ARRAY,
			   &list);
	n = clo_place_items(&list);
	selector.needs = clo_arena_array(reader->keep, labels.n + n,
					 sizeof(*selector.needs));
	if (!selector.needs)
		return selector;

	for (size_t i = 0; i < labels.n; i++)
		selector.needs[selector.n_needs++] = (struct clo_kube_need){
			.op = CLO_KUBE_IN,
			.key = labels.items[i].key,
			.values = &labels.items[i].value,
			.n_values = 1,
		};
	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(&list, i);
		struct clo_kube_need need = {0};

		read_need(reader, &item, &need);
		if (need.key)
			selector.needs[selector.n_needs++] = need;
	}
	return selector;
}

uint8_t clo_kube_read_proto(struct clo_reader *reader,
			    const struct clo_place *up)
{
	const json_t *given = json_object_get(up->json, "protocol");
	struct clo_place place;
	const char *text;

	if (!given || json_is_null(given))
		return IPPROTO_TCP;
	if (!clo_kube_get(reader, up, "protocol", JSON_STRING, &place))
		return 0;
	text = json_string_value(place.json);
	if (strcmp(text, "TCP") == 0)
		return IPPROTO_TCP;
	if (strcmp(text, "UDP") == 0)
		return IPPROTO_UDP;
	if (strcmp(text, "SCTP") == 0)
		return IPPROTO_SCTP;
	clo_flaw_at(reader, &place, "%s: expected TCP, UDP or SCTP",
		    clo_quote(text).text);
	return 0;
}

uint16_t clo_kube_read_number(struct clo_reader *reader,
			      const struct clo_place *up, const char *key)
{
	struct clo_place place;
	uint64_t number = 0;

	if (clo_kube_get(reader, up, key, JSON_INTEGER, &place) &&
	    !clo_read_number(reader, &place, 1, UINT16_MAX, &number))
		return 0;
	return (uint16_t)number;
}

bool clo_kube_read_cidr(struct clo_reader *reader,
			const struct clo_place *place,
			struct clo_cidr *ret_cidr)
{
	const char *text = clo_read_string(reader, place);
	const char *refused = NULL;
	int r;

	if (!text)
		return false;
	r = clo_cidr_parse(text, CLO_FORM_CIDR, ret_cidr);
	if (r == 0 || r == -EDOM)
		refused = clo_cidr_refuse(ret_cidr, CLO_USE_MATCH);
	if ((r == 0 || r == -EDOM) && !refused)
		return true;
	clo_flaw_at(reader, place,
		    "%s: expected a block like \"10.0.0.0/8\"%s%s",
		    clo_quote(text).text, refused ? ", not one that is " : "",
		    refused ? refused : "");
	return false;
}

size_t clo_kube_rules(struct clo_reader *reader, const struct clo_place *spec,
		      const char *key, enum clo_kube_direction direction,
		      struct clo_kube_policy *policy,
		      struct clo_place *ret_list)
{
	size_t n;

	(void)clo_kube_get(reader, spec, key, JSON_ARRAY, ret_list);
	n = clo_place_items(ret_list);
	policy->rules[direction] = clo_arena_array(
		reader->keep, n, sizeof(*policy->rules[direction]));
	if (policy->rules[direction])
		policy->n_rules[direction] = n;
	return policy->n_rules[direction];
}
