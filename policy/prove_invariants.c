/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "policy/prove.h"
#include "policy/prove_bind.h"

static bool both_endpoints(const struct clo_identity *src,
			   const struct clo_identity *dst)
{
	return src->kind == CLO_IDENTITY_ENDPOINTS &&
	       dst->kind == CLO_IDENTITY_ENDPOINTS;
}

static bool separates_tenants(const struct clo_identity *src,
			      const struct clo_identity *dst)
{
	return both_endpoints(src, dst) && src->space != dst->space;
}

/* Only test and development of a tenant that says so may meet. */
static bool separates_environments(const struct clo_identity *src,
				   const struct clo_identity *dst)
{
	if (!both_endpoints(src, dst) || src->space != dst->space ||
	    src->environment == dst->environment)
		return false;
	return src->environment == CLO_ENV_PRODUCTION ||
	       dst->environment == CLO_ENV_PRODUCTION ||
	       !(src->flags & dst->flags & CLO_IDENTITY_TEST_DEV);
}

/* A declared service has a kind of its own: here is the rest of the node. */
static bool guards_node(const struct clo_identity *src,
			const struct clo_identity *dst)
{
	return (src->kind == CLO_IDENTITY_ENDPOINTS &&
		dst->kind == CLO_IDENTITY_NODE) ||
	       (src->kind == CLO_IDENTITY_NODE &&
		dst->kind == CLO_IDENTITY_ENDPOINTS);
}

/* It is about addresses: no pair is forbidden for its own sake. */
static bool forbids_no_pair(const struct clo_identity *src,
			    const struct clo_identity *dst)
{
	(void)src;
	(void)dst;
	return false;
}

/* The rest of the node is invariant 3's; it lies at home. */
static bool stays_national(const struct clo_identity *src,
			   const struct clo_identity *dst)
{
	return src->kind == CLO_IDENTITY_ENDPOINTS &&
	       src->flags & CLO_IDENTITY_LEVEL_2 &&
	       (dst->kind == CLO_IDENTITY_EXTERNAL ||
		dst->kind == CLO_IDENTITY_SERVICE) &&
	       !(dst->flags & CLO_IDENTITY_NATIONAL);
}

const struct clo_invariant clo_invariants[] = {
	{1, "tenant separation", "net.cross-tenant-deny",
	 "fewer than two tenants have endpoints", separates_tenants, NULL},
	{2, "environment separation", "env.prod-nonprod-deny",
	 "no tenant has endpoints in two environments that must not meet",
	 separates_environments, NULL},
	{3, "node services only", "net.no-bypass-path",
	 "the node has no address, or no endpoint stands before it",
	 guards_node, NULL},
	{4, "endpoint bindings", "spoof.source-binding",
	 "no endpoint has an address", forbids_no_pair, clo_bindings_prove},
	{5, "national destinations", "res.tenant-data-egress",
	 "no tenant of level 2 has endpoints, or nothing outside is known",
	 stays_national, NULL},
};
const size_t clo_invariants_count = CLO_ARRAY_LEN(clo_invariants);

_Static_assert(CLO_ARRAY_LEN(clo_invariants) == CLO_INVARIANTS,
	       "struct clo_proof has a counter for each invariant");

const char *clo_proven_text(enum clo_proven proven)
{
	static const char *const texts[] = {
		[CLO_PROVEN] = "PROVED",
		[CLO_NOT_COVERED] = "NOT-COVERED",
		[CLO_VIOLATED] = "VIOLATED",
		[CLO_PROOF_ERROR] = "ERROR",
	};

	return texts[proven];
}

enum clo_proven clo_proven_worse(enum clo_proven a, enum clo_proven b)
{
	return a > b ? a : b;
}

enum clo_proven clo_proof_verdict(const struct clo_proof *proof,
				  size_t invariant)
{
	assert(invariant < CLO_INVARIANTS);
	if (proof->broken[invariant])
		return CLO_VIOLATED;
	return proof->forbidden[invariant] ? CLO_PROVEN : CLO_NOT_COVERED;
}

bool clo_proof_covers(const struct clo_proof *proof, const char *control)
{
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (strcmp(clo_invariants[i].control, control) == 0 &&
		    proof->forbidden[i])
			return true;
	return false;
}
