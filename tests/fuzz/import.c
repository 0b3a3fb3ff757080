/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/import.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/*
 * Objects from anybody never crash, leak or stall, and what becomes of them is
 * a policy, or has flaws.
 */

#define FILES_MAX 64
#define NOW 1767225600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct clo_import_options options[] = {
	{"t", "e", "acme", "production", "mac", "domain", CLO_BETWEEN_NAMED,
	 "node", "br0"},
	{"t", "e", "acme", "test", "mac", "domain", CLO_BETWEEN_ALL, "node",
	 "br0"},
};

static bool are_clean(const struct clo_flaws *flaws)
{
	for (size_t i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		if (flaw->line < 0 || flaw->path[0] != '$' ||
		    strpbrk(flaw->text, "\n\r\x1b"))
			return false;
	}
	return true;
}

static int parse(json_t *documents, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	struct clo_document files[FILES_MAX] = {0};
	char *texts[FILES_MAX] = {NULL};
	const char *file;
	json_t *document;
	size_t n = 0;
	int r;

	json_object_foreach (documents, file, document) {
		if (n == FILES_MAX)
			break;
		texts[n] = json_dumps(document, JSON_COMPACT);
		assert(texts[n]);
		files[n].name = "fuzz.json";
		files[n].text = texts[n];
		files[n].len = strlen(texts[n]);
		n++;
	}
	r = n < FILES_MAX ? clo_policy_parse(files, n, NOW, &policy, flaws) : 0;
	while (n > 0)
		free(texts[--n]);
	return r;
}

static void run(const struct clo_document *document,
		const struct clo_import_options *with)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *notes = NULL;
	CLO_AUTO(clo_kube) struct clo_kube *kube = NULL;
	json_auto_t *documents = NULL;
	int r;

	if (clo_flaws_new(&flaws) < 0 || clo_flaws_new(&notes) < 0)
		return;
	r = clo_kube_read(document, 1, with, &kube, flaws, notes);
	if (r == 0)
		r = clo_kube_translate(kube, with, &documents, flaws, notes);
	if (r == 0)
		r = parse(documents, flaws);
	assert(r == -ENOMEM || r == (clo_flaws_count(flaws) ? -EINVAL : 0));
	assert(are_clean(flaws) && are_clean(notes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct clo_document document = {
		.name = "fuzz.json", .text = (const char *)data, .len = size};

	run(&document, &options[size % CLO_ARRAY_LEN(options)]);
	return 0;
}
