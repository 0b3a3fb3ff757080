/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/compile.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/compile_build.h"

int clo_build_refuse(struct clo_build *build, const char *what)
{
	clo_flaws_add(build->flaws, "", 0, "$", "%s", what);
	return -EINVAL;
}

struct clo_identity clo_scope_identity(const struct clo_tenant_doc *tenant,
				       enum clo_environment environment)
{
	return (struct clo_identity){
		.space = tenant->space,
		.kind = CLO_IDENTITY_ENDPOINTS,
		.environment = (uint8_t)environment,
		.flags = clo_tenant_flags(tenant),
	};
}

uint8_t clo_tenant_flags(const struct clo_tenant_doc *tenant)
{
	return (uint8_t)((tenant->test_dev ? CLO_IDENTITY_TEST_DEV : 0U) |
			 (tenant->qualification == 2 ? CLO_IDENTITY_LEVEL_2
						     : 0U));
}

static size_t count_rules(const struct clo_policy *policy)
{
	size_t n = 0;

	for (size_t t = 0; t < policy->n_tenants; t++) {
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			n += clo_policy_rules(policy, t, e).n;
	}
	return n;
}

/* Number the rules: tenants and environments in order, then as written. */
static int number_rules(struct clo_build *build)
{
	const struct clo_policy *policy = build->policy;
	size_t n = count_rules(policy) + 1;
	struct clo_compiled *out = build->out;

	if (n > UINT32_MAX / 2)
		return clo_build_refuse(build,
					"more rules than can be numbered");
	out->rules = calloc(n, sizeof(void *));
	out->excepted = calloc(n, sizeof(void *));
	build->rules = calloc(n, sizeof(*build->rules));
	if (!out->rules || !out->excepted || !build->rules)
		return -ENOMEM;

	build->n_rules = 1;
	for (uint32_t t = 0; t < policy->n_tenants; t++) {
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++) {
			const struct clo_rule_list list =
				clo_policy_rules(policy, t, e);

			for (size_t i = 0; i < list.n; i++) {
				uint32_t rule = build->n_rules++;

				out->rules[rule] = &list.items[i];
				build->rules[rule].tenant = t;
				build->rules[rule].environment = e;
			}
		}
	}
	return 0;
}

/* A space and whose it is. */
struct owner {
	uint32_t space;
	const struct clo_tenant_doc *tenant;
};

static int order_owners(const void *left, const void *right)
{
	const struct owner *a = left;
	const struct owner *b = right;

	return (a->space > b->space) - (a->space < b->space);
}

static size_t list_owners(const struct clo_policy *policy, struct owner *owners)
{
	size_t n = 0;

	for (size_t t = 0; t < policy->n_tenants; t++) {
		const struct clo_tenant_doc *tenant = &policy->tenants[t];

		owners[n++] = (struct owner){tenant->space, tenant};
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
			for (size_t i = 0; i < tenant->scopes[e].n_segments;
			     i++)
				owners[n++] = (struct owner){
					tenant->scopes[e].segments[i].space,
					tenant};
	}
	return n;
}

static size_t count_owners(const struct clo_policy *policy)
{
	size_t n = policy->n_tenants;

	for (size_t t = 0; t < policy->n_tenants; t++)
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
			n += policy->tenants[t].scopes[e].n_segments;
	return n;
}

/* Two tenants in one space would share their addresses. */
static int check_spaces(struct clo_build *build)
{
	const struct clo_policy *policy = build->policy;
	CLO_AUTO_MEM struct owner *owners = NULL;
	size_t n;

	owners = calloc(count_owners(policy) + 1, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	n = list_owners(policy, owners);
	qsort(owners, n, sizeof(*owners), order_owners);

	for (size_t i = 0; i < n; i++) {
		if (owners[i].space == 0 || owners[i].space > CLO_SPACE_MAX) {
			clo_flaws_add(build->flaws, "", 0, "$",
				      "tenant %s: space %u is out of range",
				      owners[i].tenant->name, owners[i].space);
			return -EINVAL;
		}
		if (i > 0 && owners[i].space == owners[i - 1].space &&
		    owners[i].tenant != owners[i - 1].tenant) {
			clo_flaws_add(build->flaws, "", 0, "$",
				      "tenants %s and %s get the same space "
				      "number; rename one",
				      owners[i - 1].tenant->name,
				      owners[i].tenant->name);
			return -EINVAL;
		}
	}
	return 0;
}

static int init(struct clo_build *build)
{
	struct clo_lists *const lists[] = {
		&build->set_keys, &build->peers, &build->lists,
		&build->ports,    &build->keys,  &build->external_keys,
		&build->filters,
	};
	int r = clo_classes_init(&build->classes);

	for (size_t i = 0; i < CLO_ARRAY_LEN(lists) && r == 0; i++)
		r = clo_lists_init(lists[i], CLO_LISTS_MAX);
	build->blocks.lists = &build->lists;
	return r;
}

static void done(struct clo_build *build)
{
	clo_lists_done(&build->set_keys);
	clo_lists_done(&build->peers);
	clo_lists_done(&build->lists);
	clo_lists_done(&build->ports);
	clo_lists_done(&build->keys);
	clo_lists_done(&build->external_keys);
	clo_lists_done(&build->filters);
	clo_lists_done(&build->sets);
	clo_lists_done(&build->rows);
	clo_edges_done(&build->set_peers);
	clo_blocks_done(&build->blocks);
	clo_classes_done(&build->classes);
	free(build->rules);
	free(build->filtered);
	free(build->identities);
	free(build->addresses);
	free(build->block_identity);
	free(build->pairs.entries);
}

static int run(struct clo_build *build)
{
	static int (*const steps[])(struct clo_build *) = {
		init,
		check_spaces,
		number_rules,
		clo_build_exceptions,
		clo_build_rules,
		clo_build_identities,
		clo_build_externals,
		clo_build_pseudo,
		clo_build_flows,
		clo_build_tables,
		clo_build_names,
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(steps); i++) {
		int r = steps[i](build);

		if (r == -E2BIG)
			return clo_build_refuse(
				build, "the policy's sets overlap too much: "
				       "fewer distinct cidrs, excepts or ports "
				       "are needed");
		if (r < 0)
			return r;
	}
	return 0;
}

int clo_compile(const struct clo_policy *policy, time_t now,
		struct clo_compiled **ret_compiled, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	struct clo_build build = {.policy = policy, .now = now, .flaws = flaws};
	int r;

	compiled = calloc(1, sizeof(*compiled));
	if (!compiled)
		return -ENOMEM;
	compiled->policy = policy;
	compiled->now = now;
	compiled->tables = calloc(1, sizeof(*compiled->tables));
	if (!compiled->tables)
		return -ENOMEM;

	build.out = compiled;
	r = run(&build);
	done(&build);
	if (r < 0)
		return r;

	*ret_compiled = CLO_TAKE(compiled);
	return 0;
}

void clo_compiled_free(struct clo_compiled *compiled)
{
	if (!compiled)
		return;

	for (uint32_t i = 0;
	     compiled->identities && i < compiled->tables->gen.identities;
	     i++) {
		free(compiled->identities[i].name);
		free(compiled->identities[i].scope);
		free(compiled->identities[i].group);
	}
	for (uint32_t i = 0;
	     compiled->classes && i < compiled->tables->gen.classes; i++)
		free(compiled->classes[i].name);
	free(compiled->identities);
	free(compiled->classes);
	free(compiled->rules);
	free(compiled->excepted);
	free(compiled->uses);
	clo_tables_free(compiled->tables);
	free(compiled);
}
