/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/parse.h"
#include "policy/parse_state.h"
#include "policy/scan.h"

/*
 * Most changes of a large policy are of a few rules. Rules refer to what
 * documents declare, and nothing but exceptions refers to rules: where all else
 * stays as it is, so do its values.
 *
 * Flaws are not told here. A policy with one is parsed whole, for its flaws to
 * be told in their order.
 */

struct change {
	struct clo_parse parse;
	struct clo_totals totals;
	const struct clo_policy *before;
	json_t *was, *is; /* of the tenant under way */
};

static bool is_same(const struct clo_document *a, const struct clo_document *b)
{
	return a->len == b->len && strcmp(a->name, b->name) == 0 &&
	       (a->text == b->text || memcmp(a->text, b->text, a->len) == 0);
}

/* A copy of a tenant; NULL: no memory, or it is no tenant. */
static json_t *without_rules(json_t *tenant)
{
	json_auto_t *copy = json_copy(tenant);
	json_t *scopes = json_copy(json_object_get(copy, "environments"));
	const char *name;
	json_t *scope;
	void *next;

	if (!scopes || json_object_set_new(copy, "environments", scopes) < 0)
		return NULL;
	json_object_foreach_safe(scopes, next, name, scope)
	{
		json_t *rest = json_copy(scope);

		if (!rest || json_object_set_new(scopes, name, rest) < 0)
			return NULL;
		if (json_is_array(json_object_get(rest, "rules")))
			(void)json_object_del(rest, "rules");
	}
	return json_incref(copy);
}

/* Two documents that are of one tenant and differ in rules alone. */
static bool differ_in_rules(json_t *a, json_t *b)
{
	json_auto_t *one = without_rules(a);
	json_auto_t *other = without_rules(b);

	return one && other && json_equal(one, other);
}

static struct clo_tenant_doc *find_tenant(const struct change *change)
{
	const char *kind =
		json_string_value(json_object_get(change->is, "kind"));
	const char *name =
		json_string_value(json_object_get(change->is, "name"));

	if (!kind || !name || strcmp(kind, "Tenant") != 0)
		return NULL;
	return clo_find(&name, change->before->tenants,
			change->before->n_tenants,
			sizeof(struct clo_tenant_doc), clo_compare_text);
}

/* What rules ask of a tenant that has no flaw. */
static void fill_state(struct clo_parse *parse,
		       const struct clo_tenant_doc *tenant,
		       struct clo_tenant_state *state)
{
	state->services.items = clo_arena_array(
		parse->reader.scratch, tenant->n_services, sizeof(void *));
	if (!state->services.items)
		return;
	state->services.n = tenant->n_services;
	for (size_t i = 0; i < tenant->n_services; i++)
		state->services.items[i] = tenant->services[i]->name;
	for (enum clo_environment e = CLO_ENV_PRODUCTION;
	     e <= CLO_ENV_DEVELOPMENT; e++)
		state->scopes[e].own_space =
			clo_scope_space(tenant, e) != tenant->space;
}

/* Room for the change: what is shared, and lists that will differ. */
static bool begin(struct change *change)
{
	const struct clo_policy *before = change->before;
	struct clo_arena *keep = change->parse.reader.keep;
	struct clo_policy *policy;

	policy = clo_arena_array(keep, 1, sizeof(*policy));
	change->parse.policy = policy;
	change->parse.tenants =
		clo_arena_array(change->parse.reader.scratch, before->n_tenants,
				sizeof(*change->parse.tenants));
	if (!policy || !change->parse.tenants)
		return false;

	*policy = *before;
	policy->arena = NULL;
	policy->users = 1;
	policy->rules = clo_arena_array(keep, 4 * before->n_tenants,
					sizeof(*policy->rules));
	policy->documents = clo_arena_array(keep, before->n_documents,
					    sizeof(*policy->documents));
	if (!policy->rules || !policy->documents)
		return false;
	if (before->n_documents)
		memcpy(policy->documents, before->documents,
		       before->n_documents * sizeof(*policy->documents));
	for (size_t t = 0; t < before->n_tenants; t++) {
		fill_state(&change->parse, &before->tenants[t],
			   &change->parse.tenants[t]);
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			policy->rules[4 * t + e] =
				clo_policy_rules(before, t, e);
	}
	return true;
}

static void read_tenant(struct change *change, struct clo_tenant_doc *tenant,
			const struct clo_source *source)
{
	struct clo_policy *policy = change->parse.policy;
	size_t t = (size_t)(tenant - policy->tenants);
	/* Behind the exceptions and the node, by name. */
	size_t document = policy->n_exceptions + 1 + t;

	change->parse.tenants[t].source = source;
	for (enum clo_environment e = CLO_ENV_PRODUCTION;
	     e <= CLO_ENV_DEVELOPMENT; e++) {
		struct clo_scope_doc scope = tenant->scopes[e];

		if (!scope.present)
			continue;
		clo_parse_scope_rules(&change->parse, tenant, &scope);
		policy->rules[4 * t + e] =
			(struct clo_rule_list){scope.rules, scope.n_rules};
	}
	policy->documents[document] =
		clo_parse_canonical(&change->parse, source->json);
}

