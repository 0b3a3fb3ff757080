/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/import/read.h"
#include "policy/quote.h"

/* Namespaces and Pods. Of them only what decides about flows is read. */

static void read_tenant(struct clo_kube_reading *reading,
			const struct clo_place *place,
			struct clo_kube_namespace *namespace)
{
	const struct clo_import_options *options = reading->options;
	const char *tenant =
		clo_kube_label(&namespace->labels, options->tenant_label);

	if (!tenant)
		tenant = options->tenant;
	if (!tenant)
		clo_flaw_at(&reading->reader, place,
			    "namespace %s has no label %s: label it, or say "
			    "whose such namespaces are with --tenant",
			    clo_quote(namespace->name).text,
			    options->tenant_label);
	else if (!clo_format_name.valid(tenant))
		clo_flaw_at(&reading->reader, place,
			    "namespace %s: tenant %s: expected %s",
			    clo_quote(namespace->name).text,
			    clo_quote(tenant).text, clo_format_name.expected);
	else
	namespace->tenant = clo_arena_strdup(reading->reader.keep, tenant);
}

static void read_environment(struct clo_kube_reading *reading,
			     const struct clo_place *place,
			     struct clo_kube_namespace *namespace)
{
	const struct clo_import_options *options = reading->options;
	const char *text =
		clo_kube_label(&namespace->labels, options->environment_label);

	if (!text)
		text = options->environment;
	for (enum clo_environment e = CLO_ENV_PRODUCTION;
	     text && e <= CLO_ENV_DEVELOPMENT; e++)
		if (strcmp(text, clo_environment_name(e)) == 0)
	namespace->environment = e;
	if (!text)
		clo_flaw_at(&reading->reader, place,
			    "namespace %s has no label %s: label it, or say "
			    "what such namespaces are with --environment",
			    clo_quote(namespace->name).text,
			    options->environment_label);
	else if (namespace->environment == CLO_ENV_NONE)
		clo_flaw_at(&reading->reader, place,
			    "namespace %s: environment %s: expected "
			    "production, test or development",
			    clo_quote(namespace->name).text,
			    clo_quote(text).text);
}

/* The API server gives every namespace this label. */
static void add_own_label(struct clo_reader *reader,
			  struct clo_kube_namespace *namespace)
{
	static const char key[] = "kubernetes.io/metadata.name";
	struct clo_kube_labels *labels = &namespace->labels;
	struct clo_kube_label *items;
	size_t at = 0;

	if (clo_kube_label(labels, key))
		return;
	items = clo_arena_array(reader->keep, labels->n + 1, sizeof(*items));
	if (!items)
		return;
	while (at < labels->n && strcmp(labels->items[at].key, key) < 0) {
		items[at] = labels->items[at];
		at++;
	}
	items[at] = (struct clo_kube_label){key, namespace->name};
	for (size_t i = at; i < labels->n; i++)
		items[i + 1] = labels->items[i];
	labels->items = items;
	labels->n++;
}

void clo_kube_read_namespace(struct clo_kube_reading *reading,
			     const struct clo_place *object)
{
	struct clo_reader *reader = &reading->reader;
	struct clo_kube_namespace *namespace =
		&reading->kube->namespaces[reading->kube->n_namespaces];
	struct clo_place metadata;

	(void)clo_kube_get(reader, object, "metadata", JSON_OBJECT, &metadata);
	namespace->name = clo_kube_text(reader, &metadata, "name");
	if (!namespace->name) {
		clo_flaw_at(reader, object, "the Namespace has no name");
		return;
	}
	namespace->labels = clo_kube_read_labels(reader, &metadata, "labels");
	add_own_label(reader, namespace);
	read_tenant(reading, &metadata, namespace);
	read_environment(reading, &metadata, namespace);
	reading->kube->n_namespaces++;
}

static void read_address(struct clo_reader *reader,
			 const struct clo_place *place,
			 struct clo_kube_pod *pod)
{
	const char *text = clo_read_string(reader, place);
	struct clo_cidr address;

	if (!text)
		return;
	if (clo_cidr_parse(text, CLO_FORM_ADDRESS, &address) < 0) {
		clo_flaw_at(reader, place, "%s: expected an address",
			    clo_quote(text).text);
		return;
	}
	for (size_t i = 0; i < pod->n_addresses; i++) {
		if (clo_cidr_compare(&pod->addresses[i], &address) == 0)
			return;
		if (pod->addresses[i].family != address.family)
			continue;
		clo_flaw_at(reader, place,
			    "pod %s has two addresses of one family: a pod "
			    "has one of each at most",
			    clo_quote(pod->name).text);
		return;
	}
	pod->addresses[pod->n_addresses++] = address;
}

static void read_addresses(struct clo_reader *reader,
			   const struct clo_place *status,
			   struct clo_kube_pod *pod)
{
	struct clo_place list, one;

	pod->addresses =
		clo_arena_array(reader->keep, 2, sizeof(*pod->addresses));
	if (!pod->addresses)
		return;
	if (clo_kube_get(reader, status, "podIP", JSON_STRING, &one) &&
	    *json_string_value(one.json))
		read_address(reader, &one, pod);
	(void)clo_kube_get(reader, status, "podIPs", JSON_ARRAY, &list);
	for (size_t i = 0; i < clo_place_items(&list); i++) {
		struct clo_place item = clo_place_item(&list, i);

		if (clo_check_type(reader, &item, JSON_OBJECT) &&
		    clo_kube_get(reader, &item, "ip", JSON_STRING, &one))
			read_address(reader, &one, pod);
	}
}

