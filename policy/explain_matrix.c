/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/explain_service.h"

/* One row and column: a tenant's environment, or (the last) what is outside. */
struct scope {
	struct clo_identity like; /* for invariants: its tenant's space */
	uint32_t space; /* of its endpoints */
	char *name;
};

struct cell {
	uint64_t allowed;
	uint64_t *bits; /* classes that some pair may use; NULL: none */
};

struct matrix {
	const struct clo_tables *tables;
	struct scope *scopes;
	size_t n;
	struct cell *cells; /* n * n */
	struct clo_ranges ranges;
};

static void done(struct matrix *matrix)
{
	for (size_t i = 0; matrix->scopes && i < matrix->n; i++)
		free(matrix->scopes[i].name);
	for (size_t i = 0; matrix->cells && i < matrix->n * matrix->n; i++)
		free(matrix->cells[i].bits);
	free(matrix->scopes);
	free(matrix->cells);
	clo_ranges_done(&matrix->ranges);
}

static int add_scopes(struct matrix *matrix, const struct clo_policy *policy)
{
	struct scope *outside;

	matrix->scopes =
		calloc(policy->n_tenants * 3 + 1, sizeof(*matrix->scopes));
	if (!matrix->scopes)
		return -ENOMEM;

	for (size_t t = 0; t < policy->n_tenants; t++) {
		const struct clo_tenant_doc *tenant = &policy->tenants[t];

		for (uint32_t e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT;
		     e++) {
			struct scope *scope = &matrix->scopes[matrix->n];

			if (!tenant->scopes[e].present)
				continue;
			if (asprintf(&scope->name, "%s/%s", tenant->name,
				     clo_environment_name(e)) < 0) {
				scope->name = NULL;
				return -ENOMEM;
			}
			scope->space = clo_scope_space(tenant, e);
			scope->like.space = tenant->space;
			scope->like.kind = CLO_IDENTITY_ENDPOINTS;
			scope->like.environment = (uint8_t)e;
			scope->like.flags = clo_tenant_flags(tenant);
			matrix->n++;
		}
	}
	outside = &matrix->scopes[matrix->n++];
	outside->like.kind = CLO_IDENTITY_EXTERNAL;
	/* Some of it may be: what is not, the prover tells. */
	outside->like.flags = CLO_IDENTITY_NATIONAL;
	outside->name = strdup("outside");
	return outside->name ? 0 : -ENOMEM;
}

/* Index of the identity's scope; n if the policy has no such scope. */
static size_t find_scope(const struct matrix *matrix, uint32_t index)
{
	const struct clo_identity *identity =
		clo_tables_find(matrix->tables, CLO_TABLE_IDENTITIES, &index);

	if (!identity || identity->kind == CLO_IDENTITY_NONE)
		return matrix->n;
	if (identity->kind != CLO_IDENTITY_ENDPOINTS)
		return matrix->n - 1;
	for (size_t i = 0; i < matrix->n - 1; i++) {
		if (matrix->scopes[i].space == identity->space &&
		    matrix->scopes[i].like.environment == identity->environment)
			return i;
	}
	return matrix->n;
}

static int add_pair(struct matrix *matrix, size_t from, size_t to, uint32_t row)
{
	const uint64_t *bits = clo_tables_bits(matrix->tables, row);
	uint32_t words = matrix->tables->gen.words;
	struct cell *cell = &matrix->cells[from * matrix->n + to];

	if (!cell->bits)
		cell->bits = calloc(words, sizeof(*cell->bits));
	if (!cell->bits)
		return -ENOMEM;

	for (uint32_t w = 0; bits && w < words; w++) {
		cell->bits[w] |= bits[w];
		cell->allowed += (uint64_t)__builtin_popcountll(bits[w]);
	}
	return 0;
}

static int fill(struct matrix *matrix)
{
	const struct clo_tables *tables = matrix->tables;
	CLO_AUTO_MEM size_t *scope_of = NULL;
	size_t n_identities = tables->table[CLO_TABLE_IDENTITIES].n;

	matrix->cells = calloc(matrix->n * matrix->n, sizeof(*matrix->cells));
	scope_of = calloc(n_identities + 1, sizeof(*scope_of));
	if (!matrix->cells || !scope_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_identities; i++)
		scope_of[i] = find_scope(matrix, i);

	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);
		int r;

		if (pair->src >= n_identities || pair->dst >= n_identities ||
		    scope_of[pair->src] == matrix->n ||
		    scope_of[pair->dst] == matrix->n)
			continue;
		r = add_pair(matrix, scope_of[pair->src], scope_of[pair->dst],
			     *row);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_forbidden(const struct matrix *matrix, size_t from, size_t to)
{
	for (size_t i = 0; i < clo_invariants_count; i++) {
		if (clo_invariants[i].forbids(&matrix->scopes[from].like,
					      &matrix->scopes[to].like))
			return true;
	}
	return false;
}

static json_t *explain_cell(const struct matrix *matrix, size_t from, size_t to)
{
	const struct cell *cell = &matrix->cells[from * matrix->n + to];
	json_t *services =
		cell->bits ? clo_service_names(&matrix->ranges, cell->bits,
					       matrix->tables->gen.words)
			   : json_array();

	return json_pack("{s:I, s:b, s:o}", "allowed",
			 (json_int_t)cell->allowed, "forbidden",
			 is_forbidden(matrix, from, to), "services", services);
}

static json_t *explain(const struct matrix *matrix)
{
	json_auto_t *scopes = json_array();
	json_auto_t *cells = json_array();

	for (size_t from = 0; from < matrix->n; from++) {
		json_auto_t *row = json_array();

		for (size_t to = 0; to < matrix->n; to++) {
			if (json_array_append_new(
				    row, explain_cell(matrix, from, to)) < 0)
				return NULL;
		}
		if (json_array_append(cells, row) < 0 ||
		    json_array_append_new(
			    scopes, json_string(matrix->scopes[from].name)) < 0)
			return NULL;
	}
	return json_pack("{s:O, s:O}", "scopes", scopes, "cells", cells);
}

json_t *clo_explain_matrix(const struct clo_compiled *compiled,
			   const struct clo_tables *tables)
{
	struct matrix matrix = {.tables = tables};
	json_t *explained = NULL;

	if (add_scopes(&matrix, compiled->policy) == 0 && fill(&matrix) == 0 &&
	    clo_ranges_init(&matrix.ranges, tables) == 0)
		explained = explain(&matrix);
	done(&matrix);
	return explained;
}
