/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "policy/compile_build.h"

/*
 * Entries of the address tables that are no address of an endpoint: groups of
 * the segments, and the servers that guests ask without knowing their address.
 */

static int order_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

static bool is_one_of(uint32_t number, const uint32_t *numbers, size_t n)
{
	return n &&
	       bsearch(&number, numbers, n, sizeof(*numbers), order_numbers);
}

static int add_groups(struct clo_build *build,
		      const struct clo_segment_doc *segment)
{
	int r = 0;

	for (size_t i = 0; i < segment->n_multicast && r == 0; i++)
		r = clo_build_add_address(
			build, &(struct clo_build_address){
				       .space = CLO_SPACE_GROUP | segment->id,
				       .addr = segment->multicast[i],
				       .value = {.segment = segment->id},
			       });
	return r;
}

/* Who answers in this space: what the service's first address belongs to. */
static int add_server(struct clo_build *build, uint32_t space,
		      const struct clo_server_kind *kind,
		      const struct clo_provided *service)
{
	const struct clo_cidr *address = clo_server_address(service, kind);
	uint32_t block;

	if (!address)
		return 0;
	block = clo_blocks_find(&build->blocks, address->family, address->addr);
	if (block == CLO_BLOCK_NONE)
		return 0;
	return clo_build_add_address(
		build,
		&(struct clo_build_address){
			.space = space,
			.addr = kind->asked,
			.value = {.identity = build->block_identity[block]},
		});
}

static int add_servers(struct clo_build *build,
		       const struct clo_tenant_doc *tenant, uint32_t space)
{
	int r = 0;

	for (size_t k = 0; k < CLO_SERVER_KINDS; k++) {
		const struct clo_server_kind *kind = &clo_server_kinds[k];
		size_t i = 0;

		while (i < tenant->n_services &&
		       !clo_server_address(tenant->services[i], kind))
			i++;
		if (i < tenant->n_services && r == 0)
			r = add_server(build, space, kind, tenant->services[i]);
	}
	return r;
}

/* Only where somebody lives: nobody else asks or listens. */
static int add_tenant(struct clo_build *build,
		      const struct clo_tenant_doc *tenant,
		      const uint32_t *segments, size_t n_segments)
{
	uint32_t spaces[4];
	size_t n_spaces = 0;

	for (size_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++) {
		const struct clo_scope_doc *scope = &tenant->scopes[e];

		for (size_t i = 0; i < scope->n_segments; i++) {
			const struct clo_segment_doc *segment =
				&scope->segments[i];
			size_t known = 0;
			int r;

			if (!is_one_of(segment->id, segments, n_segments))
				continue;
			r = add_groups(build, segment);
			while (known < n_spaces &&
			       spaces[known] != segment->space)
				known++;
			if (r == 0 && known == n_spaces && known < 4) {
				spaces[n_spaces++] = segment->space;
				r = add_servers(build, tenant, segment->space);
			}
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int clo_build_pseudo(struct clo_build *build)
{
	const struct clo_policy *policy = build->policy;
	CLO_AUTO_MEM uint32_t *segments = NULL;
	size_t n = 0;
	int r = 0;

	segments = calloc((size_t)build->n_identities, sizeof(*segments));
	if (!segments)
		return -ENOMEM;
	for (uint32_t i = 1; i < build->n_identities; i++)
		if (build->identities[i].entry.segment)
			segments[n++] = build->identities[i].entry.segment;
	qsort(segments, n, sizeof(*segments), order_numbers);

	for (size_t t = 0; t < policy->n_tenants && r == 0; t++)
		r = add_tenant(build, &policy->tenants[t], segments, n);
	return r;
}
