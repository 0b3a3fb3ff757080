/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/imported.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/address.h"
#include "policy/host_view.h"

#define NOW 1767225600 /* 2026-01-01 */

const struct clo_import_options imported_flat = {
	.tenant_label = "cloison.io/tenant",
	.environment_label = "cloison.io/environment",
	.tenant = "acme",
	.environment = "production",
	.mac_annotation = "cloison.io/mac",
	.domain_annotation = "cloison.io/domain",
	.node = "node",
	.bridge = "br0",
};

static void keep_why(struct imported *imported, const struct clo_flaws *flaws)
{
	const struct clo_flaw *flaw;

	if (clo_flaws_kept(flaws) == 0)
		return;
	flaw = clo_flaws_get(flaws, 0);
	(void)snprintf(imported->why, sizeof(imported->why), "%s: %s: %s",
		       flaw->file, flaw->path, flaw->text);
}

static int compile(struct imported *imported, struct clo_flaws *flaws)
{
	size_t room = json_object_size(imported->documents) + 1;
	CLO_AUTO_MEM struct clo_document *documents =
		calloc(room, sizeof(*documents));
	CLO_AUTO_MEM char **texts = calloc(room, sizeof(*texts));
	const char *file;
	json_t *document;
	size_t n = 0;
	int r;

	assert(documents && texts);
	json_object_foreach (imported->documents, file, document) {
		texts[n] = json_dumps(document, JSON_COMPACT);
		assert(texts[n]);
		documents[n].name = file;
		documents[n].text = texts[n];
		documents[n].len = strlen(texts[n]);
		n++;
	}
	r = clo_policy_parse(documents, n, NOW, &imported->policy, flaws);
	while (n > 0)
		free(texts[--n]);
	return r < 0 ? r
		     : clo_compile(imported->policy, NOW, &imported->compiled,
				   flaws);
}

static bool is_at(const struct clo_workload_doc *workload,
		  const struct clo_kube_pod *pod)
{
	const struct clo_interface_doc *interface = workload->interfaces;

	if (strcmp(workload->tenant->name, pod->namespace->tenant) != 0 ||
	    workload->environment != pod->namespace->environment)
		return false;
	for (size_t i = 0; i < interface->n_addresses; i++)
		if (clo_cidr_compare(&interface->addresses[i],
				     &pod->addresses[0]) == 0)
			return true;
	return false;
}

/* NULL: it has none of that family. */
static const struct clo_cidr *address_of(const struct clo_kube_pod *pod,
					 uint8_t family)
{
	for (size_t i = 0; i < pod->n_addresses; i++)
		if (pod->addresses[i].family == family)
			return &pod->addresses[i];
	return NULL;
}

static struct clo_side side_of(const struct imported *imported, uint32_t space,
			       const struct clo_cidr *address)
{
	const struct clo_view view = {imported->compiled->tables};
	struct clo_side side;

	clo_judge_side(&view, space, address->family, address->addr, &side);
	return side;
}

static void locate(struct imported *imported)
{
	const struct clo_policy *policy = imported->policy;

	imported->pods =
		calloc(imported->kube->n_pods + 1, sizeof(*imported->pods));
	assert(imported->pods);
	assert(policy->n_workloads == imported->kube->n_pods);
	for (size_t i = 0; i < imported->kube->n_pods; i++) {
		struct imported_pod *pod = &imported->pods[i];
		size_t w = 0;

		pod->kube = &imported->kube->pods[i];
		while (!is_at(&policy->workloads[w], pod->kube)) {
			w++;
			assert(w < policy->n_workloads);
		}
		pod->space = policy->workloads[w].interfaces->segment->space;
		pod->endpoint = policy->workloads[w].interfaces->endpoint;
		pod->identity =
			side_of(imported, pod->space, &pod->kube->addresses[0])
				.identity;
	}
}

