/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/read.h"

/*
 * What the stages of clo_policy_parse() share. Stages run in this order, each
 * over the documents of one kind in the order of their names: load, node,
 * tenants (what others refer to), uplinks, forensics, rules, workloads,
 * exceptions, unique, limits. None returns an error: flaws are in the reader,
 * lack of memory in its arenas.
 *
 * "unsure" means that something which could be the target of a reference was
 * unreadable: then an unknown name is no flaw, or one mistake would make many.
 */

/* A mode as a document gives it, or not. */
#define CLO_MODE_NONE (-1)

struct clo_scope_state {
	bool unsure;
	bool unsure_uid;
	bool own_space; /* its addresses overlap another environment's */
	uint32_t connections; /* as given; 0: not */
	const struct clo_rule_doc **rules; /* sorted by name */
	size_t n_rules;
};

struct clo_tenant_state {
	const struct clo_source *source;
	struct clo_texts services; /* as listed, resolved or not */
	bool unsure_services; /* the list could not be read */
	int mode; /* enum clo_mode or CLO_MODE_NONE */
	uint32_t connections; /* as given; 0: not */
	struct clo_scope_state scopes[4];
};

struct clo_parse {
	struct clo_reader reader;
	struct clo_policy *policy;
	time_t now;
	struct clo_source *sources; /* sorted by kind, then name */
	size_t n_sources;
	json_t **roots; /* one of each readable file */
	size_t n_roots;
	bool failed; /* no memory for jansson */
	bool unsure; /* of documents */
	bool unsure_services; /* of the node's */
	const struct clo_source *node; /* NULL: there is none */
	int mode; /* of the node */
	struct clo_limits limits; /* of the node's interfaces; 0: not given */
	struct clo_tenant_state *tenants; /* by index of policy->tenants */
	const struct clo_source *workloads; /* by index of the policy's */
};

/* The documents of one kind; they stand together. */
const struct clo_source *clo_parse_kind(const struct clo_parse *parse,
					const char *kind, size_t *ret_n);

void clo_parse_load(struct clo_parse *parse,
		    const struct clo_document *documents, size_t n);

/* Of the files before this one; it is added. */
struct clo_totals {
	size_t bytes, values;
};

/* New reference; NULL: a flaw, or no memory. `ret_repeats`: duplicate keys. */
json_t *clo_parse_load_file(struct clo_parse *parse,
			    const struct clo_document *file,
			    struct clo_totals *totals, bool *ret_repeats);
/* Its duplicate keys. */
void clo_parse_repeats(struct clo_parse *parse,
		       const struct clo_source *source);
void clo_parse_node(struct clo_parse *parse);
void clo_parse_tenants(struct clo_parse *parse);
void clo_parse_uplinks(struct clo_parse *parse);
/* The node's forensic addresses are nobody else's. */
void clo_parse_forensics(struct clo_parse *parse);
void clo_parse_rules(struct clo_parse *parse);
/*
 * The rules of one environment of a tenant, which its source has, into
 * scope->rules. `scope` may be a copy: the tenant's own is only asked for what
 * rules refer to.
 */
void clo_parse_scope_rules(struct clo_parse *parse,
			   struct clo_tenant_doc *tenant,
			   struct clo_scope_doc *scope);
void clo_parse_workloads(struct clo_parse *parse);
void clo_parse_exceptions(struct clo_parse *parse);
/* Addresses, MACs, domains and devices that two workloads claim. */
void clo_parse_unique(struct clo_parse *parse);
/* Who may track how many flows. */
void clo_parse_limits(struct clo_parse *parse);
/* Who runs as which uid. */
void clo_parse_sandboxes(struct clo_parse *parse);

/*
 * The segments of one environment after the other; `spans` remembers their
 * CIDRs with where they stand. True: one of them could not be read.
 */
struct clo_spans {
	struct clo_span *items;
	size_t n;
};

bool clo_read_segments(struct clo_parse *parse, const struct clo_place *list,
		       struct clo_scope_doc *scope, struct clo_spans *spans);
/* Room for the segments of all environments; false without memory. */
bool clo_spans_init(struct clo_parse *parse,
		    const struct clo_place *environments,
		    struct clo_spans *spans);
/* Overlaps: flaws inside an environment; between two, spaces of their own. */
void clo_spans_check(struct clo_parse *parse,
		     const struct clo_place *environments,
		     struct clo_spans *spans, struct clo_scope_state *scopes);

/* "limits" of interfaces: members that are given replace those of ret. */
void clo_read_limits(struct clo_reader *reader, const struct clo_place *place,
		     struct clo_limits *ret_limits);
/* "limits" of a tenant or environment; 0: a flaw, or not given. */
uint32_t clo_read_share(struct clo_reader *reader,
			const struct clo_place *place);
/* A whole number; false: a flaw, or absent. */
bool clo_read_number(struct clo_reader *reader, const struct clo_place *place,
		     uint64_t least, uint64_t most, uint64_t *ret_number);
/* enum clo_mode or CLO_MODE_NONE. */
int clo_read_mode(struct clo_reader *reader, const struct clo_place *place);

/* "sandbox" of the node, and what others say of theirs. */
void clo_read_sandbox(struct clo_parse *parse, const struct clo_place *place,
		      struct clo_sandbox_doc *sandbox);
/* 0: a flaw, or absent. */
uint32_t clo_read_uid(struct clo_parse *parse, const struct clo_place *place);
/* Of enum clo_permit, enum clo_device. */
unsigned int clo_read_permits(struct clo_parse *parse,
			      const struct clo_place *place);
unsigned int clo_read_devices(struct clo_parse *parse,
			      const struct clo_place *place);

/* Only of a policy without flaws: every reference resolved. */
void clo_parse_ids(struct clo_parse *parse);

/* What the digest is over. NULL text: no memory, which the arena remembers. */
struct clo_canonical clo_parse_canonical(struct clo_parse *parse,
					 const json_t *document);
void clo_parse_documents(struct clo_parse *parse); /* of all */
int clo_parse_digest(struct clo_policy *policy); /* -ENOMEM */

/*
 * References. `place` is the name's; an unknown one is a flaw there. NULL or a
 * negative index: a flaw, or the name was unreadable.
 */
struct clo_tenant_doc *clo_resolve_tenant(struct clo_parse *parse,
					  const struct clo_place *place);
struct clo_scope_doc *clo_resolve_scope(struct clo_parse *parse,
					const struct clo_place *place,
					struct clo_tenant_doc *tenant,
					enum clo_environment environment);
ssize_t clo_resolve_segment(struct clo_parse *parse,
			    const struct clo_place *place,
			    const struct clo_tenant_doc *tenant,
			    const struct clo_scope_doc *scope);
ssize_t clo_resolve_group(struct clo_parse *parse,
			  const struct clo_place *place,
			  const struct clo_tenant_doc *tenant,
			  const struct clo_scope_doc *scope);
const struct clo_provided *clo_resolve_service(struct clo_parse *parse,
					       const struct clo_place *place);
/* "tenant/environment/segment"; false: a flaw, or unreadable. */
bool clo_resolve_uplink(struct clo_parse *parse, const struct clo_place *place,
			struct clo_uplink_doc *uplink);
/* By full name. */
void clo_resolve_rule(struct clo_parse *parse, const struct clo_place *place);

struct clo_scope_state *clo_scope_state(struct clo_parse *parse,
					const struct clo_tenant_doc *tenant,
					enum clo_environment environment);
