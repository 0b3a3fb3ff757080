/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/flaw.h"
#include "policy/model.h"

/*
 * Documents -> model. Pure and bounded: untrusted bytes in, a value out.
 * Documents have {"apiVersion": "cloison/v1", "kind": ..., "name": ...}; their
 * shapes are the JSON Schemas in policy/schema/. A file holds one document or
 * an array of documents. One policy has exactly one Node.
 */

/* One file of a policy. `name` appears in flaws; text need not end in 0. */
struct clo_document {
	const char *name;
	const char *text;
	size_t len;
};

#define CLO_DOCUMENT_MAX (8U << 20) /* bytes of one file */
#define CLO_POLICY_MAX (64U << 20) /* bytes of all */
#define CLO_NESTING_MAX 16 /* arrays and objects inside each other */

/*
 * 0, -EINVAL with at least one flaw (all flaws of all files, not the first), or
 * -ENOMEM. `now` decides whether an exception has expired or not begun.
 */
int clo_policy_parse(const struct clo_document *documents, size_t n, time_t now,
		     struct clo_policy **ret_policy, struct clo_flaws *flaws);
/*
 * The same where `documents` are those of `before`, which were `was`, but for
 * the rules of some tenants: then only these are read, and what else a policy
 * is made of is shared. `before` may be freed any time; not from another
 * thread.
 *
 * -EAGAIN: something else differs, or has a flaw; parse it whole. -ENOMEM.
 */
int clo_policy_parse_change(struct clo_policy *before,
			    const struct clo_document *was, size_t n_was,
			    const struct clo_document *documents, size_t n,
			    time_t now, struct clo_policy **ret_policy);
void clo_policy_free(struct clo_policy *policy);
CLO_DEFINE_FREEP(clo_policy)
