/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/model.h"

#include <string.h>

void clo_kube_free(struct clo_kube *kube)
{
	if (!kube)
		return;
	/* Everything, the struct too, is in the arena. */
	clo_arena_free(kube->arena);
}

const char *clo_kube_label(const struct clo_kube_labels *labels,
			   const char *key)
{
	size_t low = 0, high = labels->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(labels->items[middle].key, key);

		if (order == 0)
			return labels->items[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool is_met(const struct clo_kube_need *need,
		   const struct clo_kube_labels *labels)
{
	const char *value = clo_kube_label(labels, need->key);
	bool listed = false;

	for (size_t i = 0; value && i < need->n_values && !listed; i++)
		listed = strcmp(value, need->values[i]) == 0;
	switch (need->op) {
	case CLO_KUBE_IN:
		return listed;
	case CLO_KUBE_NOT_IN:
		return !listed;
	case CLO_KUBE_EXISTS:
		return value != NULL;
	case CLO_KUBE_MISSING:
		return value == NULL;
	}
	return false;
}

bool clo_kube_selects(const struct clo_kube_selector *selector,
		      const struct clo_kube_labels *labels)
{
	for (size_t i = 0; i < selector->n_needs; i++)
		if (!is_met(&selector->needs[i], labels))
			return false;
	return true;
}

/* Both have each key, with one value. */
static bool same_labels(const struct clo_kube_peer *peer,
			const struct clo_kube_labels *a,
			const struct clo_kube_labels *b)
{
	for (size_t i = 0; i < peer->n_keys; i++) {
		const char *x = clo_kube_label(a, peer->keys[i]);
		const char *y = clo_kube_label(b, peer->keys[i]);

		if (!x || !y || strcmp(x, y) != 0)
			return false;
	}
	return true;
}

/* Both have each key, one of them with two values. */
static bool other_labels(const struct clo_kube_peer *peer,
			 const struct clo_kube_labels *a,
			 const struct clo_kube_labels *b)
{
	bool differ = false;

	for (size_t i = 0; i < peer->n_keys; i++) {
		const char *x = clo_kube_label(a, peer->keys[i]);
		const char *y = clo_kube_label(b, peer->keys[i]);

		if (!x || !y)
			return false;
		differ |= strcmp(x, y) != 0;
	}
	return differ;
}

static bool is_there(const struct clo_kube_peer *peer,
		     const struct clo_kube_pod *subject,
		     const struct clo_kube_namespace *namespace)
{
	switch (peer->where) {
	case CLO_KUBE_SELECTED:
		return clo_kube_selects(&peer->namespaces, &namespace->labels);
	case CLO_KUBE_HOME:
		return strcmp(peer->home, namespace->name) == 0;
	case CLO_KUBE_SAME:
		return subject && subject->namespace == namespace;
	case CLO_KUBE_SAME_LABELS:
		return subject && same_labels(peer, &subject->namespace->labels,
					      &namespace->labels);
	case CLO_KUBE_OTHER_LABELS:
		return subject &&
		       other_labels(peer, &subject->namespace->labels,
				    &namespace->labels);
	}
	return false;
}

bool clo_kube_means(const struct clo_kube_peer *peer,
		    const struct clo_kube_pod *subject,
		    const struct clo_kube_pod *pod)
{
	return !peer->block && is_there(peer, subject, pod->namespace) &&
	       clo_kube_selects(&peer->pods, &pod->labels);
}
