/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/import/translate.h"
#include "policy/import/write.h"

/* Names that people know again, and that no two things share. */

#define NAME_MAX_LEN 63

/* Lower case; a hyphen for what is no letter or digit. */
static char plain(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return c;
	return '-';
}

/* What fits a name of ours, cut; never empty. */
static void clean(const char *text, size_t room, char *ret_name)
{
	size_t n = 0;

	for (; *text && n < room; text++) {
		char c = plain(*text);

		if (c != '-' || (n > 0 && ret_name[n - 1] != '-'))
			ret_name[n++] = c;
	}
	if (n > 0 && ret_name[n - 1] == '-')
		n--;
	if (n == 0)
		ret_name[n++] = 'x';
	ret_name[n] = '\0';
}

const char *clo_import_name(struct clo_arena *arena, json_t *taken,
			    const char *text)
{
	char name[NAME_MAX_LEN + 1], first[NAME_MAX_LEN + 1], suffix[24];
	json_int_t last = 1;

	clean(text, NAME_MAX_LEN, first);
	(void)snprintf(name, sizeof(name), "%s", first);
	if (json_object_get(taken, name))
		last = json_integer_value(json_object_get(taken, name));
	while (json_object_get(taken, name)) {
		last++;
		(void)snprintf(suffix, sizeof(suffix), "-%lld",
			       (long long)last);
		clean(first, NAME_MAX_LEN - strlen(suffix), name);
		(void)strncat(name, suffix, sizeof(name) - strlen(name) - 1);
	}
	(void)json_object_set_new(taken, name, json_integer(1));
	(void)json_object_set_new(taken, first, json_integer(last));
	return clo_arena_strdup(arena, name);
}

/* Its namespace and what the pods of its kind are called. */
static const char *pod_text(struct clo_arena *arena,
			    const struct clo_kube_pod *pod)
{
	static const char *const keys[] = {"app.kubernetes.io/name", "app",
					   "k8s-app", "name"};
	const char *name = NULL;

	for (size_t i = 0; i < CLO_ARRAY_LEN(keys) && !name; i++)
		name = clo_kube_label(&pod->labels, keys[i]);
	return clo_arena_printf(arena, "%s-%s", pod->home,
				name ? name : pod->name);
}

static const char *group_text(struct clo_import *import, uint32_t scope,
			      const uint32_t *members, size_t n)
{
	const char *first =
		pod_text(import->arena, import->classes[members[0]].pod);
	size_t n_scope = 0;

	for (size_t c = 0; c < import->n_classes; c++)
		n_scope += import->classes[c].scope == scope;
	if (n == n_scope)
		return "all";
	if (n == 1)
		return first;
	if (n == 2)
		return clo_arena_printf(
			import->arena, "%s-and-%s", first,
			pod_text(import->arena,
				 import->classes[members[1]].pod));
	return clo_arena_printf(import->arena, "%s-and-%zu-more", first, n - 1);
}

static const char *side_text(const struct clo_import_plan *plan, uint32_t group)
{
	return group == CLO_IMPORT_NONE ? "outside" : plan->groups[group].name;
}

/* Of one scope: its groups, then its rules, each unlike the others. */
static int name_scope(struct clo_import *import, struct clo_import_plan *plan,
		      uint32_t scope)
{
	json_auto_t *groups = json_object();

	if (!groups)
		return -ENOMEM;
	for (size_t g = 0; g < plan->n_groups; g++) {
		struct clo_import_group *group = &plan->groups[g];
		const uint32_t *members;
		size_t n;

		if (group->scope != scope)
			continue;
		members = clo_lists_get(&import->lists, group->members, &n);
		group->name =
			clo_import_name(import->arena, groups,
					group_text(import, scope, members, n));
	}
	return 0;
}

int clo_import_names(struct clo_import *import, struct clo_import_plan *plan)
{
	int r = 0;

	for (uint32_t s = 0; s < import->n_scopes && r == 0; s++)
		r = name_scope(import, plan, s);
	for (uint32_t s = 0; s < import->n_scopes && r == 0; s++) {
		json_auto_t *rules = json_object();

		if (!rules)
			return -ENOMEM;
		for (size_t i = 0; i < plan->n_flows; i++) {
			struct clo_import_flow *flow = &plan->flows[i];

			if (flow->scope == s)
				flow->name = clo_import_name(
					import->arena, rules,
					clo_arena_printf(
						import->arena, "%s-to-%s",
						side_text(plan, flow->from),
						side_text(plan, flow->to)));
		}
	}
	return r;
}
