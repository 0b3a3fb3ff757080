/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* In a second, where no document says it. */
#define MULTICAST_DEFAULT 100
#define EVENTS_DEFAULT 100

enum {
	NODE_BRIDGES = CLO_DOC_OWN,
	NODE_ADDRESSES,
	NODE_UPLINKS,
	NODE_NATIONAL,
	NODE_SERVICES,
	NODE_FORENSICS,
	NODE_CONNECTIONS,
	NODE_LIMITS,
	NODE_MODE,
	NODE_SANDBOX,
	NODE_LOG,
	NODE_COUNT,
};

static const struct clo_member node_members[NODE_COUNT] = {
	CLO_DOC_MEMBERS,
	[NODE_BRIDGES] = {"bridges", JSON_ARRAY, true, true},
	[NODE_ADDRESSES] = {"addresses", JSON_ARRAY},
	[NODE_UPLINKS] = {"uplinks", JSON_ARRAY},
	[NODE_NATIONAL] = {"nationalPrefixes", JSON_ARRAY},
	[NODE_SERVICES] = {"services", JSON_ARRAY},
	[NODE_FORENSICS] = {"forensics", JSON_ARRAY},
	[NODE_CONNECTIONS] = {"connections", JSON_INTEGER},
	[NODE_LIMITS] = {"limits", JSON_OBJECT},
	[NODE_MODE] = {"mode", JSON_STRING},
	[NODE_SANDBOX] = {"sandbox", JSON_OBJECT},
	[NODE_LOG] = {"log", JSON_OBJECT},
};

#define LOG_MONTHS_MAX 1200
#define LOG_BYTES_MIN (UINT64_C(64) << 20)
#define LOG_BYTES_MAX (UINT64_C(1) << 50)

static const struct clo_member log_members[] = {
	{"months", JSON_INTEGER},
	{"bytes", JSON_INTEGER},
};

enum {
	SERVICE_NAME,
	SERVICE_KIND,
	SERVICE_ADDRESSES,
	SERVICE_PORTS,
	SERVICE_COUNT,
};

static const struct clo_member service_members[SERVICE_COUNT] = {
	[SERVICE_NAME] = {"name", JSON_STRING, true},
	[SERVICE_KIND] = {"kind", JSON_STRING, true},
	[SERVICE_ADDRESSES] = {"addresses", JSON_ARRAY, true, true},
	[SERVICE_PORTS] = {"ports", JSON_ARRAY, true, true},
};

/* Guests must be able to ask it where they ask: by its address family. */
static void check_server(struct clo_parse *parse, const struct clo_place *place,
			 const struct clo_provided *service)
{
	for (size_t i = 0; i < CLO_SERVER_KINDS; i++) {
		const struct clo_server_kind *kind = &clo_server_kinds[i];

		if (service->n_addresses == 0 ||
		    !clo_server_is(service, kind) ||
		    clo_server_address(service, kind))
			continue;
		clo_flaw_at(
			&parse->reader, place,
			"a service with port \"%s\" needs an IPv%u address: "
			"add it or remove the port",
			kind->port, kind->asked.family);
	}
}

static void read_service(struct clo_parse *parse, const struct clo_place *place,
			 struct clo_provided *service)
{
	struct clo_place members[SERVICE_COUNT];
	struct clo_cidrs addresses;
	struct clo_specs ports;
	const char *kind;

	(void)clo_read_object(&parse->reader, place, service_members,
			      SERVICE_COUNT, members);
	service->name = clo_read_text(&parse->reader, &members[SERVICE_NAME],
				      &clo_format_name);
	parse->unsure_services |= !*service->name;

	kind = clo_read_string(&parse->reader, &members[SERVICE_KIND]);
	service->node = kind && strcmp(kind, "node") == 0;
	if (kind && !service->node && strcmp(kind, "provider") != 0)
		clo_flaw_at(&parse->reader, &members[SERVICE_KIND],
			    "%s: expected \"node\", a service on the node "
			    "itself, or \"provider\"",
			    clo_quote(kind).text);

	addresses = clo_read_cidrs(&parse->reader, &members[SERVICE_ADDRESSES],
				   CLO_FORM_EITHER, CLO_USE_MATCH);
	service->addresses = addresses.items;
	service->n_addresses = addresses.n;
	ports = clo_read_specs(&parse->reader, &members[SERVICE_PORTS]);
	service->ports = ports.items;
	service->n_ports = ports.n;
	check_server(parse, &members[SERVICE_ADDRESSES], service);
}

