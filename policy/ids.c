/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/sha.h>
#include <string.h>

#include "policy/parse_state.h"

/*
 * Numbers for the kernel that are the same on every host and in every policy:
 * cut from the hash of a name. Where two names collide, the later one in sorted
 * order is hashed again with "#1", "#2", ... behind it.
 */

struct ids {
	uint32_t *slots; /* open addressing; 0 is free */
	size_t mask; /* slots - 1, slots a power of two */
	uint32_t most; /* the largest id, all ones */
	struct clo_arena *scratch;
};

static bool ids_init(struct ids *ids, struct clo_arena *scratch, size_t n,
		     uint32_t most)
{
	size_t slots = 16;

	while (slots < 2 * n)
		slots *= 2;
	ids->slots = clo_arena_array(scratch, slots, sizeof(*ids->slots));
	ids->mask = slots - 1;
	ids->most = most;
	ids->scratch = scratch;
	return ids->slots != NULL;
}

/* False: taken already. */
static bool ids_add(struct ids *ids, uint32_t id)
{
	size_t at = id & ids->mask;

	for (; ids->slots[at]; at = (at + 1) & ids->mask)
		if (ids->slots[at] == id)
			return false;
	ids->slots[at] = id;
	return true;
}

/* The first bytes of the hash as a number, of as many bits as `most`. */
static uint32_t cut(const char *text, uint32_t most)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), hash);
	if (most == CLO_SPACE_MAX)
		return (uint32_t)hash[0] << 16 | (uint32_t)hash[1] << 8 |
		       hash[2];
	return ((uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 |
		(uint32_t)hash[2] << 8 | hash[3]) &
	       most;
}

static uint32_t ids_take(struct ids *ids, const char *text)
{
	uint32_t id = cut(text, ids->most);

	for (unsigned int i = 1; id == 0 || !ids_add(ids, id); i++)
		id = cut(clo_arena_printf(ids->scratch, "%s#%u", text, i),
			 ids->most);
	return id;
}

/* The space of a scope: its own where its tenant's environments overlap. */
static void place_scope(struct clo_parse *parse, struct ids *ids,
			struct clo_tenant_doc *tenant,
			enum clo_environment environment)
{
	struct clo_scope_doc *scope = &tenant->scopes[environment];
	uint32_t space = tenant->space;

	if (clo_scope_state(parse, tenant, environment)->own_space)
		space = ids_take(
			ids,
			clo_arena_printf(parse->reader.scratch, "space/%s/%s",
					 tenant->name,
					 clo_environment_name(environment)));
	for (size_t i = 0; i < scope->n_segments; i++)
		scope->segments[i].space = space;
}

static void number_spaces(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	struct clo_arena *scratch = parse->reader.scratch;
	struct ids ids;

	if (!ids_init(&ids, scratch, 4 * policy->n_tenants, CLO_SPACE_MAX))
		return;
	for (size_t i = 0; i < policy->n_tenants; i++)
		policy->tenants[i].space = ids_take(
			&ids, clo_arena_printf(scratch, "space/%s",
					       policy->tenants[i].name));
	for (size_t i = 0; i < policy->n_tenants; i++)
		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			place_scope(parse, &ids, &policy->tenants[i], e);
}

static void number_segments(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	struct clo_arena *scratch = parse->reader.scratch;
	struct ids ids;
	size_t n = 0;

	for (size_t i = 0; i < policy->n_tenants; i++)
		for (size_t e = 0; e < 4; e++)
			n += policy->tenants[i].scopes[e].n_segments;
	if (!ids_init(&ids, scratch, n, CLO_SEGMENT_MAX))
		return;

	for (size_t i = 0; i < policy->n_tenants; i++) {
		struct clo_tenant_doc *tenant = &policy->tenants[i];

		for (size_t e = 0; e < 4; e++) {
			struct clo_scope_doc *scope = &tenant->scopes[e];

			for (size_t s = 0; s < scope->n_segments; s++)
				scope->segments[s].id = ids_take(
					&ids,
					clo_arena_printf(
						scratch, "segment/%s/%s/%s",
						tenant->name,
						clo_environment_name(
							scope->environment),
						scope->segments[s].name));
		}
	}
}

static void number_endpoints(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	struct clo_arena *scratch = parse->reader.scratch;
	struct ids ids;
	size_t n = 0;

	for (size_t i = 0; i < policy->n_workloads; i++)
		n += policy->workloads[i].n_interfaces;
	if (!ids_init(&ids, scratch, n, CLO_ENDPOINT_MAX))
		return;

	for (size_t i = 0; i < policy->n_workloads; i++) {
		struct clo_workload_doc *workload = &policy->workloads[i];

		for (size_t k = 0; k < workload->n_interfaces; k++) {
			struct clo_interface_doc *doc =
				&workload->interfaces[k];
			const uint8_t *mac = doc->mac;

			doc->endpoint = ids_take(
				&ids,
				clo_arena_printf(
					scratch,
					"endpoint/%s/%s/%s/"
					"%02x:%02x:%02x:%02x:%02x:%02x/%s",
					workload->tenant->name,
					clo_environment_name(
						workload->environment),
					workload->name, mac[0], mac[1], mac[2],
					mac[3], mac[4], mac[5],
					doc->segment->name));
		}
	}
}

void clo_parse_ids(struct clo_parse *parse)
{
	number_spaces(parse);
	number_segments(parse);
	number_endpoints(parse);
}
