/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/import/translate.h"
#include "policy/read.h"

/* Pods that no policy can tell apart become one class. */

#define CLASSES_MAX 8192U
#define CELLS_MAX ((size_t)1 << 25) /* of a table by class */
#define STEPS_MAX ((uint64_t)1 << 31) /* (peer, pod) met in all */

static int compare_scopes(const void *a, const void *b)
{
	const struct clo_import_scope *x = a, *y = b;
	int r = strcmp(x->tenant, y->tenant);

	return r ? r
		 : (x->environment > y->environment) -
			       (x->environment < y->environment);
}

static int find_scopes(struct clo_import *import)
{
	const struct clo_kube *kube = import->kube;
	struct clo_import_scope *scopes = clo_arena_array(
		import->arena, kube->n_namespaces, sizeof(*scopes));
	size_t n = 0;

	if (!scopes)
		return -ENOMEM;
	for (size_t i = 0; i < kube->n_namespaces; i++)
		scopes[i] = (struct clo_import_scope){
			kube->namespaces[i].tenant,
			kube->namespaces[i].environment};
	clo_sort(scopes, kube->n_namespaces, sizeof(*scopes), compare_scopes);
	for (size_t i = 0; i < kube->n_namespaces; i++)
		if (n == 0 || compare_scopes(&scopes[n - 1], &scopes[i]) != 0)
			scopes[n++] = scopes[i];
	import->scopes = scopes;
	import->n_scopes = n;
	return 0;
}

static uint32_t scope_of(const struct clo_import *import,
			 const struct clo_kube_namespace *namespace)
{
	const struct clo_import_scope key = {namespace->tenant,
					     namespace->environment};
	const struct clo_import_scope *scope =
		clo_find(&key, import->scopes, import->n_scopes, sizeof(key),
			 compare_scopes);

	return (uint32_t)(scope - import->scopes);
}

/* What is being written about one pod: numbers that no two classes share. */
struct traits {
	uint32_t *items;
	size_t n;
};

static void put(struct traits *traits, uint32_t number)
{
	traits->items[traits->n++] = number;
}

/* One bit a peer; what depends on a subject is judged later, by the labels. */
static bool may_mean(const struct clo_import_peer *peer,
		     const struct clo_kube_pod *pod)
{
	if (peer->relative)
		return clo_kube_selects(&peer->kube->pods, &pod->labels);
	return clo_kube_means(peer->kube, NULL, pod);
}

static void put_peers(const struct clo_import_peers *peers,
		      const struct clo_kube_pod *pod, struct traits *traits)
{
	for (size_t i = 0; i < peers->n; i++)
		if (!peers->items[i].kube->block &&
		    may_mean(&peers->items[i], pod))
			put(traits, peers->items[i].number);
}

static void put_policies(const struct clo_import *import,
			 const struct clo_kube_pod *pod, struct traits *traits)
{
	for (size_t p = 0; p < import->n_policies; p++) {
		const struct clo_import_policy *policy = &import->policies[p];

		put_peers(&policy->subjects, pod, traits);
		for (size_t d = 0; d < CLO_KUBE_DIRECTIONS; d++)
			for (size_t i = 0; i < policy->kube->n_rules[d]; i++) {
				put_peers(&policy->rules[d][i].peers, pod,
					  traits);
				put_peers(&policy->rules[d][i].subjects, pod,
					  traits);
			}
	}
}

static uint32_t block_of(const struct clo_import *import,
			 const struct clo_kube_pod *pod, uint8_t family)
{
	for (size_t i = 0; i < pod->n_addresses; i++)
		if (pod->addresses[i].family == family)
			return clo_blocks_find(&import->blocks, family,
					       pod->addresses[i].addr);
	return CLO_IMPORT_NONE;
}

static bool has_name(const struct clo_import_name *name,
		     const struct clo_kube_port *port)
{
	return name->proto == port->proto &&
	       strcmp(name->name, port->name) == 0;
}

/* {scope, atoms, namespace, ports by name, peers that may mean it} */
#define TRAITS_FIXED 4

static void describe(const struct clo_import *import,
		     const struct clo_kube_pod *pod, struct traits *traits)
{
	traits->n = 0;
	put(traits, scope_of(import, pod->namespace));
	put(traits, block_of(import, pod, 4));
	put(traits, block_of(import, pod, 6));
	put(traits, import->relative ? (uint32_t)(pod->namespace -
						  import->kube->namespaces)
				     : 0);
	for (size_t n = 0; n < import->n_names; n++) {
		for (size_t i = 0; i < pod->n_ports; i++)
			if (has_name(&import->names[n], &pod->ports[i]))
				put(traits, pod->ports[i].number);
		put(traits, CLO_IMPORT_NONE);
	}
	put_policies(import, pod, traits);
}

static int limit(struct clo_import *import, const char *what)
{
	clo_flaws_add(import->flaws, CLO_IMPORT_WHERE, 0, "$",
		      "the cluster is too large: %s; import it in parts", what);
	return -EINVAL;
}

