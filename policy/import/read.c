/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/read.h"

#include <errno.h>
#include <string.h>

#include "policy/quote.h"
#include "policy/scan.h"

/* At most this many JSON values in all files: bounds the memory they take. */
#define VALUES_MAX (8U << 20)

/* What is read; any other kind might change what is allowed. */
static const struct {
	const char *api, *kind;
	void (*read)(struct clo_kube_reading *reading,
		     const struct clo_place *object);
} kinds[] = {
	{"v1", "Namespace", clo_kube_read_namespace},
	{"v1", "Pod", clo_kube_read_pod},
	{"networking.k8s.io/v1", "NetworkPolicy", clo_kube_read_policy},
	{"policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy",
	 clo_kube_read_admin},
	{"policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy",
	 clo_kube_read_baseline},
};

struct root {
	struct clo_source source;
	struct clo_place top;
};

static const char *member_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static bool check_size(struct clo_flaws *flaws, const struct clo_document *file,
		       size_t *values)
{
	const char *end = file->text + file->len;
	struct clo_scan_size size;

	if (file->len == 0 || clo_scan_space(file->text, end) == end) {
		clo_flaws_add(flaws, file->name, 1, "$",
			      "the file is empty: expected objects of "
			      "Kubernetes as JSON");
		return false;
	}
	if (file->len > CLO_IMPORT_FILE_MAX) {
		clo_flaws_add(flaws, file->name, 0, "$",
			      "the file has %zu bytes, at most %u are read: "
			      "split it",
			      file->len, CLO_IMPORT_FILE_MAX);
		return false;
	}
	size = clo_scan_size(file->text, end, CLO_IMPORT_DEPTH_MAX);
	if (size.depth > CLO_IMPORT_DEPTH_MAX) {
		clo_flaws_add(flaws, file->name,
			      1 + clo_scan_lines(file->text,
						 file->text + size.deepest),
			      "$",
			      "arrays and objects are nested %u deep, at most "
			      "%d are read",
			      size.depth, CLO_IMPORT_DEPTH_MAX);
		return false;
	}
	*values += size.values;
	if (*values > VALUES_MAX) {
		clo_flaws_add(flaws, file->name, 0, "$",
			      "with this file there are more than %u JSON "
			      "values: leave out other kinds of objects",
			      VALUES_MAX);
		return false;
	}
	return true;
}

/* 0 also where there is a flaw; the root then has no JSON. */
static int load(struct clo_kube_reading *reading,
		const struct clo_document *file, size_t *values,
		struct root *root)
{
	struct clo_flaws *flaws = reading->reader.flaws;
	json_error_t error;
	const char *start;

