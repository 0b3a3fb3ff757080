/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "policy/parse_state.h"

const struct clo_source *clo_parse_kind(const struct clo_parse *parse,
					const char *kind, size_t *ret_n)
{
	size_t first = 0, end;

	while (first < parse->n_sources &&
	       strcmp(parse->sources[first].kind, kind) != 0)
		first++;
	end = first;
	while (end < parse->n_sources &&
	       strcmp(parse->sources[end].kind, kind) == 0)
		end++;
	*ret_n = end - first;
	return &parse->sources[first];
}

static void check(struct clo_parse *parse, const struct clo_document *documents,
		  size_t n)
{
	clo_parse_load(parse, documents, n);
	clo_parse_node(parse);
	clo_parse_tenants(parse);
	clo_parse_uplinks(parse);
	clo_parse_forensics(parse);
	clo_parse_rules(parse);
	clo_parse_workloads(parse);
	clo_parse_exceptions(parse);
	clo_parse_unique(parse);
	clo_parse_limits(parse);
	clo_parse_sandboxes(parse);
}

static bool no_memory(const struct clo_parse *parse)
{
	return parse->failed || clo_arena_failed(parse->reader.keep) ||
	       clo_arena_failed(parse->reader.scratch);
}

/* What only a policy without flaws has. */
static int finish(struct clo_parse *parse)
{
	/* Without memory things are missing, about which flaws may lie. */
	if (no_memory(parse))
		return -ENOMEM;
	if (clo_flaws_count(parse->reader.flaws) > 0)
		return -EINVAL;

	clo_parse_ids(parse);
	clo_parse_documents(parse);
	if (no_memory(parse))
		return -ENOMEM;
	return clo_parse_digest(parse->policy);
}

int clo_policy_parse(const struct clo_document *documents, size_t n, time_t now,
		     struct clo_policy **ret_policy, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_arena) struct clo_arena *keep = NULL;
	CLO_AUTO(clo_arena) struct clo_arena *scratch = NULL;
	struct clo_parse parse = {.now = now, .mode = CLO_MODE_NONE};
	int r;

	if (clo_arena_new(&keep) < 0 || clo_arena_new(&scratch) < 0)
		return -ENOMEM;

	parse.reader = (struct clo_reader){keep, scratch, flaws};
	parse.policy = clo_arena_array(keep, 1, sizeof(*parse.policy));
	if (!parse.policy)
		return -ENOMEM;
	parse.policy->users = 1;

	check(&parse, documents, n);
	r = finish(&parse);
	for (size_t i = 0; i < parse.n_roots; i++)
		json_decref(parse.roots[i]);
	if (r < 0)
		return r;

	*ret_policy = parse.policy;
	parse.policy->whole = clo_arena_size(keep);
	parse.policy->arena = CLO_TAKE(keep);
	return 0;
}
