/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "policy/explain_name.h"
#include "policy/explain_service.h"
#include "policy/explain_trace_impl.h"
#include "policy/host_view.h"

#define KEY_MAX 96

/* The stage of a look-up: the part of the decision, or the table's own. */
static const char *stage_of(const struct clo_tracer *tracer, const char *own)
{
	return tracer->phase ? tracer->phase : own;
}

/* Which address of the packet this is. */
static const char *role_of(const struct clo_tracer *tracer, uint8_t family,
			   const uint8_t *addr)
{
	const struct clo_tuple *tuple = &tracer->frame.tuple;
	size_t len = family == 4 ? 4 : 16;

	if (memcmp(tuple->src, addr, len) == 0)
		return "source ";
	if (memcmp(tuple->dst, addr, len) == 0)
		return "destination ";
	return "";
}

static void addr_key(const struct clo_tracer *tracer, uint32_t space,
		     uint8_t family, const uint8_t *addr, char key[KEY_MAX])
{
	char text[CLO_TRACE_ADDRESS];
	uint32_t id;

	memcpy(&id, addr, sizeof(id));
	(void)clo_trace_address(family, addr, text);
	if (space == CLO_SPACE_SELF)
		(void)snprintf(key, KEY_MAX, "endpoint %u itself", id);
	else if (space >= CLO_SPACE_GROUP)
		(void)snprintf(key, KEY_MAX, "group %s of segment %u", text,
			       space & ~CLO_SPACE_GROUP);
	else
		(void)snprintf(key, KEY_MAX, "%s%s in space %u",
			       role_of(tracer, family, addr), text, space);
}

const struct clo_addr *clo_trace_read_addr(struct clo_tracer *tracer,
					   uint32_t space, uint8_t family,
					   const uint8_t *addr)
{
	const struct clo_view view = {tracer->tables};
	const struct clo_addr *found =
		clo_view_addr(&view, space, family, addr);
	const char *table = family == 4 ? "addr4" : "addr6";
	const char *stage = stage_of(tracer, "address");
	char name[CLO_NAME_MAX], who[CLO_TRACE_WHO];
	char key[KEY_MAX];

	clo_trace_due(tracer);
	addr_key(tracer, space, family, addr, key);
	if (!found)
		clo_trace_step(tracer, stage, table, key, "no entry");
	else if (!found->endpoint)
		clo_trace_step(tracer, stage, table, key, "%s (identity %u)",
			       clo_name_identity(tracer->compiled,
						 found->identity, name),
			       found->identity);
	else
		clo_trace_step(tracer, stage, table, key,
			       "%s, segment %u: %s (identity %u)",
			       clo_trace_who(tracer, found->endpoint, who),
			       found->segment,
			       clo_name_identity(tracer->compiled,
						 found->identity, name),
			       found->identity);
	return found;
}

const uint32_t *clo_trace_read_cidr(struct clo_tracer *tracer, uint8_t family,
				    const uint8_t *addr)
{
	const struct clo_view view = {tracer->tables};
	const uint32_t *found = clo_view_cidr(&view, family, addr);
	const char *table = family == 4 ? "cidr4" : "cidr6";
	char text[CLO_TRACE_ADDRESS];
	char name[CLO_NAME_MAX];
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%s%s", role_of(tracer, family, addr),
		       clo_trace_address(family, addr, text));
	if (found)
		clo_trace_step(
			tracer, stage_of(tracer, "address"), table, key,
			"%s (external class %u)",
			clo_name_identity(tracer->compiled, *found, name),
			*found);
	else
		clo_trace_step(tracer, stage_of(tracer, "address"), table, key,
			       "no entry");
	return found;
}

uint32_t clo_trace_read_class(struct clo_tracer *tracer, uint32_t slot)
{
	const struct clo_view view = {tracer->tables};
	uint32_t class = clo_view_class(&view, slot);
	char service[CLO_SERVICE_TEXT];
	char name[CLO_NAME_MAX];

	tracer->class = class;
	clo_service_text(slot, slot, service);
	if (class == CLO_CLASS_NONE)
		clo_trace_step(tracer, stage_of(tracer, "class"), "services",
			       service, "no class");
	else
		clo_trace_step(tracer, stage_of(tracer, "class"), "services",
			       service, "%s (class %u)",
			       clo_name_class(tracer->compiled, class, name),
			       class);
	return class;
}

