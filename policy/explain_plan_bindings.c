/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/address.h"
#include "policy/explain_plan_impl.h"
#include "policy/model.h"

/*
 * What a plan changes beside flows between classes: which endpoint is in which
 * class, which exceptions hold, and rules that come or go to no effect.
 */

/* An endpoint and where it stands. */
struct bound {
	const struct clo_workload_doc *workload;
	const struct clo_interface_doc *interface;
};

struct bounds {
	struct bound *list; /* by workload, then interface */
	size_t n;
};

/* A workload that changes its tenant is the same one, moved. */
static int order_bounds(const void *left, const void *right)
{
	const struct bound *a = left;
	const struct bound *b = right;

	ptrdiff_t at_a = a->interface - a->workload->interfaces;
	ptrdiff_t at_b = b->interface - b->workload->interfaces;
	int order = strcmp(a->workload->name, b->workload->name);

	return order ? order : (at_a > at_b) - (at_a < at_b);
}

static int list_bounds(const struct clo_policy *policy, struct bounds *ret)
{
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++)
		n += policy->workloads[w].n_interfaces;
	ret->list = calloc(n + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces; i++)
			ret->list[ret->n++] = (struct bound){
				&policy->workloads[w],
				&policy->workloads[w].interfaces[i]};
	qsort(ret->list, ret->n, sizeof(*ret->list), order_bounds);
	return 0;
}

static json_t *groups(const struct bound *bound)
{
	const struct clo_scope_doc *scope =
		&bound->workload->tenant->scopes[bound->workload->environment];
	json_t *list = json_array();

	for (size_t i = 0; i < bound->interface->n_groups; i++)
		(void)json_array_append_new(
			list,
			json_string(
				scope->groups[bound->interface->groups[i]]));
	return list;
}

static json_t *addresses(const struct clo_interface_doc *interface)
{
	json_t *list = json_array();

	for (size_t i = 0; i < interface->n_addresses; i++) {
		char text[CLO_CIDR_TEXT];

		clo_cidr_format(&interface->addresses[i], text);
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

/* All that the kernel binds of it. */
static json_t *binding(const struct bound *bound)
{
	static const char *const modes[] = {"enforce", "audit", "quarantine"};
	const struct clo_interface_doc *interface = bound->interface;
	char mac[18];

	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		       interface->mac[0], interface->mac[1], interface->mac[2],
		       interface->mac[3], interface->mac[4], interface->mac[5]);
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s?, s:s?, s:s?}",
		"tenant", bound->workload->tenant->name, "environment",
		clo_environment_name(bound->workload->environment), "segment",
		interface->segment->name, "groups", groups(bound), "addresses",
		addresses(interface), "mac", mac, "mode",
		modes[interface->mode], "device", interface->device, "domain",
		bound->workload->domain, "uuid", bound->workload->uuid);
}

struct list {
	json_t *items;
	uint64_t omitted;
};

static int add(struct list *list, json_t *item)
{
	if (json_array_size(list->items) == CLO_PLAN_MAX) {
		json_decref(item);
		list->omitted++;
		return 0;
	}
	return json_array_append_new(list->items, item) < 0 ? -ENOMEM : 0;
}

/* Takes what the list holds; all are counted, also those not listed. */
static int put(json_t *explained, const char *member, struct list *list)
{
	json_int_t n = (json_int_t)json_array_size(list->items) +
		       (json_int_t)list->omitted;
	int r = json_object_set_new(explained, member, list->items);

	list->items = NULL;
	if (r == 0)
		r = json_object_set_new(json_object_get(explained, "counts"),
					member, json_integer(n));
	return r < 0 ? -ENOMEM : 0;
}

/* was or is NULL: it comes or goes. Nothing if nothing differs. */
static int tell_endpoint(struct list *list, const struct bound *was,
			 const struct bound *is)
{
	json_auto_t *before = was ? binding(was) : json_null();
	json_auto_t *after = is ? binding(is) : json_null();
	const struct bound *any = is ? is : was;

	assert(any);
	if (!before || !after)
		return -ENOMEM;
	if (json_equal(before, after))
		return 0;
	return add(list,
		   json_pack("{s:s, s:O, s:O}", "endpoint",
			     any->interface->name, "was", before, "is", after));
}