	*root = (struct root){.source = {.file = file, .kind = "", .name = ""}};
	if (!check_size(flaws, file, values))
		return 0;
	start = clo_scan_space(file->text, file->text + file->len);
	root->source.offset = (size_t)(start - file->text);
	root->source.line = 1 + clo_scan_lines(file->text, start);
	root->source.json = json_loadb(file->text, file->len,
				       JSON_REJECT_DUPLICATES, &error);
	root->top = clo_place_top(&root->source);
	if (root->source.json)
		return 0;
	if (json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	clo_flaws_add(flaws, file->name, error.line, "$",
		      "not JSON in UTF-8: %s (column %d); objects of "
		      "Kubernetes are read as kubectl get -o json prints them",
		      error.text, error.column);
	return 0;
}

static void read_object(struct clo_kube_reading *reading,
			const struct clo_place *object, const char *api,
			const char *kind)
{
	if (!clo_check_type(&reading->reader, object, JSON_OBJECT))
		return;
	/* The items of a PodList need not say that they are Pods. */
	if (*member_text(object->json, "kind"))
		kind = member_text(object->json, "kind");
	if (*member_text(object->json, "apiVersion"))
		api = member_text(object->json, "apiVersion");
	for (size_t i = 0; i < CLO_ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		if (strcmp(kinds[i].api, api) == 0)
			kinds[i].read(reading, object);
		else
			clo_flaw_at(&reading->reader, object,
				    "apiVersion %s of a %s: expected %s",
				    clo_quote(api).text, kind, kinds[i].api);
		return;
	}
	clo_flaw_at(&reading->reader, object,
		    "kind %s cannot be translated: give the Namespaces, Pods "
		    "and NetworkPolicies, as kubectl get "
		    "namespaces,pods,networkpolicies -A -o json prints them",
		    clo_quote(kind).text);
}

/* "PodList" -> "Pod"; "List" -> "". NULL: it is no list. */
static const char *item_kind(struct clo_arena *scratch, const char *kind)
{
	static const char list[] = "List";
	size_t len = strlen(kind), n = sizeof(list) - 1;

	if (len < n || strcmp(kind + len - n, list) != 0)
		return NULL;
	return clo_arena_printf(scratch, "%.*s", (int)(len - n), kind);
}

/* The objects of one file: an array, a list of Kubernetes, or one object. */
static void read_root(struct clo_kube_reading *reading, const struct root *root)
{
	struct clo_place items = root->top;
	const char *kind = "", *api = "";

	if (!root->top.json)
		return;
	if (!json_is_array(root->top.json)) {
		kind = item_kind(reading->reader.scratch,
				 member_text(root->top.json, "kind"));
		if (!kind) {
			read_object(reading, &root->top, "", "");
			return;
		}
		if (*kind)
			api = member_text(root->top.json, "apiVersion");
		(void)clo_kube_get(&reading->reader, &root->top, "items",
				   JSON_ARRAY, &items);
	}
	for (size_t i = 0; i < clo_place_items(&items); i++) {
		struct clo_place item = clo_place_item(&items, i);

		read_object(reading, &item, api, kind);
	}
}

static size_t count_objects(const struct root *root)
{
	const json_t *json = root->top.json;

	if (json_is_object(json) &&
	    json_is_array(json_object_get(json, "items")))
		json = json_object_get(json, "items");
	return json_is_array(json) ? json_array_size(json) : 1;
}

static int compare_pods(const void *a, const void *b)
{
	const struct clo_kube_pod *x = a, *y = b;
	int r = strcmp(x->home, y->home);

	return r ? r : strcmp(x->name, y->name);
}

static void check_twice(struct clo_kube_reading *reading)
{
	const struct clo_kube *kube = reading->kube;
	struct clo_flaws *flaws = reading->reader.flaws;

	for (size_t i = 1; i < kube->n_namespaces; i++)
		if (clo_compare_text(&kube->namespaces[i - 1].name,
				     &kube->namespaces[i].name) == 0)
			clo_flaws_add(flaws, CLO_IMPORT_WHERE, 0, "$",
				      "namespace %s is there twice: remove one",
				      clo_quote(kube->namespaces[i].name).text);
	for (size_t i = 1; i < kube->n_pods; i++)
		if (compare_pods(&kube->pods[i - 1], &kube->pods[i]) == 0)
			clo_flaws_add(flaws, CLO_IMPORT_WHERE, 0, "$",
				      "pod %s/%s is there twice: remove one",
				      clo_quote(kube->pods[i].home).text,
				      clo_quote(kube->pods[i].name).text);
}

/* Everything is known: order it, and find the namespace of each pod. */
static void settle(struct clo_kube_reading *reading)
{
	struct clo_kube *kube = reading->kube;

	clo_sort(kube->namespaces, kube->n_namespaces,
		 sizeof(*kube->namespaces), clo_compare_text);
	clo_sort(kube->pods, kube->n_pods, sizeof(*kube->pods), compare_pods);
	check_twice(reading);
	for (size_t i = 0; i < kube->n_pods; i++) {
		struct clo_kube_pod *pod = &kube->pods[i];

		pod->namespace = clo_find(
			&pod->home, kube->namespaces, kube->n_namespaces,
			sizeof(*kube->namespaces), clo_compare_text);
		if (!pod->namespace)
			clo_flaws_add(reading->reader.flaws, CLO_IMPORT_WHERE,
				      0, "$",
				      "pod %s/%s: its Namespace is not in the "
				      "input: add it, selectors look at its "
				      "labels",
				      clo_quote(pod->home).text,
				      clo_quote(pod->name).text);
	}
	if (kube->n_pods == 0 && clo_flaws_count(reading->reader.flaws) == 0)
		clo_flaws_add(reading->reader.flaws, CLO_IMPORT_WHERE, 0, "$",
			      "there is no pod that has an address: nothing "
			      "to import");
}

static int read_all(struct clo_kube_reading *reading,
		    const struct clo_document *documents, size_t n,
		    struct root *roots)
{
	struct clo_arena *keep = reading->reader.keep;
	struct clo_kube *kube = reading->kube;
	size_t room = 0, values = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		r = load(reading, &documents[i], &values, &roots[i]);
		if (r < 0)
			return r;
		room += count_objects(&roots[i]);
	}
	kube->namespaces =
		clo_arena_array(keep, room, sizeof(*kube->namespaces));
	kube->pods = clo_arena_array(keep, room, sizeof(*kube->pods));
	kube->policies = clo_arena_array(keep, room, sizeof(*kube->policies));
	if (!kube->namespaces || !kube->pods || !kube->policies)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		read_root(reading, &roots[i]);
	settle(reading);
	return 0;
}

int clo_kube_read(const struct clo_document *documents, size_t n,
		  const struct clo_import_options *options,
		  struct clo_kube **ret_kube, struct clo_flaws *flaws,
		  struct clo_flaws *notes)
{
	CLO_AUTO(clo_arena) struct clo_arena *keep = NULL;
	CLO_AUTO(clo_arena) struct clo_arena *scratch = NULL;
	struct clo_kube_reading reading = {.notes = notes, .options = options};
	struct root *roots;
	int r;

	if (clo_arena_new(&keep) < 0 || clo_arena_new(&scratch) < 0)
		return -ENOMEM;
	reading.reader = (struct clo_reader){keep, scratch, flaws};
	reading.kube = clo_arena_array(keep, 1, sizeof(*reading.kube));
	roots = clo_arena_array(scratch, n, sizeof(*roots));
	if (!reading.kube || !roots)
		return -ENOMEM;

	r = read_all(&reading, documents, n, roots);
	for (size_t i = 0; i < n; i++)
		json_decref(roots[i].source.json);
	if (r == 0 && (clo_arena_failed(keep) || clo_arena_failed(scratch)))
		r = -ENOMEM;
	if (r == 0 && clo_flaws_count(flaws) > 0)
		r = -EINVAL;
	if (r < 0)
		return r;

	*ret_kube = reading.kube;
	reading.kube->arena = CLO_TAKE(keep);
	return 0;
}