static void read_services(struct clo_parse *parse, const struct clo_place *list)
{
	struct clo_node_doc *node = &parse->policy->node;
	size_t n = clo_place_items(list);

	node->services =
		clo_arena_array(parse->reader.keep, n, sizeof(*node->services));
	if (!node->services)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);

		read_service(parse, &item, &node->services[i]);
	}
	node->n_services = n;
	clo_check_repeats(&parse->reader, list, "name");
	clo_sort(node->services, n, sizeof(*node->services), clo_compare_text);
}

static void read_limits(struct clo_parse *parse,
			const struct clo_place *members)
{
	uint64_t connections = CLO_CONNECTIONS_DEFAULT;

	(void)clo_read_number(&parse->reader, &members[NODE_CONNECTIONS],
			      CLO_CONNECTIONS_MIN, CLO_CONNECTIONS_MAX,
			      &connections);
	parse->policy->node.connections = (uint32_t)connections;
	parse->limits.multicast = MULTICAST_DEFAULT;
	parse->limits.events = EVENTS_DEFAULT;
	clo_read_limits(&parse->reader, &members[NODE_LIMITS], &parse->limits);
	parse->mode = clo_read_mode(&parse->reader, &members[NODE_MODE]);
}

static void read_log(struct clo_parse *parse, const struct clo_place *place,
		     struct clo_log_doc *ret_log)
{
	struct clo_place members[CLO_ARRAY_LEN(log_members)];
	uint64_t months = CLO_LOG_MONTHS;

	ret_log->bytes = CLO_LOG_BYTES;
	if (clo_read_object(&parse->reader, place, log_members,
			    CLO_ARRAY_LEN(log_members), members)) {
		(void)clo_read_number(&parse->reader, &members[0],
				      CLO_LOG_MONTHS, LOG_MONTHS_MAX, &months);
		(void)clo_read_number(&parse->reader, &members[1],
				      LOG_BYTES_MIN, LOG_BYTES_MAX,
				      &ret_log->bytes);
	}
	ret_log->months = (uint32_t)months;
}

static void read_node(struct clo_parse *parse, const struct clo_source *source)
{
	struct clo_reader *reader = &parse->reader;
	struct clo_node_doc *node = &parse->policy->node;
	struct clo_place top = clo_place_top(source);
	struct clo_place members[NODE_COUNT];
	struct clo_texts bridges;
	struct clo_cidrs cidrs;

	(void)clo_read_object(reader, &top, node_members, NODE_COUNT, members);
	node->name =
		clo_read_text(reader, &members[CLO_DOC_NAME], &clo_format_name);
	bridges = clo_read_texts(reader, &members[NODE_BRIDGES],
				 &clo_format_interface);
	node->bridges = bridges.items;
	node->n_bridges = bridges.n;

	cidrs = clo_read_cidrs(reader, &members[NODE_ADDRESSES],
			       CLO_FORM_ADDRESS, CLO_USE_NODE);
	node->addresses = cidrs.items;
	node->n_addresses = cidrs.n;
	cidrs = clo_read_cidrs(reader, &members[NODE_NATIONAL], CLO_FORM_CIDR,
			       CLO_USE_MATCH);
	node->national = cidrs.items;
	node->n_national = cidrs.n;

	cidrs = clo_read_cidrs(reader, &members[NODE_FORENSICS],
			       CLO_FORM_EITHER, CLO_USE_NODE);
	node->forensics = cidrs.items;
	node->n_forensics = cidrs.n;

	read_limits(parse, members);
	clo_read_sandbox(parse, &members[NODE_SANDBOX], &node->sandbox);
	read_log(parse, &members[NODE_LOG], &node->log);
	read_services(parse, &members[NODE_SERVICES]);
	/* Present but unreadable: any service may have been in there. */
	if (json_object_get(source->json, "services") &&
	    !members[NODE_SERVICES].json)
		parse->unsure_services = true;
}

void clo_parse_node(struct clo_parse *parse)
{
	const struct clo_source *nodes;
	size_t n;

	nodes = clo_parse_kind(parse, "Node", &n);
	if (n == 0) {
		parse->unsure_services = true;
		if (!parse->unsure)
			clo_flaws_add(parse->reader.flaws, "policy", 0, "$",
				      "no document of kind \"Node\": add the "
				      "one that describes this hypervisor");
		return;
	}

	parse->node = &nodes[0];
	read_node(parse, &nodes[0]);
	for (size_t i = 1; i < n; i++) {
		struct clo_place top = clo_place_top(&nodes[i]);
		struct clo_place kind = clo_place_member(&top, "kind");

		parse->unsure_services = true;
		clo_flaw_at(&parse->reader, &kind,
			    "a policy has one Node, and %s in %s line %d is "
			    "one: remove one of them",
			    clo_quote(nodes[0].name).text, nodes[0].file->name,
			    nodes[0].line);
	}
}