/* An init container that goes on running is a container like the others. */
static bool has_ports(const struct clo_place *container, bool init)
{
	const char *policy = json_string_value(
		json_object_get(container->json, "restartPolicy"));

	return !init || (policy && strcmp(policy, "Always") == 0);
}

static void read_port(struct clo_reader *reader, const struct clo_place *place,
		      struct clo_kube_pod *pod)
{
	struct clo_kube_port port = {0};

	if (!clo_check_type(reader, place, JSON_OBJECT))
		return;
	port.name = clo_kube_text(reader, place, "name");
	port.proto = clo_kube_read_proto(reader, place);
	port.number = clo_kube_read_number(reader, place, "containerPort");
	if (port.name && port.proto && port.number)
		pod->ports[pod->n_ports++] = port;
}

static void read_containers(struct clo_reader *reader,
			    const struct clo_place *containers, bool init,
			    struct clo_kube_pod *pod)
{
	struct clo_place ports;

	for (size_t c = 0; c < clo_place_items(containers); c++) {
		struct clo_place container = clo_place_item(containers, c);

		if (!has_ports(&container, init))
			continue;
		(void)clo_kube_get(reader, &container, "ports", JSON_ARRAY,
				   &ports);
		for (size_t i = 0; i < clo_place_items(&ports); i++) {
			struct clo_place item = clo_place_item(&ports, i);

			read_port(reader, &item, pod);
		}
	}
}

static size_t count_ports(const struct clo_place *containers)
{
	const json_t *container;
	size_t i, n = 0;

	json_array_foreach (containers->json, i, container)
		n += json_array_size(json_object_get(container, "ports"));
	return n;
}

static void read_ports(struct clo_reader *reader, const struct clo_place *spec,
		       struct clo_kube_pod *pod)
{
	struct clo_place usual, init;

	(void)clo_kube_get(reader, spec, "containers", JSON_ARRAY, &usual);
	(void)clo_kube_get(reader, spec, "initContainers", JSON_ARRAY, &init);
	pod->ports = clo_arena_array(reader->keep,
				     count_ports(&usual) + count_ports(&init),
				     sizeof(*pod->ports));
	if (!pod->ports)
		return;
	read_containers(reader, &usual, false, pod);
	read_containers(reader, &init, true, pod);
}

/* Why a pod has no endpoint of its own; NULL: it has. */
static const char *find_excuse(struct clo_reader *reader,
			       const struct clo_place *spec,
			       const struct clo_place *status)
{
	const char *phase;

	if (json_is_true(json_object_get(spec->json, "hostNetwork")))
		return "it is on the host's network, where no policy of pods "
		       "applies";
	phase = clo_kube_text(reader, status, "phase");
	if (phase &&
	    (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
		return "it has ended";
	return NULL;
}

static void read_annotations(struct clo_kube_reading *reading,
			     const struct clo_place *metadata,
			     struct clo_kube_pod *pod)
{
	struct clo_place annotations;

	if (!clo_kube_get(&reading->reader, metadata, "annotations",
			  JSON_OBJECT, &annotations))
		return;
	pod->mac = clo_kube_text(&reading->reader, &annotations,
				 reading->options->mac_annotation);
	pod->domain = clo_kube_text(&reading->reader, &annotations,
				    reading->options->domain_annotation);
}

void clo_kube_read_pod(struct clo_kube_reading *reading,
		       const struct clo_place *object)
{
	struct clo_reader *reader = &reading->reader;
	struct clo_kube_pod *pod = &reading->kube->pods[reading->kube->n_pods];
	struct clo_place metadata, spec, status;
	const char *excuse;

	(void)clo_kube_get(reader, object, "metadata", JSON_OBJECT, &metadata);
	(void)clo_kube_get(reader, object, "spec", JSON_OBJECT, &spec);
	(void)clo_kube_get(reader, object, "status", JSON_OBJECT, &status);
	*pod = (struct clo_kube_pod){0};
	pod->name = clo_kube_text(reader, &metadata, "name");
	pod->home = clo_kube_text(reader, &metadata, "namespace");
	if (!pod->name || !pod->home) {
		clo_flaw_at(reader, object,
			    "the Pod has no name or no namespace: read it with "
			    "kubectl get -o json");
		return;
	}
	excuse = find_excuse(reader, &spec, &status);
	if (!excuse) {
		read_addresses(reader, &status, pod);
		if (pod->n_addresses == 0)
			excuse = "it has no address (yet)";
	}
	if (excuse) {
		clo_flaws_add(reading->notes, object->source->file->name, 0,
			      "$", "pod %s/%s is left out: %s",
			      clo_quote(pod->home).text,
			      clo_quote(pod->name).text, excuse);
		return;
	}

	pod->labels = clo_kube_read_labels(reader, &metadata, "labels");
	read_annotations(reading, &metadata, pod);
	read_ports(reader, &spec, pod);
	reading->kube->n_pods++;
}
