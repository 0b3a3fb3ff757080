/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/force.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/keep.h"
#include "policy/parse.h"

/* The received JSON as the parser's borrowed documents; -EINVAL on shape. */
static int borrow(json_t *documents, struct clo_document **ret_borrowed)
{
	CLO_AUTO_MEM struct clo_document *borrowed = NULL;
	size_t n = json_array_size(documents);

	if (!json_is_array(documents))
		return -EINVAL;
	borrowed = calloc(n + 1, sizeof(*borrowed));
	if (!borrowed)
		return -ENOMEM;

	for (size_t i = 0; i < n; i++) {
		const json_t *document = json_array_get(documents, i);
		const json_t *text = json_object_get(document, "text");

		borrowed[i].name =
			json_string_value(json_object_get(document, "name"));
		borrowed[i].text = json_string_value(text);
		borrowed[i].len = json_string_length(text);
		if (!borrowed[i].name || !borrowed[i].text)
			return -EINVAL;
	}

	*ret_borrowed = CLO_TAKE(borrowed);
	return 0;
}

int clo_force_parse(json_t *documents, time_t accepted,
		    struct clo_policy **ret_policy, struct clo_flaws *flaws)
{
	CLO_AUTO_MEM struct clo_document *borrowed = NULL;
	int r;

	r = borrow(documents, &borrowed);
	if (r == -EINVAL)
		clo_flaws_add(flaws, "", 0, "$",
			      "documents are not a list of {name, text}");
	if (r < 0)
		return r;
	return clo_policy_parse(borrowed, json_array_size(documents), accepted,
				ret_policy, flaws);
}

/* Of `before`, where it can be, only what differs is read. */
static int parse(struct clo_force *force, const struct clo_force *before,
		 struct clo_flaws *flaws)
{
	CLO_AUTO_MEM struct clo_document *was = NULL;
	CLO_AUTO_MEM struct clo_document *is = NULL;
	int r = -EAGAIN;

	if (before && borrow(before->documents, &was) == 0 &&
	    borrow(force->documents, &is) == 0)
		r = clo_policy_parse_change(
			before->policy, was, json_array_size(before->documents),
			is, json_array_size(force->documents), force->accepted,
			&force->policy);
	return r == -EAGAIN ? clo_force_parse(force->documents, force->accepted,
					      &force->policy, flaws)
			    : r;
}

static int prove(struct clo_force *force, const struct clo_force *before,
		 struct clo_flaws *flaws)
{
	const struct clo_compiled *compiled = force->compiled;
	uint32_t n_rules = compiled->tables->gen.rules;
	double begin = clo_milliseconds();
	char text[160] = "";
	int r;

	force->excepted = calloc(n_rules, sizeof(*force->excepted));
	if (!force->excepted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_rules; i++)
		force->excepted[i] = compiled->excepted[i] != NULL;

	r = clo_prove_change(before ? before->proved : NULL, compiled->tables,
			     force->excepted, n_rules, &force->proof,
			     &force->proved, text);
	force->ms_prove = clo_milliseconds() - begin;
	if (r == -EBADMSG)
		clo_flaws_add(flaws, "", 0, "$", "compiled tables: %s", text);
	return r;
}

int clo_force_make(const struct clo_force *before, json_t *documents,
		   time_t accepted, time_t now, struct clo_force **ret_force,
		   struct clo_flaws *flaws)
{
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	double begin;
	int r;

	force = calloc(1, sizeof(*force));
	if (!force)
		return -ENOMEM;
	force->documents = json_incref(documents);
	force->accepted = accepted;
	force->compiled_at = now;

	begin = clo_milliseconds();
	r = parse(force, before, flaws);
	force->ms_parse = clo_milliseconds() - begin;
	if (r < 0)
		return r;

	begin = clo_milliseconds();
	r = clo_compile(force->policy, now, &force->compiled, flaws);
	force->ms_compile = clo_milliseconds() - begin;
	if (r < 0)
		return r;

	r = prove(force, before, flaws);
	if (r < 0)
		return r;
	r = clo_matrix_digest(force->compiled, NULL, force->matrix);
	if (r < 0)
		return r;
	r = clo_quotas_make(force->policy, &force->quotas, &force->n_quotas);
	if (r < 0)
		return r;

	r = clo_force_breaches(force) ? -EKEYREJECTED : 0;
	*ret_force = CLO_TAKE(force);
	return r;
}

void clo_force_free(struct clo_force *force)
{
	if (!force)
		return;

	free(force->quotas);
	free(force->excepted);
	clo_proved_free(force->proved);
	clo_compiled_free(force->compiled);
	clo_policy_free(force->policy);
	json_decref(force->held);
	json_decref(force->documents);
	free(force);
}

size_t clo_force_breaches(const struct clo_force *force)
{
	return (size_t)(force->proof.breached - force->proof.excepted);
}

int clo_force_save(const struct clo_force *force, const char *state_dir)
{
	return clo_keep_save(state_dir, force->documents, force->accepted);
}

void clo_force_put_back(const struct clo_force *force, const char *state_dir)
{
	int r;

	if (!force) {
		clo_keep_forget(state_dir);
		return;
	}
	r = clo_force_save(force, state_dir);
	if (r == 0)
		clo_keep_sweep(state_dir);
	else
		(void)clo_log_errno(CLO_LOG_ERR, r, "policy not put back");
}

/* Damage is for a person to undo: the log says how. */
static int tell(const char *state_dir, const char *file, int r)
{
	if (r != -EBADMSG)
		return clo_log_errno(CLO_LOG_ERR, r, "saved policy %s/%s",
				     state_dir, file);
	clo_log(CLO_LOG_ERR,
		"saved policy: %s/%s is missing or damaged: put it back, or "
		"remove %s/policy.json and apply the policy again",
		state_dir, file, state_dir);
	return r;
}

int clo_force_restore(const char *state_dir, struct clo_force **ret_force)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	json_auto_t *documents = NULL;
	char file[CLO_KEEP_FILE];
	time_t accepted = 0;
	int r;

	r = clo_keep_load(state_dir, &documents, &accepted, file);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return tell(state_dir, file, r);
	r = clo_flaws_new(&flaws);
	if (r < 0)
		return r;
	r = clo_force_make(NULL, documents, accepted, time(NULL), &force,
			   flaws);
	for (size_t i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		clo_log(CLO_LOG_ERR, "saved policy: %s:%d: %s: %s", flaw->file,
			flaw->line, flaw->path, flaw->text);
	}
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "saved policy is refused");

	*ret_force = CLO_TAKE(force);
	return 0;
}

bool clo_force_outdated(const struct clo_force *force, time_t now)
{
	for (size_t i = 0; i < force->policy->n_exceptions; i++) {
		const struct clo_exception_doc *e =
			&force->policy->exceptions[i];
		time_t then = force->compiled_at;

		if ((e->not_before <= then && then < e->not_after) !=
		    (e->not_before <= now && now < e->not_after))
			return true;
	}
	return false;
}
