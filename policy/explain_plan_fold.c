/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_plan_impl.h"
#include "policy/fold.h"
#include "policy/named_sets.h"

/*
 * What changes, in words: flows of one rule and the same services, whose
 * sources all have the same destinations, are one line. A line is a product of
 * two sets of joints, and is named by groups, segments and cidrs only as far as
 * they are wholly in it: it says neither more nor less than its flows.
 */
struct fold {
	struct plan *plan;
	struct clo_named_sets sets[2]; /* of before, after; over joints */
	struct clo_index by_key; /* key -> changed pairs */
	struct clo_fold fold; /* of joints */
	uint32_t key; /* under way */
};

static void done(struct fold *fold)
{
	clo_named_sets_done(&fold->sets[0]);
	clo_named_sets_done(&fold->sets[1]);
	clo_index_done(&fold->by_key);
	clo_fold_done(&fold->fold);
}

static int init_sets(struct fold *fold, int side)
{
	const struct clo_joints *joints = &fold->plan->joints;
	uint32_t *identities = calloc(joints->n + 1, sizeof(*identities));

	if (!identities)
		return -ENOMEM;
	for (size_t i = 0; i < joints->n; i++)
		identities[i] = side ? joints->joints[i].after
				     : joints->joints[i].before;
	return clo_named_sets_init(&fold->sets[side],
				   fold->plan->sides[side].compiled, identities,
				   (uint32_t)joints->n);
}

/* A pair of joints is in each key of its rows. */
static int index_keys(struct fold *fold)
{
	const struct plan *plan = fold->plan;
	struct clo_index keys = {0};
	struct clo_edges edges = {0};
	int r;

	r = clo_index_init(&keys, &plan->row_keys, (uint32_t)plan->n_rows);
	for (size_t i = 0; i < plan->n_changed && r == 0; i++) {
		size_t n;
		const uint32_t *of =
			clo_index_get(&keys, plan->changed[i].rows, &n);

		for (size_t k = 0; k < n && r == 0; k++)
			r = clo_edges_add(&edges, of[k], (uint32_t)i);
	}
	if (r == 0)
		r = clo_index_init(&fold->by_key, &edges,
				   (uint32_t)plan->keys.n);
	clo_index_done(&keys);
	clo_edges_done(&edges);
	return r;
}

/* A joint that is no whole set, by what it was and is. */
static json_t *name_joint(void *userdata, uint32_t member)
{
	const struct plan *plan = userdata;
	const struct clo_joint *joint = &plan->joints.joints[member];
	const char *before =
		joint->before ? plan->sides[0]
					.compiled->identities[joint->before]
					.name
			      : NULL;
	const char *after =
		joint->after
			? plan->sides[1].compiled->identities[joint->after].name
			: NULL;

	return json_pack("{s:s, s:s, s:s?, s:s?}", "kind", "identity", "name",
			 joint->name, "before", before, "after", after);
}

static json_t *services_of(const struct plan *plan, const uint32_t *key,
			   size_t n)
{
	json_t *services = json_array();

	for (size_t i = 2; i + 1 < n; i += 2) {
		char text[CLO_SERVICE_TEXT];

		clo_plan_service(plan, key[i], key[i + 1], text);
		(void)json_array_append_new(services, json_string(text));
	}
	return services;
}

static int add_line(void *userdata, const uint32_t *from, size_t n_from,
		    const uint32_t *to, size_t n_to)
{
	struct fold *fold = userdata;
	struct plan *plan = fold->plan;
	size_t n;
	const uint32_t *key = clo_lists_get(&plan->keys, fold->key, &n);
	uint32_t after = key[0];
	const struct clo_rule_doc *rule =
		plan->sides[after].compiled->rules[key[1]];
	uint64_t flows = (uint64_t)n_from * n_to * (n / 2 - 1);
	struct clo_named_sets *sets = &fold->sets[after];
	json_t *sources;
	json_t *destinations;

	if (json_array_size(plan->folded[after]) == CLO_PLAN_MAX) {
		plan->n_folded_omitted += flows;
		return 0;
	}
	sources = clo_named_sets_name(sets, from, n_from, &rule->from,
				      name_joint, plan);
	destinations = clo_named_sets_name(sets, to, n_to, &rule->to,
					   name_joint, plan);
	if (json_array_append_new(
		    plan->folded[after],
		    json_pack("{s:o, s:o, s:o, s:s, s:I}", "from", sources,
			      "to", destinations, "services",
			      services_of(plan, key, n), "rule", rule->full,
			      "flows", (json_int_t)flows)) < 0)
		return -ENOMEM;
	return 0;
}

static int fold_key(struct fold *fold, uint32_t key)
{
	const struct plan *plan = fold->plan;
	size_t n;
	const uint32_t *changed = clo_index_get(&fold->by_key, key, &n);
	CLO_AUTO_MEM struct clo_pair *pairs = calloc(n + 1, sizeof(*pairs));

	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct clo_pair){plan->changed[changed[i]].from,
					     plan->changed[changed[i]].to};
	fold->key = key;
	return clo_fold_run(&fold->fold, pairs, n, add_line, fold);
}

/* As the policy lists its rules. */
static int order_keys(const void *left, const void *right, void *lists)
{
	const uint32_t *a = left;
	const uint32_t *b = right;
	size_t n;
	const uint32_t *key_a = clo_lists_get(lists, *a, &n);
	const uint32_t *key_b = clo_lists_get(lists, *b, &n);

	if (key_a[1] != key_b[1])
		return key_a[1] < key_b[1] ? -1 : 1;
	return (*a > *b) - (*a < *b);
}

static int fold_all(struct fold *fold)
{
	struct plan *plan = fold->plan;
	CLO_AUTO_MEM uint32_t *keys = calloc(plan->keys.n, sizeof(*keys));
	int r = 0;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 1; i < plan->keys.n; i++)
		keys[i - 1] = i;
	qsort_r(keys, plan->keys.n - 1, sizeof(*keys), order_keys, &plan->keys);
	for (size_t i = 0; i + 1 < plan->keys.n && r == 0; i++)
		r = fold_key(fold, keys[i]);
	return r;
}

int clo_plan_fold(struct plan *plan)
{
	struct fold fold = {.plan = plan};
	int r;

	r = init_sets(&fold, 0);
	if (r == 0)
		r = init_sets(&fold, 1);
	if (r == 0)
		r = clo_fold_init(&fold.fold, plan->joints.n);
	if (r == 0)
		r = index_keys(&fold);
	if (r == 0)
		r = fold_all(&fold);
	done(&fold);
	return r;
}
