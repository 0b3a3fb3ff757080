/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_plan_impl.h"
#include "policy/matrix_parts.h"

/* What the matrix document says of the node and the tenants, and would say. */

/* Members that differ; was or is NULL: it comes or goes. */
static int tell(json_t *list, const char *of, json_t *was, json_t *is)
{
	const char *member;
	json_t *value;

	json_object_foreach (is ? is : was, member, value) {
		const json_t *before = json_object_get(was, member);
		const json_t *after = json_object_get(is, member);

		if (before && after && json_equal(before, after))
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:O?, s:O?}", "of", of,
					    "member", member, "was", before,
					    "is", after)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static const struct clo_tenant_doc *find(const struct clo_policy *policy,
					 const char *name)
{
	for (size_t i = 0; i < policy->n_tenants; i++)
		if (strcmp(policy->tenants[i].name, name) == 0)
			return &policy->tenants[i];
	return NULL;
}

static int tell_tenant(json_t *list, const struct clo_tenant_doc *was,
		       const struct clo_tenant_doc *is)
{
	json_auto_t *before = was ? clo_matrix_tenant(was) : NULL;
	json_auto_t *after = is ? clo_matrix_tenant(is) : NULL;
	char of[96];

	if ((was && !before) || (is && !after))
		return -ENOMEM;
	(void)snprintf(of, sizeof(of), "tenant %.80s",
		       is ? is->name : was->name);
	return tell(list, of, before, after);
}

int clo_plan_settings(const struct clo_policy *before,
		      const struct clo_policy *after, json_t *list)
{
	json_auto_t *was = clo_matrix_node(before);
	json_auto_t *is = clo_matrix_node(after);
	int r;

	if (!was || !is)
		return -ENOMEM;
	r = tell(list, "node", before->node.name ? was : NULL, is);
	for (size_t i = 0; i < after->n_tenants && r == 0; i++)
		r = tell_tenant(list, find(before, after->tenants[i].name),
				&after->tenants[i]);
	for (size_t i = 0; i < before->n_tenants && r == 0; i++)
		if (!find(after, before->tenants[i].name))
			r = tell_tenant(list, &before->tenants[i], NULL);
	return r;
}