/* False: it is another change than one of a tenant's rules. */
static bool read_document(struct change *change, const struct clo_document *is)
{
	struct clo_arena *scratch = change->parse.reader.scratch;
	const char *start = clo_scan_space(is->text, is->text + is->len);
	struct clo_tenant_doc *tenant = find_tenant(change);
	struct clo_source *source;

	if (!tenant || !differ_in_rules(change->was, change->is))
		return false;
	source = clo_arena_array(scratch, 1, sizeof(*source));
	if (!source)
		return false;
	*source = (struct clo_source){
		.file = is,
		.offset = (size_t)(start - is->text),
		.line = 1 + clo_scan_lines(is->text, start),
		.json = change->is,
		.kind = "Tenant",
		.name = tenant->name,
	};
	read_tenant(change, tenant, source);
	return true;
}

static bool change_document(struct change *change,
			    const struct clo_document *was,
			    const struct clo_document *is)
{
	bool repeats = false;
	bool good;

	change->was =
		json_loadb(was->text, was->len, JSON_REJECT_DUPLICATES, NULL);
	change->is = clo_parse_load_file(&change->parse, is, &change->totals,
					 &repeats);
	good = change->was && change->is && !repeats &&
	       read_document(change, is);
	json_decref(change->was);
	json_decref(change->is);
	return good;
}

static bool has_rule(const struct clo_policy *policy, const char *full)
{
	for (size_t i = 0; i < 4 * policy->n_tenants; i++)
		for (size_t k = 0; k < policy->rules[i].n; k++)
			if (strcmp(policy->rules[i].items[k].full, full) == 0)
				return true;
	return false;
}

/* They have not ended, and the rules are there that they name. */
static bool check_exceptions(const struct clo_policy *policy, time_t now)
{
	for (size_t i = 0; i < policy->n_exceptions; i++) {
		const struct clo_exception_doc *exception =
			&policy->exceptions[i];

		if (exception->not_after <= now)
			return false;
		for (size_t k = 0; k < exception->n_rules; k++)
			if (!has_rule(policy, exception->rules[k]))
				return false;
	}
	return true;
}

/* What all files have that stay; false: another number of them. */
static bool count_same(struct change *change, const struct clo_document *was,
		       const struct clo_document *documents, size_t n)
{
	change->totals.values = change->before->values;
	for (size_t i = 0; i < n; i++) {
		struct clo_scan_size size;

		if (strcmp(was[i].name, documents[i].name) != 0)
			return false;
		if (is_same(&was[i], &documents[i])) {
			change->totals.bytes += was[i].len;
			continue;
		}
		size = clo_scan_size(was[i].text, was[i].text + was[i].len,
				     CLO_NESTING_MAX);
		change->totals.values -= size.values;
	}
	return true;
}

static bool run(struct change *change, const struct clo_document *was,
		const struct clo_document *documents, size_t n, time_t now)
{
	if (!count_same(change, was, documents, n) || !begin(change))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_same(&was[i], &documents[i]) &&
		    !change_document(change, &was[i], &documents[i]))
			return false;
	change->parse.policy->values = change->totals.values;
	return clo_flaws_count(change->parse.reader.flaws) == 0 &&
	       check_exceptions(change->parse.policy, now);
}

int clo_policy_parse_change(struct clo_policy *before,
			    const struct clo_document *was, size_t n_was,
			    const struct clo_document *documents, size_t n,
			    time_t now, struct clo_policy **ret_policy)
{
	CLO_AUTO(clo_arena) struct clo_arena *keep = NULL;
	CLO_AUTO(clo_arena) struct clo_arena *scratch = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct change change = {.before = before};
	struct clo_policy *policy;
	bool done;
	int r;

	/* What is shared is kept as long as one shares it: parsed anew, all of
	 * it goes. */
	if (n != n_was || before->changes > before->whole)
		return -EAGAIN;
	if (clo_flaws_new(&flaws) < 0 || clo_arena_new(&keep) < 0 ||
	    clo_arena_new(&scratch) < 0)
		return -ENOMEM;
	change.parse.now = now;
	change.parse.mode = CLO_MODE_NONE;
	change.parse.reader = (struct clo_reader){keep, scratch, flaws};

	done = run(&change, was, documents, n, now);
	if (change.parse.failed || clo_arena_failed(keep) ||
	    clo_arena_failed(scratch))
		return -ENOMEM;
	if (!done)
		return -EAGAIN;
	policy = change.parse.policy;
	r = clo_parse_digest(policy);
	if (r < 0)
		return r;

	before->users++;
	policy->before = before;
	policy->changes = before->changes + clo_arena_size(keep);
	policy->arena = CLO_TAKE(keep);
	*ret_policy = policy;
	return 0;
}