const uint32_t *clo_trace_read_pair(struct clo_tracer *tracer, uint32_t src,
				    uint32_t dst)
{
	const struct clo_view view = {tracer->tables};
	const uint32_t *row = clo_view_pair(&view, src, dst);
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "%u > %u", src, dst);
	if (row)
		clo_trace_step(tracer, stage_of(tracer, "pair"), "pairs", key,
			       "row %u", *row);
	else
		clo_trace_step(tracer, stage_of(tracer, "pair"), "pairs", key,
			       "no row: nothing is allowed");
	return row;
}

const struct clo_row *clo_trace_read_row(struct clo_tracer *tracer,
					 uint32_t index)
{
	const struct clo_view view = {tracer->tables};
	const struct clo_row *row = clo_view_row(&view, index);
	const char *name =
		row ? clo_name_rule(tracer->compiled, row->rule) : NULL;
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "row %u", index);
	if (!row)
		clo_trace_step(tracer, stage_of(tracer, "row"), "rows", key,
			       "no entry");
	else if (row->others)
		clo_trace_step(tracer, stage_of(tracer, "row"), "rows", key,
			       "set %u, %u of its classes by other rules, else "
			       "by %s",
			       row->set, row->others, name ? name : "none");
	else
		clo_trace_step(tracer, stage_of(tracer, "row"), "rows", key,
			       "set %u, by %s", row->set, name ? name : "none");
	return row;
}

const uint64_t *clo_trace_read_word(struct clo_tracer *tracer, uint32_t index)
{
	const struct clo_view view = {tracer->tables};
	const uint64_t *word = (const uint64_t *)clo_view_word(&view, index);
	uint32_t words = tracer->tables->gen.words;
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "set %u, class %u",
		       words ? index / words : 0, tracer->class);
	if (word)
		clo_trace_step(tracer, stage_of(tracer, "class bit"), "words",
			       key, "%s: bit %u of 0x%016llx",
			       *word >> tracer->class % 64 & 1 ? "allowed"
							       : "denied",
			       tracer->class % 64, (unsigned long long)*word);
	else
		clo_trace_step(tracer, stage_of(tracer, "class bit"), "words",
			       key, "no entry");
	return word;
}

const uint32_t *clo_trace_read_rule(struct clo_tracer *tracer, uint32_t row,
				    uint32_t class)
{
	const struct clo_view view = {tracer->tables};
	const uint32_t *rule = clo_view_rule(&view, row, class);
	const char *name = rule ? clo_name_rule(tracer->compiled, *rule) : NULL;
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "row %u, class %u", row, class);
	clo_trace_step(tracer, stage_of(tracer, "rule"), "rules", key, "%s",
		       name   ? name
		       : rule ? "none that has a name"
			      : "no entry: the row's own");
	return rule;
}

uint8_t clo_trace_read_flags(struct clo_tracer *tracer, uint32_t identity)
{
	const struct clo_identity *found = clo_tables_find(
		tracer->tables, CLO_TABLE_IDENTITIES, &identity);
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "identity %u", identity);
	clo_trace_step(tracer, "quarantine", "identities", key, "%s",
		       found && found->flags & CLO_IDENTITY_FORENSICS
			       ? "forensics: may open flows"
			       : "no forensics");
	return found ? found->flags : 0;
}

uint32_t clo_trace_read_local(struct clo_tracer *tracer, uint32_t endpoint)
{
	char key[KEY_MAX];

	(void)snprintf(key, sizeof(key), "endpoint %u", endpoint);
	for (size_t i = 0; i < tracer->n_ports; i++) {
		const struct clo_trace_port *port = &tracer->ports[i];

		if (port->port.kind != CLO_PORT_TAP ||
		    port->port.endpoint != endpoint)
			continue;
		clo_trace_step(tracer, stage_of(tracer, "address"), "local",
			       key, "interface %u %s", port->ifindex,
			       port->name);
		return port->ifindex;
	}
	clo_trace_step(tracer, stage_of(tracer, "address"), "local", key,
		       "not on this node");
	return 0;
}

const struct clo_addr *clo_trace_peek_addr(const struct clo_tracer *tracer,
					   uint32_t space, uint8_t family,
					   const uint8_t *addr)
{
	const struct clo_view view = {tracer->tables};

	return clo_view_addr(&view, space, family, addr);
}

void clo_trace_peek_side(const struct clo_tracer *tracer, uint32_t space,
			 uint8_t family, const uint8_t *addr,
			 uint32_t *ret_identity, uint32_t *ret_endpoint)
{
	const struct clo_view view = {tracer->tables};
	struct clo_side side;

	clo_judge_side(&view, space, family, addr, &side);
	*ret_identity = side.identity;
	*ret_endpoint = side.endpoint;
}