/* Whom the addresses of one pod's packets to another lead to; 0: nobody. */
static struct imported_path find_path(const struct imported *imported,
				      const struct imported_pod *from,
				      const struct imported_pod *to,
				      uint8_t family)
{
	const struct clo_cidr *a = address_of(from->kube, family);
	const struct clo_cidr *b = address_of(to->kube, family);
	struct imported_path path = {.exists = a && b};
	struct clo_side src, dst;

	if (!path.exists)
		return path;
	src = side_of(imported, from->space, a);
	dst = side_of(imported, from->space, b);
	if (src.endpoint != from->endpoint || dst.endpoint != to->endpoint)
		return path;
	path.source = src.identity;
	path.destination = dst.identity;
	return path;
}

static void find_paths(struct imported *imported)
{
	size_t n = imported->kube->n_pods;

	imported->paths = calloc(2 * n * n + 1, sizeof(*imported->paths));
	assert(imported->paths);
	for (size_t i = 0; i < 2 * n * n; i++)
		imported->paths[i] =
			find_path(imported, &imported->pods[i / 2 / n],
				  &imported->pods[i / 2 % n], i % 2 ? 6 : 4);
}

int imported_make(struct imported *imported, const struct clo_kube *kube,
		  const struct clo_import_options *options)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *notes = NULL;
	int r;

	*imported = (struct imported){.kube = kube};
	if (clo_flaws_new(&flaws) < 0 || clo_flaws_new(&notes) < 0)
		return -ENOMEM;
	r = clo_kube_translate(kube, options, &imported->documents, flaws,
			       notes);
	if (r == 0)
		r = compile(imported, flaws);
	keep_why(imported, flaws);
	imported->n_notes = clo_flaws_count(notes);
	if (r == 0) {
		locate(imported);
		find_paths(imported);
	}
	return r;
}

void imported_done(struct imported *imported)
{
	json_decref(imported->documents);
	clo_compiled_free(imported->compiled);
	clo_policy_free(imported->policy);
	free(imported->pods);
	free(imported->paths);
}

size_t imported_find(const struct imported *imported, const char *id)
{
	const struct clo_kube *kube = imported->kube;

	for (size_t i = 0; i < kube->n_pods; i++) {
		size_t len = strlen(kube->pods[i].home);

		if (strncmp(id, kube->pods[i].home, len) == 0 &&
		    id[len] == '/' &&
		    strcmp(id + len + 1, kube->pods[i].name) == 0)
			return i;
	}
	return SIZE_MAX;
}

/* Straight from the table: this is asked of every port, again and again. */
uint32_t imported_class(const struct imported *imported, uint8_t proto,
			uint16_t port)
{
	const struct clo_tables *tables = imported->compiled->tables;
	const struct clo_services *services =
		clo_tables_value(tables, CLO_TABLE_SERVICES, 0);
	uint32_t slot = clo_judge_slot(proto, port);

	return slot / 4 < tables->table[CLO_TABLE_SERVICES].n
		       ? services[slot / 4].class[slot % 4]
		       : CLO_CLASS_NONE;
}

static bool judge(const struct imported *imported, uint32_t source,
		  uint32_t destination, uint8_t proto, uint16_t port)
{
	const struct clo_view view = {imported->compiled->tables};
	struct clo_verdict verdict;

	clo_judge_pair(&view, source, destination, proto, port, &verdict);
	return verdict.drop == CLO_DROP_NONE;
}

/* In every family that both have, with one answer. */
bool imported_allows(const struct imported *imported, size_t from, size_t to,
		     uint8_t proto, uint16_t port)
{
	size_t n = imported->kube->n_pods;
	int allowed = -1;

	for (size_t family = 0; family < 2; family++) {
		const struct imported_path *path =
			&imported->paths[(from * n + to) * 2 + family];
		bool passes;

		if (!path->exists)
			continue;
		passes = judge(imported, path->source, path->destination, proto,
			       port);
		assert(allowed < 0 || allowed == passes);
		allowed = passes;
	}
	return allowed > 0;
}

bool imported_grants(const struct imported *imported, size_t from, size_t to,
		     uint8_t proto, uint16_t port)
{
	return judge(imported, imported->pods[from].identity,
		     imported->pods[to].identity, proto, port);
}

uint64_t imported_breaches(const struct imported *imported)
{
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	char text[160];
	int r;

	assert(proof);
	r = clo_prove(imported->compiled->tables, NULL, 0, proof, text);
	assert(r == 0);
	return proof->breached;
}
