/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/translate.h"

#include <errno.h>

#include "policy/import/write.h"

static int init(struct clo_import *import)
{
	int r = clo_arena_new(&import->arena);

	if (r == 0)
		r = clo_classes_init(&import->services);
	if (r == 0)
		r = clo_lists_init(&import->lists, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_lists_init(&import->sets, CLO_LISTS_MAX);
	return r;
}

static void done(struct clo_import *import, struct clo_import_plan *plan)
{
	free(import->names);
	clo_classes_done(&import->services);
	clo_blocks_done(&import->blocks);
	clo_lists_done(&import->lists);
	clo_lists_done(&import->sets);
	clo_arena_free(import->arena);
	clo_lists_done(&plan->keys);
	free(plan->groups);
	free(plan->flows);
}

static int translate(struct clo_import *import, struct clo_import_plan *plan,
		     json_t *documents)
{
	int r = init(import);

	if (r == 0)
		r = clo_lists_init(&plan->keys, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_import_space(import);
	if (r == 0)
		r = clo_import_pods(import);
	if (r == 0)
		r = clo_import_inside(import, plan);
	if (r == 0)
		r = clo_import_beyond(import, plan);
	if (r == 0)
		r = clo_import_names(import, plan);
	if (r == 0)
		r = clo_import_write(import, plan, documents);
	if (r == 0 && clo_arena_failed(import->arena))
		r = -ENOMEM;
	return r;
}

int clo_kube_translate(const struct clo_kube *kube,
		       const struct clo_import_options *options,
		       json_t **ret_documents, struct clo_flaws *flaws,
		       struct clo_flaws *notes)
{
	struct clo_import import = {
		.kube = kube,
		.options = options,
		.flaws = flaws,
		.notes = notes,
	};
	struct clo_import_plan plan = {0};
	json_auto_t *documents = json_object();
	int r = documents ? translate(&import, &plan, documents) : -ENOMEM;

	done(&import, &plan);
	if (r == -E2BIG) {
		clo_flaws_add(flaws, CLO_IMPORT_WHERE, 0, "$",
			      "the cluster is too large: import it in parts");
		r = -EINVAL;
	}
	if (r == 0)
		*ret_documents = CLO_TAKE(documents);
	return r;
}