static int tell_endpoints(const struct clo_policy *before,
			  const struct clo_policy *after, struct list *list)
{
	struct bounds was = {0};
	struct bounds is = {0};
	size_t i = 0;
	size_t j = 0;
	int r;

	/* One is a change of the other's rules. */
	if (before->n_workloads && before->workloads == after->workloads)
		return 0;
	r = list_bounds(before, &was);
	if (r == 0)
		r = list_bounds(after, &is);
	while (r == 0 && (i < was.n || j < is.n)) {
		const struct bound *a = i < was.n ? &was.list[i] : NULL;
		const struct bound *b = j < is.n ? &is.list[j] : NULL;
		int order = !a ? 1 : !b ? -1 : order_bounds(a, b);

		r = tell_endpoint(list, order <= 0 ? a : NULL,
				  order >= 0 ? b : NULL);
		i += order <= 0;
		j += order >= 0;
	}
	free(was.list);
	free(is.list);
	return r;
}

static const struct clo_exception_doc *
find_exception(const struct clo_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_exceptions; i++)
		if (!strcmp(policy->exceptions[i].name, name))
			return &policy->exceptions[i];
	return NULL;
}

static bool in_force(const struct clo_exception_doc *exception, time_t now)
{
	return exception && exception->not_before <= now &&
	       now < exception->not_after;
}

/* Both missing, or equal. */
static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_exception(const struct clo_exception_doc *a,
			   const struct clo_exception_doc *b)
{
	if (strcmp(a->control, b->control) != 0 ||
	    a->not_before != b->not_before || a->not_after != b->not_after ||
	    !same_text(a->reason, b->reason) ||
	    !same_text(a->risk_analysis, b->risk_analysis) ||
	    !same_text(a->approver, b->approver) ||
	    !same_text(a->owner, b->owner) || a->n_rules != b->n_rules)
		return false;
	for (size_t i = 0; i < a->n_rules; i++)
		if (strcmp(a->rules[i], b->rules[i]) != 0)
			return false;
	return true;
}

static int tell_exception(struct list *list, const char *change,
			  const struct clo_exception_doc *exception, time_t now)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < exception->n_rules; i++)
		(void)json_array_append_new(rules,
					    json_string(exception->rules[i]));
	return add(
		list,
		json_pack("{s:s, s:s, s:s, s:o, s:b, s:I, s:I, s:I}", "change",
			  change, "exception", exception->name, "control",
			  exception->control, "rules", rules, "inForce",
			  in_force(exception, now), "notBefore",
			  (json_int_t)exception->not_before, "notAfter",
			  (json_int_t)exception->not_after, "daysLeft",
			  (json_int_t)((exception->not_after - now) / 86400)));
}

/* Those that come, go, change, or end soon although nothing changes them. */
static int tell_exceptions(const struct clo_policy *before,
			   const struct clo_policy *after, time_t now,
			   struct list *list)
{
	int r = 0;

	for (size_t i = 0; i < after->n_exceptions && r == 0; i++) {
		const struct clo_exception_doc *is = &after->exceptions[i];
		const struct clo_exception_doc *was =
			find_exception(before, is->name);

		if (!was)
			r = tell_exception(list, "begins", is, now);
		else if (!same_exception(was, is))
			r = tell_exception(list, "changes", is, now);
		if (r == 0 && in_force(is, now) &&
		    is->not_after - now <= CLO_PLAN_SOON)
			r = tell_exception(list, "expires", is, now);
	}
	for (size_t i = 0; i < before->n_exceptions && r == 0; i++)
		if (!find_exception(after, before->exceptions[i].name))
			r = tell_exception(list, "ends", &before->exceptions[i],
					   now);
	return r;
}