/* Pods -> classes; `keys` describe them, class + 1. */
static int find_classes(struct clo_import *import, struct clo_lists *keys)
{
	const struct clo_kube *kube = import->kube;
	struct traits traits;
	size_t ports = 0;
	int r = 0;

	for (size_t i = 0; i < kube->n_pods; i++)
		if (kube->pods[i].n_ports > ports)
			ports = kube->pods[i].n_ports;
	if ((uint64_t)kube->n_pods *
		    (import->n_means + import->n_names * (ports + 1) + 1) >
	    STEPS_MAX)
		return limit(import, "its pods times the peers of policies");
	traits.items = clo_arena_array(
		import->arena,
		TRAITS_FIXED + import->n_names * (ports + 1) + import->n_means,
		sizeof(*traits.items));
	import->pod_class = clo_arena_array(import->arena, kube->n_pods,
					    sizeof(*import->pod_class));
	if (!traits.items || !import->pod_class)
		return -ENOMEM;

	for (size_t i = 0; i < kube->n_pods && r == 0; i++) {
		uint32_t key = 0;

		describe(import, &kube->pods[i], &traits);
		r = clo_lists_intern(keys, traits.items, traits.n, &key);
		import->pod_class[i] = key - 1;
	}
	if (r == -E2BIG || keys->n > CLASSES_MAX)
		return limit(import, "policies tell too many pods apart");
	import->n_classes = keys->n - 1;
	return r;
}

static void mean(struct clo_import *import,
		 const struct clo_import_peers *peers)
{
	for (size_t i = 0; i < peers->n; i++) {
		const struct clo_import_peer *peer = &peers->items[i];
		bool *row = import->means + peer->number * import->n_classes;

		for (size_t c = 0; c < import->n_classes && !peer->kube->block;
		     c++)
			row[c] = may_mean(peer, import->classes[c].pod);
	}
}

static bool is_about(const struct clo_import *import,
		     const struct clo_import_peers *subjects, size_t class)
{
	for (size_t i = 0; i < subjects->n; i++)
		if (import->means[subjects->items[i].number *
					  import->n_classes +
				  class])
			return true;
	return false;
}

static bool concerns(const struct clo_import *import,
		     const struct clo_import_policy *policy, size_t class)
{
	if (is_about(import, &policy->subjects, class))
		return true;
	for (size_t d = 0; d < CLO_KUBE_DIRECTIONS; d++)
		for (size_t i = 0; i < policy->kube->n_rules[d]; i++)
			if (is_about(import, &policy->rules[d][i].subjects,
				     class))
				return true;
	return false;
}

static int find_policies(struct clo_import *import, size_t class)
{
	struct clo_import_class *entry = &import->classes[class];

	entry->policies = clo_arena_array(import->arena, import->n_policies,
					  sizeof(*entry->policies));
	if (!entry->policies)
		return -ENOMEM;
	for (uint32_t p = 0; p < import->n_policies; p++)
		if (concerns(import, &import->policies[p], class))
			entry->policies[entry->n_policies++] = p;
	return 0;
}

static void resolve(struct clo_import *import, size_t name, size_t class)
{
	const struct clo_kube_pod *pod = import->classes[class].pod;
	uint64_t *bits = import->resolved +
			 (name * import->n_classes + class) * import->words;

	for (size_t i = 0; i < pod->n_ports; i++) {
		const struct clo_kube_port *port = &pod->ports[i];
		const struct clo_service_spec spec = {.proto = port->proto,
						      .first = port->number,
						      .last = port->number};
		const uint32_t *classes;
		uint32_t index;
		size_t n;

		/* It was added: this only finds it. */
		if (!has_name(&import->names[name], port) ||
		    clo_classes_add(&import->services, &spec, &index) < 0)
			continue;
		classes = clo_index_get(&import->services.by_spec, index, &n);
		for (size_t c = 0; c < n; c++)
			bits[classes[c] / 64] |= UINT64_C(1) << classes[c] % 64;
	}
}

static int fill(struct clo_import *import)
{
	size_t n = import->n_classes;
	int r = 0;

	if (import->n_means * n > CELLS_MAX ||
	    import->n_names * n * import->words > CELLS_MAX ||
	    import->n_policies * n > CELLS_MAX)
		return limit(import, "policies tell too many pods apart");
	import->means =
		clo_arena_array(import->arena, import->n_means * n + 1, 1);
	import->resolved = clo_arena_array(import->arena,
					   import->n_names * n * import->words,
					   sizeof(*import->resolved));
	if (!import->means || !import->resolved)
		return -ENOMEM;
	for (size_t p = 0; p < import->n_policies; p++) {
		const struct clo_import_policy *policy = &import->policies[p];

		mean(import, &policy->subjects);
		for (size_t d = 0; d < CLO_KUBE_DIRECTIONS; d++)
			for (size_t i = 0; i < policy->kube->n_rules[d]; i++) {
				mean(import, &policy->rules[d][i].peers);
				mean(import, &policy->rules[d][i].subjects);
			}
	}
	for (size_t name = 0; name < import->n_names; name++)
		for (size_t c = 0; c < n; c++)
			resolve(import, name, c);
	for (size_t c = 0; c < n && r == 0; c++)
		r = find_policies(import, c);
	return r;
}

int clo_import_pods(struct clo_import *import)
{
	struct clo_lists keys = {0};
	int r = find_scopes(import);

	if (r == 0)
		r = clo_lists_init(&keys, CLO_LISTS_MAX);
	if (r == 0)
		r = find_classes(import, &keys);
	clo_lists_done(&keys);
	if (r < 0)
		return r;

	import->classes = clo_arena_array(import->arena, import->n_classes,
					  sizeof(*import->classes));
	if (!import->classes)
		return -ENOMEM;
	for (size_t i = import->kube->n_pods; i-- > 0;) {
		const struct clo_kube_pod *pod = &import->kube->pods[i];

		import->classes[import->pod_class[i]] =
			(struct clo_import_class){
				.scope = scope_of(import, pod->namespace),
				.pod = pod,
				.block = {block_of(import, pod, 4),
					  block_of(import, pod, 6)},
			};
	}
	return fill(import);
}
