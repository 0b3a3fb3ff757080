/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/tagging.h"

#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/guard/canary.h"
#include "agent/guard/partition.h"
#include "agent/sys/tags.h"

#define CONTROL "sbx.guest-confinement"
#define SCOPES CLO_ARRAY_LEN(((struct clo_tenant_doc *)NULL)->scopes)

static uint32_t permits_of(const struct clo_scope_doc *scope)
{
	uint32_t permits = 0;

	if (scope->permits & (CLO_PERMIT_SAVE | CLO_PERMIT_DUMP))
		permits |= CLO_TAG_PERMIT_FILE;
	if (scope->permits & CLO_PERMIT_MIGRATION)
		permits |= CLO_TAG_PERMIT_NETWORK;
	return permits;
}

/* One without a group yet has no task in it. */
static int add_scope(const struct clo_tenant_doc *tenant,
		     const struct clo_scope_doc *scope,
		     struct clo_tag_cgroup *ret, uint64_t *top)
{
	CLO_AUTO_MEM char *partition =
		clo_profile_partition(tenant, scope->environment);

	if (!partition)
		return -ENOMEM;
	ret->scope = (struct clo_tag_scope){scope->uid, permits_of(scope)};
	return clo_partition_find(CLO_CGROUP_ROOT, partition, &ret->id, top);
}

/* Of all scopes with a uid; `cgroups` has room for them. */
static int list_scopes(const struct clo_policy *policy,
		       struct clo_tag_cgroup *cgroups, size_t *ret_n,
		       uint64_t *ret_top)
{
	size_t n = 0;

	for (size_t i = 0; i < policy->n_tenants * SCOPES; i++) {
		const struct clo_tenant_doc *tenant =
			&policy->tenants[i / SCOPES];
		const struct clo_scope_doc *scope = &tenant->scopes[i % SCOPES];
		int r;

		if (!scope->uid)
			continue;
		r = add_scope(tenant, scope, &cgroups[n], ret_top);
		if (r < 0 && r != -ENOENT)
			return r;
		n += r == 0;
	}
	*ret_n = n;
	return 0;
}

static int set(struct clo_node *node)
{
	const struct clo_policy *policy = node->force->policy;
	CLO_AUTO_MEM struct clo_tag_cgroup *cgroups = NULL;
	struct clo_tag_range range = {
		.first = policy->node.sandbox.first,
		.count = policy->node.sandbox.count,
	};
	uint64_t top = 0;
	size_t n = 0;
	int r;

	cgroups = calloc(policy->n_tenants * SCOPES + 1, sizeof(*cgroups));
	if (!cgroups)
		return -ENOMEM;
	r = list_scopes(policy, cgroups, &n, &top);
	if (r == 0 && n > 0) {
		r = clo_tags_depth(node->tags, top, &range.level);
		range.level += CLO_PARTITION_DEPTH;
	}
	return r < 0 ? r : clo_tags_set(node->tags, &range, cgroups, n);
}

void clo_tagging_settle(struct clo_node *node)
{
	if (!node->force)
		return;
	if (!node->force->policy->node.sandbox.present) {
		clo_tagging_done(node);
		(void)clo_tags_remove(node->bpf);
		return;
	}
	if (!node->tags && !node->tags_refused) {
		node->tags_refused = clo_tags_open(node->bpf, &node->tags);
		if (node->tags_refused)
			clo_log(CLO_LOG_WARN,
				"this kernel takes no BPF LSM programs: %s",
				strerrordesc_np(-node->tags_refused));
	}
	node->tags_error = node->tags ? set(node) : 0;
}

int clo_tagging_restore(struct clo_node *node)
{
	return node->tags ? clo_tags_restore(node->tags) : 0;
}

static int tag_canary(pid_t pid, void *userdata)
{
	return clo_tags_canary(userdata, (uint32_t)pid);
}

static int note(struct clo_audit *audit, const char *what, const char *detail)
{
	return clo_problem_everyone(clo_problem_add(&audit->problems, CONTROL,
						    "the kernel's tags: %s %s",
						    what, detail));
}

static int look_at_state(struct clo_node *node, struct clo_audit *audit)
{
	struct clo_tags_state state;
	int r;

	r = clo_tags_read(node->tags, &state);
	if (r < 0)
		return note(audit, "cannot be read:", strerrordesc_np(-r));
	audit->tags_refused = state.refused;
	if (state.lost) {
		audit->repair |= CLO_REPAIR_TAGS;
		r = note(audit, "not pinned any more:", state.lost);
	}
	if (r == 0 && !state.as_set) {
		audit->repair |= CLO_REPAIR_TAGS;
		r = note(audit, "whom they tag is not", "what the policy says");
	}
	return r;
}

int clo_tagging_audit(struct clo_node *node, struct clo_audit *audit)
{
	const char *what = NULL;
	int r;

	if (!node->force || !node->tags)
		return 0;
	r = node->tags_error ? note(audit, "do not follow the policy:",
				    strerrordesc_np(-node->tags_error))
			     : look_at_state(node, audit);
	if (r < 0)
		return r;
	r = clo_canary_run(node->force->policy->node.sandbox.first, tag_canary,
			   node->tags, &what);
	if (r == -EPERM)
		return note(
			audit,
			"the canary was answered otherwise than it must for",
			what);
	return r < 0 ? note(audit, "no canary:", strerrordesc_np(-r)) : 0;
}

json_t *clo_tagging_evidence(const struct clo_node *node,
			     const struct clo_audit *audit, bool whole)
{
	json_t *evidence = json_pack("{s:b}", "enforced", node->tags != NULL);

	if (!node->tags && node->tags_refused)
		(void)json_object_set_new(
			evidence, "why",
			json_sprintf("the kernel refuses BPF LSM programs: %s",
				     strerrordesc_np(-node->tags_refused)));
	if (node->tags && whole)
		(void)json_object_set_new(
			evidence, "refused",
			json_integer((json_int_t)audit->tags_refused));
	return evidence;
}

void clo_tagging_done(struct clo_node *node)
{
	clo_tags_free(node->tags);
	node->tags = NULL;
}