/* By rule index of a side: whether a flow that changes is its. */
static bool *rules_of_changes(const struct plan *plan, uint32_t side)
{
	bool *used = calloc(plan->sides[side].compiled->tables->gen.rules,
			    sizeof(*used));

	for (uint32_t i = 1; used && i < plan->keys.n; i++) {
		size_t n;
		const uint32_t *key = clo_lists_get(&plan->keys, i, &n);

		if (key[0] == side)
			used[key[1]] = true;
	}
	return used;
}

static int order_names(const void *left, const void *right)
{
	const char *const *a = left;
	const char *const *b = right;

	return strcmp(*a, *b);
}

/* By rule index of a side: the other side shares the rule. */
static bool *shared_rules(const struct plan *plan, uint32_t side)
{
	const struct clo_policy *own = plan->sides[side].compiled->policy;
	const struct clo_policy *other = plan->sides[!side].compiled->policy;
	bool *shared = calloc(plan->sides[side].compiled->tables->gen.rules,
			      sizeof(*shared));
	size_t rule = 1;

	for (size_t t = 0; shared && t < own->n_tenants; t++) {
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++) {
			size_t n = clo_policy_rules(own, t, e).n;

			if (own->tenants == other->tenants &&
			    clo_policy_rules(own, t, e).items ==
				    clo_policy_rules(other, t, e).items)
				memset(shared + rule, true, n);
			rule += n;
		}
	}
	return shared;
}

/* Full names of a side's rules that it does not share, sorted. */
static const char **list_rules(const struct plan *plan, uint32_t side,
			       size_t *ret_n)
{
	const struct clo_compiled *compiled = plan->sides[side].compiled;
	CLO_AUTO_MEM bool *shared = shared_rules(plan, side);
	const char **names =
		calloc(compiled->tables->gen.rules, sizeof(*names));

	*ret_n = 0;
	if (!shared || !names) {
		free(names);
		return NULL;
	}
	for (uint32_t i = 1; i < compiled->tables->gen.rules; i++)
		if (!shared[i])
			names[(*ret_n)++] = compiled->rules[i]->full;
	qsort(names, *ret_n, sizeof(*names), order_names);
	return names;
}

/* Rules of one side alone that no flow gained or lost is by. */
static int tell_idle(const struct plan *plan, uint32_t side, struct list *list)
{
	const struct clo_compiled *own = plan->sides[side].compiled;
	CLO_AUTO_MEM bool *used = rules_of_changes(plan, side);
	CLO_AUTO_MEM bool *shared = shared_rules(plan, side);
	CLO_AUTO_MEM const char **others = NULL;
	size_t n;
	int r = 0;

	others = list_rules(plan, !side, &n);
	if (!used || !shared || !others)
		return -ENOMEM;
	for (uint32_t i = 1; i < own->tables->gen.rules && r == 0; i++) {
		const char *full = own->rules[i]->full;

		if (used[i] || shared[i] ||
		    bsearch(&full, others, n, sizeof(*others), order_names))
			continue;
		r = add(list,
			json_pack("{s:s, s:s}", "change",
				  side ? "added" : "removed", "rule", full));
	}
	return r;
}

int clo_plan_bindings(const struct plan *plan, time_t now, json_t *explained)
{
	const struct clo_policy *before = plan->sides[0].compiled->policy;
	const struct clo_policy *after = plan->sides[1].compiled->policy;
	struct list lists[] = {{json_array(), 0},
			       {json_array(), 0},
			       {json_array(), 0},
			       {json_array(), 0}};
	int r;

	r = clo_plan_settings(before, after, lists[3].items);
	if (r == 0)
		r = tell_endpoints(before, after, &lists[0]);
	if (r == 0)
		r = tell_exceptions(before, after, now, &lists[1]);
	for (uint32_t side = 0; side < 2 && r == 0; side++)
		r = tell_idle(plan, side, &lists[2]);
	if (r == 0)
		r = put(explained, "endpoints", &lists[0]);
	if (r == 0)
		r = put(explained, "exceptions", &lists[1]);
	if (r == 0)
		r = put(explained, "idleRules", &lists[2]);
	if (r == 0)
		r = put(explained, "settings", &lists[3]);
	for (size_t i = 0; i < CLO_ARRAY_LEN(lists); i++)
		json_decref(lists[i].items);
	return r;
}
