/* SPDX-License-Identifier: Apache-2.0 */
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
